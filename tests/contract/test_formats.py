"""Every file format gives exactly the same numbers (data/README.md, formats)."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.read.readers import describe, open_scan

pytestmark = pytest.mark.data

SCAN_SHAPE = (12, 10)
# file: (scan step in nm, pattern step in 1/Å)
WITH_SCAN_SHAPE = {
    "scan_12x10.hspy": (2.7, None),
    "scan_12x10.blo": (2.7, None),
    "scan_12x10.mib": (None, None),
    "scan_12x10.npy": (None, None),
    "scan_12x10.npz": (None, None),
    "scan_12x10_ncem.emd": (2.7, None),
    "scan_12x10_py4dstem_emd1.h5": (2.7, 0.018),
    "scan_12x10_generic.h5": (None, None),
}
WITHOUT_SCAN_SHAPE = ("scan_12x10_stack.tif", "bmp_sequence")
THROUGH_ROSETTA = {"scan_12x10.nxs": None, "scan_12x10_000.tvips": SCAN_SHAPE, "scan_x10_y12.xml": None}


@pytest.fixture(scope="module")
def made(data: Path) -> Path:
    return data / "formats" / "made"


@pytest.fixture(scope="module")
def expected(made: Path) -> np.ndarray:
    return np.load(made / "scan_12x10.npy")


@pytest.mark.parametrize(("name", "steps"), WITH_SCAN_SHAPE.items())
def test_file_with_a_scan_shape(
    made: Path, expected: np.ndarray, name: str, steps: tuple[float | None, ...]
) -> None:
    scan = open_scan(made / name)
    assert scan.geometry.scan_shape == SCAN_SHAPE
    np.testing.assert_array_equal(scan.rows(0, 12), expected)
    np.testing.assert_array_equal(scan.rows(5, 7), expected[5:7])
    np.testing.assert_array_equal(scan.pattern(11, 9), expected[11, 9])
    found = (scan.geometry.scan_step_nm, scan.geometry.pattern_step_inv_angstrom)
    assert found == (
        steps[0] if steps[0] is None else pytest.approx(steps[0]),
        steps[1] if steps[1] is None else pytest.approx(steps[1]),
    )


@pytest.mark.parametrize("name", WITHOUT_SCAN_SHAPE)
def test_stack_needs_its_scan_shape(made: Path, expected: np.ndarray, name: str) -> None:
    with pytest.raises(UsageError, match=r"120 patterns.*--scan-shape ROWS,COLS"):
        open_scan(made / name)
    scan = open_scan(made / name, scan_shape=SCAN_SHAPE)
    np.testing.assert_array_equal(scan.rows(0, 12), expected)
    np.testing.assert_array_equal(scan.pattern(3, 4), expected[3, 4])


@pytest.mark.parametrize("name", [*WITH_SCAN_SHAPE, *WITHOUT_SCAN_SHAPE])
def test_every_file_can_be_refolded(made: Path, expected: np.ndarray, name: str) -> None:
    scan = open_scan(made / name, scan_shape=(8, 15))
    np.testing.assert_array_equal(scan.rows(2, 5), expected.reshape(8, 15, 128, 128)[2:5])
    with pytest.raises(UsageError, match=r"7 x 5 needs 35 patterns.*holds 120"):
        open_scan(made / name, scan_shape=(7, 5))


@pytest.mark.parametrize(("name", "scan_shape"), THROUGH_ROSETTA.items())
def test_format_of_a_rosettasciio_plugin(
    made: Path, expected: np.ndarray, name: str, scan_shape: tuple[int, int] | None
) -> None:
    scan = open_scan(made / name, scan_shape=scan_shape)
    np.testing.assert_array_equal(scan.rows(0, 12), expected)
    np.testing.assert_array_equal(scan.pattern(3, 4), expected[3, 4])


def test_vendor_blockfile_is_calibrated_from_its_header(data: Path) -> None:
    # 200 kV, 200 mm and 6226 detector pixels per metre: 1e7 / 6226 / (0.02507934 Å x 2e8 nm) = 0.0320217 1/Å
    scan = open_scan(data / "formats" / "real" / "test1.blo")
    assert scan.patterns.shape == (3, 2, 144, 144)
    assert scan.geometry.scan_step_nm == pytest.approx(12.8)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.0320217, rel=1e-5)
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (200.0, 200.0)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("002_merlin_test_roi_sig256x128_nav4x2_hot_pixel_52x_39y.mib", (2, 4, 128, 256)),
        ("003_merlin_test_roi_sig256x64_nav4x2_hot_pixel_52x_39y.mib", (2, 4, 64, 256)),
    ],
)
def test_vendor_merlin_file_has_its_hot_pixel_where_its_name_says(
    data: Path, name: str, shape: tuple[int, ...]
) -> None:
    scan = open_scan(data / "formats" / "real" / name)
    assert scan.patterns.shape == shape
    mean = scan.rows(0, 2).mean(axis=(0, 1))
    y, x = np.unravel_index(mean.argmax(), mean.shape)
    assert (shape[2] - 1 - y, x) == (39, 52)  # Merlin counts rows from the bottom


@pytest.mark.parametrize(
    ("name", "plugin"),
    [
        ("test1.blo", "blockfile"),
        ("test2.blo", "blockfile"),
        ("002_merlin_test_roi_sig256x128_nav4x2_hot_pixel_52x_39y.mib", "quantumdetector"),
        ("003_merlin_test_roi_sig256x64_nav4x2_hot_pixel_52x_39y.mib", "quantumdetector"),
    ],
)
def test_own_readers_agree_with_rosettasciio(data: Path, name: str, plugin: str) -> None:
    path = data / "formats" / "real" / name
    signal = import_module(f"rsciio.{plugin}").file_reader(str(path))[0]
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.rows(0, scan.geometry.scan_shape[0]), signal["data"])


def test_vendor_merlin_file_without_lines_needs_a_scan_shape(data: Path) -> None:
    path = data / "formats" / "real" / "001_4x2_6bit.mib"
    with pytest.raises(UsageError, match=r"holds 8 patterns and no scan shape"):
        open_scan(path)
    assert open_scan(path, scan_shape=(2, 4)).patterns.shape == (2, 4, 256, 256)


def test_pyxem_file(data: Path) -> None:
    scan = open_scan(data / "formats" / "real" / "subset_data.hspy")
    assert scan.patterns.shape == (2, 2, 256, 256)
    assert scan.geometry.scan_step_nm == pytest.approx(2.0)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.01261)


def test_medipix_file_with_a_colour_axis(data: Path) -> None:
    scan = open_scan(data / "formats" / "real" / "fpd_file_test.hdf5")
    assert scan.patterns.shape == (2, 2, 256, 256)
    assert scan.metadata["dataset"] == "/fpd_expt/fpd_data/data"
    assert scan.rows(0, 2).max() > 0


@pytest.mark.parametrize("name", ["paper_scan/scan.hspy", "ag_twins/scan.hspy", "tiny_mosaic/scan_32.npz"])
def test_development_scans_open(data: Path, name: str) -> None:
    found = describe(open_scan(data / name))
    expected = {
        "paper_scan/scan.hspy": ([95, 165], [64, 64], None, None),
        "ag_twins/scan.hspy": ([64, 208], [112, 112], 20.372, 0.026728),
        "tiny_mosaic/scan_32.npz": ([32, 32], [64, 64], None, None),
    }[name]
    keys = ("scan_shape", "pattern_shape", "scan_step_nm", "pattern_step_inv_angstrom")
    assert tuple(found[key] for key in keys) == expected
