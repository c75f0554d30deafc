"""From stored values to non-negative counts: crop, bin, NaN and negative values (method 1.1)."""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unmix4d.errors import InputError, UsageError
from unmix4d.prepare.repair import Repair
from unmix4d.records import AnyArray, Geometry, Scan

NanPolicy = Literal["error", "zero", "mask"]
NegativePolicy = Literal["clip", "shift", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a scan that is used, and the binning of its detector.

    Attributes
    ----------
    y, x : slice
        Scan lines and columns, in probes of the file.
    bin : int
        Side of the square of detector pixels that are added up. Pixels that do not fill a square at the lower and
        right edge are left out.
    offset : float
        Added to every value before anything else (the ``shift`` policy for negative values).
    repair : Repair or None
        What is done to every pattern before it is binned.
    """

    y: slice
    x: slice
    bin: int = 1
    offset: float = 0.0
    repair: Repair | None = None

    def read(self, scan: Scan, rows: slice, columns: slice) -> AnyArray:
        """Read a rectangle of the window as counts; ``rows`` and ``columns`` count from its corner.

        float32, but unsigned integers that are neither shifted nor binned stay what they are.
        """
        counts = self.repaired(self.to_counts(self.read_stored(scan, rows, columns)), rows, columns)
        return counts if self.bin == 1 else bin_pixels(np.asarray(counts, dtype=np.float32), self.bin)

    def repaired(self, counts: AnyArray, rows: slice, columns: slice) -> AnyArray:
        """Repair counts of a rectangle, which keep their type."""
        return counts if self.repair is None else self.repair.apply(counts, rows, columns)

    def to_counts(self, stored: AnyArray) -> AnyArray:
        """Turn stored patterns into counts, not binned: float32, no negatives, NaN = 0; unsigned ones are that."""
        unsigned = np.issubdtype(stored.dtype, np.unsignedinteger)
        if unsigned and not self.offset:
            return stored
        counts = stored.astype(np.float32)
        if np.issubdtype(stored.dtype, np.floating):
            np.nan_to_num(counts, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        if self.offset:
            counts += np.float32(self.offset)
        if not unsigned:
            np.maximum(counts, 0, out=counts)
        return counts

    def read_stored(self, scan: Scan, rows: slice, columns: slice) -> AnyArray:
        """Read a rectangle of the window as it is stored.

        Raises
        ------
        InputError
            If the file is damaged there.
        """
        top, left = self.y.start + rows.start, self.x.start + columns.start
        lines = slice(top, top + rows.stop - rows.start)
        try:
            return _released(np.asarray(scan.patterns[lines, left : left + columns.stop - columns.start]))
        except OSError as error:
            where = f"{scan.metadata.get('path', 'the scan')}: scan lines {lines.start} to {lines.stop - 1}"
            raise InputError(f"{where} cannot be read, the file is damaged there: {error}") from error


def _released(stored: AnyArray) -> AnyArray:
    """Read what lies in a mapped file from the file: its pages would count as memory of this process."""
    root: Any = stored
    while root is not None and not isinstance(getattr(root, "base", None), mmap.mmap):
        root = getattr(root, "base", None)
    if getattr(root, "mode", "") != "r":
        return stored
    if stored.flags.c_contiguous and root.filename:
        read: AnyArray = np.empty(stored.shape, stored.dtype)
        with Path(root.filename).open(
            "rb", buffering=0
        ) as file:  # which lets other threads run, np.fromfile does not
            file.seek(root.offset + stored.ctypes.data - root.ctypes.data)
            if file.readinto(read.view(np.uint8).data) == read.nbytes:
                return read
    copy = np.array(stored, subok=False)
    if hasattr(root.base, "madvise"):
        root.base.madvise(mmap.MADV_DONTNEED)
    return copy


def bin_pixels(patterns: AnyArray, side: int) -> AnyArray:
    """Add up squares of ``side`` x ``side`` pixels of the last two axes; incomplete squares are left out."""
    if side == 1:
        return patterns
    ny, nx = patterns.shape[-2] // side, patterns.shape[-1] // side
    trimmed = patterns[..., : ny * side, : nx * side]
    squares = trimmed.reshape(*patterns.shape[:-2], ny, side, nx, side)
    return np.asarray(squares.sum(axis=(-3, -1), dtype=patterns.dtype))


def make_window(
    geometry: Geometry,
    *,
    crop: tuple[int, int, int, int] | None = None,
    bin: int = 1,  # noqa: A002 - the option's name
) -> Window:
    """Check crop and bin against the scan.

    Parameters
    ----------
    geometry : Geometry
    crop : (top, bottom, left, right), optional
        Scan lines ``top:bottom`` and columns ``left:right``, in probes.
    bin : int
        Detector binning.

    Raises
    ------
    UsageError
        If nothing of the scan or of the detector would be left.
    """
    sy, sx = geometry.scan_shape
    top, bottom, left, right = crop or (0, sy, 0, sx)
    if not (0 <= top < bottom <= sy and 0 <= left < right <= sx):
        raise UsageError(
            f"--crop {top},{bottom},{left},{right} does not lie in the scan of {sy} x {sx} probes; "
            "give TOP,BOTTOM,LEFT,RIGHT with TOP < BOTTOM and LEFT < RIGHT"
        )
    if not 1 <= bin <= min(geometry.pattern_shape):
        py, px = geometry.pattern_shape
        raise UsageError(f"--bin {bin} does not fit patterns of {py} x {px} pixels")
    return Window(y=slice(top, bottom), x=slice(left, right), bin=bin)


def windowed_geometry(geometry: Geometry, window: Window) -> Geometry:
    """Shapes and calibration after cropping and binning."""
    step = geometry.pattern_step_inv_angstrom
    py, px = geometry.pattern_shape
    return Geometry(
        scan_shape=(window.y.stop - window.y.start, window.x.stop - window.x.start),
        pattern_shape=(py // window.bin, px // window.bin),
        scan_step_nm=geometry.scan_step_nm,
        pattern_step_inv_angstrom=None if step is None else step * window.bin,
    )
