"""Gatan's .dm3 and .dm4 with four axes; RosettaSciIO judges the writer of these tests, and ncempy opens it too."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.lazy import Folded, Reordered
from unmix4d.read.readers import open_scan

from .gatan import Dimensions, write_gatan

SCAN = np.random.default_rng(0).integers(0, 200, (3, 4, 6, 8)).astype(np.uint16)
NM: Dimensions = [(2.5, "nm"), (2.5, "nm")]
PER_NM: Dimensions = [(0.2, "1/nm"), (0.2, "1/nm")]


@pytest.mark.parametrize("suffix", [".dm3", ".dm4"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.float32])
def test_scan_is_mapped_with_its_calibration(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = write_gatan(tmp_path / f"s{suffix}", SCAN.astype(dtype), [*NM, *PER_NM])
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.rows(1, 2), SCAN[1:2])
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])
    signal = import_module("rsciio.digitalmicrograph").file_reader(str(path))[0]
    np.testing.assert_array_equal(signal["data"], SCAN)
    assert isinstance(scan.patterns, np.memmap)
    assert scan.patterns.dtype == dtype
    assert scan.geometry.scan_step_nm == pytest.approx(2.5)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)
    assert scan.metadata["beam_energy_kev"] == 200.0


def test_units_tell_which_axes_are_the_pattern(tmp_path: Path) -> None:
    stored = np.ascontiguousarray(SCAN.transpose(2, 3, 0, 1))
    scan = open_scan(write_gatan(tmp_path / "s.dm4", stored, [*PER_NM, *NM]))
    np.testing.assert_array_equal(scan.rows(1, 3), SCAN[1:3])
    assert isinstance(scan.patterns, Reordered)
    assert scan.geometry.scan_step_nm == pytest.approx(2.5)
    assert any("stored first" in note for note in scan.metadata["notes"])


def test_angles_become_steps_by_the_voltage(tmp_path: Path) -> None:
    scan = open_scan(write_gatan(tmp_path / "s.dm4", SCAN, [*NM, (0.5, "mrad"), (0.5, "mrad")]))
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(5e-4 / 0.0250793, rel=1e-5)


def test_length_that_is_no_pixel_of_a_camera_is_not_used(tmp_path: Path) -> None:
    scan = open_scan(write_gatan(tmp_path / "s.dm4", SCAN, [(1.0, ""), (1.0, ""), *NM]))
    assert scan.geometry.scan_step_nm is None
    assert scan.geometry.pattern_step_inv_angstrom is None
    assert any("steps of 2.5 nm, too small for a camera" in note for note in scan.metadata["notes"])


def test_stack_needs_its_scan_shape(tmp_path: Path) -> None:
    path = write_gatan(tmp_path / "s.dm4", SCAN.reshape(12, 6, 8), [(1.0, ""), *PER_NM])
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert isinstance(scan.patterns, Folded)
    assert isinstance(scan.patterns.stack, np.memmap)


def test_image_and_damaged_file_are_refused(tmp_path: Path) -> None:
    path = write_gatan(tmp_path / "s.dm4", SCAN[0, 0], PER_NM)
    with pytest.raises(InputError, match=r"holds a single 2-D image of shape \(6, 8\)"):
        open_scan(path)
    whole = write_gatan(tmp_path / "t.dm4", SCAN, [*NM, *PER_NM]).read_bytes()
    for keep in (30, 400, 1200):
        (tmp_path / "t.dm4").write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"t.dm4 could not be read as a scan by RosettaSciIO") as refusal:
            open_scan(tmp_path / "t.dm4")
        assert "\n" not in str(refusal.value)
