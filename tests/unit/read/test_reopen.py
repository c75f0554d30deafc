"""A scan from a file travels as its path, and everything made from it with it."""

import os
import pickle
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from unmix4d.errors import InputError
from unmix4d.execute import Serial
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import ScanMean
from unmix4d.read.readers import Camera, open_scan
from unmix4d.records import Scan

COUNTS = np.random.default_rng(0).poisson(3.0, (6, 5, 8, 8)).astype(np.uint16)
FORMATS = {
    "scan_12x10.blo": None,
    "scan_12x10.hspy": None,
    "scan_12x10.mib": None,
    "scan_12x10.npy": None,
    "scan_12x10.npz": None,
    "scan_12x10.nxs": None,
    "scan_12x10_000.tvips": (12, 10),
    "scan_12x10_generic.h5": None,
    "scan_12x10_ncem.emd": None,
    "scan_12x10_py4dstem_emd1.h5": None,
    "scan_12x10_stack.tif": (12, 10),
    "scan_12x10.mat": None,
    "scan_x10_y12.xml": None,
    "scan_x10_y12.raw": None,
    "bmp_sequence": (12, 10),
}


def again(made):  # type: ignore[no-untyped-def]
    return cloudpickle.loads(cloudpickle.dumps(made))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "scan.npy", COUNTS)
    return tmp_path / "scan.npy"


def test_a_scan_from_a_file_travels_without_its_patterns(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((10, 10, 64, 64), np.uint16))
    packed = pickle.dumps(open_scan(tmp_path / "large.npy"))
    assert len(packed) < 1000
    assert pickle.loads(packed).patterns.shape == (10, 10, 64, 64)  # noqa: S301 - our own


def test_every_option_is_kept(path: Path) -> None:
    camera = Camera(voltage_kv=200, camera_length_mm=200, pixel_um=55)
    scan = open_scan(path, scan_shape=(5, 6), scan_step_nm=2.5, camera=camera)
    found = again(scan)
    np.testing.assert_array_equal(found.rows(0, 5), COUNTS.reshape(5, 6, 8, 8))
    for name in ("scan_shape", "pattern_shape", "scan_step_nm", "pattern_step_inv_angstrom"):
        assert getattr(found.geometry, name) == getattr(scan.geometry, name)
    assert dict(found.metadata) == dict(scan.metadata)
    assert again(open_scan(path, pattern_step_inv_angstrom=0.02)).geometry.pattern_step_inv_angstrom == 0.02


def test_the_dataset_is_kept(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", first=COUNTS, second=COUNTS + 1)
    np.testing.assert_array_equal(again(open_scan(tmp_path / "two.npz", dataset="second")).rows(0, 6), COUNTS + 1)


def test_a_process_opens_a_scan_once(path: Path) -> None:
    scan = open_scan(path)
    assert again(scan) is again(scan)
    assert again(scan) is not again(open_scan(path, scan_step_nm=1.0))


def test_a_relative_path_is_opened_from_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    packed = pickle.dumps(open_scan("scan.npy"))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(pickle.loads(packed).rows(0, 6), COUNTS)  # noqa: S301 - our own


def test_a_scan_in_memory_travels_as_it_is() -> None:
    scan = open_scan(COUNTS, scan_step_nm=2.0)
    found = again(scan)
    assert isinstance(found, Scan)
    np.testing.assert_array_equal(found.rows(0, 6), COUNTS)
    assert found.geometry.scan_step_nm == 2.0
    assert dict(found.metadata) == dict(scan.metadata)


def test_a_file_that_has_changed_is_refused(path: Path) -> None:
    packed = pickle.dumps(open_scan(path))
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    with pytest.raises(InputError, match=r"scan\.npy has changed since the run opened it"):
        pickle.loads(packed)  # noqa: S301 - our own


def test_a_file_beside_it_that_has_changed_is_refused(data: Path, tmp_path: Path) -> None:
    for suffix in (".mib", ".hdr"):
        (tmp_path / f"scan{suffix}").write_bytes((data / f"formats/made/scan_12x10{suffix}").read_bytes())
    packed = pickle.dumps(open_scan(tmp_path / "scan.mib"))
    with (tmp_path / "scan.hdr").open("a") as header:
        header.write("\n")
    with pytest.raises(InputError, match=r"scan\.mib has changed"):
        pickle.loads(packed)  # noqa: S301 - our own


def test_a_file_that_a_worker_does_not_see_is_refused_with_the_remedy(path: Path) -> None:
    packed = pickle.dumps(open_scan(path))
    path.unlink()
    with pytest.raises(InputError, match=r"scan\.npy is not there for process \d+ on .*file system that all"):
        pickle.loads(packed)  # noqa: S301 - our own


@pytest.mark.data
@pytest.mark.parametrize(("name", "scan_shape"), FORMATS.items())
def test_a_matrix_of_every_format_reads_the_same_blocks(
    data: Path, name: str, scan_shape: tuple[int, int] | None
) -> None:
    scan = open_scan(data / "formats" / "made" / name, scan_shape=scan_shape)
    matrix = prepare(scan, executor=Serial(), block_bytes=scan.n_bytes // 4).matrix(filter=ScanMean())
    packed = cloudpickle.dumps(matrix)
    found = cloudpickle.loads(packed)
    assert len(packed) < scan.n_bytes / 10  # masks and means of a pattern
    assert matrix.n_blocks > 1
    for i in range(matrix.n_blocks):
        np.testing.assert_array_equal(found.read_block(i), matrix.read_block(i))


def test_kept_blocks_stay_behind(path: Path) -> None:
    matrix = prepare(open_scan(path), executor=Serial()).matrix(filter=ScanMean(), cache_bytes=1 << 20)
    packed_before = len(cloudpickle.dumps(matrix))
    block = matrix.read_block(0)
    assert matrix.read_block(0) is block
    assert len(cloudpickle.dumps(matrix)) == packed_before
    found = again(matrix)
    np.testing.assert_array_equal(found.read_block(0), block)
    assert found.read_block(0) is not found.read_block(0)
