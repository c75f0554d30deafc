"""Every score against numbers worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal


def _labels(text: str) -> np.ndarray:
    return np.array([[-1 if sign == "." else int(sign) for sign in line] for line in text.split()])


def test_adjusted_rand_looks_at_probes_with_a_true_crystal() -> None:
    from benchmarks.accuracy.scores import adjusted_rand

    true = _labels("0011.. 0011..")
    assert adjusted_rand(true, _labels("110001 110000")) == pytest.approx(1)
    # One class split evenly: pairs 2 x C(2,2) + C(4,2) = 8 of the 12 true ones and of 28 in all.
    # (8 - 12 * 8 / 28) / ((12 + 8) / 2 - 12 * 8 / 28) = 16 / 23
    assert adjusted_rand(_labels("0000 1111"), _labels("0022 1111")) == pytest.approx(16 / 23)
    assert adjusted_rand(_labels("0000 1111"), _labels("00.. 1111")) == pytest.approx(16 / 23)
    assert np.isnan(adjusted_rand(_labels(".."), _labels("01")))


def test_each_found_crystal_stands_for_one_true_one() -> None:
    from benchmarks.accuracy.scores import contingency, match

    true, found = _labels("0000 1122"), _labels("2222 2201")
    assert_array_equal(contingency(true, found, 3, 3), [[0, 0, 4], [0, 0, 2], [1, 1, 0]])
    matched = match(true, found, 3, 3)
    assert (matched[0], matched[1]) == (2, -1)  # the merged one stands for the larger, none is left for the other
    assert matched[2] in {0, 1}
    assert_array_equal(match(true, np.full_like(true, -1), 3, 0), [-1, -1, -1])


def test_recall_and_overlap_of_areas() -> None:
    from benchmarks.accuracy.scores import intersection_over_union, minority_found, recall

    true, found = _labels("0000 1122 2222"), _labels("1110 1100 0000")
    matched = np.array([1, -1, 0])
    assert_allclose(recall(true, found, matched), [3 / 4, 0, 6 / 6])
    assert_allclose(intersection_over_union(true, found, matched), [3 / 6, 0, 6 / 7])
    assert minority_found(true, found, matched, np.array([True, True, False])) == 0.5
    assert np.isnan(minority_found(true, found, matched, np.zeros(3, dtype=bool)))


def _spots(*places: tuple[int, int], side: int = 24) -> np.ndarray:
    pattern = np.zeros((side, side))
    for y, x in places:
        pattern[y, x] = 10.0
    return pattern


def test_cosine_is_blind_to_beam_background_and_a_common_shift() -> None:
    from benchmarks.accuracy.scores import cosines

    centre, radius = np.array([12.0, 12.0]), 2.0
    y, x = np.mgrid[:24, :24]
    true = np.stack([_spots((4, 5), (18, 9)), _spots((8, 17), (19, 15))])
    background = 20 * (1 + ((y - 12) ** 2 + (x - 12) ** 2) / 36) ** -1.5
    moved = np.roll(true, (1, -2), axis=(1, 2)) + _spots((13, 10)) * 100
    found = moved[[1, 0]]
    given = {"centre": centre, "beam_radius": radius}
    assert_allclose(cosines(true, found, np.array([1, 0]), **given), [1, 1], atol=1e-12)
    assert_allclose(cosines(true, true + background, np.array([0, 1]), **given), [1, 1], atol=0.02)
    assert_allclose(cosines(true, true, np.array([0, -1]), **given), [1, 0], atol=1e-12)
    # One of two equal spots in common.
    other = np.stack([_spots((4, 5), (6, 14)), true[1]])
    assert_allclose(cosines(true, other, np.array([0, 1]), **given), [0.5, 1], atol=1e-12)


def test_ratio_and_shares() -> None:
    from benchmarks.accuracy.scores import ratio_of, shares

    weights = np.array([[4.0, 0, 1], [1.0, 0, 2], [2.0, 0, 2]])
    assert_allclose(ratio_of(weights), [0.5, 0, 1])
    assert_allclose(ratio_of(weights[:1]), [0, 0, 0])
    assert_allclose(shares(weights)[:, 0], [4 / 7, 1 / 7, 2 / 7])
    assert_allclose(shares(weights)[:, 1], 0)


def test_overlap_is_ranked_and_cut() -> None:
    from benchmarks.accuracy.scores import average_precision, overlap_iou

    true, found = np.array([0.9, 0.6, 0.1, 0.0, 0.9]), np.array([0.8, 0.3, 0.5, 0.1, 0.0])
    lit = np.array([True, True, True, True, False])
    # At 0.5: positives are 0 and 1; ranked 0 (hit), 2, 1 (hit), 3: (1 / 1 + 2 / 3) / 2.
    assert average_precision(true, found, lit, 0.5) == pytest.approx(5 / 6)
    assert overlap_iou(true, found, lit, 0.5) == pytest.approx(1 / 3)
    assert np.isnan(average_precision(true, found, lit, 0.95))
    assert np.isnan(overlap_iou(true, found, lit, 0.95))


def test_mixing_error_is_that_of_the_two_strongest() -> None:
    from benchmarks.accuracy.scores import mixing_error

    fractions = np.array([[[0.6, 1.0]], [[0.4, 0.0]], [[0.0, 0.0]]])
    weights = np.array([[[8.0, 1.0]], [[2.0, 9.0]]])
    ratio = np.array([[0.4 / 0.6, 0.0]])
    assert mixing_error(fractions, weights, np.array([0, 1, -1]), ratio) == pytest.approx(0.2)
    assert mixing_error(fractions, weights, np.array([0, -1, 1]), ratio) == pytest.approx((0.2 + 0.4) / 2)
    assert np.isnan(mixing_error(fractions, weights, np.array([0, 1, -1]), np.zeros((1, 2))))


def test_confidence_counts_only_when_it_is_high() -> None:
    from benchmarks.accuracy.scores import confident_and_right, falsely_confident

    assert confident_and_right(["high", "low", "high", "medium"], [0, 0, -1, 2]) == (1, 2)
    assert [falsely_confident(*case) for case in (("high", 2), ("high", 1), ("low", 5))] == [True, False, False]
