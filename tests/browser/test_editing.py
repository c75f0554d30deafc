"""Editing with undo, in the report and with the server: everything follows, by mouse and by keyboard alone."""

import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from unmix4d import api
from unmix4d.edit.apply import edited
from unmix4d.edit.file import parse_edits, read_edits, save_edits
from unmix4d.records import Edit, Edits
from unmix4d.report.looks import color_of
from unmix4d.report.palette import rgb

COMMAND = [sys.executable, "-c", "from unmix4d.cli import main; main()", "explore"]


@pytest.fixture(scope="module")
def report(browser, folder, run, visit):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True, reduced_motion="reduce")
    yield visit(context.new_page(), run.result, (folder / "report.html").as_uri())
    context.close()


@pytest.fixture(scope="module")
def own_folder(folder, tmp_path_factory):
    """A copy of the run folder, for what is saved into it."""
    return shutil.copytree(folder, tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="module")
def served(browser, own_folder, run, visit):
    process = subprocess.Popen([*COMMAND, own_folder, "--no-browser"], stdout=subprocess.PIPE, text=True)
    address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", process.stdout.readline())[0]
    context = browser.new_context(viewport={"width": 1600, "height": 1200}, reduced_motion="reduce")
    yield visit(context.new_page(), run.result, address)
    context.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.fixture(params=["report", "served"])
def shown(request, run):
    shown = request.getfixturevalue(request.param)
    shown.page.mouse.move(2, 2)
    shown.run("(x.history.done = [], x.history.undone = [])")
    shown.page.locator('.crystals input[type="checkbox"]').evaluate_all(
        "all => all.map((c) => (c.checked = false))"
    )
    shown.update(k=run.decision.k, edits=None, map="clusters", threshold=0.5, probe={"y": 8, "x": 10}, hover=None)
    return shown


def field(shown, what, number):
    return shown.page.get_by_label(f"{what} crystal {number}", exact=True)


def press(shown, words):
    shown.page.get_by_role("button", name=words, exact=True).click()
    shown.run("0")


def in_python(run, shown):
    """The run as Python applies the edits of the page."""
    return edited(run.result, parse_edits(text_of(shown)))


def text_of(shown):
    with shown.page.expect_download() as waited:
        press(shown, "Download edits.yaml")
    assert waited.value.suggested_filename == "edits.yaml"
    return waited.value.path().read_text(encoding="utf-8")


def assert_all_follows(run, shown):
    """Map, legend, pairs, list, bars and strip say what Python says."""
    result = in_python(run, shown)
    clusters = result.clusters
    colors = [color_of(clusters, i) for i in range(clusters.n_crystals)]
    names = [clusters.name(i) for i in range(clusters.n_crystals)]
    table = np.round(255 * np.array([rgb(color_of(clusters, i)) for i in range(-1, clusters.n_crystals)]))
    shown.update(map="clusters")
    np.testing.assert_allclose(shown.map_pixels(), table[clusters.labels + 1], atol=1)
    legend = shown.page.locator(".map-block .legend .key").all_text_contents()
    expected = [
        f"{name}, {100 * n / clusters.labels.size:.1f} %" for name, n in zip(names, clusters.counts, strict=True)
    ]
    assert legend[:-1] == expected
    overlap = result.overlap
    reached = (overlap.ratio >= np.float32(0.5)) & (overlap.first >= 0)
    assert shown.run("x.overlap.reached") == int(reached.sum())
    pairs = {(p["i"], p["j"]): p["n"] for p in shown.run("x.overlap.pairs")}
    low, high = (
        np.minimum(overlap.first, overlap.second)[reached],
        np.maximum(overlap.first, overlap.second)[reached],
    )
    found, counts = np.unique(np.stack([low, high]), axis=1, return_counts=True)
    assert pairs == {tuple(pair): int(n) for pair, n in zip(found.T.tolist(), counts, strict=True)}
    custom = [clusters.looks[i].name if clusters.looks else "" for i in range(clusters.n_crystals)]
    tags = [name or str(clusters.number(i)) for i, name in enumerate(custom)]
    words = shown.page.locator(".pairs tbody tr td:nth-child(-n+2)").all_text_contents()
    assert set(words) <= set(tags)
    listed = shown.page.locator(".crystals .name").evaluate_all("all => all.map((e) => e.value)")
    assert listed == names
    assert (
        shown.page.locator('.crystals input[type="color"]').evaluate_all("all => all.map((e) => e.value)") == colors
    )
    bars = shown.run("x.bars.rows")
    crystals = clusters.roles.crystals.tolist()
    assert [row["color"] for row in bars] == [color_of(clusters, i) for i in crystals]
    told = [names[i] if i >= 0 else clusters.roles.roles[c] for c, i in enumerate(crystals)]
    assert [row["label"] for row in bars] == [f"{c}: {words}" for c, words in enumerate(told)]
    strip = shown.run("x.strip.items.map((item) => item.picture.words.textContent)")
    assert strip == [row["label"] for row in bars]
    label = int(clusters.labels[8, 10])
    assert (names[label] if label >= 0 else "no crystal") in shown.text(".map .readout")
    return result


