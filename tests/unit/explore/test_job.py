"""A run that the page of a scan starts, with a fake in place of the command line."""

import json
import os
import time

import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.explore import job as jobs
from unmix4d.explore.job import Job, Wish

FAKE = """
import json, os, pathlib, signal, sys, threading, time
folder = pathlib.Path(__file__).parent
(folder / "arguments.json").write_text(json.dumps(sys.argv[1:]))
(folder / "pid").write_text(str(os.getpid()))
def say(line): print(line, file=sys.stderr, flush=True)
def stop(*_):
    say("interrupted; go on with: unmix4d run --resume somewhere")
    sys.exit(5)
signal.signal(signal.SIGINT, stop)
say(json.dumps({"stage": "prepare", "done": 1, "total": 1}))
say(json.dumps({"stage": "factorize", "done": 1, "total": 4}))
say("warning: the beam wanders")
say("Traceback (most recent call last):")
what = (folder / "what").read_text()
if what == "wait":
    for _ in range(600): time.sleep(0.05)
if what == "refuse":
    say("error: k_max: got '0', expected a whole number of at least 1")
    sys.exit(2)
if what == "abort":
    os.abort()
if what == "vanish":
    sys.exit(3)
print(json.dumps({"n_crystals": 3, "k": 4}))
"""


class Watched(Job):
    """A Job to which a test adds what it wants to know: it has no slots."""


@pytest.fixture
def job(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "fake_child.py").write_text(FAKE)
    (programs / "what").write_text("finish")
    monkeypatch.setenv("PYTHONPATH", f"{programs}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(jobs, "CHILD", "fake_child")
    parent = tmp_path / "runs"
    parent.mkdir()
    opened = []
    made = Watched(
        scan=tmp_path / "a scan.npy", parent=parent, reading={"scan_shape": "3,4"}, open_run=opened.append
    )
    made.opened, made.programs = opened, programs
    yield made
    made.end()


def until(job, *states):
    for _ in range(1000):
        if job.told()["state"] in states:
            return job.told()
        time.sleep(0.02)
    pytest.fail(f"still {job.told()}")


def wish(name="out", **more):
    return Wish.of({"name": name, "k": "auto", "k_max": "6", **more})


def arguments(job):
    return json.loads((job.programs / "arguments.json").read_text())


def test_a_run_that_finishes_is_opened(job):
    assert job.told()["state"] == "none"
    job.start(wish(filter="mean"))
    told = until(job, "finished", "failed")
    assert told["state"] == "finished"
    assert told["answer"] == {"n_crystals": 3, "k": 4}
    assert told["stages"][1] == {"stage": "factorize", "done": 1, "total": 4}
    assert told["words"] == ["warning: the beam wanders"]
    assert job.opened == [job.parent / "out"]
    given = arguments(job)
    assert given[:3] == ["run", "--out", str(job.parent / "out")]
    assert {"--scan-shape=3,4", "--filter=mean", "--k=auto", "--k-max=6", "--json"} <= set(given)
    assert given[-2:] == ["--", str(job.scan)]
    assert "--overwrite" not in given


def test_a_run_is_interrupted_and_goes_on(job):
    (job.programs / "what").write_text("wait")
    job.start(wish())
    while not job.told()["words"]:
        time.sleep(0.02)
    with pytest.raises(UsageError, match="a run is going on"):
        job.start(wish("other"))
    job.cancel()
    told = until(job, "interrupted", "failed")
    assert told["state"] == "interrupted"
    assert told["words"][-1] == "The finished steps are kept: Start goes on from them."
    kept = job.parent / "out.unfinished"
    kept.mkdir()
    (kept / "source.json").write_text("{}")
    assert job.kept("out")
    (job.programs / "what").write_text("finish")
    job.start(wish(overwrite=True))
    until(job, "finished")
    assert arguments(job)[:3] == ["run", "--resume", str(job.parent / "out")]
    assert "--overwrite" in arguments(job)
    job.start(wish(anew=True))
    until(job, "finished")
    assert arguments(job)[1] == "--out"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("refuse", "error: k_max: got '0', expected a whole number of at least 1"),
        ("abort", "error: the run was ended by the system (signal 6): is there enough memory?"),
    ],
)
def test_what_went_wrong_is_said_in_one_sentence(job, what, words):
    (job.programs / "what").write_text(what)
    job.start(wish())
    told = until(job, "failed")
    assert told["words"][-1] == words
    assert job.opened == []


def test_a_result_that_cannot_be_shown_is_said(job):
    def broken(_folder):
        raise InputError("result.h5 is damaged")

    job.open_run = broken
    job.start(wish())
    assert until(job, "failed")["words"][-1].endswith("cannot be shown: result.h5 is damaged")


def test_the_run_ends_with_the_server(job):
    (job.programs / "what").write_text("wait")
    job.start(wish())
    while not job.told()["words"]:
        time.sleep(0.02)
    pid = int((job.programs / "pid").read_text())
    job.end()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../out", "a/b", "/etc/out", "a\\b", "~root:x", "-o", ".hidden", "a\nb", "a\0b"),
        *("x" * 101, "out.unfinished", "C:out", "out "),
    ],
)
def test_nothing_is_written_outside_the_parent(job, name):
    with pytest.raises(UsageError, match="is no name of a new folder"):
        job.start(wish(name))
    assert not job.kept(name)
    assert job.told()["state"] == "none"


def test_a_link_that_leads_out_is_refused(job, tmp_path):
    (job.parent / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UsageError, match="leads out of the folder"):
        job.start(wish("link"))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "needs the name"),
        ({}, "needs the name"),
        ({"name": 3}, "needs the name"),
        ({"name": "out", "scheduler": "tcp://x"}, "'scheduler' cannot be chosen here"),
        ({"name": "out", "mask": "/etc/passwd"}, "'mask' cannot be chosen here"),
        ({"name": "out", "k": "-1"}, "^k: got"),
        ({"name": "out", "k_max": "0"}, "^k_max: got"),
        ({"name": "out", "filter": "--help"}, "'--help'"),
    ],
)
def test_only_what_the_form_has_may_be_chosen(told, words):
    with pytest.raises(UsageError, match=words):
        Wish.of(told)
