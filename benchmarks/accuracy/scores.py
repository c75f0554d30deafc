"""How good an answer is, each score a function of plain arrays. Labels below 0 mean: no crystal here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift as shifted
from scipy.optimize import linear_sum_assignment

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.scan import Truth

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

RATIOS = (0.25, 0.5, 0.75)
FOUND_IOU = 0.5
MIXED = 0.1  # probes whose second crystal has at least this share of the first's Bragg electrons
FARTHEST_SHIFT = 3.0  # pixels by which all patterns of a method may be shifted together
SHIFT_STEP = 0.5
RING = 2.0  # pixels


def adjusted_rand(true: Labels, found: Labels) -> float:
    """Adjusted Rand index over the probes with a true crystal; what has no label is a class of its own."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - slow to load

    lit = true >= 0
    return float(adjusted_rand_score(true[lit], found[lit])) if lit.any() else float("nan")


def contingency(true: Labels, found: Labels, n_true: int, n_found: int) -> NDArray[np.int64]:
    """Probes of each true crystal with each found one: (n_true, n_found)."""
    both = (true >= 0) & (found >= 0)
    pairs = true[both].astype(np.int64) * n_found + found[both]
    return np.bincount(pairs, minlength=n_true * n_found).reshape(n_true, n_found)


def match(true: Labels, found: Labels, n_true: int, n_found: int) -> NDArray[np.intp]:
    """Match crystals one to one so that the probes on which both agree are as many as possible.

    Returns
    -------
    (n_true,) int
        The found crystal that stands for each true one; -1 where none is left or none shares a probe.
    """
    matched = np.full(n_true, -1, dtype=np.intp)
    if not n_found or not n_true:
        return matched
    table = contingency(true, found, n_true, n_found)
    rows, columns = linear_sum_assignment(table, maximize=True)
    shares = table[rows, columns] > 0
    matched[rows[shares]] = columns[shares]
    return matched


def recall(true: Labels, found: Labels, matched: Labels) -> Floats:
    """Share of the probes of each true crystal that bear the label of its match: (n_true,)."""
    return np.array([float((found[true == i] == j).mean()) if j >= 0 else 0.0 for i, j in enumerate(matched)])


def intersection_over_union(true: Labels, found: Labels, matched: Labels) -> Floats:
    """Probes on which both agree over those that either holds, of each true crystal: (n_true,)."""
    values = np.zeros(len(matched))
    for i, j in enumerate(matched):
        if j >= 0:
            mine, theirs = true == i, found == j
            values[i] = (mine & theirs).sum() / (mine | theirs).sum()
    return values


def minority_found(true: Labels, found: Labels, matched: Labels, minority: Bools) -> float:
    """Share of the minority grains whose match has an intersection over union of 0.5 or more; NaN without any."""
    if not minority.any():
        return float("nan")
    return float((intersection_over_union(true, found, matched)[minority] >= FOUND_IOU).mean())


def cosines(true: Floats, found: Floats, matched: Labels, *, centre: Floats, beam_radius: float) -> Floats:
    """Cosine between each true pattern and its match, beam masked and the radial median taken off: (n_true,).

    A method may have moved all patterns to another centre: of the shifts by up to 3 pixels the one with the
    highest mean counts, the same for all crystals. A crystal without match has 0.
    """
    kept = np.flatnonzero(matched >= 0)
    values = np.zeros(len(matched))
    if not len(kept):
        return values
    true_spots = bragg_only(true[kept], centre=centre, beam_radius=beam_radius)
    partners = found[matched[kept]]
    values[kept] = _best_shift(true_spots, partners, centre, beam_radius)
    return values


def _best_shift(true_spots: Floats, partners: Floats, centre: Floats, beam_radius: float) -> Floats:
    """Look at whole pixels first and at half ones about the best."""

    def at(offset: Floats) -> Floats:
        moved = np.stack([shifted(partner, offset, order=1, mode="nearest") for partner in partners])
        return cosine(true_spots, bragg_only(moved, centre=centre, beam_radius=beam_radius))

    def best(around: Floats, reach: float, step: float) -> Floats:
        steps = np.arange(-reach, reach + step / 2, step)
        offered = [around + np.array([y, x]) for y in steps for x in steps]
        return offered[int(np.argmax([at(offset).mean() for offset in offered]))]

    whole = best(np.zeros(2), FARTHEST_SHIFT, 1.0)
    return at(best(whole, SHIFT_STEP, SHIFT_STEP))


def cosine(first: Floats, second: Floats) -> Floats:
    """Cosine of images (n, y, x) pair by pair; 0 where one is empty."""
    product = (first * second).sum(axis=(1, 2))
    norm = np.sqrt((first**2).sum(axis=(1, 2)) * (second**2).sum(axis=(1, 2)))
    return np.divide(product, norm, out=np.zeros_like(product), where=norm > 0)


