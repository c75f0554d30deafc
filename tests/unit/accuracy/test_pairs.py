"""Scores of what is said about pairs of crystals."""

from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.accuracy.answer import Overlap
from benchmarks.accuracy.pairs import coverage, false_overlap

# Four probes: crystal 0 alone, a half of each, a fifth of crystal 1, and one with a crystal that nobody found.
FRACTIONS = np.array([[1.0, 0.5, 0.8, 0.5], [0.0, 0.5, 0.2, 0.0], [0.0, 0.0, 0.0, 0.5]])[:, None]
TRUTH = SimpleNamespace(
    fractions=FRACTIONS,
    ratio=np.array([[0.0, 1.0, 0.25, 1.0]]),
    labels=np.array([[0, 0, 0, 0]]),
    second=np.array([[-1, 1, 1, 2]]),
)
MATCHED = np.array([1, 0, -1])  # found crystal 1 is the true 0, found 0 the true 1


def overlap(low: list[float], high: list[float], reported: list[bool]) -> Overlap:
    named = {"first": np.array([[1, 1, 1, 1]]), "second": np.array([[-1, 0, 0, 2]])}
    return Overlap(low=np.array([low]), high=np.array([high]), reported=np.array([reported]), **named)


@pytest.mark.parametrize(
    ("low", "high", "held"),
    [([0, 0.4, 0.1, 0], [0, 0.6, 0.3, 0], 1.0), ([0, 0.4, 0.3, 0], [0, 0.6, 0.4, 0], 0.5), ([0] * 4, [0] * 4, 0.0)],
)
def test_intervals_are_judged_where_both_crystals_are_known(
    low: list[float], high: list[float], held: float
) -> None:
    assert coverage(TRUTH, overlap(low, high, [False] * 4), MATCHED) == held  # type: ignore[arg-type]


def test_overlap_is_false_where_there_is_one_crystal() -> None:
    assert false_overlap(TRUTH, np.array([[True, False, False, False]])) == 1.0  # type: ignore[arg-type]
    assert false_overlap(TRUTH, np.array([[False, True, True, True]])) == 0.0  # type: ignore[arg-type]


def test_nothing_is_judged_where_there_is_nothing_to_judge() -> None:
    alone = SimpleNamespace(**{**vars(TRUTH), "ratio": np.zeros((1, 4)), "labels": np.full((1, 4), -1)})
    assert np.isnan(coverage(alone, overlap([0] * 4, [1] * 4, [True] * 4), MATCHED))  # type: ignore[arg-type]
    assert np.isnan(false_overlap(alone, np.ones((1, 4), bool)))  # type: ignore[arg-type]
