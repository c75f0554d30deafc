"""`unmix4d explore`: it says where it is, ends with Ctrl-C, and refuses what cannot be shown."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from urllib.request import urlopen

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra ui is not installed")


@pytest.fixture
def served(program):
    """Start the explorer on arguments; gives the first line that it prints."""
    started = []

    def begin(*arguments):
        process = subprocess.Popen(
            [program, "explore", *map(str, arguments), "--no-browser"], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline()

    yield begin
    for process in started:
        process.kill()
        process.stdout.close()
        process.wait()


def test_it_serves_a_run_until_it_is_interrupted(served, folder):
    process, line = served(folder)
    address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", line)[0]
    with urlopen(address) as page:  # noqa: S310 - our own address
        assert "crystals <span>in small.npy" in page.read().decode()
    with urlopen(f"{address}pattern?y=3&x=4") as pattern:  # noqa: S310 - our own address
        assert len(pattern.read()) > 4 * 32 * 32
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0


def test_a_run_that_was_copied_finds_its_scan_and_a_batch_system_ends_it(served, folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    process, line = served(moved, "--port", 0)
    address = re.search(r"http://\S+/", line)[0]
    with urlopen(f"{address}pattern?y=0&x=0") as pattern:  # noqa: S310 - our own address
        assert pattern.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_a_port_that_is_taken_is_refused(unmix4d, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = unmix4d("explore", folder, "--no-browser", "--port", port)
    assert done.returncode == 4
    assert f"port {port} cannot be used" in done.stderr


def test_what_is_no_run_is_refused(unmix4d, tmp_path):
    done = unmix4d("explore", tmp_path, "--no-browser")
    assert done.returncode == 3
    assert "give the folder of a finished run" in done.stderr


@pytest.fixture(scope="module")
def places(folder, scan, tmp_path_factory):
    stopped = tmp_path_factory.mktemp("stopped") / "out.unfinished"
    stopped.mkdir()
    (stopped / "source.json").write_text("{}")
    return {"folder": folder, "scan": scan, "stopped": stopped}


def test_a_scan_without_a_run_is_served(served, scan):
    process, line = served(scan, "--scan-step", "5")
    address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", line)[0]
    with urlopen(address) as page:  # noqa: S310 - our own address
        assert "small.npy <span>16 × 20 patterns of 32 × 32 pixels" in page.read().decode()
    with urlopen(f"{address}pattern?y=3&x=4") as pattern:  # noqa: S310 - our own address
        assert len(pattern.read()) > 2 * 32 * 32
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0


def test_the_options_of_reading_open_a_scan(served, unmix4d, patterns, tmp_path):
    stack = tmp_path / "stack.npz"
    np.savez(stack, other=np.zeros((400, 40, 40)), wanted=patterns.reshape(-1, 32, 32))
    done = unmix4d("explore", stack, "--dataset", "wanted", "--no-browser")
    assert done.returncode == 2
    assert "--scan-shape" in done.stderr or "scan_shape" in done.stderr
    _, line = served(stack, "--dataset", "wanted", "--scan-shape", "16,20", "--pattern-step", "0.05")
    with urlopen(f"{re.search(r'http://.*/', line)[0]}manifest") as manifest:  # noqa: S310 - our own address
        told = json.loads(manifest.read())
    assert told["scan"]["shape"] == [16, 20]
    assert told["pattern"]["step_inv_angstrom"] == 0.05


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (["{folder}/result.h5"], (3, "is the file of a finished run: give its folder")),
        (["{scan}", "--scan", "{scan}"], (2, "--scan goes with")),
        (["{folder}", "--runs", "{folder}"], (2, "--runs goes with a scan")),
        (["{scan}", "--runs", "{folder}/none"], (2, "there is no folder")),
        (["{scan}.none"], (3, "there is no file or folder")),
        (["{folder}/run.yaml"], (3, "is not supported")),
        (["{scan}", "--scan-shape", "7,7"], (2, "scan")),
        (["{stopped}"], (3, "holds an interrupted run: go on with unmix4d run --resume")),
    ],
)
def test_what_is_wrong_with_a_path_is_said_in_one_sentence(places, unmix4d, arguments, outcome):
    done = unmix4d("explore", *[argument.format(**places) for argument in arguments], "--no-browser")
    assert done.returncode == outcome[0]
    assert outcome[1] in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_scan_is_refused(unmix4d, folder, tmp_path, patterns):
    np.save(tmp_path / "other.npy", patterns[:5])
    done = unmix4d("explore", folder, "--scan", tmp_path / "other.npy", "--no-browser")
    assert done.returncode == 2
    assert "give the scan of this run" in done.stderr


def test_the_browser_is_opened_unless_told_not_to(folder, program, tmp_path):
    opened = tmp_path / "opened"
    fake = tmp_path / "browser"
    fake.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    fake.chmod(0o755)
    process = subprocess.Popen(
        [program, "explore", folder], stdout=subprocess.PIPE, text=True, env={**os.environ, "BROWSER": f"{fake} %s"}
    )
    line = process.stdout.readline()
    while not opened.exists() or not opened.read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    process.stdout.close()
    assert opened.read_text().strip() in line
