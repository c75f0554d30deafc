import math
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unmix4d.errors import UsageError
from unmix4d.maps.overlap import PairRow, area_shares, boundary_shares, overlap_map, overlap_pairs
from unmix4d.records import OVERLAP_THRESHOLDS, FloatArray, OverlapMap


def one_line(*probes: tuple[float, ...], labels: list[int] | None = None) -> OverlapMap:
    """A scan of one line; each argument holds the weights of all crystals at one probe."""
    weights = np.array(probes, dtype=np.float32).T[:, None, :]
    shown = np.array([labels if labels is not None else [0] * len(probes)], dtype=np.int16)
    return overlap_map(weights, shown)


def test_the_hand_check_of_the_method() -> None:
    # Method, section 4.3: normalised weights [[8, 4, 2], [0, 4, 16]] give ratios 0, 1 and 0.125.
    overlap = one_line((8, 0), (4, 4), (2, 16))
    assert overlap.ratio.tolist() == [[0, 1, 0.125]]
    assert overlap.first.tolist() == [[0, 0, 1]]
    assert overlap.second.tolist() == [[-1, 1, 0]]
    assert overlap.level.tolist() == [[0, 5, 0]]
    assert [str(a.dtype) for a in (overlap.ratio, overlap.first, overlap.level)] == ["float32", "int16", "int8"]


def test_every_threshold_is_reached_at_its_limit() -> None:
    at = one_line((4, 3), (5, 4), (20, 17), (10, 9), (20, 19), (1, 1))
    assert at.level.tolist() == [[1, 2, 3, 4, 5, 5]]
    below = one_line(*((1, np.nextafter(np.float32(t), np.float32(0))) for t in (0.75, 0.8, 0.85, 0.9, 0.95)))
    assert below.level.tolist() == [[0, 1, 2, 3, 4]]


def test_the_lowest_index_wins_ties() -> None:
    overlap = one_line((3, 3, 3), (0, 5, 5), (1, 2, 1))
    assert overlap.first.tolist() == [[0, 1, 1]]
    assert overlap.second.tolist() == [[1, 2, 0]]


def test_one_crystal_overlaps_with_nothing() -> None:
    overlap = one_line((5,), (0.1,))
    assert overlap.level.tolist() == [[0, 0]]
    assert overlap.ratio.tolist() == [[0, 0]]
    assert overlap.first.tolist() == [[0, 0]]
    assert overlap.second.tolist() == [[-1, -1]]
    assert overlap_pairs(overlap) == []


def test_no_crystal_at_all() -> None:
    overlap = overlap_map(np.zeros((0, 2, 3)), np.full((2, 3), -1, dtype=np.int16))
    for values in (overlap.first, overlap.second, overlap.level):
        assert (values == -1).all()
    assert not overlap.ratio.any()
    assert overlap_pairs(overlap) == []
    assert all(math.isnan(share) for share in area_shares(overlap).values())


def test_what_is_not_labelled_is_not_assessed() -> None:
    overlap = one_line((4, 4), (0, 0), (4, 4), labels=[-1, 0, 0])
    assert overlap.level.tolist() == [[-1, -1, 5]]
    assert overlap.ratio.tolist() == [[0, 0, 1]]
    assert overlap.first.tolist() == [[-1, -1, 0]]
    assert overlap.second.tolist() == [[-1, -1, 1]]


@pytest.mark.parametrize("thresholds", [(), (0.5, 0.5), (0.8, 0.7), (0.0, 0.5), (0.5, 1.01)])
def test_thresholds_must_ascend(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="must ascend between 0 and 1"):
        overlap_map(np.ones((2, 1, 1)), np.zeros((1, 1), dtype=np.int16), thresholds=thresholds)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_weights_must_be_counts(bad: float) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        overlap_map(np.full((2, 1, 1), bad), np.zeros((1, 1), dtype=np.int16))


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"weights \(2, 1, 3\) do not fit \(1, 2\)"):
        overlap_map(np.ones((2, 1, 3)), np.zeros((1, 2), dtype=np.int16))


