from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read import arrays
from unmix4d.read.readers import open_scan

SCAN = np.arange(3 * 4 * 5 * 6, dtype=np.int32).reshape(3, 4, 5, 6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_mapped(tmp_path: Path, order: str) -> None:
    np.save(tmp_path / "scan.npy", np.asarray(SCAN, order=order))
    scan = open_scan(tmp_path / "scan.npy")
    assert isinstance(scan.patterns, np.memmap)
    np.testing.assert_array_equal(scan.rows(1, 3), SCAN[1:3])
    np.testing.assert_array_equal(
        open_scan(tmp_path / "scan.npy", scan_shape=(4, 3)).rows(0, 4).ravel(), SCAN.ravel()
    )


def test_npy_stack_takes_the_scan_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", SCAN.reshape(12, 5, 6))
    np.testing.assert_array_equal(open_scan(tmp_path / "stack.npy", scan_shape=(3, 4)).rows(0, 3), SCAN)


@pytest.mark.parametrize("keep", [40, 200, -1])
def test_truncated_npy(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, SCAN)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"is no complete .npy file"):
        open_scan(path)


def test_npy_of_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"is no complete .npy file of numbers"):
        open_scan(tmp_path / "objects.npy")


@pytest.mark.parametrize(("array", "words"), [(SCAN[0, 0], "single 2-D image"), (SCAN * 1j, "complex128")])
def test_npy_that_is_no_scan(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "no_scan.npy", array)
    with pytest.raises(InputError, match=words):
        open_scan(tmp_path / "no_scan.npy")


def test_npz_takes_the_largest_array(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "scan.npz", labels=np.zeros((300, 400)), few=SCAN[:1], data=SCAN, note="text")
    scan = open_scan(tmp_path / "scan.npz")
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.metadata["dataset"] == "data"
    assert scan.metadata["notes"] == []
    named = open_scan(tmp_path / "scan.npz", dataset="few")
    assert named.geometry.scan_shape == (1, 4)


def test_large_npz_leaves_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGE_BYTES", 1000)
    np.savez_compressed(tmp_path / "scan.npz", data=SCAN)
    assert "held in memory" in open_scan(tmp_path / "scan.npz").metadata["notes"][0]


def test_npz_with_a_wrong_name_lists_what_there_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "scan.npz", data=SCAN, labels=np.zeros((3, 4)))
    with pytest.raises(
        UsageError, match=r"no 3-D or 4-D array 'labels'; it holds data \(3, 4, 5, 6\), labels \(3, 4\)"
    ):
        open_scan(tmp_path / "scan.npz", dataset="labels")


def test_npz_without_a_scan(tmp_path: Path) -> None:
    np.savez(tmp_path / "maps.npz", labels=np.zeros((3, 4)), waves=SCAN * 1j)
    with pytest.raises(InputError, match=r"holds no 3-D or 4-D array of real numbers, only labels"):
        open_scan(tmp_path / "maps.npz")


def test_truncated_npz(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    np.savez(path, data=SCAN)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"is no complete .npz file"):
        open_scan(path)


def test_npz_that_is_not_compressed_is_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "scan.npz", label=np.zeros((3, 4)), data=SCAN)
    scan = open_scan(tmp_path / "scan.npz")
    assert isinstance(scan.patterns, np.memmap)
    assert scan.metadata["reader"] == "numpy (memory map)"
    np.testing.assert_array_equal(scan.rows(0, SCAN.shape[0]), SCAN)


def test_npz_in_fortran_order_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "scan.npz", data=np.asfortranarray(SCAN))
    scan = open_scan(tmp_path / "scan.npz")
    assert scan.metadata["reader"] == "numpy"
    np.testing.assert_array_equal(scan.rows(0, SCAN.shape[0]), SCAN)
