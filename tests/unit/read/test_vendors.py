"""ARINA, EMPAD, Topspin and MATLAB files that the tests write themselves."""

import shutil
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from unmix4d.errors import InputError, UsageError
from unmix4d.read.empad import RECORD
from unmix4d.read.lazy import Frames
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(0).poisson(5, (3, 4, 6, 8)).astype(np.uint16)
STACK = SCAN.reshape(12, 6, 8)
GUID = "18d9446f-22bf-4fb1-8d13-338174e75d20"
POINT = "<A><B/><C><P>{x}</P><P>{y}</P></C></A>"
DETECTOR = "<X><O>-1.5</O><S>{step}</S><U><N/><V>mrads</V></U></X>"


def write_arina(folder: Path, *, mask: np.ndarray | None = None, sidecar: bool = True) -> Path:
    for i, part in enumerate((STACK[:7], STACK[7:]), start=1):
        with h5py.File(folder / f"a_data_{i:06}.h5", "w") as file:
            file["entry/data/data"] = part
    with h5py.File(folder / "a_master.h5", "w") as file:
        for i in (1, 2):
            file[f"entry/data/data_{i:06}"] = h5py.ExternalLink(f"a_data_{i:06}.h5", "/entry/data/data")
        file["entry/instrument/detector/x_pixel_size"] = 1e-4
        if mask is not None:
            file["entry/instrument/detector/detectorSpecific/pixel_mask"] = mask
    if sidecar:
        with h5py.File(folder / "a.h5", "w") as file:
            told = {"NumPixelsX": 4, "NumPixelsY": 3, "Pixel Size": [0.5]}
            file.create_group("STEM Metadata").attrs.update(
                {**told, "High Tension": [200000.0], "Camera Length": [0.2]}
            )
    return folder / "a_master.h5"


def test_arina_is_read_on_demand_with_the_calibration_beside_it(tmp_path: Path) -> None:
    scan = open_scan(write_arina(tmp_path))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.rows(1, 2), SCAN[1:2])
    # 100 µm at 200 kV (0.0250793 Å) and 200 mm: 1e-4 m / (0.0250793e-10 m x 0.2 m) = 1.99367e8 1/m
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.0199367, rel=1e-5)
    assert scan.geometry.scan_step_nm == pytest.approx(0.5)


def test_arina_opens_by_the_file_of_the_microscope(tmp_path: Path) -> None:
    write_arina(tmp_path)
    np.testing.assert_array_equal(open_scan(tmp_path / "a.h5").rows(0, 3), SCAN)


def test_arina_without_the_file_of_the_microscope_needs_its_shape(tmp_path: Path) -> None:
    path = write_arina(tmp_path, sidecar=False)
    with pytest.raises(UsageError, match=r"holds 12 patterns and no scan shape"):
        open_scan(path)
    assert open_scan(path, scan_shape=(3, 4)).geometry.pattern_step_inv_angstrom is None


def test_pixels_that_arina_masks_are_empty(tmp_path: Path) -> None:
    mask = np.zeros((6, 8), np.uint32)
    mask[2, 3] = 1
    scan = open_scan(write_arina(tmp_path, mask=mask))
    expected = SCAN.copy()
    expected[..., 2, 3] = 0
    np.testing.assert_array_equal(scan.rows(0, 3), expected)
    assert "1 pixels that the detector marks as bad" in scan.metadata["notes"][0]


def test_arina_without_its_patterns(tmp_path: Path) -> None:
    path = write_arina(tmp_path)
    (tmp_path / "a_data_000002.h5").unlink()
    with pytest.raises(InputError, match=r"keeps patterns in a_data_000002.h5, which is missing beside it"):
        open_scan(path)


def write_empad(path: Path, n: int) -> np.ndarray:
    records = np.zeros(n, RECORD)
    records["pattern"] = np.random.default_rng(1).random((n, 128, 128), np.float32)
    records["footer"] = np.nan
    records.tofile(path)
    return records["pattern"]


def test_empad_patterns_without_their_description(tmp_path: Path) -> None:
    patterns = write_empad(tmp_path / "scan_x3_y2.raw", 6)
    scan = open_scan(tmp_path / "scan_x3_y2.raw")
    np.testing.assert_array_equal(scan.rows(0, 2), patterns.reshape(2, 3, 128, 128))
    assert "calibration is unknown" in scan.metadata["notes"][0]


def test_empad_patterns_whose_name_says_another_shape(tmp_path: Path) -> None:
    write_empad(tmp_path / "scan_x3_y3.raw", 6)
    with pytest.raises(UsageError, match="holds 6 patterns and no scan shape"):
        open_scan(tmp_path / "scan_x3_y3.raw")


def test_raw_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(bytes(1000))
    with pytest.raises(InputError, match=r"does not consist of EMPAD patterns"):
        open_scan(tmp_path / "scan.raw")


