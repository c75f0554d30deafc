"""How soon the explorer answers: ``python -m benchmarks.explorer SCAN [SCAN ...]`` prints one line for each scan.

Scans are looked at in turn, one click each, so that what else the machine does falls on all of them alike. A file
is dropped from the cache of the system first; --warm reads it once instead, if it fits.
"""

import argparse
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

COMMAND = [sys.executable, "-c", "from unmix4d.cli import main; main()", "explore"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu"]
WINDOW: Any = {"width": 1600, "height": 1200}
PIECE = 1 << 24


@dataclass
class Explored:
    """A server, its page, and how long things took in seconds."""

    name: str
    process: subprocess.Popen[str]
    page: Page
    ready: float
    seen: float
    clicks: list[float] = field(default_factory=list)

    def click(self, rng: random.Random) -> None:
        """Click a probe and wait until its pattern is painted."""
        place, x, y = self.page.evaluate(
            """([u, v]) => { const x = document.querySelector('[data-explorer]').explorer; const m = x.map;
            const [py, px] = [Math.floor(u * x.run.height), Math.floor(v * x.run.width)];
            const b = m.canvas.getBoundingClientRect(); const [left, top] = m.toScreen(py, px);
            return [`${py},${px}`, b.left + left, b.top + top]; }""",
            [rng.random(), rng.random()],
        )
        start = time.perf_counter()
        self.page.mouse.click(x, y)
        self.page.wait_for_selector(f'[data-explorer][data-painted="{place}"]')
        self.clicks.append(time.perf_counter() - start)

    def line(self) -> str:
        """Write the figures."""
        ms = sorted(1000 * seconds for seconds in self.clicks)
        memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        peak = f"{int(memory[1]) / 1024:.0f} MB" if memory else "unknown"
        return (
            f"{self.name}: ready {self.ready:.2f} s, first image {self.seen:.2f} s, "
            f"click {statistics.median(ms):.0f} ms "
            f"(from {ms[0]:.0f} to {ms[-1]:.0f}, n = {len(ms)}), peak {peak}"
        )


def start(path: Path, browser: Browser, *, warm: bool) -> Explored:
    """Serve a scan and open its page."""
    if warm:
        with path.open("rb") as file:
            while file.read(PIECE):
                pass
    elif hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begun = time.perf_counter()
    process = subprocess.Popen([*COMMAND, str(path), "--no-browser"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = re.search(r"http://\S+/", process.stdout.readline())
    ready = time.perf_counter() - begun
    assert address is not None
    page = browser.new_context(viewport=WINDOW).new_page()
    page.goto(address[0])
    page.wait_for_selector("[data-explorer][data-seen]")
    page.locator(".map canvas").scroll_into_view_if_needed()
    return Explored(path.name, process, page, ready, time.perf_counter() - begun - ready)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--clicks", type=int, default=25)
    parser.add_argument("--warm", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(0)  # noqa: S311 - places to click
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        explored = [start(path, browser, warm=arguments.warm) for path in arguments.scans]
        try:
            time.sleep(3)  # exact images of small scans are read meanwhile
            for _ in range(arguments.clicks):
                for one in explored:
                    one.click(rng)
            for one in explored:
                print(one.line())
        finally:
            for one in explored:
                one.process.send_signal(signal.SIGINT)
                one.process.wait()
            browser.close()


if __name__ == "__main__":
    main()
