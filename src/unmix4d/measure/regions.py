"""Where two crystals overlap: connected areas, at a boundary between both or one lying over the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unmix4d.records import BoolArray, FloatArray, IntArray

BOUNDARY, STACKED = 1, 2
WIDER = 2.0
"""Times the usual width of boundaries from which on an area is not one any more."""

NARROW = 3.0
"""Probes; so narrow an area that touches both crystals is a boundary, however short it is."""

LEAST_LENGTH = 1.5
"""Times its width that a boundary's area is long at least."""

INCLINED = 0.5
"""Rise of a crystal's share across an area from which on the area is an inclined boundary, however wide."""

EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A connected area in which the same two crystals overlap.

    Attributes
    ----------
    first, second : int
        Lower index first.
    where : (scan_y, scan_x) bool
    n_probes : int
    width : float
        Diameter of the largest circle in it, probes.
    between : bool
        It touches probes of either crystal alone.
    slope : float
        By how much the second's share rises on the way from probes of the first alone to those of the second; 0
        where it is not between them.
    """

    first: int
    second: int
    where: BoolArray
    n_probes: int
    width: float
    between: bool
    slope: float = 0.0


def find_regions(
    first: IntArray, second: IntArray, fraction: FloatArray, *, overlap: BoolArray, assessed: BoolArray
) -> list[Region]:
    """Find connected areas (eight neighbours) of the same pair.

    Parameters
    ----------
    first, second : (scan_y, scan_x) int
        The two strongest crystals of each probe.
    fraction : (scan_y, scan_x) float
        Share of the second in the counts of the two.
    overlap, assessed : (scan_y, scan_x) bool
        Where there is overlap, and where it could be seen.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt, label  # noqa: PLC0415 - slow import

    alone = assessed & ~overlap
    found = []
    for low, high, mine in _pairs(first, second, overlap):
        pieces, n = label(mine, EIGHT)
        for piece, box in zip(range(1, n + 1), _boxes(pieces), strict=True):
            where = pieces == piece
            near = _grown(box, where.shape)
            own = where[near]
            depth = distance_transform_edt(np.pad(own, 1, mode="edge"))
            rim = binary_dilation(own, EIGHT) & ~own & alone[near]
            sides = [rim & (first[near] == crystal) for crystal in (low, high)]
            between = all(side.any() for side in sides)
            share = np.where(first[near] == high, 1 - fraction[near], fraction[near])
            found.append(
                Region(
                    first=low,
                    second=high,
                    where=where,
                    n_probes=int(own.sum()),
                    width=2 * float(depth.max()) - 1,
                    between=between,
                    slope=_slope(share, own, sides) if between else 0.0,
                )
            )
    return found


def usual_width(regions: list[Region]) -> float:
    """Give the width of the overlap at boundaries in probes: the median over areas, each as often as it is long.

    NaN where no area lies between two crystals.
    """
    bands = sorted((one.width, one.n_probes / one.width) for one in regions if one.between)
    if not bands:
        return float("nan")
    widths, lengths = np.array(bands).T
    return float(widths[np.searchsorted(np.cumsum(lengths), lengths.sum() / 2)])


def kind_of(region: Region, usual: float) -> int:
    """Tell a boundary's overlap from stacked crystals.

    At a boundary overlap lies between the probes of one crystal and those of the other. It is a band about as wide
    as at other boundaries and longer than wide; or, where the boundary is inclined, wider, but then the share goes
    from one crystal to the other across it. Anything else is one crystal over the other.
    """
    if not region.between:
        return STACKED
    if region.width <= NARROW or region.slope >= INCLINED:
        return BOUNDARY
    band = region.n_probes >= LEAST_LENGTH * region.width**2
    return BOUNDARY if band and region.width <= WIDER * usual else STACKED


def _slope(share: FloatArray, own: BoolArray, sides: list[BoolArray]) -> float:
    """Slope of the share over the place between both sides, which goes from 0 to 1."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 - slow import

    to_low, to_high = (distance_transform_edt(~side)[own] for side in sides)
    place = to_low / (to_low + to_high)
    away = place - place.mean()
    squares = float((away**2).sum())
    return float((away * share[own]).sum() / squares) if squares > 0 else 0.0


def _pairs(first: IntArray, second: IntArray, overlap: BoolArray) -> Iterator[tuple[int, int, BoolArray]]:
    low, high = np.minimum(first, second), np.maximum(first, second)
    for a, b in np.unique(np.stack([low[overlap], high[overlap]], axis=-1), axis=0).tolist():
        yield a, b, overlap & (low == a) & (high == b)


def _boxes(pieces: IntArray) -> list[tuple[slice, ...]]:
    from scipy.ndimage import find_objects  # noqa: PLC0415 - slow import

    return [box for box in find_objects(pieces) if box is not None]


def _grown(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Make a box one probe larger on each side, as far as there are probes."""
    return tuple(slice(max(b.start - 1, 0), min(b.stop + 1, n)) for b, n in zip(box, shape, strict=True))
