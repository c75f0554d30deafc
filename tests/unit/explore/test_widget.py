"""Answers to the page of a notebook, as messages."""

import threading
import time

import numpy as np
import pytest

from unmix4d import api
from unmix4d.edit.file import edits_text, read_edits
from unmix4d.records import Edit, Edits
from unmix4d.report.viewer.arrays import unpack

pytest.importorskip("anywidget", reason="the extra ui is not installed")

from unmix4d.explore.server import make_routes
from unmix4d.explore.widget import Answers, ExplorerWidget


class Asked:
    """Keeps what is sent; ``wait`` gives the answers to a question once it is ended."""

    def __init__(self, routes):
        self.sent, self.news = [], threading.Condition()
        self.answers = Answers(routes, self.send)

    def send(self, content, buffers):
        with self.news:
            self.sent.append((content, buffers))
            self.news.notify_all()

    def ask(self, number, **question):
        self.answers.take({"id": number, **question})

    def of(self, number):
        return [(content, buffers) for content, buffers in self.sent if content["id"] == number]

    def wait(self, number):
        def ended():
            return any(content.get("last") or content.get("error") for content, _ in self.of(number))

        with self.news:
            assert self.news.wait_for(ended, 20)
            return self.of(number)


@pytest.fixture(scope="module")
def routes(run, scan_path):
    return make_routes(run.result, run.settings, api.open_scan(scan_path))


@pytest.fixture
def asked(routes):
    return Asked(routes)


def test_the_manifest_and_the_parts(asked, run):
    asked.ask(1, ask="manifest")
    asked.ask(2, ask="part", name="maps")
    assert asked.wait(1)[0][0]["manifest"]["live"] is True
    ((_, (packed,)),) = asked.wait(2)
    np.testing.assert_array_equal(unpack(packed)["labels"], run.clusters.labels)


def test_a_pattern(asked, scan_path):
    asked.ask(1, ask="pattern", y=2, x=5, lane="look")
    ((_, (packed,)),) = asked.wait(1)
    np.testing.assert_array_equal(unpack(packed)["measured"], np.load(scan_path)[2, 5])


def test_a_virtual_image_comes_in_blocks(asked, scan_path):
    asked.ask(1, ask="virtual", cy=16, cx=16, inner=0, outer=5)
    *blocks, (end, _) = asked.wait(1)
    assert end == {"id": 1, "last": True}
    image = np.concatenate([np.frombuffer(packed, "<f4") for _, (packed,) in blocks])
    y, x = np.ogrid[:32, :32]
    expected = np.load(scan_path)[..., np.hypot(y - 16, x - 16) <= 5].sum(axis=-1)
    np.testing.assert_allclose(image, expected.ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "pattern", "y": 12, "x": 0, "lane": "look"},
        {"ask": "pattern", "y": -1, "x": 0, "lane": "look"},
        {"ask": "pattern", "y": "nowhere", "x": 0, "lane": "look"},
        {"ask": "pattern", "lane": "look"},
        {"ask": "part", "name": "../result.h5"},
        {"ask": "part"},
        {"ask": "virtual", "cy": "a", "cx": 0, "inner": 0, "outer": 1},
    ],
)
def test_absurd_questions_are_answered_with_a_sentence(asked, question):
    asked.ask(1, **question)
    assert asked.wait(1) == [({"id": 1, "error": "there is no such thing in this run"}, [])]
    asked.ask(2, ask="manifest")
    assert asked.wait(2)


def test_what_is_no_question_is_left_alone(asked):
    for content in ({}, {"ask": "manifest"}, {"id": "1", "ask": "manifest"}, {"id": 1, "ask": "else"}):
        asked.answers.take(content)
    assert asked.sent == []


def test_of_questions_that_wait_the_newest_is_answered(asked, routes):
    with routes.source.lock:  # as long as something else reads
        asked.ask(1, ask="pattern", y=0, x=0, lane="look")
        while asked.answers.patterns.qsize():  # the first is being answered
            time.sleep(0.001)
        for number in (2, 3, 4):
            asked.ask(number, ask="pattern", y=0, x=number, lane="look")
    asked.wait(4)
    assert not asked.of(2)
    assert not asked.of(3)


def test_a_cancelled_image_is_not_answered_any_further(asked, routes):
    with routes.source.lock:
        asked.ask(1, ask="virtual", cy=16, cx=16, inner=0, outer=5)
        asked.ask(9, ask="cancel")
        asked.ask(1, ask="cancel")
    asked.ask(2, ask="virtual", cy=16, cx=16, inner=0, outer=5)
    asked.wait(2)
    assert not asked.of(1)


def test_the_widget_of_a_run(run):
    widget = run.explore()
    assert isinstance(widget, ExplorerWidget)
    assert "export default" in widget._esm
    assert widget._answers.routes.source is not None


def edits_of(run, *operations):
    return Edits(run=run.result.identity, operations=operations)


def test_edits_of_the_page_are_those_of_python(run):
    widget = run.explore()
    assert widget.edits == edits_of(run)
    edits = edits_of(run, Edit(do="rename", crystals=(0,), name="Ferrite"))
    widget._answers.take({"id": 1, "ask": "edits", "text": edits_text(edits)})
    assert widget.edits == edits
    named = run.edited(widget.edits)
    assert named.clusters.name(0) == "Ferrite"
    assert named.explore().edits == edits, "a run that has edits begins with them"


def test_edits_are_saved_into_the_run_folder_if_there_is_one(asked, run, tmp_path):
    edits = edits_of(run, Edit(do="recolor", crystals=(0,), color="#123456"))
    asked.ask(1, ask="save", text=edits_text(edits))
    assert "has no folder" in asked.wait(1)[0][0]["error"]
    loaded = api.Run.load(run.save(tmp_path / "run"))
    with_folder = Asked(make_routes(loaded.result, loaded.settings, None, folder=loaded.folder))
    with_folder.ask(1, ask="manifest")
    assert with_folder.wait(1)[0][0]["manifest"]["saves"] is True
    with_folder.ask(2, ask="save", text=edits_text(edits))
    assert with_folder.wait(2)[0][0]["words"] == "Saved 1 edit into edits.yaml of the run folder."
    assert read_edits(tmp_path / "run" / "edits.yaml") == edits
    with_folder.ask(3, ask="save", text="nonsense")
    assert "must hold version" in with_folder.wait(3)[0][0]["error"]
    assert read_edits(tmp_path / "run" / "edits.yaml") == edits


def test_a_pattern_for_hyperspy(asked, scan_path, tmp_path):
    hyperspy = pytest.importorskip("hyperspy.api", reason="HyperSpy is not installed")
    asked.ask(1, ask="hspy", what="measured", k=2, y=2, x=5)
    ((_, (packed,)),) = asked.wait(1)
    (tmp_path / "measured.hspy").write_bytes(packed)
    np.testing.assert_array_equal(hyperspy.load(tmp_path / "measured.hspy").data, np.load(scan_path)[2, 5])
    asked.ask(2, ask="hspy", what="measured", k=2, y=99, x=5)
    assert asked.wait(2)[0][0]["error"] == "there is no such thing in this run"
