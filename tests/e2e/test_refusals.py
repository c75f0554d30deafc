"""Bad input: one sentence, the right exit code, and nothing half-written."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from .conftest import QUICK, Finished, Start


def assert_refused(done: Finished, code: int, *words: str) -> None:
    """One error line on stderr that holds the words, nothing on stdout, and this exit code."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    for word in words:
        assert word in errors[0]


def save(folder: Path, values: np.ndarray) -> Path:
    path = folder / "bad.npy"
    np.save(path, values)
    return path


def test_a_missing_file(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("run", tmp_path / "none.hspy", "-o", tmp_path / "out")
    assert_refused(done, 3, "none.hspy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["empty.npy", "empty.hspy", "empty.blo", "empty.mib", "empty.h5", "empty.tif"])
def test_an_empty_file(unmix4d: Start, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    done = unmix4d("run", tmp_path / name, "-o", tmp_path / "out", "--scan-shape", "2,2")
    assert_refused(done, 3, name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".npy", ".hspy", ".blo", ".mib"])
def test_a_truncated_file(unmix4d: Start, tmp_path: Path, data: Path, suffix: str) -> None:
    made = data / "formats" / "made"
    whole = (made / f"scan_12x10{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    shutil.copy(
        made / "scan_12x10.hdr", tmp_path / "cut.hdr"
    )  # where a .mib says how many patterns there should be
    done = unmix4d("run", path, "-o", tmp_path / "out")
    assert_refused(done, 3, path.name)
    assert not (tmp_path / "out").exists()


def test_a_single_image(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("run", save(tmp_path, np.ones((32, 32))), "-o", tmp_path / "out")
    assert_refused(done, 3, "bad.npy")
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_scan_shape_names_the_option(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("run", save(tmp_path, np.ones((12, 8, 8))), "-o", tmp_path / "out")
    assert done.returncode in {2, 3}
    assert_refused(done, done.returncode, "12", "--scan-shape")


def test_a_scan_shape_that_does_not_fit(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("run", save(tmp_path, np.ones((12, 8, 8))), "-o", tmp_path / "out", "--scan-shape", "5,3")
    assert_refused(done, 2, "12")


def test_nan(unmix4d: Start, tmp_path: Path, patterns: np.ndarray) -> None:
    values = patterns.astype(np.float32)
    values[3, 4, 5, 6] = np.nan
    done = unmix4d("run", save(tmp_path, values), "-o", tmp_path / "out", *QUICK)
    assert_refused(done, 3, "--nan")
    assert not (tmp_path / "out").exists()


def test_nan_can_be_taken_as_zero(unmix4d: Start, tmp_path: Path, patterns: np.ndarray) -> None:
    values = patterns.astype(np.float32)
    values[3, 4, 5, 6] = np.nan
    done = unmix4d("run", save(tmp_path, values), "-o", tmp_path / "out", *QUICK, "--nan", "zero")
    assert done.returncode == 0, done.stderr


def test_an_all_zero_scan(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("run", save(tmp_path, np.zeros((4, 4, 8, 8), np.uint8)), "-o", tmp_path / "out")
    assert_refused(done, 3)
    assert not (tmp_path / "out").exists()


def test_more_components_than_the_data_allows(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", "--crop", "0,3,0,3", "--vacuum", "none", "--k", 50)
    assert_refused(done, 2, "--k 50", "at most 9")
    assert not (tmp_path / "out").exists()


def test_a_crop_outside_the_scan(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    assert_refused(unmix4d("run", scan, "-o", tmp_path / "out", "--crop", "0,99,0,5"), 2, "16")


def test_negative_values_are_clipped_with_a_warning_that_says_how_much(
    unmix4d: Start, tmp_path: Path, patterns: np.ndarray
) -> None:
    values = patterns.astype(np.float32) - 2.0
    done = unmix4d("run", save(tmp_path, values), "-o", tmp_path / "out", *QUICK, "--quiet")
    assert done.returncode == 0, done.stderr
    warning = next(line for line in done.stderr.splitlines() if "negative" in line)
    assert warning.startswith("warning: ")
    assert f"{(values < 0).mean():.2%}" in warning
    assert "-2" in warning


def test_too_little_memory(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", "--memory", "1MB")
    assert_refused(done, 4, "--memory")
    assert not (tmp_path / "out").exists()


def test_a_folder_below_a_file(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = unmix4d("run", scan, "-o", tmp_path / "file" / "out", *QUICK)
    assert_refused(done, 4)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = unmix4d("run", scan, "-o", tmp_path / "closed" / "out", *QUICK)
    assert_refused(done, 4, "closed")
    assert not list((tmp_path / "closed").iterdir())


def test_a_disk_that_is_full(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stands for it: the write fails half-way."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = unmix4d("run", scan, "-o", tmp_path / "out", *QUICK, limit=limit)
    assert_refused(done, 4)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_no_run_has_written(unmix4d: Start, tmp_path: Path) -> None:
    assert_refused(unmix4d("report", tmp_path), 3, "result.h5")
    assert_refused(unmix4d("export", tmp_path, "--to", "csv"), 3, "result.h5")
