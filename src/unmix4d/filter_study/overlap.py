"""How much overlap there is at boundaries and away from them, and how much of it the unfiltered counts confirm."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from unmix4d.records import (
    NO_CRYSTAL,
    BoolArray,
    FilterAnswer,
    FilterOverlap,
    IntArray,
    Zone,
)

AROUND = 3
STRAIGHT = 0.5
"""The ratio that a 3 x 3 mean makes beside a sharp and straight boundary, out of three neighbours of nine."""


def near_boundary(labels: IntArray) -> BoolArray:
    """Give the probes within one probe of a boundary between two crystals, (scan_y, scan_x) bool.

    These are the ones whose 3 x 3 neighbourhood holds two crystals: all that a 3 x 3 mean can mix. The edge to
    vacuum or background is no boundary.
    """
    none = int(labels.max(initial=0)) + 1
    highest = maximum_filter(labels, AROUND, mode="constant", cval=NO_CRYSTAL)
    lowest = minimum_filter(np.where(labels == NO_CRYSTAL, none, labels), AROUND, mode="constant", cval=none)
    return np.asarray((highest != NO_CRYSTAL) & (lowest < highest))


def count_overlaps(answers: Sequence[FilterAnswer], boundary: BoolArray) -> tuple[FilterOverlap, ...]:
    """Count overlap by filter, zone and threshold, on the probes that every filter assesses.

    Parameters
    ----------
    answers : sequence of FilterAnswer
    boundary : (scan_y, scan_x) bool

    Returns
    -------
    tuple of FilterOverlap
        By filter, then zone, then threshold: 0.5, and those of the overlap maps.
    """
    common = np.all([answer.overlap.level >= 0 for answer in answers], axis=0)
    zones: dict[Zone, BoolArray] = {
        "all": common,
        "boundary": common & boundary,
        "interior": common & ~boundary,
    }
    return tuple(
        _count(answer, zone, mask, threshold)
        for answer, (zone, mask) in product(answers, zones.items())
        for threshold in (STRAIGHT, *answer.overlap.thresholds)
    )


def _count(answer: FilterAnswer, zone: Zone, mask: BoolArray, threshold: float) -> FilterOverlap:
    limit = np.float32(threshold)  # as the levels are taken
    filtered, refitted = (mask & (found.ratio >= limit) for found in (answer.overlap, answer.refitted))
    return FilterOverlap(
        name=answer.name,
        zone=zone,
        threshold=threshold,
        n_assessed=int(mask.sum()),
        n_filtered=int(filtered.sum()),
        n_refitted=int(refitted.sum()),
        n_absent=int((filtered & ~refitted).sum()),
        n_new=int((refitted & ~filtered).sum()),
    )
