"""How large overlap is: areas and pairs of crystals, with intervals."""

from dataclasses import dataclass

import numpy as np

from unmix4d.measure.regions import BOUNDARY, Region, find_regions, kind_of, usual_width
from unmix4d.records import OVERLAP_KINDS, BoolArray, FloatArray, IntArray, Interval, PairOverlap

WITHIN = 1.96
"""Standard deviations about a value that hold 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sure:
    """Maps (scan_y, scan_x) of what was measured: NaN and -1 where nothing was assessed.

    ``counting`` and ``pattern`` are the standard deviations of ``fraction``: independent from probe to probe, and
    the same for all probes of a pair.
    """

    fraction: FloatArray
    counting: FloatArray
    pattern: FloatArray
    first: IntArray
    second: IntArray
    significant: BoolArray
    assessed: BoolArray


def area_at(sure: Sure, ratio: float) -> Interval:
    """Give the number of probes whose ratio of second to first reaches ``ratio``, with its 95 % interval.

    The interval counts every probe with the probability that its fraction, as uncertain as it is, reaches what the
    ratio means; it holds the number itself.
    """
    from scipy.stats import norm  # noqa: PLC0415 - slow import

    least = ratio / (1 + ratio)
    fraction = sure.fraction[sure.assessed].astype(np.float64)
    sigma = np.hypot(sure.counting[sure.assessed], sure.pattern[sure.assessed]).astype(np.float64)
    known = np.isfinite(sigma) & (sigma > 0)
    reached = fraction >= least
    chance = reached.astype(np.float64)
    chance[known] = norm.sf((least - fraction[known]) / sigma[known])
    # A fraction of the smaller share is at most a half: beyond it the other crystal is the second.
    beyond = np.zeros_like(chance)
    beyond[known] = norm.sf((1 - least - fraction[known]) / sigma[known])
    return _counted(float(reached.sum()), np.maximum(chance - beyond, 0))


def _counted(number: float, chances: FloatArray) -> Interval:
    """Give a number of probes with the interval of a sum of independent ones that count with these chances."""
    spread = WITHIN * float(np.sqrt((chances * (1 - chances)).sum()))
    middle = float(chances.sum())
    return Interval(
        value=number,
        low=max(0.0, min(number, middle - spread)),
        high=min(float(len(chances)), max(number, middle + spread)),
    )


def pairs_of(sure: Sure) -> tuple[IntArray, float, tuple[PairOverlap, ...]]:
    """Tell boundaries from stacked crystals.

    Returns
    -------
    kind : (scan_y, scan_x) int8
        0 = no overlap, 1 = boundary, 2 = stacked.
    width : float
        Usual width of the overlap at boundaries, probes.
    pairs : tuple of PairOverlap
        The largest area first.
    """
    overlap = sure.significant & (sure.second >= 0)
    regions = find_regions(sure.first, sure.second, sure.fraction, overlap=overlap, assessed=sure.assessed)
    width = usual_width(regions)
    kind = np.zeros(sure.first.shape, dtype=np.int8)
    grouped: dict[tuple[int, int, int], list[Region]] = {}
    for region in regions:
        own = kind_of(region, width)
        kind[region.where] = own
        grouped.setdefault((region.first, region.second, own), []).append(region)
    pairs = [_pair(sure, first, second, own, found) for (first, second, own), found in grouped.items()]
    return kind, width, tuple(sorted(pairs, key=lambda pair: (-pair.area.value, pair.first, pair.second)))


def _pair(sure: Sure, first: int, second: int, kind: int, regions: list[Region]) -> PairOverlap:
    from scipy.stats import norm  # noqa: PLC0415 - slow import

    where = np.any([region.where for region in regions], axis=0)
    turned = sure.first[where] == second
    share = sure.fraction[where].astype(np.float64)
    counting = sure.counting[where].astype(np.float64)
    pattern = sure.pattern[where].astype(np.float64)
    mine = np.where(turned, 1 - share, share)
    n = len(mine)
    sigma = float(np.hypot(np.sqrt((counting**2).sum()) / n, pattern.mean()))
    mean = float(mine.mean())
    smaller = float(share.mean())
    # A probe counts as overlap with the chance that its second crystal has weight at all.
    chance = norm.cdf(share / np.maximum(np.hypot(counting, pattern), np.finfo(np.float64).tiny))
    return PairOverlap(
        first=first,
        second=second,
        kind=OVERLAP_KINDS[kind - BOUNDARY],
        n_regions=len(regions),
        area=_counted(float(n), chance),
        fraction=Interval(value=mean, low=max(0.0, mean - WITHIN * sigma), high=min(1.0, mean + WITHIN * sigma)),
        p_value=float(norm.sf(smaller / sigma)) if sigma > 0 else 0.0,
    )
