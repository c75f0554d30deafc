"""The explorer of a scan without a run: every pattern, virtual images, sums, and a run that is started from it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

COMMAND = [sys.executable, "-c", "from unmix4d.cli import main; main()", "explore"]
SLOW = 300_000  # ms; a run on a busy machine that compiles first
HOLD = """() => { const x = document.querySelector('[data-explorer]').explorer; const t = x.run.transport;
x.kept = t.stream; t.stream = (path, signal, told) => new Promise((done, fail) => {
  path === 'sums' ? told(80, new Float32Array(0)) : told(0, new Float32Array(80).fill(7));
  signal.addEventListener('abort', () => fail(new DOMException('aborted', 'AbortError')));
}); }"""
RELEASE = (
    """() => { const x = document.querySelector('[data-explorer]').explorer; x.run.transport.stream = x.kept; }"""
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def address(scan_file, runs):
    options = ["--scan-step", "5", "--pattern-step", "0.05", "--runs", runs]
    process = subprocess.Popen([*COMMAND, scan_file, *options, "--no-browser"], stdout=subprocess.PIPE, text=True)
    yield re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", process.stdout.readline())[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0, "Ctrl-C is how it ends"
    process.stdout.close()


@pytest.fixture(scope="module")
def patterns(scan_file):
    return np.load(scan_file)


@pytest.fixture(scope="module")
def look(browser, address, visit):
    context = browser.new_context(viewport={"width": 1600, "height": 1200}, reduced_motion="reduce")
    page = visit(context.new_page(), None, address)
    page.page.wait_for_selector("[data-explorer][data-seen]")
    yield page
    context.close()


def values(look, name, shape=(32, 32)):
    return np.array(look.run(f"[...x.pictures.{name}.values]")).reshape(shape)


def painted(look, y, x):
    look.page.wait_for_selector(f'[data-explorer][data-painted="{y},{x}"]')


def image(look):
    return np.array(look.run("[...x.virtualImage()]")).reshape(16, 20)


def exact(look):
    look.page.locator('[name="virtual-told"]', has_text="Exact").wait_for()


def summed(look, patterns):
    detector = look.run("x.state.detector")
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - detector["cy"], x - detector["cx"])
    return patterns[..., (distance >= detector["inner"]) & (distance <= detector["outer"])].sum(axis=-1)


def test_the_first_page_shows_an_image_sums_and_scale_bars(look, patterns):
    exact(look)
    np.testing.assert_allclose(image(look), summed(look, patterns), rtol=1e-6)
    if look.run("x.sample.stride") > 1:  # on a machine that is too busy for all of them
        look.page.locator('[name="sums"]').click()
    look.page.locator('[name="sums-told"]', has_text="Exact, from all patterns").wait_for()
    np.testing.assert_allclose(values(look, "mean"), patterns.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_array_equal(values(look, "maximum"), patterns.max(axis=(0, 1)))
    assert look.text('[data-panel="mean"] h4') == "Mean of all 320 patterns"
    assert look.run("x.map.bar(20).label") == "20 nm"
    assert look.run("x.pictures.measured.bar(32).label") == "0.2 1/Å"
    brightest = np.unravel_index(image(look).argmax(), (16, 20))
    colors = look.pixels("map", shape=(16, 20))
    assert colors[brightest].tolist() == [253, 231, 37], "the end of viridis"


def test_pointer_click_and_keys_show_patterns(look, patterns):
    look.page.mouse.move(*look.place("map", 3, 6))
    painted(look, 3, 6)
    np.testing.assert_array_equal(values(look, "measured"), patterns[3, 6])
    look.page.mouse.click(*look.place("map", 8, 15))
    painted(look, 8, 15)
    look.page.keyboard.press("ArrowDown")
    painted(look, 9, 15)
    np.testing.assert_array_equal(values(look, "measured"), patterns[9, 15])
    assert look.text('[data-panel="measured"] h4') == "Pattern at (9, 15)"
    look.page.keyboard.press("Shift+ArrowLeft")
    painted(look, 9, 5)
    look.page.mouse.move(*look.place("pictures.measured", 4, 7))
    words = look.text('[data-panel="measured"] .readout')
    assert words.startswith(f"(4, 7) · {patterns[9, 5, 4, 7]} counts")


@pytest.mark.parametrize("kind", ["log", "gamma", "linear"])
def test_contrast_changes_patterns(look, kind):
    look.page.locator('[name="contrast"]').select_option(kind)
    shares = {
        "log": lambda s: np.log1p(1000 * s) / np.log1p(1000),
        "gamma": lambda s: s**0.4,
        "linear": lambda s: s,
    }
    look.page.locator('[name="scale"]').select_option("grey")
    ring = look.run("x.state.detector")
    y, x = np.indices((32, 32))
    clear = np.abs(np.hypot(y - ring["cy"], x - ring["cx"]) - ring["outer"]) > 2  # of the detector's rim
    maximum = values(look, "maximum")[clear]
    seen = look.pixels("pictures", "maximum", shape=(32, 32))[clear][:, 0].astype(float)
    order = np.argsort(maximum)
    assert (np.diff(seen[order]) >= 0).all(), "brighter where there are more counts"
    below = (seen > 0) & (seen < 255)
    top = maximum[below] / np.median(maximum[below] / inverse(kind, seen[below] / 255))
    np.testing.assert_allclose(shares[kind](top), seen[below] / 255, atol=0.03)


def inverse(kind, share):
    return {"log": np.expm1(share * np.log1p(1000)) / 1000, "gamma": share**2.5, "linear": share}[kind]


def test_zoom_and_back(look):
    look.page.locator(".map canvas").focus()
    look.page.keyboard.press("+")
    look.page.keyboard.press("+")
    assert look.run("x.map.view.zoom") == pytest.approx(1.96)
    look.page.keyboard.press("0")
    assert look.run("x.map.view.zoom") == 1


def test_a_dragged_disc_becomes_an_exact_image(look, patterns):
    look.page.get_by_label("Detector", exact=True).check()
    x0, y0 = look.place("pictures.mean", 22, 9)
    x1, y1 = look.place("pictures.mean", 22, 12)
    look.page.evaluate("document.querySelector('[name=\"virtual-told\"]').textContent = ''")
    look.page.mouse.move(x0, y0)
    look.page.mouse.down()
    look.page.mouse.move(x1, y1, steps=5)
    look.page.mouse.up()
    exact(look)
    detector = look.run("x.state.detector")
    assert detector["outer"] == pytest.approx(3, abs=0.2)
    np.testing.assert_allclose(image(look), summed(look, patterns), rtol=1e-6)
    assert look.text(".map h4").startswith("Virtual image: disc of 3")
    look.page.evaluate("document.querySelector('[name=\"virtual-told\"]').textContent = ''")
    look.page.get_by_role("button", name="annular dark field").click()
    expect(look.page.locator(".map h4").first).to_contain_text("annulus", timeout=60_000)
    exact(look)
    np.testing.assert_allclose(image(look), summed(look, patterns), rtol=1e-6)


def test_a_slow_image_and_slow_sums_show_something_and_can_be_cancelled(look, patterns):
    look.page.evaluate(HOLD)
    look.page.get_by_role("button", name="bright field", exact=True).click()
    cancel = look.page.locator('[name="cancel"]')
    cancel.wait_for(state="visible")
    expect(look.page.locator(".detector-block progress")).to_have_js_property("value", 0.25)
    stride = look.run("x.sample.stride")
    quick = summed(look, patterns)[::stride, ::stride].repeat(stride, 0).repeat(stride, 1)[:16, :20]
    np.testing.assert_allclose(image(look)[4:], quick[4:], rtol=1e-6, err_msg="from the first patterns")
    assert (image(look)[:4] == 7).all(), "what has come"
    cancel.click()
    look.page.locator('[name="virtual-told"]', has_text="spread over the scan").wait_for()
    np.testing.assert_allclose(image(look), quick, rtol=1e-6)
    look.page.locator('[name="sums"]').evaluate("b => { b.hidden = false; b.click(); }")
    stop = look.page.locator('[name="sums-cancel"]')
    stop.wait_for(state="visible")
    assert look.page.locator('[name="sums-progress"]').evaluate("p => p.value") == 0.25
    stop.click()
    look.page.locator('[name="sums-told"]', has_text="Cancelled").wait_for()
    look.page.evaluate(RELEASE)
    look.page.locator('[name="sums"]').click()
    look.page.locator('[name="sums-told"]', has_text="Exact, from all patterns").wait_for()
    np.testing.assert_allclose(values(look, "mean"), patterns.mean(axis=(0, 1)), rtol=1e-6)
    look.page.locator('[name="exact"]').click()
    exact(look)


def test_what_is_refused_is_said_in_one_sentence(look, runs):
    look.page.fill('[name="name"]', "../elsewhere")
    look.page.click('[name="start"]')
    look.page.locator(".job-words", has_text="is no name of a new folder").wait_for()
    look.page.fill('[name="name"]', "full")
    (runs / "full").mkdir()
    (runs / "full" / "notes.txt").write_text("mine")
    look.page.click('[name="start"]')
    look.page.wait_for_selector('[data-state="failed"]', timeout=SLOW)
    assert "exists and is not empty" in look.text(".job-words")
    assert [path.name for path in runs.iterdir()] == ["full"]


def test_a_run_is_cancelled_goes_on_and_is_shown(look, runs):
    look.page.fill('[name="name"]', "found")
    look.page.fill('[name="k_max"]', "3")
    look.page.click('[name="start"]')
    look.page.locator(".stage", has_text="factorize").wait_for(timeout=SLOW)
    assert look.page.locator('[name="start"]').is_disabled(), "one run at a time"
    look.page.click('[name="stop"]')
    look.page.wait_for_selector('[data-state="interrupted"]', timeout=SLOW)
    assert "Start goes on from them" in look.text(".job-words")
    assert (runs / "found.unfinished").is_dir()
    look.page.get_by_text("start anew").wait_for(state="visible")
    look.page.click('[name="start"]')
    look.page.wait_for_selector('[data-state="running"]')
    assert "Goes on from the steps that are kept" in look.text(".job-words")
    look.page.wait_for_url("**/run/", timeout=SLOW)
    look.page.wait_for_selector("[data-explorer][data-ready]")
    assert (runs / "found" / "result.h5").is_file()
    assert not (runs / "found.unfinished").exists()
    assert look.run("Math.max(...x.run.ks)") == 3
    assert look.run("x.run.transport.live") is True
    look.page.click("h1 a")
    look.page.wait_for_selector("[data-explorer][data-seen]")
    assert "Finished." in look.text(".job-told")
    assert "/run/" not in look.page.url


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_ends_with_the_server(scan_file, runs, browser, how):
    process = subprocess.Popen(
        [*COMMAND, scan_file, "--runs", runs, "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    page = browser.new_page()
    page.goto(re.search(r"http://\S+/", process.stdout.readline())[0])
    page.wait_for_selector("[data-explorer][data-seen]")
    page.fill('[name="name"]', f"ended by {how.name}")
    page.click('[name="start"]')
    page.wait_for_selector(".stage", timeout=SLOW)
    listed = subprocess.run(
        ["pgrep", "-P", str(process.pid)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=True,
    )
    (child,) = map(int, listed.stdout.split())
    page.close()
    process.send_signal(how)
    process.wait(60)
    process.stdout.close()
    for _ in range(1200 if how == signal.SIGKILL else 0):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_nothing_was_complained_about(look):
    expected = ("409", "400")  # a newer question came; what the form was refused
    assert [words for words in look.complaints if not any(code in words for code in expected)] == []
