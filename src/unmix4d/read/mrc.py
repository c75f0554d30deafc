"""MRC stacks, mapped into memory, and what a Direct Electron camera writes beside them."""

import re
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Microscope, positive
from unmix4d.read.found import AXES_WANTED, Found
from unmix4d.read.lazy import Frames
from unmix4d.read.mapped import map_records, read_head
from unmix4d.records import AnyArray, IntArray, PatternArray

HEADER_BYTES = 1024
EXTENDED_BYTES_AT = 92
BYTE_ORDER_AT = 212
BIG_ENDIAN = 0x11
TYPES: Mapping[int, str] = MappingProxyType({0: "u1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"})
DE_NAME = re.compile(r"(\d{8}_\d+)_.*_?movie")
INFO, PLACES = "_info.txt", "_scan_coordinates.csv"


def read_mrc(path: Path) -> Found:
    """Map an MRC stack; its sections are the patterns, in the order of the scan.

    A movie of a Direct Electron camera (``NAME_movie.mrc``) takes scan shape, calibration, voltage and camera
    length from ``NAME_info.txt`` beside it, and the places of its probes from ``NAME_scan_coordinates.csv``: if
    they fill a raster, each pattern is put where it belongs. The cell in the header is in Å on the specimen and is
    not used.

    Raises
    ------
    InputError
        If it holds no stack of real numbers, or ends before the first pattern.
    """
    stack, announced = _map(path)
    info = _info(path)
    patterns, shape, notes = _placed(path, stack)
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="Direct Electron .mrc" if info else "MRC",
        reader="unmix4d (memory map)",
        axes=_axes(info),
        microscope=Microscope(
            beam_energy_kev=_number(info, "Instrument Accelerating Voltage (V)", 1e-3),
            camera_length_mm=_number(info, "Instrument Project Camera Length (centimeters)", 10),
        ),
        scan_shape=shape or (None if notes else _scan_shape(info, announced)),
        announced=announced,
        notes=notes,
    )


def _map(path: Path) -> tuple[AnyArray, int]:
    """Map the sections (n, pattern_y, pattern_x), and give the number that the header announces."""
    head = read_head(path, HEADER_BYTES)
    order = ">" if head[BYTE_ORDER_AT] == BIG_ENDIAN else "<"
    width, height, n, mode = struct.unpack_from(f"{order}4i", head)
    (extended,) = struct.unpack_from(f"{order}i", head, EXTENDED_BYTES_AT)
    if min(width, height, n) < 1 or extended < 0:
        raise InputError(f"{path} is no MRC file: its header gives {width} x {height} pixels and {n} sections")
    if mode not in TYPES:
        raise InputError(
            f"{path} holds values of MRC mode {mode}; supported are {', '.join(map(str, TYPES))}: save it as counts"
        )
    if n == 1:
        raise InputError(f"{path} holds a single 2-D image of shape ({height}, {width}); {AXES_WANTED}")
    section = np.dtype((np.dtype(order + TYPES[mode]), (height, width)))
    return map_records(path, section, offset=HEADER_BYTES + extended, most=n)[0], n


def _beside(path: Path, ending: str) -> Path | None:
    """Find a file of the same acquisition: by the name of the movie, or by its date and number alone."""
    starts = [path.stem.removesuffix("_movie")]
    numbered = DE_NAME.fullmatch(path.stem)
    if numbered:
        starts.append(numbered[1])
    files = (path.with_name(start + ending) for start in starts if path.stem.endswith("_movie"))
    return next((file for file in files if file.is_file()), None)


def companions_of_mrc(path: Path) -> list[Path]:
    """List the files that a Direct Electron camera wrote beside a movie and that are read with it."""
    return [file for file in (_beside(path, INFO), _beside(path, PLACES)) if file is not None]


def _info(path: Path) -> Mapping[str, str]:
    """Read the camera's lines ``name = value``; nothing if there are none."""
    file = _beside(path, INFO)
    if file is None:
        return {}
    lines = (line.partition("=") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _number(info: Mapping[str, str], name: str, factor: float = 1.0) -> float | None:
    """Give a number of the camera's; what it does not know is 0 or -1 there."""
    value = positive(info.get(name))
    return None if value is None else value * factor


def _axes(info: Mapping[str, str]) -> tuple[Axis, ...]:
    scan = (Axis(step=_number(info, f"Specimen Pixel Size {axis} (nanometers)"), unit="nm") for axis in "YX")
    pattern = (Axis(step=_number(info, f"Diffraction Pixel Size {axis}"), unit="1/nm") for axis in "YX")
    return (*scan, *pattern)


def _scan_shape(info: Mapping[str, str], n: int) -> tuple[int, int] | None:
    """Give lines and columns of a raster, if they account for every pattern."""
    if info.get("Scan - Enable") != "Enable" or info.get("Scan - Type", "Raster") != "Raster":
        return None
    area = "ROI Size" if info.get("Scan - ROI Enable") == "Enable" else "Size"
    sizes = [info.get(f"Scan - {area} {axis}", "") for axis in "YX"]
    if not all(size.isdecimal() for size in sizes):
        return None
    shape = (int(sizes[0]), int(sizes[1]))
    return shape if prod(shape) == n else None


def _placed(path: Path, stack: AnyArray) -> tuple[PatternArray, tuple[int, int] | None, tuple[str, ...]]:
    """Bring patterns of probes that were visited in another order to their places, if these fill a raster."""
    file = _beside(path, PLACES)
    if file is None:
        return stack, None, ()
    places: IntArray = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)[:, :2]  # x, y
    columns, rows = map(int, places.max(axis=0) + 1)
    numbers = places[:, 1] * columns + places[:, 0]
    if len(places) != len(stack) or not np.array_equal(np.sort(numbers), np.arange(rows * columns)):
        note = f"the probes lie at the places in {file.name}, not on a raster: maps show them in order of time"
        return stack, None, (note,)
    at = np.argsort(numbers)
    note = f"the probes were visited in the order of {file.name}: each pattern is shown at its place"
    return Frames(lambda i: stack[at[i]], len(stack), stack.shape[1:], stack.dtype), (rows, columns), (note,)
