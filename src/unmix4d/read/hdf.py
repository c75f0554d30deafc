"""HDF5 files by h5py: HyperSpy .hspy, NCEM and py4DSTEM EMD, and any other with one large dataset."""

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.errors import InputError, UsageError
from unmix4d.read.calibration import Axis, Microscope, microscope_of, parse_unit, positive
from unmix4d.read.found import REAL_KINDS, SCAN_NDIM, STACK_NDIM, Found, arrange

if TYPE_CHECKING:
    import h5py

# Scan lines are read in order and share chunks: without a cache each chunk would be unpacked once per line.
CACHE_BYTES = 64 << 20
CACHE_SLOTS = 20011
CACHE_KEEPS_READ_CHUNKS = 0.0
PATTERN_NAMES = ("d", "k", "q", "det")
SCAN_NAMES = ("x", "y", "r", "scan")
CALIBRATION_NAMES = ("R_pixel_size", "R_pixel_units", "Q_pixel_size", "Q_pixel_units")


def read_hdf(path: Path, dataset: str | None) -> Found:
    """Open the dataset of an HDF5 file that holds the scan; the file stays open as long as the dataset is used.

    Parameters
    ----------
    path : Path
    dataset : str or None
        Path inside the file; None = the largest array of three or four axes.

    Raises
    ------
    InputError
        If the file is damaged or cut short, holds no such array, or needs a decompressor that is missing.
    UsageError
        If there is no array at ``dataset``, or several are equally large.
    """
    file = open_hdf(path)
    try:
        return _find(file, path, dataset)
    except BaseException:
        file.close()
        raise


def open_hdf(path: Path) -> "h5py.File":
    """Open an HDF5 file for reading whole scan lines.

    Raises
    ------
    InputError
        If it is damaged or no HDF5 file.
    """
    import h5py  # noqa: PLC0415 - loads a C library

    try:
        return h5py.File(
            path, "r", rdcc_nbytes=CACHE_BYTES, rdcc_nslots=CACHE_SLOTS, rdcc_w0=CACHE_KEEPS_READ_CHUNKS
        )
    except OSError as error:
        raise InputError(f"{path} is no complete HDF5 file ({error}); save or copy it again") from error


def _find(file: "h5py.File", path: Path, dataset: str | None) -> Found:
    node = _named(file, dataset) if dataset is not None else _largest(file)
    require_filters(node)
    form, axes, order, microscope = _describe(node)
    patterns, axes = arrange(node, axes, order)
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format=form,
        reader="h5py",
        axes=axes,
        microscope=microscope,
        extra={"dataset": node.name, "chunks": list(node.chunks) if node.chunks else None},
        notes=_layout_notes(node, order),
    )


