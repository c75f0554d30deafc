"""What was measured: the scan, what a survey of it found, and its patterns as a matrix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from unmix4d.records.base import AnyArray, BoolArray, FloatArray, IntArray, PatternArray, empty, require, spread

SCAN_NDIM = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """Shapes and calibration of a scan.

    Attributes
    ----------
    scan_shape, pattern_shape : tuple of int
        ``(scan_y, scan_x)`` in probes and ``(pattern_y, pattern_x)`` in detector pixels.
    scan_step_nm, pattern_step_inv_angstrom : float or None
        Size of a probe step in nm and of a detector pixel in 1/Å; None where the file says nothing.
    """

    scan_shape: tuple[int, int]
    pattern_shape: tuple[int, int]
    scan_step_nm: float | None = None
    pattern_step_inv_angstrom: float | None = None

    def __post_init__(self) -> None:
        sizes = (*self.scan_shape, *self.pattern_shape)
        require(len(sizes) == SCAN_NDIM and min(sizes) >= 1, f"shapes must be positive pairs, got {sizes}")

    @property
    def n_probes(self) -> int:
        """Number of scan positions."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def n_pixels(self) -> int:
        """Number of detector pixels."""
        return self.pattern_shape[0] * self.pattern_shape[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """A 4D-STEM scan that is read on demand.

    Attributes
    ----------
    patterns : PatternArray, shape (scan_y, scan_x, pattern_y, pattern_x)
        Lazy; slicing the first two axes reads whole patterns.
    geometry : Geometry
    metadata : mapping
        What the file says: ``path``, ``format``, ``reader``, ``beam_energy_kev``, ``camera_length_mm`` ...
    reopen : callable or None
        Opens the same scan again, in another process too; None for data in memory. A pickled scan carries this
        instead of its patterns.
    """

    patterns: PatternArray
    geometry: Geometry
    metadata: Mapping[str, Any] = field(default_factory=empty)
    reopen: "Callable[[], Scan] | None" = None

    def __post_init__(self) -> None:
        expected = (*self.geometry.scan_shape, *self.geometry.pattern_shape)
        require(tuple(self.patterns.shape) == expected, f"patterns {self.patterns.shape} do not fit {expected}")

    def __reduce__(self) -> "tuple[Callable[[], Scan], tuple[()]]":
        if self.reopen is not None:
            return self.reopen, ()
        return partial(Scan, patterns=self.patterns, geometry=self.geometry, metadata=dict(self.metadata)), ()

    @property
    def n_bytes(self) -> int:
        """Size of all patterns in bytes, as stored."""
        return self.geometry.n_probes * self.geometry.n_pixels * int(self.patterns.dtype.itemsize)

    def rows(self, start: int, stop: int) -> AnyArray:
        """Read scan lines ``start:stop`` as an array (rows, scan_x, pattern_y, pattern_x)."""
        return np.asarray(self.patterns[start:stop])

    def pattern(self, y: int, x: int) -> AnyArray:
        """Read the pattern of one probe, shape (pattern_y, pattern_x)."""
        return np.asarray(self.patterns[y, x])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beam:
    """The direct beam in a mean pattern: centre (y, x) and radius in detector pixels."""

    center: tuple[float, float]
    radius: float

    def disc(self, shape: tuple[int, int]) -> BoolArray:
        """Pixels within the radius, as a boolean image of ``shape``."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        return np.asarray((y - self.center[0]) ** 2 + (x - self.center[1]) ** 2 <= self.radius**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningStep:
    """One fault that was looked for, and what was done about it.

    Attributes
    ----------
    name : str
        The fault.
    found : bool
    action : str
        In words, what was done, or why nothing was.
    before, after : float or None
        The measure of the fault before and after; None where it was not taken.
    unit : str
        What is measured, with its unit.
    """

    name: str
    found: bool
    action: str
    before: float | None
    after: float | None
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """What one look at every pattern found, after cropping and binning and before any filter.

    Attributes
    ----------
    mean_pattern : (pattern_y, pattern_x) float64, counts per pattern
    total_counts, dark_field : (scan_y, scan_x) float64
        Counts of each pattern: all, and outside the direct beam disc.
    beam : Beam or None
    vacuum, empty : (scan_y, scan_x) bool
        Probes judged to be vacuum; probes without a single count.
    data_range : float
        Largest value that the data type allows (integers) or that was seen (floats): L of PSNR.
    clipped_fraction, clipped_min : float
        Share of values that were negative and were set to 0, and the most negative of them.
    saturated_fraction : float
        Share of values at the largest value of an integer data type.
    warnings : tuple of str
    left_out : (pattern_y, pattern_x) bool or None
        Pixels that cleaning leaves out; None = none.
    cleaning : tuple of CleaningStep
        One for each fault, in the order in which they are looked for.
    """

    mean_pattern: FloatArray
    total_counts: FloatArray
    dark_field: FloatArray
    beam: Beam | None
    vacuum: BoolArray
    empty: BoolArray
    data_range: float
    clipped_fraction: float = 0.0
    clipped_min: float = 0.0
    saturated_fraction: float = 0.0
    warnings: tuple[str, ...] = ()
    left_out: BoolArray | None = None
    cleaning: tuple[CleaningStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatternMatrix:
    """Patterns as rows of a matrix that is read block by block and never has to fit in memory.

    Attributes
    ----------
    read_block : callable
        ``read_block(i)`` gives block i: (n_probes of the block, n_pixels), non-negative counts, float32 or an
        unsigned integer as stored.
    bounds : tuple of int
        Row offsets of the blocks: block i holds rows ``bounds[i]:bounds[i + 1]``.
    probe_mask : (scan_y, scan_x) bool
        True for probes that are rows (C order); masked, empty and vacuum probes are not.
    pixel_mask : (pattern_y, pattern_x) bool
        True for pixels that are columns (C order); the masked beam and dead pixels are not.
    geometry : Geometry
        After cropping and binning.
    steps : tuple of str
        In words, what was done to the patterns.
    read_rows : callable or None
        ``read_rows(indices)`` gives single rows, where that is cheaper than reading the blocks that hold them.
    column_means : (n_pixels,) float64 or None
        Mean counts of every column, where they are known beforehand.
    """

    read_block: Callable[[int], AnyArray]
    bounds: tuple[int, ...]
    probe_mask: BoolArray
    pixel_mask: BoolArray
    geometry: Geometry
    steps: tuple[str, ...] = ()
    read_rows: Callable[[IntArray], AnyArray] | None = None
    column_means: FloatArray | None = None

    def __post_init__(self) -> None:
        require(self.probe_mask.shape == self.geometry.scan_shape, "probe_mask must have the scan shape")
        require(self.pixel_mask.shape == self.geometry.pattern_shape, "pixel_mask must have the pattern shape")
        require(self.bounds[0] == 0 and self.bounds[-1] == int(self.probe_mask.sum()), "bounds must span all rows")

    @property
    def n_probes(self) -> int:
        """Number of rows."""
        return self.bounds[-1]

    @property
    def n_pixels(self) -> int:
        """Number of columns."""
        return int(self.pixel_mask.sum())

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.bounds) - 1

    def rows_of(self, block: int) -> slice:
        """Rows of the matrix that block number ``block`` holds."""
        return slice(self.bounds[block], self.bounds[block + 1])

    def blocks(self) -> Iterator[tuple[slice, AnyArray]]:
        """Read all blocks in order, each with the rows that it holds."""
        for i in range(self.n_blocks):
            yield self.rows_of(i), self.read_block(i)

    def rows(self, indices: IntArray) -> AnyArray:
        """Read single rows, (len(indices), n_pixels); ``indices`` ascend."""
        if self.read_rows is not None:
            return self.read_rows(indices)
        holders = np.searchsorted(self.bounds, indices, side="right") - 1
        parts = [self.read_block(int(i))[indices[holders == i] - self.bounds[i]] for i in np.unique(holders)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_pixels), np.float32)

    def row(self, index: int) -> AnyArray:
        """One row, shape (n_pixels,)."""
        return np.asarray(self.rows(np.array([index]))[0])

    def to_maps(self, values: AnyArray, fill: float = 0) -> AnyArray:
        """Spread values (n_probes, ...) over the scan: (scan_y, scan_x, ...), ``fill`` elsewhere."""
        return spread(values, self.probe_mask, fill)

    def to_patterns(self, values: AnyArray, fill: float = 0) -> AnyArray:
        """Spread values (..., n_pixels) over the detector: (..., pattern_y, pattern_x), ``fill`` elsewhere."""
        return np.moveaxis(spread(np.moveaxis(values, -1, 0), self.pixel_mask, fill), (0, 1), (-2, -1))
