"""One pass over all patterns: sums of probes and of pixels, what is not a count, the beam in parts of the scan."""

from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.prepare.condition import Window, bin_pixels
from unmix4d.prepare.kernels import add_to_cells, as_rows, tally_counts
from unmix4d.prepare.source import Source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, Beam, BoolArray, FloatArray, IntArray

CELLS = 12
CELL_BYTES = 2**24
WINDOW_MARGIN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Parts of the scan in which patterns are added up, and the window of the stored pattern about the beam.

    Attributes
    ----------
    scan_shape : (scan_y, scan_x)
    shape : (cells_y, cells_x)
    corner, size : (y, x)
        Of the window, pixels.
    """

    scan_shape: tuple[int, int]
    shape: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def about(cls, beam: Beam, *, scan_shape: tuple[int, int], pattern_shape: tuple[int, int]) -> "Cells":
        """Lay out cells, and a window about a beam that may wander by some pixels or 1/32 of the detector."""
        reach = 2 * beam.radius + WINDOW_MARGIN + min(pattern_shape) / 32
        low = [max(0, int(center - reach)) for center in beam.center]
        high = [min(side, int(center + reach) + 2) for center, side in zip(beam.center, pattern_shape, strict=True)]
        size = high[0] - low[0], high[1] - low[1]
        most = max(4, min(CELLS, int((CELL_BYTES / (8 * size[0] * size[1])) ** 0.5)))
        shape = min(most, scan_shape[0]), min(most, scan_shape[1])
        return cls(scan_shape=scan_shape, shape=shape, corner=(low[0], low[1]), size=size)

    def of(self, tile: Tile) -> IntArray:
        """Give the cell of every probe of a tile, flattened."""
        y, x = (axis.ravel() for axis in np.mgrid[tile.rows, tile.columns])
        (cells_y, cells_x), (scan_y, scan_x) = self.shape, self.scan_shape
        return np.asarray((y * cells_y // scan_y) * cells_x + x * cells_x // scan_x)

    def centers(self) -> tuple[FloatArray, FloatArray]:
        """Give the middle (y, x) of every cell in probes, (n_cells,) each."""
        middles = []
        for size, n in zip(self.scan_shape, self.shape, strict=True):
            cell = np.arange(size) * n // size
            middles.append(np.array([np.flatnonzero(cell == i).mean() for i in range(n)]))
        y, x = np.meshgrid(*middles, indexing="ij")
        return y.ravel(), x.ravel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What is unusual about the stored values of one tile."""

    nan_count: int = 0
    nan_first: tuple[int, ...] = ()
    nan_pixels: BoolArray | None = None
    negative_count: int = 0
    negative_min: float = 0.0
    negative_sum: float = 0.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the tiles add up to; everything about pixels is as stored, before binning.

    Attributes
    ----------
    total, dark : (scan_y, scan_x) float64
        Counts of each pattern: over the pixels that are used, and over those outside the beam.
    sums, squares, changes : (pixel_y, pixel_x) float64
        Sums over the probes of the counts and of their squares; and over pairs of neighbours on a scan line, of the
        squares of their differences.
    largest, times : (pixel_y, pixel_x) float64
        Largest count of each pixel, and at how many probes it occurs.
    n_outside : int
        Number of pixels that are used and outside the beam.
    n_pairs : int
        Number of those pairs.
    cells : Cells or None
    cell_sums : (n_cells, window_y, window_x) float64
    nan_pixels : (pattern_y, pattern_x) bool, after binning
    """

    total: FloatArray
    dark: FloatArray
    sums: FloatArray
    squares: FloatArray
    changes: FloatArray
    largest: FloatArray
    times: FloatArray
    n_outside: int
    cells: Cells | None
    cell_sums: FloatArray
    nan_pixels: BoolArray
    n_pairs: int = 0
    nan_count: int = 0
    nan_first: tuple[int, ...] = ()
    negative_count: int = 0
    negative_min: float = 0.0
    negative_sum: float = 0.0

    @property
    def n_probes(self) -> int:
        """Number of probes."""
        return self.total.size

    @property
    def mean(self) -> FloatArray:
        """Mean stored pattern."""
        return self.sums / self.n_probes


def tally_tiles(
    source: Source, beam: Beam | None, skip: BoolArray, executor: Executor, *, with_cells: bool
) -> Tally:
    """Read every pattern once.

    Parameters
    ----------
    source : Source
    beam : Beam or None
        After binning.
    skip : (pixel_y, pixel_x) bool
        Pixels as stored that do not count in the sums of probes.
    executor : Executor
    with_cells : bool
        Whether to add up the surroundings of the beam in parts of the scan.

    Returns
    -------
    Tally
    """
    geometry, stored = source.geometry, source.scan.geometry.pattern_shape
    used, outside = _weights(source, beam, skip)
    cells = None
    if with_cells and beam is not None:
        cells = Cells.about(unbinned(beam, source.window.bin), scan_shape=geometry.scan_shape, pattern_shape=stored)
    tally = Tally(
        total=np.zeros(geometry.scan_shape),
        dark=np.zeros(geometry.scan_shape),
        sums=np.zeros(stored),
        squares=np.zeros(stored),
        changes=np.zeros(stored),
        largest=np.full(stored, -1.0),
        times=np.zeros(stored),
        n_outside=int(outside.sum()),
        cells=cells,
        cell_sums=np.zeros((0, 0, 0) if cells is None else (cells.shape[0] * cells.shape[1], *cells.size)),
        nan_pixels=np.zeros(geometry.pattern_shape, dtype=bool),
    )
    look = _Look(source=source, used=used.ravel(), outside=outside.ravel(), cells=cells)
    for tile, part in zip(source.tiles, executor.map_blocks(look, source.tiles), strict=True):
        _add(tally, part, tile)
    return tally


def unbinned(beam: Beam, side: int) -> Beam:
    """Give the beam in pixels as stored."""
    y, x = ((center + 0.5) * side - 0.5 for center in beam.center)
    return Beam(center=(y, x), radius=beam.radius * side)


def _weights(source: Source, beam: Beam | None, skip: BoolArray) -> tuple[FloatArray, FloatArray]:
    """1 for stored pixels that count, and for those of them outside the beam, else 0."""
    ny, nx = source.geometry.pattern_shape
    side = source.window.bin
    used = np.zeros(skip.shape, dtype=np.float32)
    used[: ny * side, : nx * side] = 1
    used[skip] = 0
    outside = used.copy()
    if beam is not None:
        inside = beam.disc((ny, nx)).repeat(side, axis=0).repeat(side, axis=1)
        outside[: ny * side, : nx * side][inside] = 0
    return used, outside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one tile adds."""

    total: FloatArray
    dark: FloatArray
    sums: FloatArray
    squares: FloatArray
    changes: FloatArray
    largest: FloatArray
    times: FloatArray
    cells: IntArray
    cell_sums: FloatArray
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """Looks at one tile."""

    source: Source
    used: FloatArray
    outside: FloatArray
    cells: Cells | None

    def __call__(self, tile: Tile) -> _Part:
        window = self.source.window
        stored = window.read_stored(self.source.scan, tile.rows, tile.columns)
        counts = window.repaired(window.to_counts(stored), tile.rows, tile.columns)
        rows = as_rows(counts)
        total, dark, pixels = tally_counts(rows, self.used, self.outside, stored.shape[1])
        sums, squares, changes, largest, times = pixels.reshape(-1, *stored.shape[2:])
        found, cell_sums = self._cell_sums(rows, tile, stored.shape[3])
        return _Part(
            total=total.reshape(stored.shape[:2]),
            dark=dark.reshape(stored.shape[:2]),
            sums=sums,
            squares=squares,
            changes=changes,
            largest=largest,
            times=times,
            cells=found,
            cell_sums=cell_sums,
            values=_look_at_values(stored, window),
        )

    def _cell_sums(self, rows: AnyArray, tile: Tile, width: int) -> tuple[IntArray, FloatArray]:
        """Give the cells that the tile touches, and what it adds to them."""
        if self.cells is None:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 0, 0))
        found, at = np.unique(self.cells.of(tile), return_inverse=True)
        sums = np.zeros((len(found), *self.cells.size))
        add_to_cells(rows, at, self.cells.corner, width, sums)
        return found, sums


