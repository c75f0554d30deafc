"""Where two crystals share a probe, and how much (paper, Fig. 5; method, section 8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import NO_CRYSTAL, OVERLAP_THRESHOLDS, BoolArray, FloatArray, IntArray, OverlapMap
from unmix4d.records.base import require

NOT_ASSESSED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """How much two crystals overlap at one threshold.

    Attributes
    ----------
    first, second : int
        The two crystals, lower index first, whichever of them is stronger.
    threshold : float
    n_probes : int
        Probes whose ratio reaches the threshold.
    mean_ratio : float
        Over those probes.
    """

    first: int
    second: int
    threshold: float
    n_probes: int
    mean_ratio: float


def overlap_map(
    crystal_weights: FloatArray, labels: IntArray, *, thresholds: Sequence[float] = OVERLAP_THRESHOLDS
) -> OverlapMap:
    """Compare the two strongest crystals of each probe.

    Parameters
    ----------
    crystal_weights : (n_crystals, scan_y, scan_x) float
        Counts, finite and not negative.
    labels : (scan_y, scan_x) int16
        -1 where nothing is to be assessed: masked, dark, vacuum or background.
    thresholds : sequence of float
        Ascending, in (0, 1].

    Returns
    -------
    OverlapMap
        The ratio is 0 and the level -1 where nothing was assessed or no crystal has any weight. Of equal weights
        the lower index comes first. There is no second crystal (-1) where the first is alone.

    Raises
    ------
    UsageError
        If the thresholds do not ascend within (0, 1].
    ValueError
        If shapes do not fit, or a weight is negative or not finite.

    Notes
    -----
    Paper, Fig. 5; method, section 8. Level = number of thresholds t with ratio >= t, both as float32, so that the
    level can be recomputed from the stored ratio and 0.9 reaches 0.9.
    """
    _checked_thresholds(thresholds)
    require(crystal_weights.shape[1:] == labels.shape, f"weights {crystal_weights.shape} do not fit {labels.shape}")
    require(bool((crystal_weights >= 0).all() and np.isfinite(crystal_weights).all()), "weights must be 0 or more")
    # Two empty crystals behind the real ones: there is always a second, with weight 0.
    weights = np.concatenate([crystal_weights, np.zeros((2, *labels.shape))]).astype(np.float64)
    first, second = np.argsort(-weights, axis=0, kind="stable")[:2]
    strongest, next_one = (np.take_along_axis(weights, i[None], axis=0)[0] for i in (first, second))
    assessed = (labels != NO_CRYSTAL) & (strongest > 0)
    shared = assessed & (next_one > 0)
    ratio = np.zeros(labels.shape, dtype=np.float32)
    ratio[shared] = next_one[shared] / strongest[shared]
    return OverlapMap(
        ratio=ratio,
        first=np.where(assessed, first, NO_CRYSTAL).astype(np.int16),
        second=np.where(shared, second, NO_CRYSTAL).astype(np.int16),
        level=levels(ratio, assessed, thresholds),
        thresholds=tuple(map(float, thresholds)),
    )


def levels(ratio: FloatArray, assessed: BoolArray, thresholds: Sequence[float]) -> IntArray:
    """Count the thresholds that each ratio reaches, (scan_y, scan_x) int8; -1 where it was not assessed."""
    level = (ratio[..., None] >= _checked_thresholds(thresholds)).sum(axis=-1)
    return np.where(assessed, level, NOT_ASSESSED).astype(np.int8)


def overlap_pairs(overlap: OverlapMap) -> list[PairRow]:
    """Count the probes of each pair of crystals at each threshold.

    Returns
    -------
    list of PairRow
        By pair, then by threshold; only those with any probe. A probe counts at every threshold that it reaches.
    """
    reached = overlap.level > 0
    pair_of = np.sort(np.stack([overlap.first, overlap.second], axis=-1), axis=-1)
    rows = []
    for first, second in np.unique(pair_of[reached], axis=0):
        mine = (pair_of == (first, second)).all(axis=-1)
        for threshold, mask in _masks(overlap).items():
            if n_probes := int((mine & mask).sum()):
                mean = float(overlap.ratio[mine & mask].mean(dtype=np.float64))
                rows.append(
                    PairRow(
                        first=int(first),
                        second=int(second),
                        threshold=threshold,
                        n_probes=n_probes,
                        mean_ratio=mean,
                    )
                )
    return rows


def area_shares(overlap: OverlapMap) -> Mapping[float, float]:
    """Give the share of the assessed probes whose ratio reaches each threshold; NaN if none was assessed."""
    n_assessed = int((overlap.level != NOT_ASSESSED).sum())
    return {t: int(mask.sum()) / n_assessed if n_assessed else np.nan for t, mask in _masks(overlap).items()}


def boundary_shares(overlap: OverlapMap, labels: IntArray) -> Mapping[float, float]:
    """Give the share of the overlap probes that lie at a boundary between two crystals, for each threshold.

    A probe is at a boundary if its 3 x 3 neighbourhood holds the labels of two crystals; the edge to vacuum or
    background is no such boundary. A low share hints at stacked crystals, or at one crystal split into two.

    Parameters
    ----------
    overlap : OverlapMap
    labels : (scan_y, scan_x) int16

    Returns
    -------
    mapping of threshold to float
        NaN where no probe reaches the threshold.

    Notes
    -----
    Method, section 8.
    """
    require(labels.shape == overlap.level.shape, f"labels {labels.shape} do not fit {overlap.level.shape}")
    near = _near_boundary(labels)
    return {t: float(near[mask].mean()) if mask.any() else np.nan for t, mask in _masks(overlap).items()}


def _checked_thresholds(thresholds: Sequence[float]) -> FloatArray:
    ascending = all(low < high for low, high in pairwise(thresholds))
    if not thresholds or not ascending or not 0 < thresholds[0] <= thresholds[-1] <= 1:
        raise UsageError(f"overlap thresholds must ascend between 0 and 1, got {list(thresholds)}")
    return np.asarray(thresholds, dtype=np.float32)


def _masks(overlap: OverlapMap) -> Mapping[float, BoolArray]:
    """Probes that reach each threshold; they are nested."""
    return {t: np.asarray(overlap.level > i) for i, t in enumerate(overlap.thresholds)}


def _near_boundary(labels: IntArray) -> BoolArray:
    """Where the 3 x 3 neighbourhood, centre included, holds two crystals: (scan_y, scan_x) bool."""
    scan_y, scan_x = labels.shape
    framed = np.pad(labels.astype(np.int64), 1, constant_values=NO_CRYSTAL)
    around = np.stack([framed[y : y + scan_y, x : x + scan_x] for y in range(3) for x in range(3)])
    highest = around.max(axis=0)
    lowest = np.where(around == NO_CRYSTAL, highest, around).min(axis=0)
    return np.asarray(lowest < highest)
