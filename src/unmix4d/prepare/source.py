"""What is prepared: a scan, the window of it that is used, and the blocks that it is read in."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unmix4d.prepare.condition import Window, make_window, windowed_geometry
from unmix4d.prepare.tiles import Tile, make_tiles
from unmix4d.records import AnyArray, FloatArray, Geometry, Scan

BLOCK_BYTES = 16 * 2**20
PATCHES, PATCH_SIDE = 24, 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A scan on its way to a matrix; ``geometry`` is that after cropping and binning."""

    scan: Scan
    window: Window
    geometry: Geometry
    tiles: tuple[Tile, ...]

    def read(self, tile: Tile) -> FloatArray:
        """Read the counts of a tile, shape (y, x, pattern_y, pattern_x) float32."""
        return np.asarray(self.window.read(self.scan, tile.rows, tile.columns), dtype=np.float32)

    @property
    def is_plain(self) -> bool:
        """Whether counts have the type that is stored: unsigned, neither binned nor shifted; repairs keep it."""
        window = self.window
        unsigned = bool(np.issubdtype(self.scan.patterns.dtype, np.unsignedinteger))
        return unsigned and window.bin == 1 and not window.offset

    @property
    def is_at_hand(self) -> bool:
        """Whether reading again costs nothing to speak of: an array in memory, or a mapped file."""
        return self.is_plain and self.window.repair is None and isinstance(self.scan.patterns, np.ndarray)

    def read_counts(self, tile: Tile) -> AnyArray:
        """Read the counts of a tile, of the type that is stored where that is plain."""
        return self.window.read(self.scan, tile.rows, tile.columns)

    def read_unbinned(self, tile: Tile) -> AnyArray:
        """Read and repair the counts of a tile, not binned."""
        window = self.window
        stored = window.read_stored(self.scan, tile.rows, tile.columns)
        return window.repaired(window.to_counts(stored), tile.rows, tile.columns)


def make_source(
    scan: Scan,
    *,
    crop: tuple[int, int, int, int] | None = None,
    bin: int = 1,  # noqa: A002 - the option's name
    block_bytes: int = BLOCK_BYTES,
) -> Source:
    """Crop and bin a scan and lay out the blocks that it is read in, without reading; options as in `prepare`."""
    window = make_window(scan.geometry, crop=crop, bin=bin)
    geometry = windowed_geometry(scan.geometry, window)
    pattern_bytes = scan.geometry.n_pixels * scan.patterns.dtype.itemsize
    tiles = make_tiles(geometry, pattern_bytes=pattern_bytes, block_bytes=block_bytes)
    return Source(scan=scan, window=window, geometry=geometry, tiles=tiles)


def sample_patches(source: Source) -> Iterator[FloatArray]:
    """Read squares of 4 x 4 probes, or what there is of them, spread over the scan: (y, x, pattern_y, pattern_x).

    The same for the same scan.
    """
    sy, sx = source.geometry.scan_shape
    along_y = max(1, min(round((PATCHES * sy / sx) ** 0.5), sy // PATCH_SIDE))
    along_x = max(1, min(PATCHES // along_y, sx // PATCH_SIDE))
    for y in _starts(sy, along_y):
        for x in _starts(sx, along_x):
            rows, columns = slice(y, min(sy, y + PATCH_SIDE)), slice(x, min(sx, x + PATCH_SIDE))
            yield source.read(Tile(rows=rows, columns=columns))


def _starts(size: int, n: int) -> list[int]:
    """First places of ``n`` pieces in the middle of equal parts of a line."""
    return [max(0, int((i + 0.5) * size / n) - PATCH_SIDE // 2) for i in range(n)]
