"""HyperSpy's .hspy and .zspy, and the HDF5 file of a py4DSTEM data cube."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.write.stream import Stream

if TYPE_CHECKING:
    import h5py

CHUNK_BYTES = 1 << 20
SCAN_NAMES, PATTERN_NAMES = ("scan_y", "scan_x"), ("pattern_y", "pattern_x")
DIFFRACTION = "electron_diffraction"


def write_hspy(path: Path, stream: Stream) -> None:
    """Write a HyperSpy signal; RosettaSciIO writes all but the patterns, which follow block by block."""
    import h5py  # noqa: PLC0415 - loads a C library
    from rsciio.hspy import file_writer  # noqa: PLC0415

    file_writer(str(path), _signal(stream), show_progressbar=False)
    with h5py.File(path, "r+") as file:
        group = next(iter(file["Experiments"].values()))
        del group["data"]
        _fill(group.create_dataset("data", **_stored_as(stream)), stream)


def write_zspy(path: Path, stream: Stream) -> None:
    """Write a HyperSpy signal as a folder of zarr chunks.

    Raises
    ------
    UsageError
        If zarr is not installed.
    """
    if importlib.util.find_spec("zarr") is None:
        raise UsageError("a .zspy needs the package zarr: pip install 'unmix4d[formats]'")
    import zarr  # noqa: PLC0415 - of an extra
    from rsciio.zspy import file_writer  # noqa: PLC0415

    store = zarr.storage.DirectoryStore(str(path), dimension_separator="/")  # as HyperSpy's, which is deprecated
    file_writer(store, _signal(stream), show_progressbar=False)
    group = next(iter(zarr.open(store, mode="r+")["Experiments"].groups()))[1]
    del group["data"]
    chunks = _chunks(stream)
    _fill(group.create_dataset("data", shape=stream.shape, dtype=stream.values.dtype, chunks=chunks), stream)


def _signal(stream: Stream) -> dict[str, Any]:
    """Describe the signal with an array of one value in place of the patterns."""
    steps = (stream.geometry.scan_step_nm, stream.geometry.pattern_step_inv_angstrom)
    axes: list[dict[str, Any]] = []
    for names, step, unit in zip((SCAN_NAMES, PATTERN_NAMES), steps, ("nm", "1/Å"), strict=True):
        scan = names == SCAN_NAMES
        for name in names:
            size = stream.shape[len(axes)]
            scale = 1.0 if step is None else step
            axes.append(
                {
                    "_type": "UniformDataAxis",
                    "name": name,
                    "size": size,
                    "offset": 0.0 if scan or step is None else -(size // 2) * scale,
                    "scale": scale,
                    "units": "" if step is None else unit,
                    "navigate": scan,
                    "is_binned": False,
                    "index_in_array": len(axes),
                }
            )
    known = {"beam_energy": stream.beam_energy_kev, "camera_length": stream.camera_length_mm}
    microscope = {name: value for name, value in known.items() if value is not None}
    instrument = {"Acquisition_instrument": {"TEM": microscope}} if microscope else {}
    title = Path(str(stream.scan.metadata.get("path", "scan"))).stem
    return {
        "data": np.zeros((1, 1, 1, 1), stream.values.dtype),
        "axes": axes,
        "metadata": {
            "General": {"title": title, "notes": stream.values.said},
            "Signal": {"signal_type": DIFFRACTION},
            **instrument,
        },
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "", "package_version": ""},
        "models": {},
        "tmp_parameters": {},
    }


def _chunks(stream: Stream) -> tuple[int, int, int, int]:
    """Whole patterns, neighbours on a line, about 1 MB."""
    _, scan_x, pattern_y, pattern_x = stream.shape
    pattern_bytes = pattern_y * pattern_x * stream.values.dtype.itemsize
    return 1, min(scan_x, max(1, CHUNK_BYTES // pattern_bytes)), pattern_y, pattern_x


def _stored_as(stream: Stream) -> dict[str, Any]:
    return {
        "shape": stream.shape,
        "dtype": stream.values.dtype,
        "chunks": _chunks(stream),
        "compression": "gzip",
        "compression_opts": 1,
        "shuffle": stream.values.dtype.itemsize > 1,
    }


def _fill(dataset: Any, stream: Stream) -> None:  # noqa: ANN401 - of h5py or zarr
    """Write the blocks: whole lines, or parts of one."""
    width, shape = stream.shape[1], stream.shape[2:]
    for first, patterns in stream.blocks():
        y, x = divmod(first, width)
        if len(patterns) % width == 0:
            dataset[y : y + len(patterns) // width] = patterns.reshape(-1, width, *shape)
        else:
            dataset[y, x : x + len(patterns)] = patterns


def write_py4dstem(path: Path, stream: Stream) -> None:
    """Write an EMD 1.0 file with one data cube, as py4DSTEM saves and opens it."""
    import h5py  # noqa: PLC0415 - loads a C library

    with h5py.File(path, "w") as file:
        file.attrs.update(
            {
                "emd_group_type": "file",
                "version_major": 1,
                "version_minor": 0,
                "authoring_program": "unmix4d",
                "authoring_user": "",
                "UUID": "",
            }
        )
        root = file.create_group("datacube_root")
        root.attrs.update({"emd_group_type": "root", "python_class": "Root"})
        cube = root.create_group("datacube")
        cube.attrs.update({"emd_group_type": "array", "python_class": "DataCube"})
        steps = (stream.geometry.scan_step_nm, stream.geometry.pattern_step_inv_angstrom)
        units = [unit if step is not None else "pixels" for step, unit in zip(steps, ("nm", "A^-1"), strict=True)]
        for i, name in enumerate(("Rx", "Ry", "Qx", "Qy")):
            step = steps[i // 2] or 1.0
            dim = cube.create_dataset(f"dim{i}", data=np.array([0.0, step]))
            dim.attrs.update({"name": name, "units": units[i // 2]})
        _calibration(root, steps, units)
        data = cube.create_dataset("data", **_stored_as(stream))
        data.attrs["units"] = "pixel intensity"
        _fill(data, stream)


def _calibration(root: "h5py.Group", steps: tuple[float | None, float | None], units: list[str]) -> None:
    """Write the metadata from which py4DSTEM takes its pixel sizes, and the link by which the cube finds them."""
    bundle = root.create_group("metadatabundle")
    bundle.attrs["emd_group_type"] = "metadatabundle"
    group = bundle.create_group("calibration")
    group.attrs.update({"emd_group_type": "metadata", "python_class": "Calibration"})
    told: dict[str, tuple[str, float | str | bool]] = {
        "QR_flip": ("bool", False),
        "_root_treepath": ("string", ""),
    }
    for letter, step, unit in zip("RQ", steps, units, strict=True):
        told[f"{letter}_pixel_size"] = ("number", float(step or 1.0))
        told[f"{letter}_pixel_units"] = ("string", unit)
    for name, (kind, value) in told.items():
        group.create_dataset(name, data=value).attrs["type"] = kind
    targets = group.create_group("_target_paths")  # without it py4DSTEM resets the axes of the cube to pixels
    targets.attrs.update({"type": "list_of_strings", "length": 1})
    targets.create_dataset("0", data="/datacube")
