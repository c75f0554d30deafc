"""Scans into every format and back."""

import json
import os
import struct
import subprocess
from collections import namedtuple
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import tifffile

import unmix4d
from unmix4d.conversion import convert
from unmix4d.errors import InputError, ResourceError, UsageError
from unmix4d.read.readers import open_scan
from unmix4d.records import Geometry, Scan
from unmix4d.write import convert as writing
from unmix4d.write.convert import FORMATS, write_scan

COUNTS = np.random.default_rng(0).poisson(9.0, (3, 5, 16, 16))
NAMES = {name: f"scan{form.suffix}" if form.suffix else f"{name}-frames" for name, form in FORMATS.items()}
PLUGINS = {
    "blo": "blockfile",
    "mib": "quantumdetector",
    "hspy": "hspy",
    "zspy": "zspy",
    "h5": "emd",
    "npy": "numpy",
    "tif": "tiff",
}


def scan_of(counts: np.ndarray, **metadata: float) -> Scan:
    geometry = Geometry(
        scan_shape=counts.shape[:2],
        pattern_shape=counts.shape[2:],
        scan_step_nm=2.5,
        pattern_step_inv_angstrom=0.018,
    )
    known = {"beam_energy_kev": 200.0, "camera_length_mm": 150.0, **metadata}
    return Scan(patterns=counts, geometry=geometry, metadata=MappingProxyType(known))


def needs(name: str) -> None:
    if name == "zspy":
        pytest.importorskip("zarr", reason="the extra 'formats' (zarr) is not installed")


@pytest.mark.parametrize("name", FORMATS)
def test_counts_and_calibration_come_back(tmp_path: Path, name: str) -> None:
    needs(name)
    path = tmp_path / NAMES[name]
    told = write_scan(scan_of(COUNTS.astype(np.uint8)), path, to=name)
    back = open_scan(path)
    np.testing.assert_array_equal(back.rows(0, 3), COUNTS)
    assert back.geometry.scan_step_nm == pytest.approx(2.5)
    # a .blo keeps whole detector pixels per metre: 14769 of them here
    assert back.geometry.pattern_step_inv_angstrom == pytest.approx(0.018, rel=5e-5)
    assert back.patterns.dtype.name == told["dtype"] == ("uint16" if name == "mrc" else "uint8")
    if name != "h5":  # has no place for it
        assert (back.metadata["beam_energy_kev"], back.metadata["camera_length_mm"]) == (200.0, 150.0)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(("name", "plugin"), PLUGINS.items())
def test_rosettasciio_reads_the_same_counts(tmp_path: Path, name: str, plugin: str) -> None:
    needs(name)
    path = tmp_path / NAMES[name]
    write_scan(scan_of(COUNTS.astype(np.uint8)), path, to=name)
    signal = import_module(f"rsciio.{plugin}").file_reader(str(path))[0]
    np.testing.assert_array_equal(np.asarray(signal["data"]).reshape(COUNTS.shape), COUNTS)


