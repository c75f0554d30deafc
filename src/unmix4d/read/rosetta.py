"""Every other format, through the plugins of RosettaSciIO."""

import importlib
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Microscope, microscope_of, parse_unit, positive
from unmix4d.read.found import AXES_WANTED, SCAN_NDIM, STACK_NDIM, Found, arrange
from unmix4d.read.lazy import PATTERN_NDIM, Reordered
from unmix4d.records import PatternArray

# 4D-STEM formats among the many that RosettaSciIO reads, for messages
LISTED_SUFFIXES = (".dm3", ".dm4", ".ser", ".zspy")
NO_SCANS = frozenset({"Impulse", "Protochips", "JobinYvon", "MRCZ", "DENS", "USID", "Delmic", "Tofwerk"})
NEEDED = {"numcodecs": "zarr", "zarr": "zarr", "hdf5plugin": "hdf5plugin", "imagecodecs": "imagecodecs"}
BAND_BYTES = 64 << 20
GATAN = "DigitalMicrograph"
PATTERN_KINDS = frozenset({"reciprocal", "angle"})
MICROSCOPE_NAMES = frozenset({"beam_energy", "camera_length"})

FileReader = Callable[..., Sequence[Mapping[str, Any]]]


def plugins_for(suffix: str) -> dict[str, str]:
    """RosettaSciIO's plugins for a file suffix (with dot): name and dotted module."""
    from rsciio import IO_PLUGINS  # noqa: PLC0415 - reads the specifications of all plugins

    wanted = suffix.lower().removeprefix(".")
    return {
        plugin["name"]: plugin["api"]
        for plugin in IO_PLUGINS
        if wanted in {extension.lower() for extension in plugin["file_extensions"]}
        and plugin["name"] not in NO_SCANS
    }


def read_rosetta(path: Path) -> Found:
    """Read a file by the first of RosettaSciIO's plugins that finds a scan or a stack in it, lazily if it can.

    What the plugin warns about becomes notes.

    Raises
    ------
    InputError
        If no plugin can read it or none finds an array of three or four axes.
    """
    failures, others = [], []
    for name, module in plugins_for(path.suffix).items():
        with _quiet() as caught:
            try:
                reader: FileReader = importlib.import_module(module).file_reader
                signals, notes = _load(reader, path)
                for each in signals:
                    _probe(each["data"])
            except ModuleNotFoundError as error:
                package = NEEDED.get(error.name or "", error.name)
                failures.append(f"{name} needs the package {package}: pip install 'unmix4d[formats]'")
                continue
            except Exception as error:  # noqa: BLE001 - plugins raise anything on files that are not theirs
                failures.append(f"{name}: {_first_line(error)}")
                continue
        stacks = [each for each in signals if len(each["data"].shape) in {STACK_NDIM, SCAN_NDIM}]
        if not stacks:
            others += [tuple(map(int, each["data"].shape)) for each in signals]
            continue
        signal = max(stacks, key=lambda each: (len(each["data"].shape), prod(each["data"].shape)))
        return _found(signal, path, name, (*notes, *(_first_line(each.message) for each in caught)))
    if others:
        kind = "a single 2-D image" if len(others) == 1 and len(others[0]) == PATTERN_NDIM else "no scan"
        raise InputError(f"{path} holds {kind} of shape {', '.join(map(str, others))}; {AXES_WANTED}")
    raise InputError(
        f"{path} could not be read as a scan by RosettaSciIO ({'; '.join(failures)}); "
        "it may be damaged, cut short, or hold no array of three or four axes"
    )


