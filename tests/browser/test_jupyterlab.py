"""`run.explore()` in a cell of a real JupyterLab."""

import json
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("jupyterlab") is None, reason="JupyterLab is not installed"),
    pytest.mark.skipif(find_spec("anywidget") is None, reason="the extra ui is not installed"),
]

TOKEN = "jupyter"  # noqa: S105 - of a server that only this test sees
LAB = ("--no-browser", "--allow-root", f"--ServerApp.token={TOKEN}", "--ServerApp.port_retries=0")


@pytest.fixture(scope="module")
def lab(browser, folder, tmp_path_factory):
    """A page of JupyterLab with a notebook of one cell that shows the run."""
    home = tmp_path_factory.mktemp("lab")
    code = f"from unmix4d.api import Run\nRun.load({str(folder)!r}).explore()"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (home / "run.ipynb").write_text(json.dumps(notebook))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(home), "JUPYTER_PLATFORM_DIRS": "1"}
    with (home / "lab.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *LAB, f"--port={port}", f"--ServerApp.root_dir={home}"],
            env=environment,
            cwd=home,
            stdout=log,
            stderr=log,
        )
    page = browser.new_page(viewport={"width": 1500, "height": 1000}, reduced_motion="reduce")
    for _ in range(300):
        try:
            urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}").close()
            break
        except URLError:
            assert process.poll() is None, (home / "lab.log").read_text()
            page.wait_for_timeout(100)
    page.goto(f"http://127.0.0.1:{port}/lab/tree/run.ipynb?token={TOKEN}&reset")
    yield page
    page.close()
    process.terminate()
    process.wait(30)


def test_a_cell_shows_the_run_and_reads_its_scan(lab, scan_file):
    lab.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    lab.get_by_text("| Idle").first.wait_for(timeout=60_000)  # the kernel is there
    for words in ("No", "Dismiss", "Close"):
        for button in lab.get_by_role("button", name=words, exact=True).all():
            if button.is_visible():
                button.click()
    lab.locator(".jp-Cell .cm-content").first.click()
    lab.keyboard.press("Shift+Enter")
    lab.wait_for_selector("[data-explorer][data-ready]", timeout=60_000)
    lab.locator(".map canvas").focus()
    lab.keyboard.press("ArrowRight")
    lab.wait_for_selector('[data-explorer][data-painted="8,11"]')
    seen = lab.evaluate("[...document.querySelector('[data-explorer]').explorer.pictures.measured.values]")
    patterns = np.load(scan_file)
    np.testing.assert_array_equal(np.reshape(seen, patterns.shape[2:]), patterns[8, 11])
    lab.get_by_role("button", name="bright field", exact=True).click()
    lab.locator('[name="virtual-told"]', has_text="Exact").wait_for()
