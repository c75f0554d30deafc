"""Runs that are out of the ordinary are shown without a complaint, whatever is chosen."""

import warnings

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.report import html

EVERYTHING = """async (handle) => {
  const x = eval(handle);
  for (const k of x.run.ks) {
    x.update({ k });
    await x.settled();
    for (const { value } of [...document.querySelectorAll('[name=map] option')]) {
      x.update({ map: value, threshold: 0.5 });
      await x.settled();
    }
    x.update({ tool: 'line' });
    x.setDetector(x.presetDetector('dark'));
    x.map.zoomBy(3);
    await x.settled();
  }
}"""


def analysed(patterns, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(patterns, threads=1, **{"k_max": 3, **settings}).result


@pytest.fixture
def seen(browser, visit, tmp_path):
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, reduced_motion="reduce")

    def look(result):
        html.write_report(result, tmp_path / "report.html")
        return visit(context.new_page(), result, (tmp_path / "report.html").as_uri())

    yield look
    context.close()


@pytest.mark.parametrize("kind", ["one line", "one column", "oblong patterns", "one component", "no crystals"])
def test_everything_can_be_chosen(seen, run, scan_file, without_crystals, kind):
    patterns = np.load(scan_file)
    result = {
        "one line": lambda: analysed(patterns.reshape(1, 320, 32, 32)),
        "one column": lambda: analysed(patterns.reshape(320, 1, 32, 32)),
        "oblong patterns": lambda: analysed(patterns[..., 4:20]),
        "one component": lambda: analysed(patterns, k=1),
        "no crystals": lambda: without_crystals(run.result),
    }[kind]()
    page = seen(result)
    page.page.evaluate(EVERYTHING, page.handle)
    assert page.complaints == []
    width, height = page.run("[x.map.place().frame.width, x.map.place().frame.height]")
    assert min(width, height) >= 39, "a line can be pointed at"


def test_a_scan_that_was_thinned_out_tells_the_places_of_its_own_probes(seen, run, monkeypatch):
    monkeypatch.setattr(html, "WANTED_BYTES", 0)
    monkeypatch.setattr(html, "LEAST_EXPLORER_BYTES", 15_000)
    page = seen(run.result)
    stride = page.run("x.run.manifest.scan.stride")
    assert stride > 1
    labels = run.clusters.labels[::stride, ::stride]
    assert page.run("[x.run.height, x.run.width]") == list(labels.shape)
    page.update(probe={"y": 1, "x": 2})
    words = page.text(".map .readout")
    assert words.startswith(f"(row, col) = ({stride}, {2 * stride})")
    np.testing.assert_array_equal(page.run("[...x.factors.labels]"), labels.ravel())
    assert page.run("x.map.bar(10)")["label"].endswith("nm")
    assert page.complaints == []


def test_a_browser_that_cannot_show_it_says_so(browser, folder):
    context = browser.new_context(offline=True)
    context.add_init_script("delete globalThis.DecompressionStream")
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    assert "cannot start in this browser" in page.get_by_role("alert").text_content()
    assert page.locator("#figure-summary img").is_visible()
    context.close()
