"""Crystals alone, from mixtures that are known: hand-made spots, background, impure components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmix4d.execute import Serial, Threads
from unmix4d.maps.clusters import cluster_map
from unmix4d.maps.overlap import overlap_map
from unmix4d.records import Beam, ComponentRoles, FactoredMatrix, Factorization, Geometry, PatternMatrix, Purified
from unmix4d.resolve import refine as resolve
from unmix4d.resolve.dictionary import believed
from unmix4d.resolve.refine import refine_crystals
from unmix4d.resolve.spots import Rings
from unmix4d.resolve.view import Guess, View

SIDE = 32
BEAM = Beam(center=(15.5, 15.5), radius=2.0)
PLACES = (
    ((6, 8), (6, 23), (24, 12), (25, 24)),
    ((11, 5), (12, 26), (20, 4), (21, 27)),
    ((4, 15), (27, 17), (15, 9), (16, 22)),
)
COUNTS = 3000.0  # in the spots of a whole crystal


def spots(crystal):
    """Four spots of 3 x 3 pixels, together 1."""
    image = np.zeros((SIDE, SIDE))
    for weight, (y, x) in zip((4, 3, 2, 1), PLACES[crystal], strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = weight * np.outer((1, 2, 1), (1, 2, 1)) / 160
    return image


def diffuse(beam):
    y, x = np.mgrid[:SIDE, :SIDE] - 15.5
    radius = np.hypot(y, x)
    direct = 0 if beam is None else 500 * (radius <= beam.radius)
    return 2 + 30 * np.exp(-radius / 5) + direct


def shares_along_a_boundary(n_crystals=2, scan=(16, 40)):
    """Shares (n_crystals, scan_y, scan_x) that go over linearly in 12 probes, with ends where each is alone."""
    x = np.arange(scan[1])
    middles = np.linspace(0, scan[1] - 1, n_crystals)
    rows = [np.interp(x, middles, np.eye(n_crystals)[i]) for i in range(n_crystals)]
    sharper = np.clip(2.5 * np.array(rows) - 0.75, 0, 1) if n_crystals > 1 else np.array(rows)
    return np.repeat((sharper / sharper.sum(axis=0))[:, None], scan[0], axis=1)


def case(shares, *, leak=0.25, background=1.0, beam=BEAM, order=None, scale=None):
    """Counts of crystals in these shares with background, and a factorization of impure components for them.

    Each component holds ``leak`` of the next crystal and all of the background.
    """
    n, scan = len(shares), shares.shape[1:]
    pure = np.array([COUNTS * spots(i) for i in range(n)]).reshape(n, -1)
    haze = diffuse(beam=beam).ravel()
    expected = shares.reshape(n, -1).T @ pure + haze * background
    counts = np.random.default_rng(0).poisson(expected).astype(np.uint16)
    components = pure + leak * np.roll(pure, -1, axis=0) + haze
    weights = np.linalg.lstsq(components.T, expected.T, rcond=None)[0].T.clip(min=0)
    order = list(range(n)) if order is None else order
    sums = components.sum(axis=1) if scale is None else components.sum(axis=1) * scale
    ends = [0, len(counts) // 2, len(counts)]
    masks = {"probe_mask": np.ones(scan, dtype=bool), "pixel_mask": np.ones((SIDE, SIDE), dtype=bool)}
    geometry = Geometry(scan_shape=scan, pattern_shape=(SIDE, SIDE))
    matrix = PatternMatrix(
        read_block=lambda i: counts[ends[i] : ends[i + 1]], bounds=tuple(ends), geometry=geometry, **masks
    )
    row, column = np.full(len(counts), 0.5, np.float32), (1 / np.sqrt(expected.mean(axis=0))).astype(np.float32)
    left, values, right = np.linalg.svd(row[:, None] * counts * column, full_matrices=False)
    factored = FactoredMatrix(
        scores=(left[:, :8] * values[:8]).astype(np.float32),
        basis=right[:8].astype(np.float32),
        row=row,
        column=column,
        norm2=float((values**2).sum()),
        geometry=geometry,
        **masks,
    )
    fit = Factorization(
        components=(components / sums[:, None])[order].astype(np.float32),
        weights=(weights * sums)[:, order].astype(np.float32),
        geometry=geometry,
        **masks,
    )
    found = (pure + leak * np.roll(pure, -1, axis=0)) / sums[:, None]
    roles = ComponentRoles(
        roles=("crystal",) * n,
        crystals=np.arange(n, dtype=np.int16),
        spot_patterns=found[order].reshape(n, SIDE, SIDE).astype(np.float32),
        similarity=np.eye(n),
    )
    return matrix, factored, fit, roles


def refine(made, executor=None, beam=BEAM):
    return refine_crystals(*made, beam=beam, executor=executor or Serial())


def fractions(crystals, shape):
    bragg = crystals.bragg.T.astype(np.float64)
    return (bragg / bragg.sum(axis=0)).reshape(shape)


def cosine(a, b):
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


@pytest.mark.parametrize("n", [2, 3])
def test_fractions_along_a_boundary_are_those_that_were_mixed(n):
    shares = shares_along_a_boundary(n)
    crystals = refine(case(shares))
    means = fractions(crystals, shares.shape).mean(axis=1)  # along the boundary, where the truth is the same
    np.testing.assert_allclose(means, shares.mean(axis=1), atol=0.02)
    np.testing.assert_allclose(crystals.bragg.sum(axis=1).mean(), COUNTS, rtol=0.03)


def test_patterns_hold_neither_neighbours_nor_background():
    shares = shares_along_a_boundary(2)
    crystals = refine(case(shares))
    for i, pattern in enumerate(crystals.patterns):
        assert cosine(pattern, spots(i)) > 0.99
        assert pattern[spots(1 - i) > 0].sum() < 0.01
        assert pattern[BEAM.disc(pattern.shape)].sum() == 0
    np.testing.assert_allclose(crystals.patterns.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_merged_components_do_not_reach_that():
    shares = shares_along_a_boundary(2)
    matrix, factored, fit, roles = case(shares)
    merged = cluster_map(fit, roles).crystal_weights
    error = np.abs(merged[0] / merged.sum(axis=0) - shares[0]).mean()
    refined = np.abs(fractions(refine((matrix, factored, fit, roles)), shares.shape)[0] - shares[0]).mean()
    assert refined < error / 2


def test_a_background_that_does_not_go_with_the_crystals_changes_no_fraction():
    shares = shares_along_a_boundary(2)
    haze = np.linspace(0.3, 3, shares[0].size)[:, None]
    means = fractions(refine(case(shares, background=haze)), shares.shape).mean(axis=1)
    np.testing.assert_allclose(means, shares.mean(axis=1), atol=0.02)


def test_a_particle_that_is_alone_nowhere_loses_the_grain_below():
    shares = np.zeros((2, 20, 40))
    shares[0] = 1
    shares[1, 6:13, 10:17] = 1.5
    crystals = refine(case(shares, leak=0.0))
    assert cosine(crystals.patterns[1], spots(1)) > 0.98
    inside = crystals.bragg.T.reshape(shares.shape)[:, 7:12, 11:16].mean(axis=(1, 2))
    np.testing.assert_allclose(inside / COUNTS, [1, 1.5], atol=0.1)


def test_a_pattern_that_was_purified_and_is_alone_nowhere_is_not_taken_from_its_neighbours_again():
    shares = np.zeros((2, 20, 40))
    shares[0] = 1
    shares[1, 6:13, 10:17] = 0.8
    matrix, factored, fit, roles = case(shares, leak=0.0)
    bragg = COUNTS * shares.reshape(2, -1).T
    pure = COUNTS * np.array([spots(0), spots(1)])
    known = Purified(bragg=bragg, spots=pure + [[[0]], [[0.1]]] * spots(0), means=pure)
    crystals = refine_crystals(matrix, factored, fit, roles, beam=BEAM, executor=Serial(), purified=known)
    assert cosine(crystals.spots[1], known.spots[1]) == pytest.approx(1)
    assert cosine(crystals.patterns[1], known.spots[1]) == pytest.approx(1)
    assert cosine(crystals.patterns[0], spots(0)) > 0.98


def bends():
    """One crystal, then another that lights up other spots in its second half: shares (3, 16, 40) of spots.

    And both as they look by the spots of the first half alone.
    """
    halves = np.zeros((3, 16, 40))
    halves[0, :, :20] = halves[1, :, 20:30] = halves[2, :, 30:] = 1
    looks = np.stack([halves[0] + 0.3 * halves[2], halves[1] + 0.7 * halves[2]])
    pure = COUNTS * np.array([spots(0), spots(1)])
    return halves, Purified(bragg=COUNTS * looks.reshape(2, -1).T, spots=pure, means=pure)


@pytest.mark.parametrize("whole", [True, False])
def test_a_crystal_that_bends_is_taken_where_it_is_the_strongest_and_not_where_it_is_purest(whole):
    halves, known = bends()
    matrix, factored, _, _ = case(halves, leak=0.0)
    rings = Rings.about(BEAM, matrix.pixel_mask)
    guess = Guess(bragg=known.bragg, spots=known.spots[:, rings.allowed])
    found = View.of(factored, rings).improve(guess, rings, settled=False, whole=whole)
    image = np.zeros((SIDE, SIDE))
    image[rings.allowed] = found.spots[1]
    assert (cosine(image, spots(1) + spots(2)) > 0.98) == whole
    assert (cosine(image, spots(1)) > 0.98) != whole


@pytest.mark.parametrize(
    ("worse", "redrawn", "all_of_it"),
    [(resolve.WORSE, False, True), (np.inf, False, True), (0.0, False, False), (np.inf, True, False)],
)
def test_of_both_ways_that_is_taken_which_explains_the_scan(worse, redrawn, all_of_it, monkeypatch):
    halves, known = bends()
    matrix, factored, fit, roles = case(halves, leak=0.0)
    monkeypatch.setattr(resolve, "WORSE", worse)
    how = {"beam": BEAM, "executor": Serial(), "purified": known, "redrawn": redrawn}
    found = refine_crystals(matrix, factored, fit, roles, **how)
    assert (cosine(found.spots[1], spots(1) + spots(2)) > 0.98) == all_of_it


def test_what_a_fit_leaves_is_what_it_says():
    matrix, factored, _, _ = case(shares_along_a_boundary(2))
    rings = Rings.about(BEAM, matrix.pixel_mask)
    view = View.of(factored, rings)
    fit = view.fitted(COUNTS * np.stack([spots(0), spots(1)])[:, rings.allowed])
    left = view.scores @ view.basis - fit.weights @ fit.dictionary.entries
    assert view.unexplained(fit) == pytest.approx((left**2 * view.pixel).sum(), rel=1e-9)


def test_what_is_left_where_much_was_taken_off_is_not_believed():
    left = np.array([[5.0, 1.0, 0.0, 3.0], [1.0, 1.0, 1.0, 0.0]])
    taken = np.array([[2.0, 1.0, 1.0, 0.0], [9.0, 9.0, 0.1, 0.0]])
    np.testing.assert_array_equal(believed(left, taken)[0], [5, 0, 0, 3])
    np.testing.assert_array_equal(believed(left, taken)[1], [0, 0, 1, 0])
    np.testing.assert_array_equal(believed(left, taken + 9)[1], left[1])  # nothing would be left


def test_one_crystal_has_all_bragg_counts():
    shares = np.ones((1, 10, 20))
    shares[0, :, :6] = 0
    made = case(shares, leak=0.0)
    crystals = refine(made)
    assert cosine(crystals.patterns[0], spots(0)) > 0.99
    labels = cluster_map(made[2], made[3], crystals).labels
    np.testing.assert_array_equal(labels >= 0, shares[0] > 0)


def test_without_crystals_low_rank_form_or_room_for_spots_there_is_nothing_to_refine():
    matrix, factored, fit, roles = case(shares_along_a_boundary(2, scan=(6, 20)))
    nothing = ComponentRoles(
        roles=("background",) * 2,
        crystals=np.full(2, -1, dtype=np.int16),
        spot_patterns=roles.spot_patterns,
        similarity=np.eye(2),
    )
    assert refine((matrix, factored, fit, nothing)) is None
    assert refine((matrix, None, fit, roles)) is None
    small = PatternMatrix(
        read_block=matrix.read_block,
        bounds=matrix.bounds,
        probe_mask=matrix.probe_mask,
        pixel_mask=np.ones((8, 8), dtype=bool),
        geometry=Geometry(scan_shape=(6, 20), pattern_shape=(8, 8)),
    )
    assert refine((small, factored, fit, roles)) is None


def test_components_of_one_crystal_are_one_entry():
    matrix, factored, fit, roles = case(shares_along_a_boundary(3))
    two = ComponentRoles(
        roles=("crystal", "split", "crystal"),
        crystals=np.array([0, 0, 1], dtype=np.int16),
        spot_patterns=roles.spot_patterns,
        similarity=np.eye(3),
    )
    crystals = refine((matrix, factored, fit, two))
    assert crystals.patterns.shape == (2, SIDE, SIDE)
    assert crystals.bragg.shape == (matrix.n_probes, 2)
    assert cosine(crystals.patterns[1], spots(2)) > 0.98


def test_a_pattern_without_spots_is_that_of_its_components():
    shares = np.stack([np.ones((12, 30)), np.zeros((12, 30))])
    matrix, factored, fit, roles = case(shares, leak=0.0)
    crystals = refine((matrix, factored, fit, roles))
    assert np.isfinite(crystals.patterns).all()
    assert np.isfinite(crystals.bragg).all()
    assert crystals.bragg[:, 0].mean() > 10 * crystals.bragg[:, 1].mean()


def test_any_number_of_threads_gives_the_same_bits():
    made = case(shares_along_a_boundary(3))
    one, many = refine(made), refine(made, Threads(3))
    np.testing.assert_array_equal(one.bragg, many.bragg)
    np.testing.assert_array_equal(one.patterns, many.patterns)


def test_without_a_beam_the_middle_of_the_detector_is_taken():
    shares = shares_along_a_boundary(2)
    means = fractions(refine(case(shares, beam=None), beam=None), shares.shape).mean(axis=1)
    np.testing.assert_allclose(means, shares.mean(axis=1), atol=0.05)


@settings(deadline=None, max_examples=8)
@given(st.permutations(range(3)), st.lists(st.floats(1e-2, 1e2), min_size=3, max_size=3))
def test_nothing_depends_on_the_order_or_the_scale_of_the_components(order, scales):
    shares = shares_along_a_boundary(3, scan=(10, 40))
    plain, turned = case(shares), case(shares, order=list(order), scale=np.array(scales))
    first, other = refine(plain), refine(turned)
    np.testing.assert_allclose(other.patterns, first.patterns[list(order)], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(other.bragg, first.bragg[:, list(order)], rtol=1e-2, atol=1e-3 * COUNTS)
    maps = [cluster_map(made[2], made[3], found) for made, found in ((plain, first), (turned, other))]
    ratios = [overlap_map(one.crystal_weights, one.labels).ratio for one in maps]
    np.testing.assert_allclose(ratios[1], ratios[0], atol=1e-2)
