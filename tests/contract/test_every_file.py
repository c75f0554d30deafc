"""Every file in the folder of formats reads, with its units, or says in one sentence why not."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, Unmix4dError, UsageError
from unmix4d.read.readers import open_scan

pytestmark = pytest.mark.data


@dataclass(frozen=True, kw_only=True)
class Reads:
    """Shape, steps in nm and 1/Å, whose code reads, and the scan shape to give where the file has none."""

    shape: tuple[int, int, int, int]
    nm: float | None = None
    inv_angstrom: float | None = None
    by: str = "unmix4d (memory map)"
    given: tuple[int, int] | None = None
    needs: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    why: str
    error: type[Unmix4dError] = InputError


MADE = (12, 10, 128, 128)
CM = r"are in \[?c_?m\]? and the file does not give beam energy and camera length"
IMAGE = r"holds a single 2-D image of shape \({}\); a scan has the four axes"
UNSUPPORTED = r"the format \{} is not supported; supported are .*and folders of frames"
TABLE: dict[str, Reads | Refused] = {
    "made/bmp_sequence": Reads(shape=MADE, by="Pillow", given=(12, 10)),
    "made/scan_12x10.blo": Reads(shape=MADE, nm=2.7, note=CM),
    "made/scan_12x10.hdr": Reads(shape=MADE),
    "made/scan_12x10.hspy": Reads(shape=MADE, nm=2.7, by="h5py", note=CM),
    "made/scan_12x10.mat": Reads(shape=MADE, by="scipy"),
    "made/scan_12x10.mib": Reads(shape=MADE),
    "made/scan_12x10.npy": Reads(shape=MADE, by="numpy (memory map)"),
    "made/scan_12x10.npz": Reads(shape=MADE, by="numpy"),
    "made/scan_12x10.nxs": Reads(shape=MADE, nm=2.7, by="h5py", note=CM),
    "made/scan_12x10.zspy": Reads(shape=MADE, nm=2.7, by="RosettaSciIO (ZSPY)", needs="zarr", note=CM),
    "made/scan_12x10_000.tvips": Reads(shape=MADE, given=(12, 10), note="pixels of 27000000 nm, which is no step"),
    "made/scan_12x10_generic.h5": Reads(shape=MADE, by="h5py"),
    "made/scan_12x10_ncem.emd": Reads(shape=MADE, nm=2.7, by="h5py", note="over the whole file: convert it once"),
    "made/scan_12x10_py4dstem_emd1.h5": Reads(shape=MADE, nm=2.7, inv_angstrom=0.018, by="h5py"),
    "made/scan_12x10_stack.tif": Reads(shape=MADE, by="tifffile", given=(12, 10)),
    "made/scan_x10_y12.raw": Reads(shape=MADE, nm=380.528554, inv_angstrom=0.01826537, note="scan steps differ"),
    "made/scan_x10_y12.xml": Reads(shape=MADE, nm=380.528554, inv_angstrom=0.01826537, note="scan steps differ"),
    "real/001_4x2_6bit.hdr": Reads(shape=(2, 4, 256, 256), given=(2, 4)),
    "real/001_4x2_6bit.mib": Reads(shape=(2, 4, 256, 256), given=(2, 4)),
    "real/002_4x2_6bit_roi128.hdr": Reads(shape=(2, 4, 128, 256), given=(2, 4)),
    "real/002_4x2_6bit_roi128.mib": Reads(shape=(2, 4, 128, 256), given=(2, 4)),
    "real/002_merlin_test_roi_sig256x128_nav4x2_hot_pixel_52x_39y.hdr": Reads(shape=(2, 4, 128, 256)),
    "real/002_merlin_test_roi_sig256x128_nav4x2_hot_pixel_52x_39y.mib": Reads(shape=(2, 4, 128, 256)),
    "real/003_merlin_test_roi_sig256x64_nav4x2_hot_pixel_52x_39y.hdr": Reads(shape=(2, 4, 64, 256)),
    "real/003_merlin_test_roi_sig256x64_nav4x2_hot_pixel_52x_39y.mib": Reads(shape=(2, 4, 64, 256)),
    "real/128x128x5-diffraction_preview_1.ser": Reads(
        shape=(1, 5, 128, 128), by="RosettaSciIO (TIA)", given=(1, 5)
    ),
    "real/20241021_00405_0_Virt 0_sum.mrc": Refused(why=IMAGE.format("4, 8")),
    "real/20241021_00405_1_Virt 1_sum.mrc": Refused(why=IMAGE.format("4, 8")),
    "real/20241021_00405_ext1_Ext 1.mrc": Refused(why=IMAGE.format("4, 8")),
    "real/20241021_00405_final.mrc": Refused(why=IMAGE.format("4, 8")),
    "real/20241021_00405_info.txt": Refused(why=UNSUPPORTED.format(".txt")),
    "real/20241021_00405_movie.mrc": Reads(shape=(4, 8, 4, 8), nm=0.2, inv_angstrom=0.01, note="scan steps differ"),
    "real/EMPAD_v1.2.2_x32_y64_size0.8.xml": Refused(
        why=r"keeps its patterns in scan_x32_y64\.raw, which is missing"
    ),
    "real/ROI_Random_Scan_Sum.mrc": Refused(why=IMAGE.format("29, 12")),
    "real/ROI_Random_Scan_info.txt": Refused(why=UNSUPPORTED.format(".txt")),
    "real/ROI_Random_Scan_movie.mrc": Reads(shape=(29, 12, 16, 16), note="each pattern is shown at its place"),
    "real/ROI_Random_Scan_scan_coordinates.csv": Refused(why=UNSUPPORTED.format(".csv")),
    "real/fpd_file_test.hdf5": Reads(shape=(2, 2, 256, 256), by="h5py", note="cut through the patterns"),
    "real/map4x4.xml": Refused(why=r"keeps its patterns in scan_x4_y4\.raw, which is missing beside it"),
    "real/stack_images.xml": Refused(why=r"keeps its patterns in series_x10\.raw, which is missing beside it"),
    "real/subset_data.hspy": Reads(shape=(2, 2, 256, 256), nm=2.0, inv_angstrom=0.01261, by="h5py"),
    "real/test-10.dm3": Reads(shape=(1, 2, 2, 2), by="RosettaSciIO (DigitalMicrograph), memory map", given=(1, 2)),
    "real/test-10.dm4": Reads(shape=(1, 2, 2, 2), by="RosettaSciIO (DigitalMicrograph), memory map", given=(1, 2)),
    "real/test1.blo": Reads(shape=(3, 2, 144, 144), nm=12.8, inv_angstrom=0.03202173),
    "real/test2.blo": Reads(shape=(2, 3, 5, 5), nm=64.0, inv_angstrom=0.03202173),
    "real/test_00.h5": Reads(
        shape=(4, 4, 192, 192), nm=0.13915206, inv_angstrom=0.04416842, by="h5py", needs="hdf5plugin"
    ),
    "real/test_00_data_000001.h5": Reads(shape=(4, 4, 192, 192), by="h5py", given=(4, 4), needs="hdf5plugin"),
    "real/test_00_master.h5": Reads(
        shape=(4, 4, 192, 192), nm=0.13915206, inv_angstrom=0.04416842, by="h5py", needs="hdf5plugin"
    ),
    "real/test_tvips_2233_000.tvips": Reads(shape=(2, 2, 3, 3), inv_angstrom=0.1),
    "real/test_tvips_2345_000.tvips": Reads(shape=(2, 3, 4, 5), inv_angstrom=0.1, given=(2, 3)),
    "real/test_tvips_2345_split_000.tvips": Reads(shape=(2, 3, 4, 5), inv_angstrom=0.1, given=(2, 3)),
    "real/test_tvips_2345_split_001.tvips": Reads(shape=(2, 3, 4, 5), inv_angstrom=0.1, given=(2, 3)),
    "real/test_tvips_2345_split_002.tvips": Reads(shape=(2, 3, 4, 5), inv_angstrom=0.1, given=(2, 3)),
}


def test_the_table_has_every_file(data: Path) -> None:
    found = {f"{kind}/{path.name}" for kind in ("made", "real") for path in (data / "formats" / kind).iterdir()}
    assert found == set(TABLE)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if isinstance(row, Reads)])
def test_it_reads(data: Path, name: str) -> None:
    row, path = TABLE[name], data / "formats" / name
    assert isinstance(row, Reads)
    if row.needs:
        pytest.importorskip(row.needs, reason=f"the extra 'formats' ({row.needs}) is not installed")
    if row.given:
        with pytest.raises(UsageError, match=f"holds {np.prod(row.given)} patterns and no scan shape") as refusal:
            open_scan(path)
        assert len(str(refusal.value).splitlines()) == 1
    scan = open_scan(path, scan_shape=row.given)
    geometry = scan.geometry
    assert scan.patterns.shape == row.shape
    assert scan.metadata["reader"] == row.by
    steps = (geometry.scan_step_nm, geometry.pattern_step_inv_angstrom)
    wanted = [None if step is None else pytest.approx(step, rel=1e-6) for step in (row.nm, row.inv_angstrom)]
    assert list(steps) == wanted
    whole = scan.rows(0, row.shape[0])
    assert whole.shape == row.shape
    assert np.isfinite(whole).all()
    last = (row.shape[0] - 1, row.shape[1] - 1)
    np.testing.assert_array_equal(scan.pattern(*last), whole[last])
    if row.note:
        assert any(re.search(row.note, note) for note in scan.metadata["notes"]), scan.metadata["notes"]


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if isinstance(row, Refused)])
def test_it_says_why_not(data: Path, name: str) -> None:
    row = TABLE[name]
    assert isinstance(row, Refused)
    with pytest.raises(row.error, match=row.why) as refusal:
        open_scan(data / "formats" / name)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [name for name, row in TABLE.items() if name.startswith("made/") and isinstance(row, Reads)],
)
def test_made_files_give_the_same_counts(data: Path, name: str) -> None:
    row = TABLE[name]
    assert isinstance(row, Reads)
    if row.needs:
        pytest.importorskip(row.needs, reason=f"the extra 'formats' ({row.needs}) is not installed")
    expected = np.load(data / "formats" / "made" / "scan_12x10.npy")
    scan = open_scan(data / "formats" / name, scan_shape=row.given)
    np.testing.assert_array_equal(scan.rows(0, 12), expected)
    np.testing.assert_array_equal(scan.pattern(7, 3), expected[7, 3])