def test_pairs_by_hand() -> None:
    # 0 with 1: ratios 0.75, 1 (1 first) and 0.5; 1 with 2: 0.9.
    overlap = one_line((4, 3, 0), (8, 8, 0), (2, 4, 0), (0, 9, 10))
    rows = overlap_pairs(overlap)
    assert rows[0] == PairRow(first=0, second=1, threshold=0.75, n_probes=2, mean_ratio=0.875)
    of_01 = [(r.threshold, r.n_probes, r.mean_ratio) for r in rows[:5]]
    assert of_01 == [(0.75, 2, 0.875), (0.8, 1, 1), (0.85, 1, 1), (0.9, 1, 1), (0.95, 1, 1)]
    assert [(r.first, r.second, r.threshold, r.n_probes) for r in rows[5:]] == [
        (1, 2, t, 1) for t in (0.75, 0.8, 0.85, 0.9)
    ]
    assert rows[5].mean_ratio == pytest.approx(0.9)


def test_a_pair_is_the_same_whichever_is_stronger() -> None:
    (row,) = [r for r in overlap_pairs(one_line((10, 8), (8, 10))) if r.threshold == 0.8]
    assert (row.first, row.second, row.n_probes) == (0, 1, 2)


def test_area_is_a_share_of_what_was_assessed() -> None:
    overlap = one_line((4, 3), (1, 1), (1, 0), (1, 0), (1, 1), labels=[0, 0, 0, 0, -1])
    assert area_shares(overlap) == {0.75: 0.5, 0.8: 0.25, 0.85: 0.25, 0.9: 0.25, 0.95: 0.25}


def test_boundary_is_where_another_crystal_is_next() -> None:
    # Labels 0 0 0 1 1 and vacuum; overlap at 1.0 everywhere but in the third probe (0.75).
    labels = np.array([[0, 0, 0, 1, 1, -1]], dtype=np.int16)
    overlap = one_line((1, 1), (1, 1), (4, 3), (1, 1), (1, 1), (1, 1), labels=labels[0].tolist())
    shares = boundary_shares(overlap, labels)
    assert shares[0.75] == pytest.approx(2 / 5)  # the third and the fourth; vacuum makes no boundary
    assert shares[0.95] == pytest.approx(1 / 4)
    assert math.isnan(boundary_shares(one_line((1, 0)), np.zeros((1, 1), dtype=np.int16))[0.75])


def test_boundary_counts_diagonal_neighbours() -> None:
    labels = np.zeros((4, 4), dtype=np.int16)
    labels[0, 0] = 1
    overlap = overlap_map(np.ones((2, 4, 4)), labels)
    assert boundary_shares(overlap, labels)[0.75] == 4 / 16


weights_of_scans = st.integers(1, 4).flatmap(
    lambda n: arrays(np.float64, (n, 3, 4), elements=st.floats(0, 1000, allow_subnormal=False))
)


@given(weights_of_scans)
def test_levels_follow_from_the_ratio(weights: FloatArray) -> None:
    overlap = overlap_map(weights, np.zeros((3, 4), dtype=np.int16))
    assert ((overlap.ratio >= 0) & (overlap.ratio <= 1)).all()
    assert not overlap.ratio[overlap.level == -1].any()
    for y, x in product(range(3), range(4)):
        ordered = sorted(weights[:, y, x], reverse=True)
        if ordered[0] == 0:
            assert overlap.level[y, x] == -1
        else:
            assert weights[overlap.first[y, x], y, x] == ordered[0]
            expected = np.float32(ordered[1] / ordered[0]) if len(ordered) > 1 else 0
            assert overlap.ratio[y, x] == expected
            assert overlap.level[y, x] == sum(expected >= np.float32(t) for t in OVERLAP_THRESHOLDS)


@given(weights_of_scans, st.randoms(use_true_random=False))
def test_order_and_dose_do_not_matter(weights: FloatArray, random: Random) -> None:
    order = list(range(len(weights)))
    random.shuffle(order)
    labels = np.zeros((3, 4), dtype=np.int16)
    one, other = overlap_map(weights, labels), overlap_map(weights[order] * 4, labels)
    np.testing.assert_array_equal(other.ratio, one.ratio)
    np.testing.assert_array_equal(other.level, one.level)
    assert area_shares(other) == pytest.approx(area_shares(one), nan_ok=True)
