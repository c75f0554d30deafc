"""The explorer that `unmix4d explore` serves: every measured pattern, and exact virtual images."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest

COMMAND = [sys.executable, "-c", "from unmix4d.cli import main; main()", "explore"]


@pytest.fixture(scope="module")
def address(folder):
    process = subprocess.Popen([*COMMAND, folder, "--no-browser"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line)[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0, "Ctrl-C is how it ends"
    process.stdout.close()


@pytest.fixture(scope="module")
def live(browser, address, run, visit):
    context = browser.new_context(viewport={"width": 2560, "height": 1400}, reduced_motion="reduce")
    yield visit(context.new_page(), run.result, address)
    context.close()


@pytest.fixture(scope="module")
def patterns(scan_file):
    return np.load(scan_file)


def values(live, name, shape):
    return np.array(live.run(f"[...x.pictures.{name}.values]")).reshape(shape)


def painted(live, y, x):
    live.page.wait_for_selector(f'[data-explorer][data-painted="{y},{x}"]')


def test_a_click_shows_the_measured_pattern_and_what_is_left(live, patterns, run):
    live.page.mouse.click(*live.place("map", 3, 6))
    painted(live, 3, 6)
    shape = patterns.shape[2:]
    np.testing.assert_array_equal(values(live, "measured", shape), patterns[3, 6])
    fit = run.result.factorization
    made = np.tensordot(fit.weight_maps()[:, 3, 6], fit.component_patterns(), axes=1)
    np.testing.assert_allclose(values(live, "reconstruction", shape), made, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values(live, "residual", shape), patterns[3, 6] - made, rtol=1e-4, atol=1e-3)
    assert live.text('[data-panel="measured"] h4') == "Measured at (3, 6)"
    bright = patterns[3, 6] >= np.percentile(patterns[3, 6], 99.9)
    assert (live.pixels("pictures", "measured", shape=shape)[bright].min(axis=-1) > 150).all(), "white"


def test_hover_and_keys_read_patterns_too_and_the_last_one_wins(live, patterns):
    x0, y0 = live.place("map", 8, 2)
    x1, y1 = live.place("map", 8, 15)
    live.page.mouse.move(x0, y0)
    live.page.mouse.move(x1, y1, steps=30)
    painted(live, 8, 15)
    live.page.mouse.click(x1, y1)
    live.page.keyboard.press("ArrowDown")
    painted(live, 9, 15)
    np.testing.assert_array_equal(values(live, "measured", patterns.shape[2:]), patterns[9, 15])


def test_other_k_are_exact(live, run):
    k = run.decision.k + 1
    live.update(k=k)
    weights = np.array(live.run("x.factors.weights.map((w) => [...w])"))
    np.testing.assert_array_equal(
        weights.reshape(k, *run.result.geometry.scan_shape), run.result.fits[k].weight_maps()
    )
    live.update(k=run.decision.k)


def test_patterns_along_a_line_are_measured_ones(live, patterns):
    live.update(line={"y0": 2, "x0": 2, "y1": 2, "x1": 11})
    live.page.locator(".line-told", has_text="measured").wait_for()
    shown = np.array(live.run("x.lineStrip.items.map((i) => [...i.picture.values])"))
    np.testing.assert_array_equal(shown.reshape(4, *patterns.shape[2:]), patterns[2, [2, 5, 8, 11]])


def test_a_virtual_image_becomes_exact(live, patterns):
    live.page.get_by_role("button", name="annular dark field").click()
    live.page.locator('[name="virtual-told"]', has_text="Exact").wait_for()
    ring = live.run("x.state.detector")
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - ring["cy"], x - ring["cx"])
    expected = patterns[..., (distance >= ring["inner"]) & (distance <= ring["outer"])].sum(axis=-1)
    image = np.array(live.run("[...x.virtualImage()]")).reshape(expected.shape)
    np.testing.assert_allclose(image, expected, rtol=1e-6)
    assert live.run("x.state.map") == "virtual"


def test_a_virtual_image_that_is_slow_shows_progress_and_can_be_cancelled(live):
    live.page.evaluate(
        """() => { const x = document.querySelector('[data-explorer]').explorer; x.kept = x.run.transport.virtual;
        x.run.transport.virtual = (d, n, progress, signal) => new Promise((done, fail) => {
          progress(0.25, 0, new Float32Array(20).fill(7));
          signal.addEventListener('abort', () => fail(new DOMException('aborted', 'AbortError')));
        }); }"""
    )
    live.page.get_by_role("button", name="bright field", exact=True).click()
    cancel = live.page.get_by_role("button", name="Cancel")
    cancel.wait_for(state="visible")
    assert live.page.locator("progress").evaluate("p => p.value") == 0.25
    assert live.run("x.virtualImage()[0]") == 7
    cancel.click()
    live.page.locator('[name="virtual-told"]', has_text="Cancelled").wait_for()
    assert live.run("x.virtualImage()[0]") != 7
    assert not cancel.is_visible()
    live.page.evaluate(
        "() => { const x = document.querySelector('[data-explorer]').explorer; x.run.transport.virtual = x.kept; }"
    )


def test_nothing_was_complained_about(live):
    aborted = [words for words in live.complaints if "409" not in words]
    assert aborted == []
