"""The patterns of a scan as a matrix that is read block by block."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock

import numpy as np

from unmix4d.errors import InputError
from unmix4d.prepare.filters import Raw
from unmix4d.prepare.kernels import as_rows, pick
from unmix4d.prepare.source import Source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray, PatternMatrix, SpotTable
from unmix4d.registry import Filter, Registering


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reader:
    """Reads one block: the tile with its halo, conditioned, filtered, trimmed and masked."""

    source: Source
    tiles: tuple[Tile, ...]
    filter: Filter
    probe_mask: BoolArray
    pixel_mask: BoolArray

    def __call__(self, block: int) -> AnyArray:
        return self._read(self.tiles[block])

    def rows(self, indices: IntArray) -> AnyArray:
        """Read single rows of the matrix, neighbours on a scan line together."""
        y, x = (axis[indices] for axis in np.nonzero(self.probe_mask))
        starts = np.flatnonzero((np.diff(y, prepend=-1) != 0) | (np.diff(x, prepend=-1) != 1))
        rows = np.empty((0, int(self.pixel_mask.sum())), np.float32)
        for i, j in pairwise([*starts.tolist(), len(indices)]):
            part = self._read(Tile(rows=slice(y[i], y[i] + 1), columns=slice(x[i], x[j - 1] + 1)))
            if not i:
                rows = np.empty((len(indices), part.shape[1]), part.dtype)
            rows[i:j] = part
        return rows

    def _read(self, tile: Tile) -> AnyArray:
        if isinstance(self.filter, Raw):
            inner = self.source.read_counts(tile)
        else:
            outer = tile.with_halo(self.filter.halo, self.probe_mask.shape)
            filtered = self.filter(self.source.read(outer))
            inner = np.asarray(filtered[tile.inside(outer)], dtype=np.float32)
        rows = self.probe_mask[tile.rows, tile.columns].ravel()
        patterns = as_rows(inner)
        if self.pixel_mask.all():
            return patterns if rows.all() else patterns[rows]
        columns = np.flatnonzero(self.pixel_mask)
        picked = np.empty((int(rows.sum()), len(columns)), patterns.dtype)
        pick(patterns, rows, columns, picked)
        return picked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawing:
    """Draws one block from a table of spots, masked; the scan is not read any more."""

    table: SpotTable
    filter: Registering
    bounds: tuple[int, ...]
    probe_mask: BoolArray
    pixel_mask: BoolArray

    def __call__(self, block: int) -> AnyArray:
        return self.rows(np.arange(self.bounds[block], self.bounds[block + 1]))

    def rows(self, indices: IntArray) -> AnyArray:
        """Draw single rows of the matrix."""
        patterns = self.filter.draw(self.table, np.flatnonzero(self.probe_mask)[indices])
        return patterns if self.pixel_mask.all() else patterns[:, np.flatnonzero(self.pixel_mask)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cache:
    """Keeps the blocks that were read, for matrices that fit in memory."""

    read: Callable[[int], FloatArray]
    blocks: dict[int, FloatArray] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def __reduce__(self) -> tuple[Callable[..., Callable[[int], FloatArray]], tuple[Callable[[int], FloatArray]]]:
        return _bare, (self.read,)  # another process reads for itself; blocks would be the whole scan

    def __call__(self, block: int) -> FloatArray:
        with self.lock:
            known = self.blocks.get(block)
        if known is None:
            known = self.read(block)
            with self.lock:
                self.blocks[block] = known
        return known


def _bare(read: Callable[[int], FloatArray]) -> Callable[[int], FloatArray]:
    return read


def make_matrix(
    source: Source,
    *,
    filter: Filter,  # noqa: A002 - the option's name
    probe_mask: BoolArray,
    pixel_mask: BoolArray,
    cache_bytes: int = 0,
    steps: tuple[str, ...] = (),
    column_means: FloatArray | None = None,
    spots: SpotTable | None = None,
) -> PatternMatrix:
    """Give the patterns of a scan as rows of a matrix that is read on demand.

    Parameters
    ----------
    source : Source
        One block of the matrix for each of its tiles; tiles without a usable probe give no block.
    filter : Filter
        Applied block by block, with the halo that it asks for.
    probe_mask : (scan_y, scan_x) bool
        True for probes that become rows.
    pixel_mask : (pattern_y, pattern_x) bool
        True for pixels that become columns.
    cache_bytes : int
        Memory that blocks may keep between passes; the whole matrix is kept if it fits and is not at hand anyway.
    steps : tuple of str
        In words, what was done before.
    column_means : (n_pixels,) float64, optional
        Mean counts of every column, if they are known.
    spots : SpotTable, optional
        Of the whole scan, from which a filter that registers draws the patterns.

    Returns
    -------
    PatternMatrix

    Raises
    ------
    InputError
        If the masks leave fewer than two probes or two pixels.
    """
    n_probes, n_pixels = int(probe_mask.sum()), int(pixel_mask.sum())
    if min(n_probes, n_pixels) < 2:  # noqa: PLR2004 - a matrix with one row or column cannot be factorised
        raise InputError(f"the masks leave {n_probes} probes of {n_pixels} pixels; at least 2 of each are needed")
    counts = [int(probe_mask[tile.rows, tile.columns].sum()) for tile in source.tiles]
    used = tuple(tile for tile, count in zip(source.tiles, counts, strict=True) if count)
    bounds = np.concatenate([[0], np.cumsum([count for count in counts if count])])
    limits = tuple(int(bound) for bound in bounds)
    reader: _Reader | _Drawing = _Reader(
        source=source, tiles=used, filter=filter, probe_mask=probe_mask, pixel_mask=pixel_mask
    )
    if spots is not None and isinstance(filter, Registering):
        reader = _Drawing(table=spots, filter=filter, bounds=limits, probe_mask=probe_mask, pixel_mask=pixel_mask)
    plain = source.is_plain and isinstance(filter, Raw)
    item = source.scan.patterns.dtype.itemsize if plain else np.dtype(np.float32).itemsize
    worth_it = spots is None and not (plain and source.is_at_hand)  # drawing takes less time than reading memory
    fits = worth_it and n_probes * n_pixels * item <= cache_bytes
    return PatternMatrix(
        read_block=_Cache(read=reader) if fits else reader,
        bounds=limits,
        probe_mask=probe_mask,
        pixel_mask=pixel_mask,
        geometry=source.geometry,
        steps=steps,
        read_rows=None if fits else reader.rows,
        column_means=column_means,
    )
