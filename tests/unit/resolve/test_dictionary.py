"""Pure probes, what others left in a pattern, and non-negative least squares, by hand."""

import numpy as np
import pytest
from scipy.optimize import nnls

from unmix4d.resolve.dictionary import Dictionary, clear_of_others, purest, take_out_others
from unmix4d.resolve.spots import Rings, find_spots

NEITHER, BOTH = np.zeros((2, 2), dtype=bool), ~np.eye(2, dtype=bool)  # turned against each other


def test_pure_probes_are_those_above_the_limit():
    share = np.array([0.9, 0.2, 0.8, 0.79, 0.95])
    assert purest(share, np.ones(5, dtype=bool), 3).tolist() == [0, 2, 4]
    assert purest(share, np.array([True, True, True, True, False]), 2).tolist() == [0, 2]


def test_the_purest_are_taken_where_too_few_are_pure():
    share = np.linspace(0.695, -0.005, 71)
    assert purest(share, np.ones(71, dtype=bool), 30).tolist() == list(range(30))
    assert purest(share, np.ones(71, dtype=bool), 60).tolist() == list(range(40))  # less than 0.3 is no crystal
    assert purest(share / 10, np.ones(71, dtype=bool), 60).tolist() == list(range(8))


def three_spots(*heights):
    image = np.zeros((3, 12))
    image[1, [2, 6, 10]] = heights
    return image


def test_what_a_purer_crystal_left_is_taken_out():
    grain, particle = three_spots(4, 4, 0), three_spots(2, 2, 6)
    alone = take_out_others(np.stack([particle, grain]), np.array([3, 50]), NEITHER)
    np.testing.assert_allclose(alone[1], grain)
    np.testing.assert_allclose(alone[0], three_spots(0, 0, 6), atol=1e-12)


def test_nothing_is_taken_by_a_crystal_of_the_same_lattice_that_is_turned():
    spots = np.stack([three_spots(2, 2, 6), three_spots(4, 4, 0)])
    np.testing.assert_array_equal(take_out_others(spots, np.array([3, 50]), BOTH), spots)


def test_nothing_is_taken_by_a_crystal_with_fewer_pure_probes():
    grain, particle = three_spots(4, 4, 0), three_spots(2, 2, 6)
    alone = take_out_others(np.stack([particle, grain]), np.array([50, 3]), NEITHER)
    np.testing.assert_allclose(alone[0], particle)


def test_a_spot_that_two_crystals_share_is_not_taken():
    one, other = three_spots(4, 4, 0), three_spots(0, 3, 5)
    alone = take_out_others(np.stack([one, other]), np.array([50, 20]), NEITHER)
    np.testing.assert_allclose(alone[1], other)


def test_two_patterns_that_are_alike_both_stay():
    alone = take_out_others(np.stack([three_spots(4, 4, 4), three_spots(3, 3, 3.1)]), np.array([50, 20]), NEITHER)
    np.testing.assert_allclose(alone[1], three_spots(3, 3, 3.1))


def five_spots(*heights):
    image = np.zeros((3, 20))
    image[1, [2, 6, 10, 14, 18]] = heights
    return image


GRAIN, LOCALLY = five_spots(8, 3, 1, 0, 0), five_spots(4, 3, 1, 0, 0)  # its weak spots are stronger here
FEW, MANY = 3, 50  # pure probes


def cleared(particle, *, n_pure=(MANY, FEW)):
    """What is left of the grain is taken out by one ratio, then cleared; give both patterns of the particle."""
    mean = LOCALLY + particle
    taken = take_out_others(np.stack([GRAIN, mean]), np.array([MANY, FEW]), NEITHER)[1]
    spots, means = np.stack([GRAIN, taken]), np.stack([GRAIN, mean])
    return taken, clear_of_others(spots, means, np.array(n_pure), NEITHER)[1]


@pytest.mark.parametrize(("own", "left"), [(0.2, 0.0), (1.5, 2.0)])
def test_weak_spots_of_a_grain_below_are_cleared_and_own_ones_at_their_place_stay(own, left):
    taken, found = cleared(five_spots(0, 0, own, 9, 9))
    assert taken[1, 6] == pytest.approx(1.5)  # half of the grain is taken out, and of this spot all is the grain's
    np.testing.assert_allclose(found, five_spots(0, 0, left, 9, 9))


def test_nothing_is_cleared_that_would_be_much_of_the_pattern_or_by_a_crystal_with_fewer_pure_probes():
    faint = five_spots(0, 0, 0, 2, 2)
    for taken, found in (cleared(faint), cleared(five_spots(0, 0, 0.2, 9, 9), n_pure=(FEW, MANY))):
        assert taken[1, 6] == pytest.approx(1.5)
        np.testing.assert_array_equal(found, taken)


def test_a_crystal_of_which_some_spots_are_missing_is_not_there():
    spots = np.stack([GRAIN, five_spots(2, 0, 0.5, 9, 9)])  # its second spot is not seen
    np.testing.assert_array_equal(clear_of_others(spots, spots, np.array([MANY, FEW]), NEITHER), spots)


def test_no_crystal_is_cleared_by_an_empty_one():
    spots = np.stack([five_spots(0, 0, 0, 0, 0), five_spots(0, 0, 1, 9, 9)])
    np.testing.assert_array_equal(clear_of_others(spots, spots, np.array([MANY, FEW]), NEITHER), spots)


def test_weights_are_those_of_non_negative_least_squares():
    rng = np.random.default_rng(0)
    entries, pixel, patterns = rng.random((5, 40)), rng.uniform(0.5, 2, 40), rng.random((30, 40))
    dictionary = Dictionary.of(entries[:2], entries[2:], pixel)
    found = dictionary.solve(patterns @ dictionary.across.T)
    root = np.sqrt(pixel)
    expected = [nnls((entries * root).T, pattern * root)[0] for pattern in patterns]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (found == 0).any()


def test_an_empty_entry_gets_no_weight():
    entries = np.stack([np.ones(4), np.zeros(4)])
    dictionary = Dictionary.of(entries, np.empty((0, 4)), np.ones(4))
    np.testing.assert_allclose(dictionary.solve(np.full((1, 4), 3.0) @ dictionary.across.T), [[3, 0]])


@pytest.fixture
def rings():
    return Rings.about(None, np.ones((33, 33), dtype=bool))


def test_spots_keep_their_counts_and_rings_and_slopes_are_background(rings):
    image = 50 + 40 * np.exp(-rings.radius / 8) + 30 * np.exp(-((rings.radius - 9) ** 2) / 8)
    image += np.random.default_rng(0).normal(0, 0.5, image.shape)
    image[5:8, 20:23] += 20
    spots = find_spots(image[None], rings)[0]
    assert spots.sum() == pytest.approx(180, rel=0.05)
    assert (spots > 0)[4:9, 19:24].sum() == (spots > 0).sum() >= 9


def test_a_single_pixel_is_no_spot(rings):
    image = 50 + np.random.default_rng(0).normal(0, 0.5, (33, 33))
    image[5, 9] += 100
    assert find_spots(image[None], rings)[0].sum() == 0


def test_rings_add_up_to_any_smooth_fall(rings):
    entries = rings.entries()
    fall = 100 * np.exp(-rings.radius[rings.allowed] / 10)
    near = rings.radius[rings.allowed] < 18
    weights = nnls(entries.T, fall)[0]
    np.testing.assert_allclose((weights @ entries)[near], fall[near], rtol=0.05)
