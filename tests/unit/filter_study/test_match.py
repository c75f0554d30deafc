"""Clusters of several maps as common classes, worked out by hand."""

import numpy as np
import pytest

from unmix4d.filter_study.match import agreements, match_clusters


def test_numbers_of_clusters_do_not_matter():
    one = np.array([[0, 0, 1, 1, -1]])
    found = match_clusters({"raw": one, "mean": np.array([[1, 1, 0, 0, -1]])}, {"raw": 2, "mean": 2}, "raw")
    assert found["raw"].classes.tolist() == [0, 1]
    assert found["mean"].classes.tolist() == [1, 0]
    assert found["mean"].overlap.tolist() == [1, 1]


def test_a_part_that_the_reference_does_not_have_is_a_class_that_others_share():
    raw = np.array([[0, 0, 0, 0, 0, 1]])
    split = np.array([[2, 2, 2, 1, 1, 0]])
    again = np.array([[0, 0, 0, 1, 1, 2]])
    found = match_clusters({"split": split, "raw": raw, "again": again}, {"split": 3, "raw": 2, "again": 3}, "raw")
    assert found["split"].classes.tolist() == [1, 2, 0]
    assert found["split"].overlap.tolist() == pytest.approx([1, np.nan, 3 / 5], nan_ok=True)
    assert found["again"].classes.tolist() == [0, 2, 1]


def test_clusters_that_share_hardly_a_probe_are_not_the_same_crystal():
    raw = np.array([[0] * 10 + [1]])
    other = np.array([[-1] * 9 + [0, 0]])  # one probe of each; 1 of 11 and 1 of 2
    found = match_clusters({"raw": raw, "mean": other}, {"raw": 2, "mean": 1}, "raw")
    assert found["mean"].classes.tolist() == [1]
    far = np.array([[-1] * 9 + [0, -1]])  # 1 of 10 is the least that counts
    assert match_clusters({"raw": raw, "mean": far}, {"raw": 2, "mean": 1}, "raw")["mean"].classes.tolist() == [0]
    raw = np.array([[0] * 11])
    far = np.array([[-1] * 10 + [0]])
    assert match_clusters({"raw": raw, "mean": far}, {"raw": 1, "mean": 1}, "raw")["mean"].classes.tolist() == [1]


def test_a_filter_may_find_no_crystal():
    none = np.full((1, 3), -1)
    found = match_clusters({"raw": none, "mean": np.array([[0, 0, -1]])}, {"raw": 0, "mean": 1}, "raw")
    assert found["raw"].classes.tolist() == []
    assert found["mean"].classes.tolist() == [0]


def test_agreement_is_taken_where_one_of_both_sees_a_crystal():
    (pair,) = agreements({"raw": np.array([[0, 0, 1, -1, -1]]), "mean": np.array([[0, 1, 1, 1, -1]])})
    assert (pair.first, pair.second, pair.n_probes) == ("raw", "mean", 4)
    assert pair.share == 2 / 4
    # Contingency of 00, 01, 11, -1: pairs in both 0, in rows 1, in columns 3, of 6.
    assert pair.adjusted_rand == pytest.approx((0 - 1 * 3 / 6) / ((1 + 3) / 2 - 1 * 3 / 6))
    (same,) = agreements({"raw": np.array([[0, 1, 1]]), "mean": np.array([[0, 1, 1]])})
    assert (same.share, same.adjusted_rand) == (1, 1)
    (none,) = agreements({"raw": np.full((1, 3), -1), "mean": np.full((1, 3), -1)})
    assert np.isnan(none.share)
    assert np.isnan(none.adjusted_rand)
