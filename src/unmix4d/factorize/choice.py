"""Which start to believe: within half a percent the loss does not choose (method 4.2)."""

from collections.abc import Sequence

import numpy as np

from unmix4d.factorize.factored import Candidate
from unmix4d.records import BoolArray, FloatArray

NEAR_TIE = 1.005


def choose_start(candidates: Sequence[Candidate], probe_mask: BoolArray) -> Candidate:
    """Choose among factorizations of one k that differ only in their start.

    The lowest objective wins; among those within 0.5 % of it the one whose components the others reproduce best and
    whose map is the most coherent in space.

    Parameters
    ----------
    candidates : sequence of Candidate
    probe_mask : (scan_y, scan_x) bool
        True where a probe is a row.

    Returns
    -------
    Candidate
    """
    near = near_ties(candidates)
    if len(near) == 1:
        return near[0]
    agreement = np.array([[reproducibility(a.components, b.components) for b in near] for a in near])
    reproduced = (agreement.sum(axis=1) - agreement.diagonal()) / (len(near) - 1)
    coherence = np.array([spatial_coherence(candidate.weights, probe_mask) for candidate in near])
    return near[int(np.argmax(coherence + reproduced))]


def near_ties(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those whose objective is within 0.5 % of the lowest."""
    best = min(candidate.objective for candidate in candidates)
    return [candidate for candidate in candidates if candidate.objective <= NEAR_TIE * best]


def spatial_coherence(weights: FloatArray, probe_mask: BoolArray) -> float:
    """Share of neighbouring probes with the same largest weight, 0 to 1."""
    labels = np.full(probe_mask.shape, -1)
    labels[probe_mask] = weights.argmax(axis=1)
    same, pairs = 0, 0
    for first, second in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        both = (first >= 0) & (second >= 0)
        pairs += int(both.sum())
        same += int((both & (first == second)).sum())
    return same / pairs if pairs else 0.0


def reproducibility(components: FloatArray, others: FloatArray) -> float:
    """Mean cosine between unit-length components (k, n_pixels) and their best one-to-one matches."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow import

    cosine = components @ others.T
    rows, columns = linear_sum_assignment(-cosine)
    return float(cosine[rows, columns].mean())
