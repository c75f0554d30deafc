"""The entrance: sources, options, calibration, and one sentence for everything that is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import dask.array as da
import h5py
import numpy as np
import pytest

from unmix4d.errors import InputError, ResourceError, UsageError
from unmix4d.read import readers
from unmix4d.read.readers import Camera, describe, open_scan

SCAN = np.arange(3 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 4, 5, 6)
STACK = SCAN.reshape(12, 5, 6)


class FakeAxis:
    def __init__(self, index: int, scale: float, units: str) -> None:
        self.index_in_array, self.scale, self.units, self.name = index, scale, units, f"axis{index}"


class FakeTree:
    def __init__(self, tree: dict[str, object]) -> None:
        self.tree = tree

    def as_dictionary(self) -> dict[str, object]:
        return self.tree


class FakeManager:
    """Lists x before y, as HyperSpy does."""

    def __init__(self, scan_index: tuple[int, int], pattern_index: tuple[int, int]) -> None:
        self.navigation_axes = tuple(FakeAxis(i, 0.5, "nm") for i in reversed(scan_index))
        self.signal_axes = tuple(FakeAxis(i, 2.0, "mrad") for i in reversed(pattern_index))


class FakeSignal:
    def __init__(self, data: np.ndarray, manager: FakeManager) -> None:
        self.data, self.axes_manager = data, manager
        self.metadata = FakeTree({"Acquisition_instrument": {"TEM": {"beam_energy": 200.0}}})


def test_array_is_taken_as_it_is() -> None:
    scan = open_scan(SCAN)
    assert scan.patterns is SCAN
    assert (scan.geometry.scan_shape, scan.geometry.pattern_shape) == ((3, 4), (5, 6))
    assert scan.geometry.scan_step_nm is None
    assert "path" not in scan.metadata


def test_stack_is_folded() -> None:
    scan = open_scan(STACK, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(1, 3), SCAN[1:3])
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])


def test_dask_array_stays_lazy() -> None:
    lazy = da.from_array(SCAN, chunks=(1, 4, 5, 6))
    scan = open_scan(lazy)
    assert scan.patterns is lazy
    np.testing.assert_array_equal(scan.rows(0, 2), SCAN[:2])
    assert scan.metadata["format"] == "dask array"


def test_signal_by_its_attributes() -> None:
    scan = open_scan(FakeSignal(SCAN, FakeManager((0, 1), (2, 3))))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.geometry.scan_step_nm == 0.5
    # 2 mrad at 200 kV: 2e-3 / 0.0250793 Å
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.0797470, rel=1e-4)
    assert scan.metadata["beam_energy_kev"] == 200.0


def test_signal_with_its_pattern_first() -> None:
    stored = np.ascontiguousarray(SCAN.transpose(2, 3, 0, 1))
    scan = open_scan(FakeSignal(stored, FakeManager((2, 3), (0, 1))))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 3), SCAN[2, 3])


def test_real_hyperspy_signal() -> None:
    signals = pytest.importorskip("hyperspy.api").signals
    signal = signals.Signal2D(SCAN)
    for axis, scale, units in zip(signal.axes_manager.navigation_axes, (7.0, 6.0), ("nm", "nm"), strict=True):
        axis.scale, axis.units = scale, units
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.2, "1/nm"
    signal.metadata.set_item("Acquisition_instrument.TEM.beam_energy", 300.0)
    scan = open_scan(signal)
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.geometry.scan_step_nm == 6.0  # y: HyperSpy lists x first
    assert scan.metadata["notes"] == ["the scan steps differ, 6 nm in y and 7 nm in x: y is used"]
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)
    assert scan.metadata["beam_energy_kev"] == 300.0


def test_given_steps_win() -> None:
    scan = open_scan(
        FakeSignal(SCAN, FakeManager((0, 1), (2, 3))), scan_step_nm=3.0, pattern_step_inv_angstrom=0.01
    )
    assert (scan.geometry.scan_step_nm, scan.geometry.pattern_step_inv_angstrom) == (3.0, 0.01)


def test_camera_gives_the_pattern_step() -> None:
    camera = Camera(voltage_kv=200, camera_length_mm=200, pixel_um=55)
    scan = open_scan(SCAN, camera=camera)
    assert scan.geometry.pattern_step_inv_angstrom == camera.pattern_step_inv_angstrom
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (200, 200)


def test_refolding_leaves_a_note() -> None:
    scan = open_scan(SCAN, scan_shape=(2, 6))
    np.testing.assert_array_equal(scan.rows(0, 2), SCAN.reshape(2, 6, 5, 6))
    assert scan.metadata["notes"] == ["scan shape (2, 6) was given, where the file says (3, 4)"]


def test_describe_is_json(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, SCAN)
    found = describe(open_scan(path, scan_step_nm=2.5))
    assert json.loads(json.dumps(found)) == found
    assert found["path"] == str(path)
    assert found["file_bytes"] == path.stat().st_size
    assert (found["scan_shape"], found["pattern_shape"], found["n_patterns"]) == ([3, 4], [5, 6], 12)
    assert (found["dtype"], found["n_bytes"]) == ("uint16", 720)
    assert found["field_of_view_nm"] == [7.5, 10.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scan_shape": (5, 5)}, r"5 x 5 needs 25 patterns, but the array holds 12"),
        ({"scan_shape": (0, 12)}, r"two positive whole numbers ROWS,COLS, not \(0, 12\)"),
        ({"scan_shape": (12,)}, r"two positive whole numbers"),
        ({"scan_step_nm": -1.0}, r"scan step in nm must be a positive number, not -1"),
        ({"pattern_step_inv_angstrom": float("nan")}, r"pattern step in 1/Å must be a positive number"),
        ({"dataset": "data"}, r"dataset names an array inside a file"),
        (
            {
                "pattern_step_inv_angstrom": 1.0,
                "camera": Camera(voltage_kv=200, camera_length_mm=200, pixel_um=55),
            },
            r"not both",
        ),
    ],
)
def test_option_that_is_wrong(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_scan(SCAN, **options)  # type: ignore[arg-type]


def test_stack_without_shape_names_number_and_option() -> None:
    with pytest.raises(UsageError, match=r"holds 12 patterns and no scan shape: give --scan-shape ROWS,COLS"):
        open_scan(STACK)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 6)), r"shape \(5, 6\) and is a single 2-D image"),
        (np.zeros((1, 2, 3, 4, 5)), r"shape \(1, 2, 3, 4, 5\) and is no scan"),
        (np.zeros((0, 4, 5, 6)), r"holds no patterns"),
        (SCAN.astype(complex), r"complex128; patterns must be real numbers"),
        (SCAN.astype(object), r"object; patterns must be real numbers"),
    ],
)
def test_array_that_is_no_scan(array: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_scan(array)


def test_source_of_another_kind() -> None:
    with pytest.raises(UsageError, match="cannot open a list as a scan"):
        open_scan([1, 2, 3])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file or folder .*nowhere.blo"):
        open_scan(tmp_path / "nowhere.blo")


def test_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "scan.npy", SCAN)
    monkeypatch.setattr(readers.os, "access", lambda *_: False)  # file modes mean nothing to root
    with pytest.raises(InputError, match=r"no permission to read .*scan\.npy"):
        open_scan(tmp_path / "scan.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.blo", "a.mib", "a.hspy", "a.tif", "a.tvips", "a.xyz"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        open_scan(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["a.npy", "a.npz", "a.blo", "a.mib", "a.hspy", "a.h5", "a.emd", "a.tif", "a.tvips", "a.dm4", "a.nxs"]
)
def test_file_of_nonsense_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is not what the suffix says, " * 100)
    with pytest.raises(InputError, match=name) as caught:
        open_scan(path)
    assert "\n" not in str(caught.value)


def test_unsupported_suffix_lists_the_supported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"format .txt is not supported; supported are .*\.blo.*\.hspy.*folders"):
        open_scan(tmp_path / "notes.txt")
    (tmp_path / "notes").write_text("hello")
    with pytest.raises(InputError, match="a file without suffix is not supported"):
        open_scan(str(tmp_path / "notes"))


def test_single_image_names_the_folder_as_the_way(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"is a single 2-D image.*give the folder of the frames"):
        open_scan(tmp_path / "image.png")


def test_dataset_for_a_format_without_datasets(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", SCAN)
    with pytest.raises(UsageError, match=r"dataset only applies to .*h5"):
        open_scan(tmp_path / "scan.npy", dataset="data")


def test_scan_that_does_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: Path) -> NoReturn:
        raise MemoryError

    np.save(tmp_path / "scan.npy", SCAN)
    monkeypatch.setitem(readers.OWN_READERS, ".npy", exhausted)
    with pytest.raises(ResourceError, match="does not fit in memory"):
        open_scan(tmp_path / "scan.npy")


def test_heavy_libraries_are_imported_when_a_file_needs_them() -> None:
    heavy = ("h5py", "rsciio", "tifffile", "PIL", "dask", "hyperspy", "matplotlib", "scipy", "skimage")
    code = f"import sys, unmix4d.read.readers; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_whatever_a_library_raises_becomes_one_sentence(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "odd.hspy", "w") as file:
        group = file.create_group("Experiments/odd")
        group["data"] = SCAN
        group.create_group("axis-0")  # the other three axes are missing
    with pytest.raises(InputError, match=r"odd.hspy could not be read \(KeyError.*is it damaged\?"):
        open_scan(tmp_path / "odd.hspy")