def _stacks(file: "h5py.File") -> list["h5py.Dataset"]:
    """Every real array with the axes of a scan or a stack; a fifth axis may have length 1."""
    import h5py  # noqa: PLC0415 - loads a C library

    stacks: list[h5py.Dataset] = []

    def collect(_: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and node.shape is not None and node.dtype.kind in REAL_KINDS:
            spare = len(node.shape) - SCAN_NDIM
            if len(node.shape) >= STACK_NDIM and sum(size == 1 for size in node.shape) >= spare:
                stacks.append(node)

    file.visititems(collect)
    return stacks


def _listed(stacks: Sequence["h5py.Dataset"]) -> str:
    return ", ".join(f"{node.name} {node.shape}" for node in stacks) or "none"


def _named(file: "h5py.File", dataset: str) -> "h5py.Dataset":
    import h5py  # noqa: PLC0415 - loads a C library

    node = file.get(dataset)
    if not isinstance(node, h5py.Dataset):
        found = "a group" if node is not None else "nothing"
        raise UsageError(
            f"{file.filename} has {found} at {dataset!r}; arrays of three or four axes: {_listed(_stacks(file))}"
        )
    return node


def _largest(file: "h5py.File") -> "h5py.Dataset":
    stacks = sorted(_stacks(file), key=lambda node: (prod(node.shape), len(node.shape)))
    if not stacks:
        raise InputError(f"{file.filename} holds no array of three or four axes, so no scan")
    equal = [node for node in stacks if node.shape == stacks[-1].shape]
    if len(equal) > 1:
        raise UsageError(
            f"{file.filename} holds {len(equal)} scans of equal size: choose one with --dataset "
            f"(dataset= in Python) from {_listed(equal)}"
        )
    return stacks[-1]


def require_filters(node: "h5py.Dataset") -> None:
    """Refuse a dataset whose compression nobody here can undo; hdf5plugin brings most of them."""
    import h5py  # noqa: PLC0415 - loads a C library

    properties = node.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, _, _, label = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            with suppress(ImportError):
                importlib.import_module("hdf5plugin")
        if not h5py.h5z.filter_avail(code):
            name = label.decode(errors="replace").partition(";")[0] or f"number {code}"
            raise InputError(
                f"{node.file.filename} is compressed by {name}, which needs the package hdf5plugin: "
                "pip install 'unmix4d[formats]'"
            )


def _describe(node: "h5py.Dataset") -> tuple[str, tuple[Axis, ...], tuple[int, ...] | None, Microscope]:
    """Give format, axes as stored, order of the axes (None = by their flags) and microscope."""
    group, n_axes = node.parent, node.ndim
    if "axis-0" in group:
        axes = tuple(_hyperspy_axis(group[f"axis-{i}"].attrs) for i in range(n_axes))
        return "HyperSpy .hspy", axes, None, _hyperspy_microscope(group)
    if "dim0" in group:
        axes = tuple(_emd_axis(group[f"dim{i}"]) for i in range(n_axes))
        return "EMD 1 (py4DSTEM)", _py4dstem_axes(axes, group), None, Microscope()
    if all(f"dim{i + 1}" in group for i in range(n_axes)):
        axes = tuple(_emd_axis(group[f"dim{i + 1}"]) for i in range(n_axes))
        return "EMD (NCEM)", axes, _emd_order(axes, node.shape, group), Microscope()
    if "axes" in group.attrs:
        return "NeXus", _nexus_axes(group, n_axes), None, Microscope()
    return "HDF5", (), None, Microscope()


def _nexus_axes(group: "h5py.Group", n_axes: int) -> tuple[Axis, ...]:
    """Read the axes that a NeXus data group names in order; none if it names another number of them."""
    names = [_text(name) for name in np.atleast_1d(group.attrs["axes"])]
    if len(names) != n_axes:
        return ()
    axes = (_emd_axis(group[name]) if name in group else Axis() for name in names)
    return tuple(replace(axis, name=name) for axis, name in zip(axes, names, strict=True))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _hyperspy_axis(attributes: Mapping[str, Any]) -> Axis:
    return Axis(
        step=float(attributes.get("scale", 0.0)),
        unit=_text(attributes.get("units", "")),
        name=_text(attributes.get("name", "")),
        is_scan=bool(attributes.get("navigate", False)),
    )


def _hyperspy_microscope(group: "h5py.Group") -> Microscope:
    def attributes(path: str) -> dict[str, Any]:
        return dict(group[path].attrs) if path in group else {}

    metadata = {"Acquisition_instrument": {"TEM": attributes("metadata/Acquisition_instrument/TEM")}}
    return microscope_of(metadata, {"blockfile_header": attributes("original_metadata/blockfile_header")})


def _emd_axis(dim: "h5py.Dataset") -> Axis:
    """Read an EMD axis: the positions of its points, at least the first two."""
    has_step = bool(dim.shape) and dim.shape[0] > 1 and dim.dtype.kind in REAL_KINDS
    return Axis(
        step=float(dim[1] - dim[0]) if has_step else None,
        unit=_text(dim.attrs.get("units", "")),
        name=_text(dim.attrs.get("name", "")),
    )


def _py4dstem_axes(axes: tuple[Axis, ...], group: "h5py.Group") -> tuple[Axis, ...]:
    """Take the calibration of a data cube where its axes count pixels: py4DSTEM keeps it beside the cube."""
    calibration = group.parent.get("metadatabundle/calibration")
    if calibration is None or len(axes) != SCAN_NDIM:
        return axes
    known = {name: calibration[name][()] for name in CALIBRATION_NAMES if name in calibration}
    told = [
        Axis(step=positive(known.get(f"{letter}_pixel_size")), unit=_text(known.get(f"{letter}_pixel_units", "")))
        for letter in "RRQQ"
    ]
    return tuple(
        replace(axis, step=each.step, unit=each.unit) if parse_unit(axis.unit) == parse_unit("") else axis
        for axis, each in zip(axes, told, strict=True)
    )


def _emd_order(axes: Sequence[Axis], shape: Sequence[int], group: "h5py.Group") -> tuple[int, ...] | None:
    """Tell whether an NCEM file has its axes backwards, as HyperSpy and RosettaSciIO write them.

    The names and units of the axes decide; where they say nothing, HyperSpy's mark on the group does.
    """
    if len(shape) != SCAN_NDIM:
        return None
    leaning = [_scan_leaning(axis) for axis in axes]
    balance = leaning[0] + leaning[1] - leaning[2] - leaning[3]
    backwards = balance < 0 or (balance == 0 and "signal_type" in group.attrs)
    return (3, 2, 1, 0) if backwards else (0, 1, 2, 3)


def _scan_leaning(axis: Axis) -> int:
    """Tell by unit, then by name: 1 = an axis of the scan, -1 = of the pattern, 0 = unknown."""
    parsed = parse_unit(axis.unit)
    if parsed is not None and parsed[0] in {"reciprocal", "angle"}:
        return -1
    name = axis.name.lower()
    if name.startswith(PATTERN_NAMES):
        return -1
    return int(name.startswith(SCAN_NAMES))


def _layout_notes(node: "h5py.Dataset", order: Sequence[int] | None) -> tuple[str, ...]:
    if order is not None and tuple(order) != tuple(range(len(order))):
        return ("the detector axes are stored first, so every read goes over the whole file: convert it once",)
    if node.chunks is not None and node.chunks[-2:] != node.shape[-2:]:
        return (f"the chunks {node.chunks} cut through the patterns, which makes reading slow",)
    return ()
