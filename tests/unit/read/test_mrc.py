"""MRC stacks, and movies of Direct Electron cameras with what lies beside them."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.lazy import Folded
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(0).integers(0, 200, (3, 4, 6, 8)).astype(np.uint16)
STACK = SCAN.reshape(12, 6, 8)
INFO = """Scan - Enable = {enable}
Scan - Type = {kind}
Scan - ROI Enable = {roi}
Scan - ROI Size X = 4
Scan - ROI Size Y = 3
Scan - Size X = {columns}
Scan - Size Y = 3
Specimen Pixel Size X (nanometers) = {step}
Specimen Pixel Size Y (nanometers) = {step}
Diffraction Pixel Size X = 0.25
Diffraction Pixel Size Y = 0.25
Instrument Accelerating Voltage (V) = 300000
Instrument Project Camera Length (centimeters) = -1
"""


def write_mrc(path: Path, stack: np.ndarray, *, mode: int, order: str = "<", extended: int = 0) -> Path:
    n, height, width = stack.shape
    header = np.zeros(256, f"{order}i4")
    header[:4] = width, height, n, mode
    header[23] = extended
    raw = bytearray(header.tobytes())
    raw[208:214] = b"MAP " + (b"\x44\x44" if order == "<" else b"\x11\x11")
    path.write_bytes(bytes(raw) + bytes(extended) + stack.astype(stack.dtype.newbyteorder(order)).tobytes())
    return path


def write_movie(folder: Path, **told: object) -> Path:
    known = {"enable": "Enable", "kind": "Raster", "roi": "Disable", "columns": 4, "step": 1.5} | told
    (folder / "a_info.txt").write_text(INFO.format(**known))
    return write_mrc(folder / "a_movie.mrc", STACK, mode=6)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")  # RosettaSciIO leaves the file open
@pytest.mark.parametrize(
    ("mode", "dtype"), [(0, np.uint8), (1, np.int16), (2, np.float32), (6, np.uint16), (12, np.float16)]
)
@pytest.mark.parametrize(("order", "extended"), [("<", 0), ("<", 256), (">", 0)])
def test_sections_are_mapped(tmp_path: Path, mode: int, dtype: type, order: str, extended: int) -> None:
    path = write_mrc(tmp_path / "s.mrc", STACK.astype(dtype), mode=mode, order=order, extended=extended)
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])
    assert isinstance(scan.patterns, Folded)
    assert isinstance(scan.patterns.stack, np.memmap)
    if order == "<":
        signal = import_module("rsciio.mrc").file_reader(str(path))[0]
        np.testing.assert_array_equal(scan.rows(0, 3).reshape(12, 6, 8), signal["data"])


def test_movie_is_calibrated_by_the_camera(tmp_path: Path) -> None:
    scan = open_scan(write_movie(tmp_path))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.geometry.scan_step_nm == 1.5
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.025)
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (300.0, None)
    assert scan.metadata["format"] == "Direct Electron .mrc"


def test_area_of_a_scan_goes_before_its_size(tmp_path: Path) -> None:
    assert open_scan(write_movie(tmp_path, roi="Enable", columns=99)).geometry.scan_shape == (3, 4)


@pytest.mark.parametrize("told", [{"columns": 5}, {"enable": "Disable"}, {"kind": "Spiral"}])
def test_shape_that_does_not_account_for_the_patterns_is_not_used(tmp_path: Path, told: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(write_movie(tmp_path, **told))


def test_step_that_the_camera_does_not_know(tmp_path: Path) -> None:
    assert open_scan(write_movie(tmp_path, step=-1)).geometry.scan_step_nm is None


def test_probes_in_any_order_are_put_in_their_places(tmp_path: Path) -> None:
    path = write_movie(tmp_path, kind="Random")
    at = np.random.default_rng(1).permutation(12)
    np.savetxt(tmp_path / "a_scan_coordinates.csv", np.stack([at % 4, at // 4], axis=1), fmt="%d", delimiter=",")
    scan = open_scan(path)
    expected = np.empty_like(STACK)
    expected[at] = STACK
    np.testing.assert_array_equal(scan.rows(0, 3), expected.reshape(SCAN.shape))
    np.testing.assert_array_equal(scan.pattern(1, 3), expected[7])
    assert "each pattern is shown at its place" in scan.metadata["notes"][0]


def test_places_that_fill_no_raster_leave_a_note(tmp_path: Path) -> None:
    path = write_movie(tmp_path, kind="Random")
    places = np.stack([np.arange(12) * 2, np.arange(12)], axis=1)
    np.savetxt(tmp_path / "a_scan_coordinates.csv", places, fmt="%d", delimiter=",")
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(1, 12))
    np.testing.assert_array_equal(scan.rows(0, 1)[0], STACK)
    assert "not on a raster: maps show them in order of time" in scan.metadata["notes"][0]


@pytest.mark.data
def test_vendor_movie_in_random_order_shows_the_image_that_the_camera_summed(data: Path) -> None:
    scan = open_scan(data / "formats/real/ROI_Random_Scan_movie.mrc")
    summed = np.fromfile(data / "formats/real/ROI_Random_Scan_Sum.mrc", "<f4", offset=1024).reshape(29, 12)
    image = scan.rows(0, 29).sum(axis=(2, 3))
    assert np.corrcoef(image.ravel(), summed.ravel())[0, 1] > 0.95  # 0.960; 0.03 in the order of time


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (slice(None, 500), "ends within its header"),
        (slice(None, 1060), "ends before its first pattern"),
        (slice(None, -10), "11 whole patterns of the 12 that it announces"),
    ],
)
def test_file_that_is_cut_short(tmp_path: Path, change: slice, words: str) -> None:
    path = write_mrc(tmp_path / "s.mrc", STACK, mode=6)
    path.write_bytes(path.read_bytes()[change])
    with pytest.raises(InputError, match=words):
        open_scan(path)


def test_movie_that_is_cut_short_says_how_to_read_its_lines(tmp_path: Path) -> None:
    path = write_movie(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"its complete lines can be read with --scan-shape 2,4"):
        open_scan(path)


def test_what_is_no_stack_of_counts(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "s.mrc", STACK.astype(np.complex64), mode=4)
    with pytest.raises(InputError, match=r"values of MRC mode 4; supported are 0, 1, 2, 6, 12"):
        open_scan(path)
    with pytest.raises(InputError, match=r"holds a single 2-D image of shape \(6, 8\)"):
        open_scan(write_mrc(tmp_path / "t.mrc", STACK[:1], mode=6))
    (tmp_path / "u.mrc").write_bytes(bytes(2000))
    with pytest.raises(InputError, match="is no MRC file"):
        open_scan(tmp_path / "u.mrc")
