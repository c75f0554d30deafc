"""One small finished run, one browser, and pages of the explorer in it."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SPEC = PhantomSpec(scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, spot_sigma=0.03)
HANDLE = "document.querySelector('[data-explorer]').explorer"

READ = """async ([handle, names, shape]) => {
  const explorer = eval(handle);
  await explorer.settled();
  const picture = names.reduce((at, name) => at[name], explorer);
  picture.drawNow();
  const ratio = picture.canvas.width / picture.size[0];
  const context = picture.canvas.getContext('2d');
  const out = [];
  for (let y = 0; y < shape[0]; y++) for (let x = 0; x < shape[1]; x++) {
    const [px, py] = picture.toScreen(y, x);
    out.push(...context.getImageData(Math.floor(px * ratio), Math.floor(py * ratio), 1, 1).data.slice(0, 3));
  }
  return out;
}"""


class Explored:
    """A page of the explorer, with what went wrong in it."""

    handle = HANDLE

    def __init__(self, page, result):
        self.page, self.result = page, result
        self.complaints = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message):
        if "willReadFrequently" not in message.text:  # which only reading pixels back, as tests do, brings up
            self.complaints.append(message.text)

    def open(self, address):
        self.page.goto(address)
        self.page.wait_for_selector("[data-explorer][data-ready]")
        return self

    def run(self, expression):
        """Evaluate an expression in which ``x`` is the explorer, once nothing is left to draw."""
        return self.page.evaluate(f"async () => {{ const x = {HANDLE}; await x.settled(); return {expression}; }}")

    def update(self, **changes):
        self.page.evaluate(
            "async ([h, c]) => { const x = eval(h); x.update(c); await x.settled(); }", [HANDLE, changes]
        )

    def pixels(self, *names, shape):
        """Read the colour of the middle of every element of a picture: (*shape, 3)."""
        return np.array(self.page.evaluate(READ, [HANDLE, list(names), list(shape)])).reshape(*shape, 3)

    def map_pixels(self):
        return self.pixels("map", shape=self.result.geometry.scan_shape)

    def place(self, name, y, x):
        """Give where an element of a picture is on the screen, scrolled into view."""
        picture = f"{HANDLE}.{name}"
        self.page.evaluate(f"{picture}.canvas.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        return self.page.evaluate(
            f"""() => {{ const p = {picture}; p.drawNow(); const b = p.canvas.getBoundingClientRect();
            const [px, py] = p.toScreen({y}, {x}); return [b.left + px, b.top + py]; }}"""
        )

    def text(self, selector):
        return self.page.locator(selector).first.text_content()

    @property
    def root(self):
        return self.page.locator("[data-explorer]")


@pytest.fixture(scope="session")
def visit():
    """Open an address in a page: ``visit(page, result, address)``."""
    return lambda page, result, address: Explored(page, result).open(address)


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium: install the package chromium of the system")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("explored") / "three crystals.npy"
    np.save(path, np.asarray(make_phantom(SPEC).scan.patterns))
    return path


@pytest.fixture(scope="session")
def run(scan_file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(scan_file, k_max=9, threads=1, scan_step=5, pattern_step=0.05)


@pytest.fixture(scope="session")
def folder(run, scan_file) -> Path:
    return run.save(scan_file.parent / "run")