def test_a_name_and_a_colour(shown, run):
    name = field(shown, "name of", 1)
    name.fill("Ferrite")
    name.press("Enter")
    field(shown, "colour of", 0).evaluate(
        "e => { e.value = '#12ab34'; e.dispatchEvent(new Event('change', { bubbles: true })); }"
    )
    shown.run("0")
    clusters = assert_all_follows(run, shown).clusters
    assert (clusters.name(1), color_of(clusters, 0)) == ("Ferrite", "#12ab34")
    np.testing.assert_array_equal(clusters.labels, run.clusters.labels)


def test_a_merge_and_back(shown, run):
    for number in (0, 2):
        field(shown, "choose", number).check()
    press(shown, "Merge")
    clusters = assert_all_follows(run, shown).clusters
    assert clusters.n_crystals == run.clusters.n_crystals - 1
    assert "Merged 0, 2" in shown.text('[name="edits-told"]')
    press(shown, "Undo")
    assert assert_all_follows(run, shown).edits is None
    assert shown.run("x.factors === x.base")
    press(shown, "Redo")
    np.testing.assert_array_equal(assert_all_follows(run, shown).clusters.labels, clusters.labels)


@pytest.mark.parametrize("role", ["Background", "Vacuum"])
def test_a_mark(shown, run, role):
    field(shown, "choose", 1).check()
    press(shown, role)
    clusters = assert_all_follows(run, shown).clusters
    assert role.lower() in clusters.roles.roles
    assert field(shown, "name of", 1).count() == 0


def test_a_split(shown, run):
    """The first two crystals as one win probes from the third, of which some stand alone."""
    for number in (0, 1):
        field(shown, "choose", number).check()
    press(shown, "Merge")
    field(shown, "choose", 0).check()
    shown.page.locator('[name="least"]').fill("1")
    press(shown, "Split into separate parts")
    clusters = assert_all_follows(run, shown).clusters
    assert clusters.n_crystals == run.clusters.n_crystals
    assert [clusters.number(i) for i in range(clusters.n_crystals)] == [0, 2, 3]


def test_the_mean_of_a_merged_crystal_is_that_of_the_run_s_crystals(report, run):
    report.run("(x.history.done = [{ do: 'merge', crystals: [0, 1] }], x.history.undone = [])")
    report.update(k=run.decision.k, edits=None, probe={"y": 2, "x": 2}, hover=None)
    assert report.text('[data-panel="measured"] h4') == "Measured mean of the run's crystals 0, 1"
    comparison, fit = run.comparison, run.result.factorization
    mean = np.average(comparison.mean_patterns[:2], axis=0, weights=comparison.counts[:2])
    values = np.array(report.run("[...x.pictures.measured.values]")).reshape(mean.shape)
    np.testing.assert_allclose(values, mean, atol=mean.max() * 1e-3)
    inside = np.isin(run.clusters.labels, (0, 1))
    made = np.tensordot(fit.weight_maps()[:, inside].mean(axis=1), fit.component_patterns(), axes=1)
    rest = np.array(report.run("[...x.pictures.residual.values]")).reshape(mean.shape)
    np.testing.assert_allclose(rest, mean - made, atol=mean.max() * 2e-3)


def test_what_cannot_be_done_is_said_and_changes_nothing(shown, run):
    press(shown, "Merge")
    assert "Tick two or more" in shown.text('[name="edits-told"]')
    name = field(shown, "name of", 1)
    name.fill("crystal 0")
    name.press("Enter")
    shown.run("0")
    assert "give another name" in shown.text('[name="edits-told"]')
    assert name.input_value() == "crystal 1"
    shown.page.locator('[name="least"]').fill("5000")
    field(shown, "choose", 0).check()
    press(shown, "Split into separate parts")
    assert "no two separate parts of at least 5000" in shown.text('[name="edits-told"]')
    shown.page.locator('[name="undo"]').focus()
    shown.page.keyboard.press("Enter")
    assert "Nothing to undo" in shown.text('[name="edits-told"]')
    assert assert_all_follows(run, shown).edits is None


def test_the_keyboard_alone(shown, run):
    """Name, tick and merge, undo and redo, without the mouse."""
    keys = shown.page.keyboard
    field(shown, "name of", 0).focus()
    keys.press("Control+A")
    keys.type("α-Fe")
    keys.press("Control+z")
    assert shown.run("x.history.done.length") == 0, "what is being typed has its own undo"
    keys.press("Control+A")
    keys.type("α-Fe")
    keys.press("Enter")
    assert shown.run("x.factors.names[0]") == "α-Fe"
    keys.press("Control+z")
    assert shown.run("x.factors.names[0]") == "crystal 0"
    keys.press("Control+Shift+Z")
    assert shown.run("x.factors.names[0]") == "α-Fe"
    for number in (1, 2):
        field(shown, "choose", number).focus()
        keys.press("Space")
    shown.page.locator('[name="merge"]').focus()
    keys.press("Enter")
    assert shown.run("x.factors.nCrystals") == run.clusters.n_crystals - 1
    assert shown.page.evaluate("document.activeElement.name") == "merge"
    shown.page.locator(".map canvas").focus()
    keys.press("Control+z")
    keys.press("Control+z")
    assert shown.run("x.factors === x.base")
    keys.press("Control+y")
    assert assert_all_follows(run, shown).clusters.name(0) == "α-Fe"


