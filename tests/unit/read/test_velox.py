"""Velox .emd: an image of many frames, as RosettaSciIO expects it; the scan shape is not in it."""

import json
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.lazy import Frames
from unmix4d.read.readers import open_scan
from unmix4d.read.velox import is_velox

SCAN = np.random.default_rng(0).integers(0, 200, (3, 4, 6, 8)).astype(np.uint16)
STACK = SCAN.reshape(12, 6, 8)
IMAGE = "Data/Image/0123456789abcdef0123456789abcdef"


def write_velox(path: Path, stack: np.ndarray = STACK, *, unit: str = "1/m", step: float = 2e8) -> Path:
    """Write frames last, a chunk for each, and what Velox tells about them as JSON in bytes."""
    told = {
        "BinaryResult": {
            "PixelSize": {"width": str(step), "height": str(step)},
            "Offset": {"x": "0", "y": "0"},
            "PixelUnitX": unit,
            "PixelUnitY": unit,
            "DetectorIndex": "0",
        },
        "Scan": {"FrameTime": "0.01"},
        "Detectors": {"Detector-0": {"DetectorName": "BM-Ceta", "ExposureTime": "0.01"}},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1700000000"}},
        "Optics": {"AccelerationVoltage": "200000", "CameraLength": "0.3"},
        "Instrument": {},
        "CustomProperties": {},
    }
    text = np.frombuffer(json.dumps(told).encode().ljust(4096, b"\0"), np.uint8)
    with h5py.File(path, "w") as file:
        file["Version"] = np.array([b'{"format": "Velox", "version": "1.12"}'], dtype=object)
        file.create_dataset(f"{IMAGE}/Data", data=stack.transpose(1, 2, 0), chunks=(*stack.shape[1:], 1))
        file[f"{IMAGE}/Metadata"] = np.repeat(text[:, None], len(stack), axis=1)
    return path


def test_frames_are_a_stack_that_is_read_in_blocks(tmp_path: Path) -> None:
    path = write_velox(tmp_path / "s.emd")
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.rows(1, 2), SCAN[1:2])
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])
    signal = import_module("rsciio.emd").file_reader(str(path))[0]
    np.testing.assert_array_equal(signal["data"], STACK)
    assert scan.metadata["dataset"] == f"/{IMAGE}/Data"
    assert isinstance(scan.patterns.stack, Frames)  # type: ignore[attr-defined]


def test_calibration_and_microscope(tmp_path: Path) -> None:
    scan = open_scan(write_velox(tmp_path / "s.emd"), scan_shape=(3, 4), scan_step_nm=1.5)
    # 2e8 1/m = 0.2 1/nm
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)
    assert scan.geometry.scan_step_nm == 1.5
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (200.0, 300.0)


def test_largest_of_several_images_is_the_scan(tmp_path: Path) -> None:
    path = write_velox(tmp_path / "s.emd")
    with h5py.File(path, "a") as file:
        for name, n in (("a", 1), ("b", 3)):
            file.create_dataset(f"Data/Image/{name}/Data", data=np.zeros((6, 8, n), np.uint16), chunks=(6, 8, 1))
            file[f"Data/Image/{name}/Metadata"] = file[f"{IMAGE}/Metadata"][:, :n]
    np.testing.assert_array_equal(open_scan(path, scan_shape=(3, 4)).rows(0, 3), SCAN)


def test_file_of_single_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds a single 2-D image of shape \(6, 8\); a scan has the four axes"):
        open_scan(write_velox(tmp_path / "s.emd", STACK[:1]))


def test_velox_files_are_known_by_their_group(tmp_path: Path) -> None:
    write_velox(tmp_path / "velox.emd")
    with h5py.File(tmp_path / "other.emd", "w") as file:
        file["signals/scan/data"] = SCAN
    (tmp_path / "nonsense.emd").write_bytes(b"nonsense")
    assert is_velox(tmp_path / "velox.emd")
    assert not is_velox(tmp_path / "other.emd")
    assert not is_velox(tmp_path / "nonsense.emd")
