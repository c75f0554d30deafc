"""Runs that are interrupted, at several places and in every way, and then finished."""

import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from .conftest import PROGRAM, QUICK, Start


def interrupt(out: Path, step: str, how: signal.Signals, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Start a run into ``out``, and send it a signal as soon as a step of this name is finished."""
    command = [PROGRAM, "run", *arguments, "-o", out]
    environment = {name: value for name, value in os.environ.items() if name != "UNMIX4D_DEBUG"}
    kept = out.with_name(f"{out.name}.unfinished")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        while process.poll() is None and not any(kept.glob(f"{step}.npz")):
            time.sleep(0.001)
        process.send_signal(how)
        said, errors = process.communicate(timeout=600)
    return subprocess.CompletedProcess(command, process.returncode, said, errors)


def datasets(folder: Path) -> dict[str, np.ndarray]:
    """Give everything in a result but the times and paths of its run."""
    found = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name != "provenance":
            found[name] = item[()]

    with h5py.File(folder / "result.h5") as file:
        file.visititems(note)
    return found


def assert_same_result(one: Path, other: Path) -> None:
    first, second = datasets(one), datasets(other)
    assert {"labels", "components", "weights", "decision/loss"} <= first.keys()
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.dtype == second[name].dtype, name
        np.testing.assert_array_equal(values, second[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "again"),
    [("survey", True), ("sketch-*", False), ("start-*-k003", False), ("fit-*-k*", False), ("exact-*", True)],
)
def test_a_killed_run_is_finished_with_the_same_result(
    unmix4d: Start, scan: Path, folder: Path, tmp_path: Path, *, step: str, again: bool
) -> None:
    """Whether or not the scan and its options are named ``again``."""
    out = tmp_path / "out"
    killed = interrupt(out, step, signal.SIGKILL, scan, *QUICK)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    kept = tmp_path / "out.unfinished"
    assert any(kept.glob(f"{step}.npz"))
    done = unmix4d("run", "--resume", out, "--threads", 1, *((scan, *QUICK) if again else ()))
    assert done.returncode == 0, done.stderr
    assert_same_result(out, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(scan: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "out"
    stopped = interrupt(out, "sketch-*", how, scan, *QUICK, "--json")
    assert stopped.returncode == 5
    assert stopped.stdout == ""
    assert stopped.stderr.splitlines()[-1] == f"interrupted; go on with: unmix4d run --resume {out}"
    assert "Traceback" not in stopped.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.unfinished"]


@pytest.fixture
def stopped(scan: Path, tmp_path: Path) -> Path:
    """The folder that an interrupted run of a copy of the scan was to write."""
    copy = tmp_path / "copy.npy"
    copy.write_bytes(scan.read_bytes())
    assert interrupt(tmp_path / "out", "survey", signal.SIGINT, copy, *QUICK).returncode == 5
    return tmp_path / "out"


def test_a_run_is_resumed_only_as_it_was_begun(unmix4d: Start, scan: Path, stopped: Path) -> None:
    kept = stopped.with_name("out.unfinished")
    before = sorted(path.name for path in kept.iterdir())

    def refused(code: int, words: str, *arguments: object) -> None:
        done = unmix4d("run", "--resume", stopped, *arguments)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr.splitlines()[-1]
        assert sorted(path.name for path in kept.iterdir()) == before

    refused(2, "error: k_max: got 7, but the run to resume has 6", "--k-max", 7)
    refused(2, f"not of {scan}", scan)
    with (stopped.parent / "copy.npy").open("ab") as file:
        file.write(b"more")
    refused(3, "copy.npy changed since the run was interrupted")
    (stopped.parent / "copy.npy").unlink()
    refused(3, "copy.npy")


def test_a_new_run_replaces_unfinished_work_with_a_warning(unmix4d: Start, scan: Path, stopped: Path) -> None:
    done = unmix4d("run", scan, "-o", stopped, "--k-max", 3, "--quiet")
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "unfinished work was found" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: ")
    assert "--resume" in warnings[0]
    assert not stopped.with_name("out.unfinished").exists()


def test_there_may_be_nothing_to_resume(unmix4d: Start, folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "out", folder):
        done = unmix4d("run", "--resume", out)
        assert done.returncode == 2
        assert done.stderr.startswith("error: there is nothing to resume: ")
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_interrupt_before_anything_is_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    scan = tmp_path / "large.npy"  # 4 GiB of zeros that take no place, and long to look at
    np.lib.format.open_memmap(scan, mode="w+", dtype=np.uint16, shape=(128, 256, 256, 256))
    command = [PROGRAM, "run", scan, "-o", tmp_path / "out", "--threads", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert "prepare" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=600)
    assert (process.returncode, said) == (130, "")
    assert errors.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == [scan]