def test_other_k_have_no_edits(shown, run):
    field(shown, "name of", 0).fill("A")
    field(shown, "name of", 0).press("Enter")
    shown.update(k=run.decision.k + 1)
    assert "Edits are those of the answer" in shown.text(".edits-elsewhere")
    assert not shown.page.locator('[name="undo"]').is_visible()
    assert "A" not in shown.run("x.factors.names")
    shown.page.locator(".map canvas").focus()
    shown.page.keyboard.press("Control+z")
    shown.update(k=run.decision.k)
    assert shown.run("x.factors.names[0]") == "A"


def test_a_file_is_loaded_and_a_wrong_one_refused(shown, run, tmp_path):
    edits = Edits(
        run=run.result.identity,
        operations=(Edit(do="merge", crystals=(0, 1)), Edit(do="rename", crystals=(0,), name="one & <two>")),
    )
    path = tmp_path / "edits.yaml"
    save_edits(edits, path)
    shown.page.locator('[name="edits-file"]').set_input_files(path)
    shown.page.locator('[name="edits-told"]', has_text="Loaded 2 edits").wait_for()
    assert assert_all_follows(run, shown).edits == edits
    save_edits(Edits(run={**edits.run, "labels": "0"}), path)
    shown.page.locator('[name="edits-file"]').set_input_files(path)
    shown.page.locator('[name="edits-told"]', has_text="Not loaded: the file belongs to another run").wait_for()
    assert shown.run("x.history.done.length") == 2


def test_a_report_with_edits_begins_with_them_and_can_undo_them(browser, run, visit, tmp_path):
    edits = Edits(run=run.result.identity, operations=(Edit(do="merge", crystals=(0, 1)),))
    path = run.edited(edits).report(tmp_path / "report.html")
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True)
    page = visit(context.new_page(), run.result, path.as_uri())
    page.update(threshold=0.5)
    assert assert_all_follows(run, page).edits == edits
    press(page, "Undo")
    assert page.run("x.factors === x.base")
    assert page.complaints == []
    context.close()


def test_the_server_saves_into_the_run_folder(served, own_folder):
    served.run("(x.history.done = [], x.history.undone = [])")
    served.update(edits=None)
    before = (own_folder / "result.h5").read_bytes()
    name = field(served, "name of", 2)
    name.fill("Kept")
    name.press("Enter")
    press(served, "Save into the run folder")
    served.page.locator('[name="edits-told"]', has_text="Saved 1 edit into edits.yaml").wait_for()
    assert read_edits(own_folder / "edits.yaml").operations == (Edit(do="rename", crystals=(2,), name="Kept"),)
    assert api.Run.load(own_folder).edited().clusters.name(2) == "Kept"
    assert (own_folder / "result.h5").read_bytes() == before
    served.page.reload()
    served.page.wait_for_selector("[data-explorer][data-ready]")
    assert served.run("x.factors.names[2]") == "Kept"


def test_patterns_are_saved_for_hyperspy(served, run, scan_file, tmp_path):
    hyperspy = pytest.importorskip("hyperspy.api", reason="HyperSpy is not installed")
    served.page.mouse.click(*served.place("map", 3, 6))
    served.page.wait_for_selector('[data-explorer][data-painted="3,6"]')
    fit, patterns = run.result.factorization, np.load(scan_file)
    made = np.tensordot(fit.weight_maps()[:, 3, 6], fit.component_patterns(), axes=1)
    expected = {"measured": patterns[3, 6], "reconstruction": made, "residual": patterns[3, 6] - made}
    beam = run.result.survey.beam.center
    for panel, values in expected.items():
        with served.page.expect_download() as waited:
            served.page.locator(f'[data-panel="{panel}"]').get_by_role("button", name="for HyperSpy").click()
        path = tmp_path / waited.value.suggested_filename
        assert path.suffix == ".hspy"
        waited.value.save_as(path)
        opened = hyperspy.load(path)
        np.testing.assert_allclose(opened.data, values, rtol=1e-4, atol=1e-3)
        for axis, middle in zip(opened.axes_manager.signal_axes[::-1], beam, strict=True):
            assert (axis.units, axis.scale) == ("1/Å", 0.05)
            assert axis.offset == pytest.approx(-0.05 * middle)
        assert opened.metadata.General.title.startswith(f"{panel} at (3, 6) of three crystals.npy")


def test_a_report_has_no_button_for_what_it_cannot_write(report):
    assert report.page.get_by_role("button", name="for HyperSpy").count() == 0
    assert report.page.get_by_role("button", name="Save into the run folder").count() == 0


def test_nothing_was_complained_about(report, served):
    assert report.complaints == []
    assert [words for words in served.complaints if "409" not in words] == []
