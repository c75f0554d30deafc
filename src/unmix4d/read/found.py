"""What a format's reader hands over, before shape and calibration are settled in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from unmix4d.errors import InputError, UsageError
from unmix4d.read.calibration import Axis, Microscope
from unmix4d.read.lazy import Folded, Reordered, Unfolded
from unmix4d.records import PatternArray

STACK_NDIM = 3
SCAN_NDIM = 4
REAL_KINDS = "buif"
NO_AXIS = Axis()
UNKNOWN_MICROSCOPE = Microscope()
AXES_WANTED = "a scan has the four axes (scan_y, scan_x, pattern_y, pattern_x)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Patterns as a reader found them.

    Attributes
    ----------
    patterns : PatternArray
        (scan_y, scan_x, pattern_y, pattern_x), or a stack (n, pattern_y, pattern_x).
    name : str
        How messages call the source.
    format, reader : str
        What it is, and whose code reads it.
    axes : tuple of Axis
        One for each axis of ``patterns``, or none.
    scan_shape : tuple of int or None
        What the file says about a stack.
    announced : int or None
        Number of patterns that the file should hold, where its header says so.
    """

    patterns: PatternArray
    name: str
    format: str
    reader: str
    path: Path | None = None
    axes: tuple[Axis, ...] = ()
    microscope: Microscope = UNKNOWN_MICROSCOPE
    scan_shape: tuple[int, int] | None = None
    announced: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def scan_axes(self) -> tuple[Axis, Axis]:
        """The axes (y, x) of the scan; without a step where nothing is known."""
        return (self.axes[0], self.axes[1]) if len(self.axes) == SCAN_NDIM else (NO_AXIS, NO_AXIS)

    @property
    def pattern_axes(self) -> tuple[Axis, Axis]:
        """The axes (y, x) of a pattern; without a step where nothing is known."""
        return (self.axes[-2], self.axes[-1]) if self.axes else (NO_AXIS, NO_AXIS)


def scan_order(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Order of stored axes that puts the scan before the pattern: by their flags if they tell, else as stored.

    py4DSTEM tags all four axes as signal, other writers tag none: then only the position tells.
    """
    scan = [i for i, axis in enumerate(axes) if axis.is_scan]
    pattern = [i for i, axis in enumerate(axes) if not axis.is_scan]
    if len(scan) == len(pattern) == SCAN_NDIM // 2:
        return (*scan, *pattern)
    return tuple(range(len(axes)))


def arrange(
    stored: PatternArray, axes: Sequence[Axis], order: Sequence[int] | None = None
) -> tuple[PatternArray, tuple[Axis, ...]]:
    """Bring a stored array and its axes into scan order, without reading; drop one axis of length 1 from five.

    Parameters
    ----------
    stored : PatternArray
    axes : sequence of Axis
        One for each stored axis, or none.
    order : sequence of int, optional
        The stored axes in the order (scan_y, scan_x, pattern_y, pattern_x).
    """
    shape = stored.shape
    if order is None:
        kept = [i for i, size in enumerate(shape) if size != 1 or len(shape) <= SCAN_NDIM]
        order = [kept[i] for i in scan_order([axes[i] for i in kept])] if axes else kept
    if tuple(order) == tuple(range(len(shape))) or len(order) != SCAN_NDIM:
        return stored, tuple(axes)
    return Reordered(stored, order), tuple(axes[i] for i in order) if axes else ()


def check_array(found: Found) -> None:
    """Refuse what can be no scan.

    Raises
    ------
    InputError
        For values that are no real numbers, a number of axes other than 3 or 4, or an axis of length 0.
    """
    shape, dtype = tuple(found.patterns.shape), found.patterns.dtype
    if dtype.kind not in REAL_KINDS:
        raise InputError(f"{found.name} holds values of type {dtype}; patterns must be real numbers (counts)")
    if len(shape) not in {STACK_NDIM, SCAN_NDIM}:
        kind = "a single 2-D image" if len(shape) < STACK_NDIM else "no scan"
        raise InputError(f"{found.name} has the shape {shape} and is {kind}; {AXES_WANTED}")
    if 0 in shape:
        raise InputError(f"{found.name} has the shape {shape} and so holds no patterns; {AXES_WANTED}")


def as_scan(found: Found, wanted: tuple[int, int] | None) -> tuple[PatternArray, list[str]]:
    """Give the patterns the shape of a scan, without reading them.

    Parameters
    ----------
    found : Found
    wanted : (rows, columns) or None
        The scan shape that the user gave; None = as the file says.

    Returns
    -------
    tuple of PatternArray (scan_y, scan_x, pattern_y, pattern_x) and a list of notes

    Raises
    ------
    UsageError
        If no scan shape is known, or the one that was given does not fit the number of patterns.
    InputError
        If the file holds fewer patterns than it announces and no shape was given for those that are there.
    """
    shape = tuple(found.patterns.shape)
    native = (shape[0], shape[1]) if len(shape) == SCAN_NDIM else found.scan_shape
    n_found = prod(shape[:-2])
    if found.announced is not None and found.announced > n_found:
        return _cut_short(found, wanted, native, n_found)
    scan_shape = wanted or native
    if scan_shape is None:
        raise UsageError(
            f"{found.name} holds {n_found} patterns and no scan shape: give --scan-shape ROWS,COLS "
            f"(scan_shape=(rows, columns) in Python) with rows x columns = {n_found}"
        )
    if prod(scan_shape) != n_found:
        raise UsageError(
            f"a scan shape of {scan_shape[0]} x {scan_shape[1]} needs {prod(scan_shape)} patterns, "
            f"but {found.name} holds {n_found}"
        )
    notes = []
    if native is not None and scan_shape != native:
        notes.append(f"scan shape {scan_shape} was given, where the file says {native}")
    if len(shape) == SCAN_NDIM:
        return (found.patterns if scan_shape == native else Folded(Unfolded(found.patterns), scan_shape)), notes
    return Folded(found.patterns, scan_shape), notes


def _cut_short(
    found: Found, wanted: tuple[int, int] | None, native: tuple[int, int] | None, n_found: int
) -> tuple[PatternArray, list[str]]:
    """Use the first patterns of an interrupted acquisition, if the user said how many lines to take."""
    lines = n_found // native[1] if native else 0
    if wanted is None or prod(wanted) > n_found:
        mend = f"; its complete lines can be read with --scan-shape {lines},{native[1]}" if native and lines else ""
        raise InputError(
            f"{found.name} is cut short: it holds {n_found} whole patterns of the {found.announced} that it "
            f"announces (interrupted acquisition or incomplete copy){mend}"
        )
    note = f"{found.name} is cut short: {prod(wanted)} of {found.announced} patterns are used"
    return Folded(found.patterns, wanted), [note]
