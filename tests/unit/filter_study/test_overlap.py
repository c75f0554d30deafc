"""Overlap at boundaries and away from them, and what the unfiltered counts say of it."""

import numpy as np

from unmix4d.filter_study.overlap import count_overlaps, near_boundary


def test_a_probe_is_near_a_boundary_if_its_neighbourhood_holds_two_crystals():
    labels = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [-1, -1, 0, 0, -1]])
    expected = np.array([[0, 0, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(near_boundary(labels), expected)


def test_the_edge_to_vacuum_is_no_boundary():
    assert not near_boundary(np.array([[-1, 0, 0], [-1, -1, 0]])).any()
    assert not near_boundary(np.full((2, 3), -1)).any()


def test_a_mean_over_a_sharp_boundary_makes_overlap_that_the_counts_do_not_have(make_answer):
    sharp = np.zeros((2, 5, 6))
    sharp[0, :, :3], sharp[1, :, 3:] = 90, 90
    mean = sharp.copy()
    mean[:, :, 2], mean[:, :, 3] = [[60] * 5, [30] * 5], [[30] * 5, [60] * 5]  # 3 of 9 neighbours
    raw, averaged = make_answer("raw", weights=sharp), make_answer("mean", weights=mean, refitted=sharp)
    boundary = near_boundary(raw.clusters.labels)
    rows = {(row.name, row.zone, row.threshold): row for row in count_overlaps([raw, averaged], boundary)}
    made = rows["mean", "boundary", 0.5]
    assert (made.n_assessed, made.n_filtered, made.n_refitted, made.n_absent, made.n_new) == (10, 10, 0, 10, 0)
    assert made.share("n_absent") == 1
    assert rows["mean", "boundary", 0.75].n_filtered == 0
    assert rows["mean", "interior", 0.5].n_assessed == 20
    assert rows["mean", "interior", 0.5].n_filtered == 0
    assert rows["raw", "all", 0.5].n_filtered == 0


def test_only_probes_that_every_filter_assesses_are_counted(make_answer):
    weights = np.ones((2, 1, 3))
    raw = make_answer("raw", weights=weights)
    other = make_answer("mean", weights=weights, labels=np.array([[0, 0, -1]], dtype=np.int16))
    rows = count_overlaps([raw, other], np.zeros((1, 3), dtype=bool))
    assert {row.n_assessed for row in rows if row.zone == "all"} == {2}
    empty = next(row for row in rows if row.zone == "boundary")
    assert empty.n_assessed == 0
    assert np.isnan(empty.share("n_filtered"))


def test_fates_tell_what_the_counts_confirm(make_answer):
    weights = np.array([[[10, 10, 10, 10, 10]], [[8, 8, 1, 1, 1]]])
    refitted = np.array([[[10, 10, 10, 10, 10]], [[9, 1, 9, 1, 1]]])
    labels = np.array([[0, 0, 0, 0, -1]], dtype=np.int16)
    answer = make_answer(weights=weights, refitted=refitted, labels=labels)
    assert answer.fates.tolist() == [[1, 2, 3, 0, -1]]
