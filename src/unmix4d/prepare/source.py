"""What is prepared: a scan, the window of it that is used, and the blocks that it is read in."""

from dataclasses import dataclass

from unmix4d.prepare.condition import Window
from unmix4d.prepare.tiles import Tile
from unmix4d.records import FloatArray, Geometry, Scan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A scan on its way to a matrix; ``geometry`` is that after cropping and binning."""

    scan: Scan
    window: Window
    geometry: Geometry
    tiles: tuple[Tile, ...]

    def read(self, tile: Tile) -> FloatArray:
        """Read the counts of a tile, shape (y, x, pattern_y, pattern_x)."""
        return self.window.read(self.scan, tile.rows, tile.columns)
