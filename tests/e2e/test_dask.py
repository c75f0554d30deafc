"""Preparation and passes over a file on worker processes give the same bits as here."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import unmix4d
from unmix4d.execute import Executor, Serial, Threads, open_executor
from unmix4d.prepare.chain import Prepared, prepare
from unmix4d.prepare.filters import ScanMean
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.read.readers import open_scan
from unmix4d.records import PatternMatrix, Scan

FIELDS = ("mean_pattern", "total_counts", "dark_field", "vacuum", "empty")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    pytest.importorskip("distributed")
    with open_executor(threads=1, workers=2) as pool:
        yield pool


def passes(scan: Scan, pool: Executor) -> tuple[Prepared, PatternMatrix, list[tuple[np.ndarray, ...]]]:
    """Prepare a scan and make one pass over its matrix."""
    prepared = prepare(scan, executor=pool, block_bytes=scan.n_bytes // 4)  # of float32
    matrix = prepared.matrix(filter=ScanMean())
    directions = np.random.default_rng(0).random((matrix.n_pixels, 7), np.float32)

    def look(block: int) -> tuple[np.ndarray, ...]:
        patterns = matrix.read_block(block)
        scores = patterns @ directions
        return patterns.sum(axis=0, dtype=np.float64), scores, scores.T @ patterns

    return prepared, matrix, list(pool.map_blocks(look, range(matrix.n_blocks)))


def require_same(scan: Scan, pool: Executor) -> None:
    prepared, matrix, parts = passes(scan, Serial())
    others = passes(scan, pool)
    assert matrix.n_blocks > 2
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(others[0].survey, name), getattr(prepared.survey, name))
    assert others[0].survey.warnings == prepared.survey.warnings
    assert others[1].bounds == matrix.bounds
    for ours, theirs in zip(others[2], parts, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_numpy_file(scan: Path, cluster: Executor) -> None:
    require_same(open_scan(scan), cluster)
    require_same(open_scan(scan), Threads(2))


@pytest.mark.data
@pytest.mark.parametrize("name", ["scan_12x10.blo", "scan_12x10.hspy", "scan_12x10.mib"])
def test_a_vendor_file(data: Path, cluster: Executor, name: str) -> None:
    require_same(open_scan(data / "formats" / "made" / name), cluster)


def test_a_scan_in_memory_travels_to_the_workers(patterns: np.ndarray, cluster: Executor) -> None:
    require_same(open_scan(patterns), cluster)


def test_a_whole_run_on_two_workers_survives_the_loss_of_one(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("distributed")
    path = tmp_path / "scan.npy"
    spec = PhantomSpec(scan_shape=(48, 48), pattern_shape=(96, 96), n_crystals=4)
    np.save(path, np.asarray(make_phantom(spec).scan.patterns))
    options = ("--k-max", "8", "--quiet")
    here = run_cli(path, tmp_path / "here", *options, "--threads", "2")
    assert here.wait(timeout=300) == 0, log_of(tmp_path / "here").read_text()

    there = run_cli(path, tmp_path / "there", *options, "--workers", "2")
    survey = tmp_path / "there.unfinished" / "survey.npz"
    wait_until(survey.exists, there)
    workers = [
        p for p in psutil.Process(there.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    assert there.wait(timeout=300) == 0, log_of(tmp_path / "there").read_text()

    one, other = unmix4d.Run.load(tmp_path / "here"), unmix4d.Run.load(tmp_path / "there")
    np.testing.assert_array_equal(one.clusters.labels, other.clusters.labels)
    for k, fit in one.result.fits.items():
        np.testing.assert_array_equal(fit.weights, other.result.fits[k].weights)
        assert fit.loss == other.result.fits[k].loss


def run_cli(path: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("unmix4d")), "run", str(path), "-o", str(out), *options]
    with log_of(out).open("wb") as log:
        return subprocess.Popen(command, stderr=log, stdout=log)


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not ready():
        assert process.poll() is None
        assert time.monotonic() < end, "nothing was kept within two minutes"
        time.sleep(0.02)
