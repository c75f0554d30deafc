from pathlib import Path
from typing import NoReturn

import h5py
import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read import hdf
from unmix4d.read.readers import open_scan

SCAN = np.arange(3 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 4, 5, 6)
AXES = (("y", "nm", 2.0, True), ("x", "nm", 2.0, True), ("ky", "1/nm", 0.2, False), ("kx", "1/nm", 0.2, False))


def write_hspy(path: Path, data: np.ndarray, axes: tuple[tuple[str, str, float, bool], ...]) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("Experiments/test")
        group["data"] = data
        for i, (name, units, scale, navigate) in enumerate(axes):
            group.create_group(f"axis-{i}").attrs.update(
                {"name": name, "units": units, "scale": scale, "navigate": navigate}
            )
        tem = group.create_group("metadata/Acquisition_instrument/TEM")
        tem.attrs.update({"beam_energy": 200.0, "camera_length": 150.0})


def write_emd(group: h5py.Group, data: np.ndarray, dims: list[tuple[str, str, float]], first: int) -> None:
    group["data"] = data
    for i, (name, units, step) in enumerate(dims):
        dim = group.create_dataset(f"dim{first + i}", data=[0.0, step])
        dim.attrs.update({"name": name, "units": units})


def test_hspy(tmp_path: Path) -> None:
    write_hspy(tmp_path / "scan.hspy", SCAN, AXES)
    scan = open_scan(tmp_path / "scan.hspy")
    assert isinstance(scan.patterns, h5py.Dataset)
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.geometry.scan_step_nm == 2.0
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (200.0, 150.0)
    assert scan.metadata["notes"] == []


def test_hspy_with_the_pattern_first(tmp_path: Path) -> None:
    stored = np.ascontiguousarray(SCAN.transpose(2, 3, 0, 1))
    write_hspy(tmp_path / "scan.hspy", stored, (*AXES[2:], *AXES[:2]))
    scan = open_scan(tmp_path / "scan.hspy")
    np.testing.assert_array_equal(scan.rows(1, 3), SCAN[1:3])
    assert scan.geometry.scan_step_nm == 2.0


def test_hspy_stack_needs_the_scan_shape(tmp_path: Path) -> None:
    write_hspy(tmp_path / "scan.hspy", SCAN.reshape(12, 5, 6), AXES[1:])
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(tmp_path / "scan.hspy")
    scan = open_scan(tmp_path / "scan.hspy", scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)


def test_py4dstem_axes_go_by_position(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        group = file.create_group("root/datacube")
        write_emd(
            group, SCAN, [("Rx", "nm", 3.0), ("Ry", "nm", 3.0), ("Qx", "A^-1", 0.01), ("Qy", "A^-1", 0.01)], 0
        )
    scan = open_scan(tmp_path / "scan.h5")
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    assert (scan.geometry.scan_step_nm, scan.geometry.pattern_step_inv_angstrom) == (3.0, 0.01)


@pytest.mark.parametrize(
    ("dims", "steps"),
    [
        ([(name, "pixels", 1.0) for name in ("Rx", "Ry", "Qx", "Qy")], (2.5, 0.018)),
        ([("Rx", "nm", 3.0), ("Ry", "nm", 3.0), ("Qx", "A^-1", 0.01), ("Qy", "A^-1", 0.01)], (3.0, 0.01)),
    ],
)
def test_calibration_that_py4dstem_keeps_beside_the_cube(
    tmp_path: Path, dims: list[tuple[str, str, float]], steps: tuple[float, float]
) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        write_emd(file.create_group("datacube_root/datacube"), SCAN, dims, 0)
        kept = file.create_group("datacube_root/metadatabundle/calibration")
        told = {"R_pixel_size": 2.5, "R_pixel_units": "nm", "Q_pixel_size": 0.018, "Q_pixel_units": "A^-1"}
        for name, value in told.items():
            kept[name] = value
    scan = open_scan(tmp_path / "scan.h5")
    assert (scan.geometry.scan_step_nm, scan.geometry.pattern_step_inv_angstrom) == pytest.approx(steps)


@pytest.mark.parametrize(
    ("dims", "mark", "backwards"),
    [
        ([("a", "[1/n_m]", 0.2), ("b", "[1/n_m]", 0.2), ("c", "[n_m]", 2.0), ("d", "[n_m]", 2.0)], False, True),
        ([("kx", "", 1.0), ("ky", "", 1.0), ("x", "", 1.0), ("y", "", 1.0)], False, True),
        ([("R_y", "", 1.0), ("R_x", "", 1.0), ("Q_y", "", 1.0), ("Q_x", "", 1.0)], True, False),
        ([("", "", 1.0)] * 4, True, True),  # HyperSpy's own mark, nothing else known
        ([("", "", 1.0)] * 4, False, False),
    ],
)
def test_ncem_axes_may_be_stored_backwards(
    tmp_path: Path, *, dims: list[tuple[str, str, float]], mark: bool, backwards: bool
) -> None:
    with h5py.File(tmp_path / "scan.emd", "w") as file:
        group = file.create_group("signals/test")
        group.attrs["emd_group_type"] = 1
        if mark:
            group.attrs["signal_type"] = ""
        write_emd(group, SCAN.T if backwards else SCAN, dims, 1)
    scan = open_scan(tmp_path / "scan.emd")
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])
    assert any("detector axes are stored first" in note for note in scan.metadata["notes"]) == backwards