@pytest.mark.parametrize("dtype", [np.uint16, ">u2", np.int32, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("name", ["npy", "npz", "hspy", "h5"])
def test_formats_that_hold_everything_change_nothing(tmp_path: Path, name: str, dtype: Any) -> None:
    counts = COUNTS.astype(dtype)
    told = write_scan(scan_of(counts), tmp_path / NAMES[name], to=name)
    np.testing.assert_array_equal(open_scan(tmp_path / NAMES[name]).rows(0, 3), counts)
    assert told["values"] == f"{counts.dtype.name} as stored"


def test_blo_in_its_own_units(tmp_path: Path) -> None:
    write_scan(scan_of(COUNTS.astype(np.uint8)), tmp_path / "s.blo")
    signal = import_module("rsciio.blockfile").file_reader(str(tmp_path / "s.blo"))[0]
    assert [axis["units"] for axis in signal["axes"]] == ["nm", "nm", "cm", "cm"]
    assert signal["axes"][0]["scale"] == 2.5
    # 0.018 1/Å x 0.0250793 Å x 15 cm = 0.00677142 cm
    assert signal["axes"][2]["scale"] == pytest.approx(0.00677142, rel=5e-5)
    header = signal["original_metadata"]["blockfile_header"]
    assert (header["Beam_energy"], header["Camera_length"]) == (200_000, 1500)
    assert (header["NX"], header["NY"], header["DP_SZ"]) == (5, 3, 16)


def test_the_image_in_a_blo_is_its_brightness(tmp_path: Path) -> None:
    counts = np.zeros((2, 3, 4, 4), np.uint8)
    counts[1, 2], counts[0, 1] = 200, 102
    write_scan(scan_of(counts), tmp_path / "s.blo")
    raw = (tmp_path / "s.blo").read_bytes()
    at = struct.unpack_from("<I", raw, 8)[0]
    assert list(raw[at : at + 6]) == [0, 130, 0, 0, 0, 255]  # 102 / 200 x 255 = 130.05


def test_blo_with_pixels_that_a_real_camera_length_cannot_give(tmp_path: Path) -> None:
    scan = scan_of(COUNTS.astype(np.uint8), camera_length_mm=0.5)
    told = write_scan(scan, tmp_path / "s.blo")
    assert open_scan(tmp_path / "s.blo").geometry.pattern_step_inv_angstrom == pytest.approx(0.018, rel=5e-5)
    assert "a nominal camera length of 100 mm is written" in told["notes"][0]


def test_blo_without_a_beam_energy_says_what_is_missing(tmp_path: Path) -> None:
    scan = Scan(patterns=COUNTS.astype(np.uint8), geometry=scan_of(COUNTS).geometry)
    told = write_scan(scan, tmp_path / "s.blo")
    assert "give --beam-energy" in told["notes"][0]
    assert open_scan(tmp_path / "s.blo").geometry.pattern_step_inv_angstrom is None
    told = convert(scan, tmp_path / "t.blo", beam_energy=200)
    assert open_scan(tmp_path / "t.blo").geometry.pattern_step_inv_angstrom == pytest.approx(0.018, rel=5e-5)
    with pytest.raises(UsageError, match="looks like volts"):
        convert(scan, tmp_path / "u.blo", beam_energy=200_000)


def test_blo_pads_patterns_that_are_not_square(tmp_path: Path) -> None:
    told = write_scan(scan_of(COUNTS[..., :10].astype(np.uint8)), tmp_path / "s.blo")
    back = open_scan(tmp_path / "s.blo").rows(0, 3)
    assert back.shape == (3, 5, 16, 16)
    np.testing.assert_array_equal(back[..., :10], COUNTS[..., :10])
    assert not back[..., 10:].any()
    assert told["notes"] == ["patterns of 16 x 10 are padded with zeros to 16 x 16"]


def test_vendor_block_file_goes_round(data: Path, tmp_path: Path) -> None:
    source = open_scan(data / "formats/real/test1.blo")
    write_scan(source, tmp_path / "s.blo")
    back = open_scan(tmp_path / "s.blo")
    np.testing.assert_array_equal(back.rows(0, 3), source.rows(0, 3))
    assert back.geometry.pattern_step_inv_angstrom == source.geometry.pattern_step_inv_angstrom
    assert back.geometry.scan_step_nm == source.geometry.scan_step_nm


def test_py4dstem_file_has_its_groups(tmp_path: Path) -> None:
    import h5py

    write_scan(scan_of(COUNTS), tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        assert (file.attrs["emd_group_type"], file.attrs["version_major"]) == ("file", 1)
        cube = file["datacube_root/datacube"]
        assert (cube.attrs["emd_group_type"], cube.attrs["python_class"]) == ("array", "DataCube")
        assert [cube[f"dim{i}"].attrs["name"] for i in range(4)] == ["Rx", "Ry", "Qx", "Qy"]
        assert [cube[f"dim{i}"].attrs["units"] for i in range(4)] == ["nm", "nm", "A^-1", "A^-1"]
        calibration = file["datacube_root/metadatabundle/calibration"]
        assert calibration["Q_pixel_size"][()] == pytest.approx(0.018)
        # py4DSTEM finds the calibration of the cube by this link; without it the axes are reset to pixels
        targets = calibration["_target_paths"]
        assert (targets.attrs["type"], targets.attrs["length"]) == ("list_of_strings", 1)
        assert targets["0"].asstr()[()] == "/datacube"


PY4DSTEM = """
import sys, json, numpy, py4DSTEM
cube = py4DSTEM.read("ours.h5")
numpy.save("seen.npy", cube.data)
calibration = cube.calibration
print(json.dumps({
    "units": list(cube.dim_units), "steps": [float(dim[1] - dim[0]) for dim in cube.dims],
    "R": [calibration.get_R_pixel_size(), calibration.get_R_pixel_units()],
    "Q": [calibration.get_Q_pixel_size(), calibration.get_Q_pixel_units()],
}))
py4DSTEM.save("theirs.h5", cube, mode="o")
bare = py4DSTEM.DataCube(cube.data)
bare.calibration.set_R_pixel_size(2.5); bare.calibration.set_R_pixel_units("nm")
bare.calibration.set_Q_pixel_size(0.018); bare.calibration.set_Q_pixel_units("A^-1")
py4DSTEM.save("made.h5", bare, mode="o")
"""


def test_py4dstem_itself_reads_our_file_and_we_read_its_own(tmp_path: Path) -> None:
    python = os.environ.get("UNMIX4D_PY4DSTEM")
    if not python:
        pytest.skip("py4DSTEM needs NumPy 1: set UNMIX4D_PY4DSTEM to a Python that has it")
    write_scan(scan_of(COUNTS.astype(np.uint16)), tmp_path / "ours.h5")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(
        [python, "-W", "ignore", "-c", PY4DSTEM],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(next(line for line in answer.stdout.splitlines() if line.startswith("{")))
    np.testing.assert_array_equal(np.load(tmp_path / "seen.npy"), COUNTS)
    assert told["units"] == ["nm", "nm", "A^-1", "A^-1"]
    assert told["steps"] == pytest.approx([2.5, 2.5, 0.018, 0.018])
    assert (told["R"], told["Q"]) == ([2.5, "nm"], [0.018, "A^-1"])
    for name in ("theirs.h5", "made.h5"):
        back = open_scan(tmp_path / name)
        np.testing.assert_array_equal(back.rows(0, 3), COUNTS)
        steps = (back.geometry.scan_step_nm, back.geometry.pattern_step_inv_angstrom)
        assert steps == pytest.approx((2.5, 0.018))


def test_tiff_is_an_imagej_stack(tmp_path: Path) -> None:
    write_scan(scan_of(COUNTS.astype(np.uint16)), tmp_path / "s.tif")
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        assert file.is_imagej
        assert file.series[0].shape == (15, 16, 16)


def test_frames_are_in_the_order_of_the_scan(tmp_path: Path) -> None:
    write_scan(scan_of(COUNTS.astype(np.uint8)), tmp_path / "frames")
    files = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert files[:2] == ["00000.bmp", "00001.bmp"]
    assert files[-2:] == ["00014.bmp", "scan.json"]
    told = json.loads((tmp_path / "frames" / "scan.json").read_text())
    assert (told["scan_shape"], told["values"]) == ([3, 5], "uint8 as stored")


class Lines:
    """Patterns that are made when they are read, and remember how many at once."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape, self.dtype, self.most = shape, np.dtype(np.uint16), 0

    def __getitem__(self, key: Any) -> np.ndarray:
        probes = np.arange(self.shape[0] * self.shape[1], dtype=np.uint16).reshape(self.shape[:2])[key]
        self.most = max(self.most, probes.size)
        return np.broadcast_to(probes[..., None, None], (*probes.shape, *self.shape[2:])).copy()


@pytest.mark.parametrize(("budget", "most"), [(24 * 512 * 64, 60), (24 * 512 * 7, 7), (24 * 512, 1)])
@pytest.mark.parametrize("name", ["npy", "hspy", "blo", "bmp"])
def test_blocks_stay_within_the_memory_plan(tmp_path: Path, name: str, budget: int, most: int) -> None:
    lines = Lines((9, 20, 16, 16))  # 512 bytes each
    steps: list[tuple[str, float]] = []
    write_scan(
        scan_of(lines),  # type: ignore[arg-type]
        tmp_path / NAMES[name],
        to=name,
        scale="auto",
        budget=budget,
        tell=lambda stage, done, total: steps.append((stage, done / total)),
    )
    assert lines.most == most
    back = open_scan(tmp_path / NAMES[name]).rows(0, 9)
    np.testing.assert_array_equal(back[..., 0, 0], np.arange(180).reshape(9, 20))
    assert steps[-1] == ("write", 1.0)


def test_a_pattern_larger_than_the_memory_plan(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"one pattern takes .* raise --memory"):
        write_scan(scan_of(COUNTS), tmp_path / "s.npy", budget=1000)


@pytest.mark.parametrize("name", ["blo", "hspy", "npy", "bmp"])
def test_nothing_is_left_of_what_failed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "extremes", lambda *_: (0.0, 9.0))  # so that it fails while it writes

    class Broken(Lines):
        def __getitem__(self, key: Any) -> np.ndarray:
            if key[0].start > 3:
                raise OSError("the disk was pulled out")
            return super().__getitem__(key)

    scan = scan_of(Broken((9, 20, 16, 16)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"could be read only up to line 4 \(the disk was pulled out\)"):
        write_scan(scan, tmp_path / NAMES[name], to=name, budget=24 * 512 * 20)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil gives it
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(ResourceError, match=r"the disk has 0.0 GB free"):
        write_scan(scan_of(COUNTS), tmp_path / "s.npy")


def test_what_exists_is_kept_unless_told(tmp_path: Path) -> None:
    scan = scan_of(COUNTS.astype(np.uint8))
    for name in ("s.blo", "frames"):
        write_scan(scan, tmp_path / name)
        with pytest.raises(UsageError, match=r"exists; give another name, or --overwrite"):
            write_scan(scan, tmp_path / name)
        write_scan(scan_of(COUNTS[:2].astype(np.uint8)), tmp_path / name, overwrite=True)
        assert open_scan(tmp_path / name).geometry.scan_shape == (2, 5)


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match=r"holds files that no conversion has written"):
        write_scan(scan_of(COUNTS.astype(np.uint8)), tmp_path / "mine", overwrite=True)
    (tmp_path / "s.blo").mkdir()
    with pytest.raises(UsageError, match=r"is a folder, where a NanoMEGAS block file is to be written"):
        write_scan(scan_of(COUNTS.astype(np.uint8)), tmp_path / "s.blo", overwrite=True)


def test_the_scan_itself_is_not_replaced(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", COUNTS)
    with pytest.raises(UsageError, match=r"is the scan itself"):
        convert(tmp_path / "s.npy", tmp_path / "s.npy", overwrite=True)


def test_an_old_sidecar_does_not_describe_a_new_file(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", COUNTS)
    (tmp_path / "t.hspy.json").write_text('{"scan_step_nm": 99}')
    with pytest.raises(UsageError, match=r"t.hspy.json exists; give another name"):
        convert(tmp_path / "s.npy", tmp_path / "t.hspy", scan_step=2.0)
    convert(tmp_path / "s.npy", tmp_path / "t.hspy", scan_step=2.0, overwrite=True)
    assert open_scan(tmp_path / "t.hspy").geometry.scan_step_nm == 2.0


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("s.xyz", {}, r"the suffix .xyz of .* names no format that scans are written in; there are blo"),
        ("s.blo", {"to": "dm4"}, r"--to dm4 names no format"),
        ("s.blo", {"dtype": "uint16"}, r"a NanoMEGAS block file cannot hold uint16; it holds uint8"),
        ("s.blo", {"scale": "log"}, r"--scale log is unknown; there are auto, clip, linear, sqrt"),
        ("s.npy", {"dtype": "float32", "scale": "linear"}, r"needs whole numbers"),
    ],
)
def test_wrong_options(tmp_path: Path, path: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write_scan(scan_of(COUNTS), tmp_path / path, **options)
    assert list(tmp_path.iterdir()) == []


def test_convert_is_public_and_takes_arrays(tmp_path: Path) -> None:
    unmix4d.convert(COUNTS.reshape(15, 16, 16), tmp_path / "s.npy", scan_shape=(5, 3))
    assert open_scan(tmp_path / "s.npy").geometry.scan_shape == (5, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["s.hspy", "s.blo"])
def test_pyxem_opens_what_was_written_with_its_calibration(tmp_path: Path, name: str) -> None:
    hyperspy = pytest.importorskip("hyperspy.api", reason="hyperspy is not installed")
    pytest.importorskip("pyxem", reason="pyxem is not installed")
    wavelength = import_module("diffsims.utils.sim_utils").get_electron_wavelength
    write_scan(scan_of(COUNTS.astype(np.uint8)), tmp_path / name)
    signal = hyperspy.load(str(tmp_path / name), signal_type="electron_diffraction")
    assert type(signal).__name__ == "ElectronDiffraction2D"
    np.testing.assert_array_equal(signal.data, COUNTS)
    steps = [(axis.scale, axis.units) for axis in signal.axes_manager.navigation_axes]
    assert steps == [(2.5, "nm")] * 2
    told = signal.metadata.Acquisition_instrument.TEM
    assert told.beam_energy == 200
    # Of a .blo: centimetres on the detector, and the camera length comes out in metres.
    per_unit = 1 / (wavelength(told.beam_energy) * told.camera_length * 100) if name == "s.blo" else 1
    assert signal.calibration.units == ["cm" if name == "s.blo" else "1/Å"] * 2
    np.testing.assert_allclose(np.multiply(signal.calibration.scale, per_unit), 0.018, rtol=5e-5)
