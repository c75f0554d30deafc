"""The patterns of a scan as a matrix that is read block by block."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from unmix4d.errors import InputError
from unmix4d.prepare.source import Source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import BoolArray, FloatArray, PatternMatrix
from unmix4d.registry import Filter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reader:
    """Reads one block: the tile with its halo, conditioned, filtered, trimmed and masked."""

    source: Source
    tiles: tuple[Tile, ...]
    filter: Filter
    probe_mask: BoolArray
    pixel_mask: BoolArray

    def __call__(self, block: int) -> FloatArray:
        tile = self.tiles[block]
        outer = tile.with_halo(self.filter.halo, self.probe_mask.shape)
        patterns = self.filter(self.source.read(outer))
        inner = patterns[tile.inside(outer)]
        rows = inner[self.probe_mask[tile.rows, tile.columns]]
        return np.ascontiguousarray(rows[:, self.pixel_mask], dtype=np.float32)


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
            known.flags.writeable = False
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
        Memory that blocks may keep between passes; the whole matrix is kept if it fits, nothing otherwise.
    steps : tuple of str
        In words, what was done before.

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
    reader = _Reader(source=source, tiles=used, filter=filter, probe_mask=probe_mask, pixel_mask=pixel_mask)
    fits = n_probes * n_pixels * np.dtype(np.float32).itemsize <= cache_bytes
    return PatternMatrix(
        read_block=_Cache(read=reader) if fits else reader,
        bounds=tuple(int(bound) for bound in bounds),
        probe_mask=probe_mask,
        pixel_mask=pixel_mask,
        geometry=source.geometry,
        steps=steps,
    )