def test_the_largest_array_is_the_scan(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/probe"] = np.ones((2, 2, 5, 6))
        file["entry/data"] = SCAN
        file["entry/map"] = np.ones((300, 400))
        file["entry/waves"] = np.ones((9, 9, 9, 9), dtype=complex)
        file["entry/nothing"] = h5py.Empty("f")
    scan = open_scan(tmp_path / "scan.h5")
    assert scan.metadata["dataset"] == "/entry/data"
    assert open_scan(tmp_path / "scan.h5", dataset="entry/probe").patterns.shape == (2, 2, 5, 6)


def test_equal_scans_ask_for_a_choice(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["raw"] = SCAN
        file["filtered"] = SCAN
    with pytest.raises(UsageError, match=r"2 scans of equal size: choose one with --dataset .*/filtered .*, /raw"):
        open_scan(tmp_path / "scan.h5")
    np.testing.assert_array_equal(open_scan(tmp_path / "scan.h5", dataset="/raw").rows(0, 3), SCAN)


@pytest.mark.parametrize(("dataset", "found"), [("entry", "a group"), ("nowhere", "nothing")])
def test_wrong_dataset_lists_what_there_is(tmp_path: Path, dataset: str, found: str) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"] = SCAN
    with pytest.raises(UsageError, match=rf"{found} at '{dataset}'; .*: /entry/data \(3, 4, 5, 6\)"):
        open_scan(tmp_path / "scan.h5", dataset=dataset)


def test_dataset_of_two_axes_is_no_scan(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["map"] = np.ones((3, 4))
    with pytest.raises(InputError, match="no array of three or four axes"):
        open_scan(tmp_path / "scan.h5")
    with pytest.raises(InputError, match="single 2-D image"):
        open_scan(tmp_path / "scan.h5", dataset="map")


def test_fifth_axis_of_length_one_is_dropped(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = SCAN[:, :, None]
    scan = open_scan(tmp_path / "scan.h5")
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)


def test_chunks_inside_patterns_leave_a_note(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("data", data=SCAN, chunks=(3, 4, 2, 2))
    scan = open_scan(tmp_path / "scan.h5")
    assert scan.metadata["notes"] == ["the chunks (3, 4, 2, 2) cut through the patterns, which makes reading slow"]
    assert scan.metadata["chunks"] == [3, 4, 2, 2]


@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_truncated_file(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "scan.hspy"
    write_hspy(path, np.tile(SCAN, (10, 1, 1, 1)), AXES)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(InputError, match="is no complete HDF5 file"):
        open_scan(path)


def test_missing_decompressor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_plugin(name: str) -> NoReturn:
        raise ImportError(name)

    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("data", data=SCAN, chunks=(1, 4, 5, 6), compression="gzip")
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    monkeypatch.setattr(hdf.importlib, "import_module", no_plugin)
    with pytest.raises(
        InputError,
        match=r"compressed by deflate, which needs the package hdf5plugin: pip install 'unmix4d\[formats\]'",
    ):
        open_scan(tmp_path / "scan.h5")
