"""What the explorer reads from a scan: one pattern at a time, and virtual images block by block."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from unmix4d import registry
from unmix4d.config import Settings
from unmix4d.errors import UsageError
from unmix4d.prepare.source import Source, make_source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, BoolArray, FloatArray, RunResult, Scan
from unmix4d.registry import Filter, Fitting

BLOCK_BYTES = 8 * 2**20
"""Small enough that a pattern that is asked for meanwhile does not wait long."""

CACHED_VALUES = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A disc, or an annulus if ``inner`` is above 0: centre and radii in pixels of the run's patterns."""

    cy: float
    cx: float
    inner: float
    outer: float

    def mask(self, shape: tuple[int, int]) -> BoolArray:
        """Pixels whose middle lies in it, as a boolean image of ``shape``."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        distance2 = (y - self.cy) ** 2 + (x - self.cx) ** 2
        return np.asarray((distance2 <= self.outer**2) & (distance2 >= self.inner**2))

    def window(self, shape: tuple[int, int]) -> tuple[tuple[slice, slice], BoolArray]:
        """Give the smallest rectangle of ``shape`` that holds all of it, and the mask in there."""
        mask = self.mask(shape)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else np.s_[:0, :0]
        return part, mask[part]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatternSource:
    """Patterns of a scan, cropped and binned as the run did it, as measured: what cleaning mends is left as it is.

    One thread reads at a time; others wait for a pattern or a block, never for a whole image.
    """

    source: Source
    filter: Filter | None
    lock: Lock = field(default_factory=Lock)

    def measured(self, y: int, x: int) -> FloatArray:
        """Read the pattern of one probe in counts: (pattern_y, pattern_x) float32."""
        with self.lock:
            return np.asarray(self.source.read(_one(y, x))[0, 0])

    def counts(self, tile: Tile) -> AnyArray:
        """Read the counts of a tile, (y, x, pattern_y, pattern_x), of the stored type where that is plain."""
        with self.lock:
            return self.source.read_counts(tile)

    def filtered(self, y: int, x: int) -> FloatArray | None:
        """Read the pattern of one probe as the filter of the run gives it; None if the run had none."""
        if self.filter is None:
            return None
        tile = _one(y, x)
        outer = tile.with_halo(self.filter.halo, self.source.geometry.scan_shape)
        with self.lock:
            patterns = self.source.read(outer)
        return np.asarray(self.filter(patterns)[tile.inside(outer)][0, 0], dtype=np.float32)

    def virtual(self, detector: Detector) -> Iterator[tuple[int, FloatArray]]:
        """Sum the counts in a detector for each probe.

        Yields
        ------
        first, values : int, (n,) float32
            Number of the first probe of the block, in C order, and the sums of it and those that follow.
        """
        shape = self.source.geometry.pattern_shape
        part, mask = detector.window(shape)
        width = self.source.geometry.scan_shape[1]
        for tile in self.source.tiles:
            patterns = self.counts(tile).reshape(-1, *shape)[(slice(None), *part)]
            yield tile.rows.start * width + tile.columns.start, masked_sums(patterns, mask)


def masked_sums(patterns: AnyArray, mask: BoolArray) -> FloatArray:
    """Sum the masked pixels of each pattern (n, y, x); a few at a time, which stay in the processor's cache."""
    weights = mask.ravel().astype(np.float32)
    step = max(1, CACHED_VALUES // max(1, mask.size))
    sums = np.zeros(len(patterns), np.float32)
    for i in range(0, len(patterns), step):
        few = patterns[i : i + step]
        sums[i : i + step] = few.reshape(len(few), -1).astype(np.float32) @ weights
    return sums


def whole_source(scan: Scan) -> PatternSource:
    """Make ready to read the patterns of a scan, neither cropped nor binned."""
    return PatternSource(source=make_source(scan, block_bytes=BLOCK_BYTES), filter=None)


def pattern_source(scan: Scan, result: RunResult, settings: Settings) -> PatternSource:
    """Make ready to read the patterns of a run's scan.

    Raises
    ------
    UsageError
        If the scan, cropped and binned as the run did it, does not have the run's shape.
    """
    source = make_source(scan, crop=settings.crop, bin=settings.bin, block_bytes=BLOCK_BYTES)
    shapes = [(g.scan_shape, g.pattern_shape) for g in (source.geometry, result.geometry)]
    if shapes[0] != shapes[1]:
        found, wanted = (" of ".join(f"{a} x {b}" for a, b in pair) for pair in shapes)
        raise UsageError(f"the scan has {found} pixels where the run has {wanted}: give the scan of this run")
    wanted_filter = None if settings.filter == "raw" else registry.load("filters", settings.filter)()
    if isinstance(wanted_filter, Fitting):  # looks at the whole scan first, which a click cannot wait for
        wanted_filter = None
    return PatternSource(source=source, filter=wanted_filter)


def _one(y: int, x: int) -> Tile:
    return Tile(rows=slice(y, y + 1), columns=slice(x, x + 1))
