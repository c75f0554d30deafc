"""A scan with faults, as a user meets it: cleaned unasked, told in tables, switched off, resumed."""

import csv
import json
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from unmix4d import Run

from .conftest import QUICK, Start
from .test_resume import assert_same_result, interrupt

FAULTS = {"hot pixels", "dead pixels", "camera offset", "descan"}
OFF = ("--hot-pixels", "none", "--offset", "none", "--descan", "none", "--saturation", "none", "--vacuum", "none")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, patterns: np.ndarray) -> Path:
    """The small scan, 10 counts up, moved over 3 pixels, with two hot pixels and a dead one."""
    moved = np.stack([np.roll(line, round(3 * y / 15), axis=1) for y, line in enumerate(patterns)]) + np.uint16(10)
    moved[:, :, 8, 6] = moved[:, :, 21, 25] = 3000
    moved[:, :, 12, 20] = 10
    path = tmp_path_factory.mktemp("faulty") / "faulty.npy"
    np.save(path, moved)
    return path


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory, unmix4d: Start, faulty: Path) -> Path:
    out = tmp_path_factory.mktemp("cleaned") / "out"
    done = unmix4d("run", faulty, "-o", out, *QUICK)
    assert done.returncode == 0, done.stderr
    return out


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "cleaning.csv").open(encoding="utf-8", newline="") as file:
        return {row["fault"]: row for row in csv.DictReader(file)}


def test_faults_are_found_and_told_everywhere(cleaned: Path) -> None:
    table = rows(cleaned)
    assert {name for name, row in table.items() if row["found"] == "True"} - {"vacuum"} == FAULTS
    assert table["camera offset"]["action"] == "10 taken from every value"
    assert float(table["descan"]["before"]) > 2
    assert float(table["descan"]["after"]) < 0.6
    report = (cleaned / "report.html").read_text(encoding="utf-8")
    with h5py.File(cleaned / "result.h5") as file:
        stored = json.loads(file["survey"].attrs["cleaning"])
        told = json.loads(file["geometry"].attrs["steps"])
        left_out = file["survey/left_out"][()]
    for step in stored:
        assert step["name"] in table
        assert f'<td class="left">{step["action"]}</td>' in report
    assert "camera offset: 10 taken from every value" in told
    assert left_out[0].all()
    loaded = Run.load(cleaned).result.survey
    assert [step.action for step in loaded.cleaning] == [row["action"] for row in table.values()]
    np.testing.assert_array_equal(loaded.left_out, left_out)


def test_crystals_lie_within_those_of_the_clean_scan(cleaned: Path, folder: Path) -> None:
    """They may be split: patterns are moved by whole pixels, so that a spot is off by up to half of one."""
    found, right = Run.load(cleaned).clusters.labels, Run.load(folder).clusters.labels
    table = np.zeros((found.max() + 2, right.max() + 2))
    np.add.at(table, (found + 1, right + 1), 1)
    assert table.max(axis=1).sum() / table.sum() > 0.85


def test_every_step_can_be_switched_off(unmix4d: Start, faulty: Path, tmp_path: Path) -> None:
    done = unmix4d("run", faulty, "-o", tmp_path / "out", "--k-max", "3", *OFF)
    assert done.returncode == 0, done.stderr
    assert {row["action"] for row in rows(tmp_path / "out").values()} == {"switched off"}
    assert Run.load(tmp_path / "out").result.pixel_mask.all()


def test_an_offset_that_is_no_number_is_refused(unmix4d: Start, faulty: Path, tmp_path: Path) -> None:
    done = unmix4d("run", faulty, "-o", tmp_path / "out", "--offset", "some")
    assert done.returncode == 2
    assert "expected auto, none or a number of at least 0" in done.stderr


@pytest.mark.slow
def test_a_cleaned_run_is_resumed_with_the_same_result(
    unmix4d: Start, faulty: Path, cleaned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    interrupt(out, "survey", signal.SIGKILL, faulty, *QUICK)
    done = unmix4d("run", "--resume", out)
    assert done.returncode == 0, done.stderr
    assert_same_result(out, cleaned)


@pytest.mark.slow
def test_workers_clean_as_threads_do(unmix4d: Start, faulty: Path, cleaned: Path, tmp_path: Path) -> None:
    done = unmix4d("run", faulty, "-o", tmp_path / "out", "--workers", "1", *QUICK)
    assert done.returncode == 0, done.stderr
    assert_same_result(tmp_path / "out", cleaned)
