"""How good is what a method says of pairs of crystals: its intervals, and overlap where there is none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.answer import Answer, Overlap
from benchmarks.accuracy.scan import Truth
from benchmarks.accuracy.scores import MIXED, Bools, Labels, match


def score(truth: Truth, answer: Answer) -> dict[str, Any]:
    """Give ``coverage`` and ``false_overlap``; nothing where the method says nothing of pairs."""
    if answer.overlap is None or answer.labels is None or answer.patterns is None or not truth.n_crystals:
        return {}
    matched = match(truth.labels, answer.labels, truth.n_crystals, len(answer.patterns))
    return {
        "coverage": coverage(truth, answer.overlap, matched),
        "false_overlap": false_overlap(truth, answer.overlap.reported),
    }


def coverage(truth: Truth, overlap: Overlap, matched: Labels) -> float:
    """Share of the probes with two crystals (ratio 0.1 or more) whose interval holds the true share of the second.

    Of those whose two named crystals both stand for true ones; NaN without any.
    """
    first, second = _true_of(overlap.first, matched), _true_of(overlap.second, matched)
    judged = (truth.ratio >= MIXED) & (first >= 0) & (second >= 0)
    if not judged.any():
        return float("nan")
    own, other = (truth.fractions[index[judged], *np.nonzero(judged)] for index in (first, second))
    total = own + other
    share = np.divide(other, total, out=np.zeros_like(total), where=total > 0)
    return float(((share >= overlap.low[judged]) & (share <= overlap.high[judged])).mean())


def _true_of(found: Labels, matched: Labels) -> NDArray[np.intp]:
    """Replace found crystals by the true ones that they stand for; -1 = none."""
    true = np.full(max(int(found.max()), int(matched.max(initial=-1))) + 2, -1, dtype=np.intp)
    some = np.flatnonzero(matched >= 0)
    true[matched[some]] = some
    return true[found.astype(np.intp)]


def false_overlap(truth: Truth, reported: Bools) -> float:
    """Share of the probes that hold one crystal alone and are said to hold two; NaN without any."""
    alone = (truth.labels >= 0) & (truth.second < 0)
    return float(reported[alone].mean()) if alone.any() else float("nan")
