"""How far two label maps agree, whatever the numbers of their labels."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from unmix4d.records import IntArray
from unmix4d.records.base import AnyArray
from unmix4d.records.paper import Agreement


def agree(ours: IntArray, theirs: IntArray) -> Agreement:
    """Match the labels of two maps one to one, so that as many probes as possible agree.

    Parameters
    ----------
    ours, theirs : (scan_y, scan_x) int
        From -1 on; -1 is a class like every other.

    Returns
    -------
    Agreement
        With ``matched`` as pairs of (theirs, ours) that share at least one probe.
    """
    table = _contingency(theirs, ours)
    rows, columns = linear_sum_assignment(table, maximize=True)
    n_same = int(table[rows, columns].sum())
    matched = [(int(r) - 1, int(c) - 1) for r, c in zip(rows, columns, strict=True) if table[r, c]]
    return Agreement(
        matched=tuple(matched),
        share=n_same / int(table.sum()),
        adjusted_rand=adjusted_rand(table),
        n_differ=int(table.sum()) - n_same,
    )


def differs(ours: IntArray, theirs: IntArray, matched: tuple[tuple[int, int], ...]) -> AnyArray:
    """Give the probes whose labels are not matched: (scan_y, scan_x) bool."""
    same = np.zeros(ours.shape, dtype=bool)
    for there, here in matched:
        same |= (theirs == there) & (ours == here)
    return ~same


def adjusted_rand(table: AnyArray) -> float:
    """Give the adjusted Rand index of a contingency table; NaN if both maps hold one class alone.

    Hubert & Arabie, J. Classif. 2 (1985) 193.
    """

    def pairs(counts: AnyArray) -> float:
        return float((counts.astype(np.float64) * (counts - 1) / 2).sum())

    whole = pairs(np.array([table.sum()]))
    both, one, other = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = one * other / whole if whole else 0.0
    highest = (one + other) / 2
    is_known = highest > expected and not (one == other == whole)
    return (both - expected) / (highest - expected) if is_known else float("nan")


def _contingency(theirs: IntArray, ours: IntArray) -> AnyArray:
    there, here = theirs.ravel().astype(np.int64) + 1, ours.ravel().astype(np.int64) + 1
    n = int(here.max()) + 1
    return np.bincount(there * n + here, minlength=(int(there.max()) + 1) * n).reshape(-1, n)
