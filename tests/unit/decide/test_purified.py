"""Count C: pieces of crystals whose purest probes have the same spots are one crystal."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.decide.counting import Counted
from unmix4d.decide.purified import SAME, has_hidden, purified_model, with_purified
from unmix4d.decide.segments import find_segments
from unmix4d.decide.spots import evenness
from unmix4d.decide.vote import Votes
from unmix4d.records import Beam, FactoredMatrix, Factorization, Geometry, PatternMatrix, Purified, Sweep
from unmix4d.resolve.missed import find_missed
from unmix4d.resolve.refine import purify_crystals

SCAN, SIDE = (12, 24), 32
BEAM = Beam(center=(15.5, 15.5), radius=2.0)
ONE = ((6, 8), (6, 23), (24, 12), (25, 24), (11, 27), (20, 4))
OTHER = ((11, 5), (12, 26), (21, 27), (4, 15), (27, 17), (16, 22))
THIRD = ((4, 20), (27, 9), (13, 3), (18, 28), (28, 28), (3, 11))
UP, DOWN = (6, 5, 4, 3, 2, 1), (1, 2, 3, 4, 5, 6)


def spots(places, strengths):
    """Spots of 3 x 3 pixels, together 1, flat."""
    image = np.zeros((SIDE, SIDE))
    for weight, (y, x) in zip(strengths, places, strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = weight * np.outer((1, 2, 1), (1, 2, 1)) / 16
    return image.ravel() / image.sum()


def bands(patterns):
    """Each pattern alone on a band of probes: weights (n_probes, n)."""
    owner = np.tile(np.arange(SCAN[1]) * len(patterns) // SCAN[1], SCAN[0])
    return (owner[:, None] == np.arange(len(patterns))).astype(float)


def fit_of(components, weights):
    return Factorization(
        components=np.asarray(components, dtype=np.float32),
        weights=np.asarray(weights, dtype=np.float32),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
    )


def scan_of(patterns, counts=4000.0, haze=3.0, weights=None):
    """Patterns in bands with haze and noise: a sweep that holds one fit of them, and what was counted so far.

    The fit takes every band for a crystal of its own. Other ``weights`` (n_probes, n) than bands may be given.
    """
    weights = bands(patterns) if weights is None else weights
    expected = counts * weights @ np.array(patterns) + haze
    seen = np.random.default_rng(0).poisson(expected).astype(np.float64)
    left, values, right = np.linalg.svd(seen, full_matrices=False)
    fit = fit_of(patterns, counts * weights)
    masks = {"geometry": fit.geometry, "probe_mask": fit.probe_mask, "pixel_mask": fit.pixel_mask}
    factored = FactoredMatrix(
        scores=(left[:, :8] * values[:8]).astype(np.float32),
        basis=right[:8].astype(np.float32),
        row=np.ones(len(seen), np.float32),
        column=np.ones(seen.shape[1], np.float32),
        norm2=float((values**2).sum()),
        **masks,
    )
    matrix = PatternMatrix(read_block=lambda _: seen.astype(np.float32), bounds=(0, len(seen)), **masks)
    sweep = Sweep(matrix=matrix, fits={fit.k: fit}, factored=factored, purify=purify_crystals)
    apart = replace(find_segments(fit, beam=BEAM), similarity=np.eye(fit.k))
    counted = Counted(
        votes=Votes(counts={fit.k: 6}, sizes=(fit.k,)),
        shares={fit.k: 0.9},
        rank=fit.k,
        coherence=0.9,
        segments={fit.k: apart},
        largest=fit,
    )
    return sweep, counted


def test_pieces_of_one_crystal_with_other_intensities_are_one():
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP), spots(ONE, DOWN)])
    found = with_purified(sweep, counted, beam=BEAM)
    assert (found.by_components, found.n_crystals) == (3, 2)
    whole = found.purified.bragg[:, 0].reshape(SCAN)  # both pieces, left and right
    np.testing.assert_allclose(whole.mean(axis=0), [4000] * 8 + [0] * 8 + [4000] * 8, atol=400)
    assert found.closest < 0.3


def test_crystals_with_other_spots_stay_two():
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP)])
    assert with_purified(sweep, counted, beam=BEAM).n_crystals == 2


def lattice(degrees, seed):
    """Spots every 7 pixels, turned about the beam, with random intensities."""
    steps = np.array([(h, k) for h in range(-2, 3) for k in range(-2, 3) if h or k])
    angle = np.deg2rad(20 + degrees)
    places = 15.5 + 7 * steps @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    y, x = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(y - places[:, :1, None], x - places[:, 1:, None])
    image = np.tensordot(np.random.default_rng(seed).uniform(0.3, 1, len(steps)), np.exp(-((away / 1.2) ** 2)), 1)
    image[np.hypot(*(np.mgrid[:SIDE, :SIDE] - 15.5)) < 3.5] = 0
    return image.ravel() / image.sum()


@pytest.mark.parametrize(("degrees", "n_crystals"), [(0.0, 1), (0.5, 1), (3.0, 2), (-3.0, 2)])
def test_a_lattice_that_is_turned_is_another_crystal(degrees, n_crystals):
    sweep, counted = scan_of([lattice(0, 0), lattice(degrees, 1)], counts=20000.0)
    assert with_purified(sweep, counted, beam=BEAM).n_crystals == n_crystals


def test_components_that_are_turned_are_unlike():
    fit = fit_of([lattice(0, 0), lattice(3, 1), lattice(0, 2)], bands([0, 0, 0]))
    alike = find_segments(fit, beam=BEAM).similarity
    assert alike[0, 1] == alike[1, 2] == 0
    assert alike[0, 2] > SAME.limit


def test_where_the_purest_probes_have_no_spots_there_is_no_crystal():
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP)], counts=1e-6)
    found = with_purified(sweep, counted, beam=BEAM)
    assert (found.by_components, found.n_crystals) == (2, 0)
    model = purified_model(sweep, found, found.purified, beam=BEAM)
    assert (model.k, model.groups) == (2, ())


def test_one_spot_in_a_map_without_neighbours_is_noise():
    lone = np.zeros((SIDE, SIDE))
    lone[8:10, 20:22] = 1
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP)])
    checkered = np.indices(SCAN).sum(axis=0).ravel() % 2.0
    maps = {"noise": np.stack([checkered, 1 - checkered], axis=1), "grains": bands([0, 0])}
    for name, expected in (("noise", 0), ("grains", 2)):
        images = np.array([lone, lone.T])

        def purify(_factored, bragg, _spots, *, beam, settled, found=maps[name], images=images):
            assert (beam, settled) == (BEAM, False)
            return Purified(bragg=100 * found[:, : bragg.shape[1]], spots=images, means=images)

        assert with_purified(replace(sweep, purify=purify), counted, beam=BEAM).n_crystals == expected


def with_a_grain_that_no_component_shows(places, strengths):
    """Two grains, and 25 probes of a third crystal: the fit has components of the grains alone."""
    weights = np.hstack([bands([0, 0]), np.zeros((SCAN[0] * SCAN[1], 1))])
    weights.reshape(*SCAN, 3)[3:8, 3:8] = [0, 0, 1]
    patterns = [spots(ONE, UP), spots(OTHER, UP), spots(places, strengths)]
    sweep, counted = scan_of(patterns, weights=weights)
    fit = fit_of(patterns[:2], 4000 * weights[:, :2])
    apart = replace(find_segments(fit, beam=BEAM), similarity=np.eye(2))
    return replace(sweep, find_missed=find_missed), replace(counted, largest=fit, segments={2: apart})


def test_a_grain_that_no_component_shows_is_a_crystal():
    sweep, counted = with_a_grain_that_no_component_shows(THIRD, UP)
    found = with_purified(sweep, counted, beam=BEAM)
    assert found.n_crystals == 3
    grain = np.zeros(SCAN, dtype=bool)
    grain[3:8, 3:8] = True
    np.testing.assert_array_equal(found.purified.bragg.argmax(axis=1).reshape(SCAN) == 2, grain)
    assert with_purified(replace(sweep, find_missed=None), counted, beam=BEAM).n_crystals == 2


def test_what_a_crystal_with_other_intensities_leaves_is_no_grain():
    sweep, counted = with_a_grain_that_no_component_shows(ONE, DOWN)
    assert with_purified(sweep, counted, beam=BEAM).n_crystals == 2


def test_a_ring_is_no_crystal():
    y, x = np.mgrid[:SIDE, :SIDE] - 15.5
    ring = np.exp(-((np.hypot(y, x) - 9) ** 2)).ravel()
    sweep, counted = scan_of([spots(ONE, UP), ring / ring.sum()])
    assert with_purified(sweep, counted, beam=BEAM).n_crystals == 1


def with_particle(share, size):
    """Two grains, and on the first a particle that has ``share`` of the counts of ``size`` x ``size`` probes."""
    weights = np.hstack([bands([0, 0]), np.zeros((SCAN[0] * SCAN[1], 1))])
    on_scan = weights.reshape(*SCAN, 3)
    on_scan[3 : 3 + size, 3 : 3 + size] = [1 - share, 0, share]
    return scan_of([spots(ONE, UP), spots(OTHER, UP), spots(THIRD, UP)], weights=weights)


def test_a_particle_that_is_the_strongest_nowhere_is_a_crystal():
    sweep, counted = with_particle(0.42, 5)
    fit = counted.largest
    assert len(counted.segments[fit.k].groups(SAME)) == 2  # it owns no piece of the scan
    assert has_hidden(counted)
    found = with_purified(sweep, counted, beam=BEAM)
    assert found.n_crystals == 3
    own = found.purified.spots[2].ravel()
    third, below = (np.asarray(spots(places, UP)) for places in (THIRD, ONE))
    assert own @ third > 0.9 * np.linalg.norm(own) * np.linalg.norm(third)
    assert own @ below < 0.2 * np.linalg.norm(own) * np.linalg.norm(below)


@pytest.mark.parametrize(("own", "expected"), [(0.2, 2), (0.05, 1)])
def test_what_has_spots_where_the_other_has_none_is_another_crystal(own, expected):
    """A particle on a grain with 70 % of the counts of its purest probes; a third of what is left is grain."""
    grain, particle = (spots(places, UP).reshape(SIDE, SIDE) for places in (ONE, OTHER))
    means = np.stack([grain, (1 - own) * grain + own * particle])
    left = np.stack([grain, 0.3 * grain + 0.7 * particle])
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP)])
    bragg = 100 * bands([0, 0]) @ np.array([[0.9, 0.1], [0.3, 0.7]])

    def purify(_factored, begun, _spots, *, beam, settled):
        del beam, settled
        n = begun.shape[1]
        return Purified(bragg=bragg[:, :n], spots=left[:n], means=means[:n])

    assert with_purified(replace(sweep, purify=purify), counted, beam=BEAM).n_crystals == expected


@pytest.mark.parametrize(("share", "size"), [(0.1, 5), (0.42, 3)])
def test_a_trace_or_a_few_probes_are_no_hidden_crystal(share, size):
    assert not has_hidden(with_particle(share, size)[1])


def test_parts_of_a_crystal_are_no_hidden_one():
    _, counted = with_particle(0.42, 5)
    segments = counted.segments[counted.largest.k]
    alike = segments.similarity.copy()
    alike[0, 2] = alike[2, 0] = 0.5
    parts = replace(counted, segments={counted.largest.k: replace(segments, similarity=alike)})
    assert not has_hidden(parts)


def test_without_the_right_to_purify_nothing_changes():
    sweep, counted = scan_of([spots(ONE, UP), spots(OTHER, UP)])
    assert with_purified(replace(sweep, purify=None), counted, beam=BEAM) is counted
    assert with_purified(sweep, replace(counted, largest=None), beam=BEAM).purified is None


def test_evenness_of_a_ring_with_a_hot_pixel_and_of_six_spots():
    y, x = np.mgrid[:SIDE, :SIDE] - 15.5
    ring = np.where(np.abs(np.hypot(y, x) - 9) < 1, 1.0, 0.0)
    ring[6, 15] += 2  # on it
    angles = np.arange(6) * np.pi / 3
    six = np.zeros((SIDE, SIDE))
    for angle in angles:
        i, j = round(15.5 + 9 * np.sin(angle)), round(15.5 + 9 * np.cos(angle))
        six[i - 1 : i + 2, j - 1 : j + 2] = 1
    ringed, spotted, empty = evenness(np.array([ring, six, 0 * six]), np.ones((SIDE, SIDE), dtype=bool), BEAM)
    assert ringed > 0.5
    assert spotted < 0.05
    assert empty == 0


def test_the_smallest_model_in_which_every_crystal_has_a_component_is_kept():
    one, other = spots(ONE, UP), spots(OTHER, UP)
    sweep, counted = scan_of([one, other])
    weights = 4000 * bands([one, other])
    haze = np.full(SIDE**2, 1 / SIDE**2)
    flat = np.full((len(weights), 1), 3000.0)
    fits = {
        2: sweep.fits[2],
        3: fit_of([one, haze, haze], np.hstack([weights[:, :1], flat, flat])),  # the other one is missing
        4: fit_of(
            [other, haze, one, one], np.hstack([weights[:, 1:], flat, weights[:, :1] / 2, weights[:, :1] / 2])
        ),
    }
    sweep = replace(sweep, fits=fits)
    found = with_purified(sweep, counted, beam=BEAM)
    model = purified_model(sweep, found, found.purified, beam=BEAM)
    assert model.k == 4
    assert [group.members for group in model.groups] == [(2, 3), (0,)]


def test_one_more_k_is_fitted_where_the_sweep_has_too_few():
    one, other = spots(ONE, UP), spots(OTHER, UP)
    sweep, counted = scan_of([one, other])
    asked = []

    def refit(ks):
        asked.extend(ks)
        weights = 4000 * bands([one, other])
        return {3: fit_of([one, other, one], np.hstack([weights, weights[:, :1]]))}

    sweep = replace(sweep, refit=refit)
    found = with_purified(sweep, counted, beam=BEAM)
    model = purified_model(sweep, found, found.purified, beam=BEAM)
    assert (asked, model.k, sorted(model.sweep.fits)) == ([3], 3, [2, 3])


def crystals(n):
    return Purified(bragg=np.ones((4, n)), spots=np.ones((n, 2, 2)), means=np.ones((n, 2, 2)))


@pytest.mark.parametrize(
    ("n", "closest", "expected"),
    [
        (7, 0.3, "medium"),  # no other count has it, but all are far apart
        (7, 0.6, "low"),
        (5, 0.6, "medium"),  # the votes have it
        (8, 0.6, "medium"),  # as many components explain the signal
        (0, 0.0, "medium"),
    ],
)
def test_confidence_of_count_c(n, closest, expected):
    counted = Counted(
        votes=Votes(counts={5: 12, 6: 8}, sizes=(10,)),
        shares={7: 0.9, 8: 0.2},
        rank=9,
        coherence=0.9,
        segments={},
        purified=crystals(n),
        closest=closest,
    )
    assert (counted.n_crystals, counted.confidence, counted.undecided) == (n, expected, False)
