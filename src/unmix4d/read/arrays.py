"""Scans from memory and from NumPy's own files."""

import struct
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.errors import InputError, UsageError
from unmix4d.read.calibration import Axis, microscope_of
from unmix4d.read.found import REAL_KINDS, SCAN_NDIM, STACK_NDIM, Found, arrange
from unmix4d.records import AnyArray

LARGE_BYTES = 1 << 30
# of the record before each member of a zip archive: where the lengths of name and extra field stand, and its size
ZIP_NAME_LENGTHS_AT = 26
ZIP_LOCAL_BYTES = 30
HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def is_signal(source: object) -> bool:
    """Tell a HyperSpy or pyxem signal by its attributes."""
    return hasattr(source, "data") and hasattr(source, "axes_manager")


def is_array(source: object) -> bool:
    """Tell an array (NumPy, dask, h5py ...) by its attributes."""
    return all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__"))


def from_array(array: Any) -> Found:  # noqa: ANN401 - any array by its attributes
    """Take an array as it is; dask arrays stay lazy."""
    library = type(array).__module__.partition(".")[0]
    form = "dask array" if library == "dask" else "array"
    return Found(patterns=array, name=f"the {form}", format=form, reader="unmix4d")


def is_labelled(source: object) -> bool:
    """Tell an xarray DataArray by its attributes."""
    return all(hasattr(source, name) for name in ("dims", "coords", "attrs", "data"))


def from_labelled(labelled: Any) -> Found:  # noqa: ANN401 - xarray is not imported
    """Take data and coordinates of an xarray DataArray with its axes in our order; dask arrays stay lazy."""
    axes = []
    for name in labelled.dims:
        coordinate = labelled.coords.get(name)
        values = np.empty(0) if coordinate is None else np.asarray(coordinate.values)
        known = values.ndim == 1 and len(values) > 1 and values.dtype.kind in REAL_KINDS
        units = "" if coordinate is None else str(coordinate.attrs.get("units", ""))
        axes.append(Axis(step=float(values[1] - values[0]) if known else None, unit=units, name=str(name)))
    return Found(
        patterns=labelled.data,
        name="the DataArray",
        format="xarray DataArray",
        reader="unmix4d",
        axes=tuple(axes),
    )


def from_signal(signal: Any) -> Found:  # noqa: ANN401 - HyperSpy is not imported
    """Take data, axes and microscope from a HyperSpy or pyxem signal, lazy or not."""
    manager = signal.axes_manager
    # HyperSpy lists x before y; index_in_array says where each axis lies
    flagged = [
        *((axis, True) for axis in manager.navigation_axes),
        *((axis, False) for axis in manager.signal_axes),
    ]
    flagged.sort(key=lambda pair: int(pair[0].index_in_array))
    axes = [
        Axis(
            step=float(getattr(axis, "scale", 0.0)),
            unit=str(axis.units),
            name=str(axis.name),
            is_scan=is_scan,
        )
        for axis, is_scan in flagged
    ]
    patterns, axes_in_order = arrange(signal.data, axes)
    return Found(
        patterns=patterns,
        name="the signal",
        format="HyperSpy signal",
        reader="unmix4d",
        axes=axes_in_order,
        microscope=microscope_of(_tree(signal, "metadata"), _tree(signal, "original_metadata")),
    )


def _tree(signal: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 - HyperSpy is not imported
    as_dictionary = getattr(getattr(signal, name, None), "as_dictionary", dict)
    tree: Mapping[str, Any] = as_dictionary()
    return tree


def read_npy(path: Path) -> Found:
    """Map a .npy file."""
    try:
        patterns = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{path} is no complete .npy file of numbers ({error}); save or copy it again") from error
    return Found(patterns=patterns, name=str(path), path=path, format="NumPy .npy", reader="numpy (memory map)")


def read_npz(path: Path, dataset: str | None) -> Found:
    """Load the largest 3-D or 4-D array of a .npz file, or the one named ``dataset``.

    Raises
    ------
    InputError
        If the file is damaged or holds no such array.
    UsageError
        If there is no array named ``dataset``.
    """
    headers = _npz_headers(path)
    stacks = {
        name: shape
        for name, (shape, dtype) in headers.items()
        if len(shape) in {STACK_NDIM, SCAN_NDIM} and dtype.kind in REAL_KINDS
    }
    listed = ", ".join(f"{name} {shape}" for name, (shape, _) in headers.items()) or "nothing"
    if dataset is not None and dataset not in stacks:
        raise UsageError(f"{path} has no 3-D or 4-D array {dataset!r}; it holds {listed}")
    if not stacks:
        raise InputError(f"{path} holds no 3-D or 4-D array of real numbers, only {listed}")
    name = dataset or max(stacks, key=lambda key: (prod(stacks[key]), len(stacks[key])))
    patterns = _mapped_member(path, name)
    mapped = patterns is not None
    if patterns is None:
        with np.load(path, allow_pickle=False) as archive:
            patterns = archive[name]
    large = not mapped and patterns.nbytes > LARGE_BYTES
    note = (
        f"a compressed .npz is read as a whole: {patterns.nbytes / 1e9:.1f} GB are held in memory; "
        ".npy would be mapped"
    )
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="NumPy .npz",
        reader="numpy (memory map)" if mapped else "numpy",
        extra={"dataset": name},
        notes=(note,) if large else (),
    )


def _mapped_member(path: Path, name: str) -> AnyArray | None:
    """Map an array that lies in the archive as it is; None if it is compressed or in another order."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        file.seek(member.header_offset + ZIP_NAME_LENGTHS_AT)
        file.seek(member.header_offset + ZIP_LOCAL_BYTES + sum(struct.unpack("<HH", file.read(4))))
        read_header = HEADER_READERS.get(np.lib.format.read_magic(file))
        if read_header is None:
            return None
        shape, fortran, dtype = read_header(file)
        if fortran or file.tell() + prod(shape) * dtype.itemsize > path.stat().st_size:
            return None
        return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape)


def _npz_headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array, without reading the values."""
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    read_header = HEADER_READERS.get(np.lib.format.read_magic(stream))
                    if read_header is not None:
                        shape, _, dtype = read_header(stream)
                        headers[member.removesuffix(".npy")] = (shape, dtype)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise InputError(f"{path} is no complete .npz file ({error}); save or copy it again") from error
    return headers