def _look_at_values(stored: AnyArray, window: Window) -> Values:
    if np.issubdtype(stored.dtype, np.unsignedinteger):
        return Values()
    bad = ~np.isfinite(stored)
    finite = np.where(bad, 0, stored).astype(np.float64) + window.offset
    below = np.minimum(finite, 0)
    first = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else ()
    dropped = bad & ~bad.all(axis=(2, 3), keepdims=True)
    return Values(
        nan_count=int(bad.sum()),
        nan_first=first,
        nan_pixels=bin_pixels(np.asarray(dropped.any(axis=(0, 1)), dtype=np.int64), window.bin) > 0
        if first
        else None,
        negative_count=int((below < 0).sum()),
        negative_min=float(below.min(initial=0)),
        negative_sum=float(-below.sum()),
    )


def _add(tally: Tally, part: _Part, tile: Tile) -> None:
    tally.total[tile.rows, tile.columns] = part.total
    tally.dark[tile.rows, tile.columns] = part.dark
    tally.sums += part.sums
    tally.squares += part.squares
    tally.changes += part.changes
    tally.n_pairs += part.total.shape[0] * (part.total.shape[1] // 2)
    higher, same = part.largest > tally.largest, part.largest == tally.largest
    tally.times = np.where(higher, part.times, tally.times + np.where(same, part.times, 0))
    tally.largest = np.maximum(tally.largest, part.largest)
    if part.cells.size:
        tally.cell_sums[part.cells] += part.cell_sums
    _add_values(tally, part.values, tile)


def _add_values(tally: Tally, values: Values, tile: Tile) -> None:
    tally.negative_count += values.negative_count
    tally.negative_min = min(tally.negative_min, values.negative_min)
    tally.negative_sum += values.negative_sum
    if values.nan_count:
        if not tally.nan_count:
            y, x, *pixel = values.nan_first
            tally.nan_first = (tile.rows.start + y, tile.columns.start + x, *pixel)
        tally.nan_count += values.nan_count
        if values.nan_pixels is not None:
            tally.nan_pixels |= values.nan_pixels
