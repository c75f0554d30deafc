"""How a scan is cut into blocks of whole patterns that fit in memory."""

from dataclasses import dataclass

from unmix4d.records import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle of probes: full scan lines, or a part of one line where a line is too long."""

    rows: slice
    columns: slice

    def with_halo(self, halo: int, scan_shape: tuple[int, int]) -> "Tile":
        """Grow by ``halo`` probes on each side, as far as the scan goes."""
        return Tile(rows=_grow(self.rows, halo, scan_shape[0]), columns=_grow(self.columns, halo, scan_shape[1]))

    def inside(self, outer: "Tile") -> tuple[slice, slice]:
        """Where this tile lies within ``outer``."""
        return _shift(self.rows, outer.rows.start), _shift(self.columns, outer.columns.start)


def _grow(part: slice, halo: int, size: int) -> slice:
    return slice(max(0, part.start - halo), min(size, part.stop + halo))


def _shift(part: slice, origin: int) -> slice:
    return slice(part.start - origin, part.stop - origin)


def make_tiles(geometry: Geometry, *, pattern_bytes: int, block_bytes: int) -> tuple[Tile, ...]:
    """Cut a scan into tiles in C order, each of at most about ``block_bytes``.

    Parameters
    ----------
    geometry : Geometry
    pattern_bytes : int
        What one pattern takes while it is worked on.
    block_bytes : int
        What one tile may take; a tile holds at least one pattern.

    Returns
    -------
    tuple of Tile
    """
    sy, sx = geometry.scan_shape
    probes = max(1, block_bytes // pattern_bytes)
    if probes >= sx:
        lines = int(min(sy, probes // sx))
        lines -= lines % 2 if 1 < lines < sy else 0  # so that no tile cuts a square of 2 x 2 probes
        return tuple(Tile(rows=slice(y, min(sy, y + lines)), columns=slice(0, sx)) for y in range(0, sy, lines))
    probes -= probes % 2 if probes > 1 else 0  # neighbours are looked at in pairs
    starts = range(0, sx, probes)
    return tuple(
        Tile(rows=slice(y, y + 1), columns=slice(x, min(sx, x + probes))) for y in range(sy) for x in starts
    )