def bragg_only(patterns: Floats, *, centre: Floats, beam_radius: float) -> Floats:
    """Patterns (n, y, x) without beam and radial median (rings of 2 pixels, linear between), nothing below 0."""
    radius = _radius(patterns.shape[1:], centre)
    ring = np.minimum(radius / RING, min(patterns.shape[1:]) / 2 / RING).astype(int)  # the corners are one ring
    numbers = np.flatnonzero(np.bincount(ring.ravel()))
    rings = [ring == number for number in numbers]
    places = np.array([radius[own].mean() for own in rings])
    spots = np.zeros(patterns.shape)
    for own, pattern in zip(spots, patterns, strict=True):
        medians = np.array([np.median(pattern[ring]) for ring in rings])
        own[...] = np.maximum(pattern - np.interp(radius, places, medians), 0)
    spots[:, radius < beam_radius] = 0
    return spots


def _radius(shape: Sequence[int], centre: Floats) -> Floats:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(y - centre[0], x - centre[1]))


def average_precision(true_ratio: Floats, found_ratio: Floats, lit: Bools, threshold: float) -> float:
    """Area under precision over recall of "second/first reaches the threshold", ranked by the found ratio."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - slow to load

    positive = true_ratio[lit] >= threshold
    return float(average_precision_score(positive, found_ratio[lit])) if positive.any() else float("nan")


def overlap_iou(true_ratio: Floats, found_ratio: Floats, lit: Bools, threshold: float) -> float:
    """Probes over the threshold in both over those in either; NaN where there are none in truth."""
    true, found = true_ratio[lit] >= threshold, found_ratio[lit] >= threshold
    return float((true & found).sum() / (true | found).sum()) if true.any() else float("nan")


def ratio_of(weights: Floats) -> Floats:
    """Second largest over largest weight of each probe: weights (n, ...) to (...); 0 for fewer than two."""
    if len(weights) < 2:
        return np.zeros(weights.shape[1:])
    second, first = np.sort(weights, axis=0)[-2:]
    return np.divide(second, first, out=np.zeros(first.shape), where=first > 0)


def shares(weights: Floats) -> Floats:
    """Weights (n, ...) of each probe over their sum; 0 where that is 0."""
    total = weights.sum(axis=0)
    return np.divide(weights, total, out=np.zeros(weights.shape), where=total > 0)


def mixing_error(fractions: Floats, weights: Floats, matched: Labels, ratio: Floats) -> float:
    """Mean absolute error of the true crystals' fractions over probes with two or more; NaN without any.

    Averaged over the two strongest true crystals of each such probe (ratio 0.1 or more). A crystal without match
    was given a fraction of 0.
    """
    mixed = ratio >= MIXED
    if not mixed.any():
        return float("nan")
    found = shares(weights)
    mapped = np.stack([found[j] if j >= 0 else np.zeros(ratio.shape) for j in matched])[:, mixed]
    true = fractions[:, mixed]
    strongest = np.argsort(-true, axis=0, kind="stable")[:2]
    error = np.abs(np.take_along_axis(mapped - true, strongest, axis=0))
    return float(error.mean())


def confident_and_right(confidences: Sequence[str], errors: Sequence[int]) -> tuple[int, int]:
    """Of the answers of high confidence: how many have the true number of crystals, and how many there are."""
    sure = [error for confidence, error in zip(confidences, errors, strict=True) if confidence == "high"]
    return sum(error == 0 for error in sure), len(sure)


def falsely_confident(confidence: str, n_found: int) -> bool:
    """Tell whether more than one crystal is claimed with high confidence, for a scan that has no two crystals."""
    return confidence == "high" and n_found > 1


def score(truth: Truth, answer: Answer) -> dict[str, Any]:
    """Give every score of an answer; without a map of labels only the error of the number of crystals.

    Returns
    -------
    dict of float, or of lists with one value for each true crystal
    """
    scored: dict[str, Any] = {"n_true": truth.n_crystals, "error": answer.n_crystals - truth.n_crystals}
    if answer.labels is None or answer.patterns is None or answer.weights is None or not truth.n_crystals:
        return scored
    matched = match(truth.labels, answer.labels, truth.n_crystals, len(answer.patterns))
    lit, found_ratio = truth.labels >= 0, ratio_of(answer.weights)
    cosine_of = cosines(
        truth.patterns, answer.patterns, matched, centre=truth.centre, beam_radius=truth.beam_radius
    )
    scored |= {
        "ari": adjusted_rand(truth.labels, answer.labels),
        "recall": recall(truth.labels, answer.labels, matched).tolist(),
        "cosine": cosine_of.tolist(),
        "minority": minority_found(truth.labels, answer.labels, matched, truth.minority),
        "mixing": mixing_error(truth.fractions, answer.weights, matched, truth.ratio),
    }
    for threshold in RATIOS:
        scored[f"ap{threshold:g}"] = average_precision(truth.ratio, found_ratio, lit, threshold)
        scored[f"iou{threshold:g}"] = overlap_iou(truth.ratio, found_ratio, lit, threshold)
    return scored