@contextmanager
def _quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Keep plugins from talking to the terminal; collect what they warn about."""
    logger = logging.getLogger("rsciio")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", ResourceWarning)
            yield caught
    finally:
        logger.setLevel(level)


def _probe(data: PatternArray) -> None:
    """Read the first and the last pattern, so that a missing or short data file is found now."""
    if len(data.shape) in {STACK_NDIM, SCAN_NDIM} and 0 not in data.shape:
        n_leading = len(data.shape) - PATTERN_NDIM
        np.asarray(data[(0,) * n_leading])
        np.asarray(data[(-1,) * n_leading])


def _load(reader: FileReader, path: Path) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    """Call a plugin lazily; if its chunks cut through patterns, once more with bands of whole scan lines."""
    options = inspect.signature(reader).parameters
    if "lazy" not in options:
        return reader(str(path)), ["this format is read as a whole"]
    try:
        signals = reader(str(path), lazy=True)
    except NotImplementedError:
        return reader(str(path), lazy=False), ["this format is read as a whole"]
    largest = max((each["data"] for each in signals), key=lambda data: prod(data.shape), default=None)
    chunks = getattr(largest, "chunksize", None)
    if largest is None or chunks is None or chunks[-2:] == largest.shape[-2:]:
        return signals, []
    if "chunks" in options and len(signals) == 1:
        return reader(str(path), lazy=True, chunks=_bands(largest.shape, largest.dtype.itemsize)), []
    return signals, [f"the chunks {chunks} cut through the patterns, which makes reading slow"]


def _bands(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunks of whole scan lines (or patterns of a stack), about 64 MB each."""
    line_bytes = prod(shape[1:]) * itemsize
    return (min(shape[0], max(1, BAND_BYTES // line_bytes)), *shape[1:])


def _found(signal: Mapping[str, Any], path: Path, plugin: str, notes: Sequence[str]) -> Found:
    listed = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array", 0))
    axes = [
        Axis(
            step=float(axis.get("scale") or 0.0),
            unit=str(axis.get("units") or ""),
            name=str(axis.get("name") or ""),
            is_scan=bool(axis.get("navigate", False)),
        )
        for axis in listed
    ]
    complete = len(axes) == len(signal["data"].shape)
    data, reader = signal["data"], f"RosettaSciIO ({plugin})"
    if plugin == GATAN:
        axes = _told_by_units(axes)
        data, reader = _mapped(signal, path), f"{reader}, memory map"
    patterns, axes_in_order = arrange(data, axes if complete else [])
    if isinstance(patterns, Reordered):
        notes = (
            *notes,
            "the detector axes are stored first, so every read goes over the whole file: convert it once",
        )
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format=f"{plugin} {path.suffix}",
        reader=reader,
        axes=axes_in_order,
        microscope=_microscope(signal),
        notes=tuple(notes),
    )


def _told_by_units(axes: Sequence[Axis]) -> list[Axis]:
    """Mark the two axes in 1/length or angles as the pattern: Gatan's files have it first or last."""
    kinds = [parsed[0] if (parsed := parse_unit(axis.unit)) else None for axis in axes]
    if len(axes) != SCAN_NDIM or sum(kind in PATTERN_KINDS for kind in kinds) != PATTERN_NDIM:
        return list(axes)
    return [replace(axis, is_scan=kind not in PATTERN_KINDS) for axis, kind in zip(axes, kinds, strict=True)]


def _mapped(signal: Mapping[str, Any], path: Path) -> PatternArray:
    """Map the array of a Gatan file where it lies, so that a pattern costs a look and not a chunk."""
    stored = signal["original_metadata"]["ImageList"]["TagGroup0"]["ImageData"]["Data"]
    data = signal["data"]
    order = "<" if stored["endian"] == "little" else ">"
    mapped: PatternArray = np.memmap(
        path,
        dtype=np.dtype(data.dtype).newbyteorder(order),
        mode="r",
        offset=int(stored["offset"]),
        shape=data.shape,
    )
    return mapped


def _microscope(signal: Mapping[str, Any]) -> Microscope:
    """Take beam energy and camera length, as HyperSpy would, from where the plugin says that they are."""
    original = signal.get("original_metadata", {})
    known = microscope_of(signal.get("metadata", {}), original)
    told: dict[str, float | None] = {}
    for place, (target, change) in signal.get("mapping", {}).items():
        name = target.rpartition(".")[2]
        if name in MICROSCOPE_NAMES and (value := _at(original, place)) is not None:
            told[name] = positive(value if change is None else change(value))
    return Microscope(
        beam_energy_kev=known.beam_energy_kev or told.get("beam_energy"),
        camera_length_mm=known.camera_length_mm or told.get("camera_length"),
    )


def _at(tree: Any, place: str) -> Any:  # noqa: ANN401 - whatever a vendor wrote
    """Look up ``a.b c.d`` in nested dictionaries; plugins write spaces as underscores or not."""
    for name in place.split("."):
        if not isinstance(tree, Mapping):
            return None
        tree = next((tree[key] for key in (name, name.replace("_", " ")) if key in tree), None)
    return tree


def _first_line(message: object) -> str:
    lines = str(message).strip().splitlines()
    return lines[0] if lines else type(message).__name__