def test_empad_that_was_cut_short(tmp_path: Path, data: Path) -> None:
    shutil.copy(data / "formats/real/map4x4.xml", tmp_path / "map4x4.xml")
    write_empad(tmp_path / "scan_x4_y4.raw", 15)
    with pytest.raises(InputError, match=r"announces more patterns than the 15 that scan_x4_y4.raw holds"):
        open_scan(tmp_path / "map4x4.xml")
    patterns = write_empad(tmp_path / "scan_x4_y4.raw", 16)
    scan = open_scan(tmp_path / "map4x4.xml")
    np.testing.assert_array_equal(scan.rows(0, 4), patterns.reshape(4, 4, 128, 128))
    # the file's calibrated_pixelsize, 1.8265e-10 (1/m x 1e18 of RosettaSciIO's 1/nm)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.01826537)


def test_xml_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.xml").write_text("<root/>")
    with pytest.raises(InputError, match=r"is no EMPAD file: it names no file of patterns"):
        open_scan(tmp_path / "notes.xml")


def write_app5(path: Path, *, scans: tuple[str, ...] = (GUID,), step: float = 0.8) -> Path:
    with h5py.File(path, "w") as file:
        file["Metadata"] = "<M><Id>scan</Id><CreatedDateTime>1/2/2026 10:00:00 AM</CreatedDateTime></M>"
        for scan in scans:
            for i, pattern in enumerate(STACK):
                y, x = divmod(i, 4)
                file[f"{scan}/{i}/Data"] = pattern
                axes = DETECTOR.format(step=step) * 2
                point = POINT.format(x=5e-9 + 2e-9 * x, y=1e-8 + 2e-9 * y)
                file[f"{scan}/{i}/Metadata"] = f"<M><D>{axes}</D><S>{point}</S></M>"
    return path


def test_app5_is_read_pattern_by_pattern(tmp_path: Path) -> None:
    scan = open_scan(write_app5(tmp_path / "s.app5"))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert isinstance(scan.patterns.stack, Frames)  # type: ignore[attr-defined]
    assert scan.geometry.scan_step_nm == pytest.approx(2.0)
    assert any("mrad and the file does not give beam energy" in note for note in scan.metadata["notes"])


def test_app5_agrees_with_rosettasciio(tmp_path: Path) -> None:
    path = write_app5(tmp_path / "s.app5")
    signal = import_module("rsciio.topspin").file_reader(str(path), show_progressbar=False)[0]
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.rows(0, 3), signal["data"])
    assert [axis["size"] for axis in signal["axes"]] == list(scan.patterns.shape)
    assert signal["axes"][0]["scale"] == pytest.approx(scan.geometry.scan_step_nm)


def test_app5_with_several_scans(tmp_path: Path) -> None:
    other = GUID.replace("18d9", "28d9")
    path = write_app5(tmp_path / "s.app5", scans=(GUID, other))
    with pytest.raises(UsageError, match=r"holds 2 scans: choose one with --dataset"):
        open_scan(path)
    assert open_scan(path, dataset=other).metadata["dataset"] == f"/{other}"
    with pytest.raises(UsageError, match=r"has no scan at 'nothing'; scans: /18d9"):
        open_scan(path, dataset="nothing")


def test_app5_of_images_alone(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.app5", "w") as file:
        file[GUID] = np.zeros((4, 4))
    with pytest.raises(InputError, match=r"holds no 4D-STEM scan, only images"):
        open_scan(tmp_path / "s.app5")


@pytest.mark.parametrize("stack", [False, True])
def test_matlab_7_3_lists_its_axes_backwards(tmp_path: Path, stack: bool) -> None:
    stored = STACK if stack else SCAN
    path = tmp_path / "s.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"] = np.ascontiguousarray(stored.T)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64"
    with path.open("rb+") as file:
        file.write(head)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.metadata["format"] == "MATLAB 7.3"


def test_older_matlab_takes_the_largest_or_the_named_variable(tmp_path: Path) -> None:
    path = tmp_path / "s.mat"
    savemat(path, {"few": SCAN[:1], "scan": SCAN, "map": np.zeros((50, 50))})
    np.testing.assert_array_equal(open_scan(path).rows(0, 3), SCAN)
    assert open_scan(path, dataset="few").geometry.scan_shape == (1, 4)
    with pytest.raises(UsageError, match=r"has no 3-D or 4-D variable 'map'; it holds few \(1, 4, 6, 8\)"):
        open_scan(path, dataset="map")


def test_matlab_that_holds_no_scan(tmp_path: Path) -> None:
    savemat(tmp_path / "s.mat", {"map": np.zeros((5, 5))})
    with pytest.raises(InputError, match=r"holds no 3-D or 4-D variable of real numbers, only map \(5, 5\)"):
        open_scan(tmp_path / "s.mat")
    (tmp_path / "t.mat").write_bytes(b"MATLAB 5.0" + bytes(300))
    with pytest.raises(InputError, match=r"t.mat is no complete MATLAB file"):
        open_scan(tmp_path / "t.mat")
