"""What each component is, on spot patterns made by hand."""

import numpy as np
import pytest

from unmix4d.decide.roles import find_roles
from unmix4d.decide.spots import (
    crystal_similarity,
    lattice_similarity,
    peakedness,
    position_similarity,
    roundness,
    spot_patterns,
)
from unmix4d.errors import UsageError
from unmix4d.records import Beam, Factorization, Geometry

SIDE = 64
BEAM = Beam(center=(32.0, 32.0), radius=3.0)
SCAN = (12, 20)


def lattice(angle, spacing=11.0, sigma=1.2, seed=0):
    y, x = np.indices((SIDE, SIDE))
    rng = np.random.default_rng(seed)
    a = np.deg2rad(angle)
    image = np.zeros((SIDE, SIDE))
    for m in range(-3, 4):
        for n in range(-3, 4):
            if (m, n) != (0, 0):
                u, v = m * spacing, n * spacing
                cy, cx = 32 + u * np.sin(a) + v * np.cos(a), 32 + u * np.cos(a) - v * np.sin(a)
                image += rng.uniform(0.5, 1.5) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    return image


def blob(sigma):
    y, x = np.indices((SIDE, SIDE))
    return np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / (2 * sigma**2))


def factorization(patterns, owners, strength=1000.0):
    """``owners`` (scan) says which component owns a probe; it gets nine tenths, the others share the rest."""
    k = len(patterns)
    weights = np.full((owners.size, k), 0.1 * strength / k, dtype=np.float32)
    weights[np.arange(owners.size), owners.ravel()] += 0.9 * strength
    components = np.stack([p.ravel() / max(p.sum(), 1e-30) for p in patterns]).astype(np.float32)
    return Factorization(
        components=components,
        weights=weights,
        geometry=Geometry(scan_shape=owners.shape, pattern_shape=(SIDE, SIDE)),
        probe_mask=np.ones(owners.shape, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
    )


def halves(k):
    return np.repeat(np.arange(SCAN[1]) * k // SCAN[1], SCAN[0]).reshape(SCAN[1], SCAN[0]).T


def test_two_lattices_are_two_crystals():
    roles = find_roles(factorization([lattice(0), lattice(20)], halves(2)), beam=BEAM)
    assert roles.roles == ("crystal", "crystal")
    assert roles.crystals.tolist() == [0, 1]
    assert roles.n_crystals == 2
    assert roles.similarity[0, 1] < 0.5


def test_the_same_places_with_other_intensities_are_one_crystal():
    one, other = lattice(0, seed=1), lattice(0, seed=2)
    roles = find_roles(factorization([one, lattice(20), other], halves(3)), beam=BEAM)
    assert roles.roles == ("crystal", "crystal", "split")
    assert roles.crystals.tolist() == [0, 1, 0]


def test_the_same_pattern_twice_is_a_duplicate():
    roles = find_roles(factorization([lattice(0), 2 * lattice(0)], halves(2)), beam=BEAM)
    assert roles.roles == ("crystal", "duplicate")


def test_nothing_and_diffuse_are_not_crystals():
    patterns = [lattice(0), blob(14.0), np.zeros((SIDE, SIDE))]
    fit = factorization(patterns, np.minimum(halves(3), 1))
    roles = find_roles(fit, beam=BEAM)
    assert roles.roles == ("crystal", "background", "dead")
    assert roles.crystals.tolist() == [0, -1, -1]
    assert roles.n_crystals == 1


def test_a_component_of_little_but_direct_beam_is_vacuum():
    beam_only = 50 * blob(1.5) + 1e-3 * lattice(33)
    fit = factorization([lattice(0) + blob(1.5), beam_only], halves(2))
    roles = find_roles(fit, beam=BEAM)
    assert roles.roles == ("crystal", "vacuum")


@pytest.mark.parametrize(("side", "found"), [(3, 1), (4, 2)])
def test_a_crystal_owns_a_connected_piece(side, found):
    owners = np.zeros(SCAN, dtype=int)
    owners[2 : 2 + side, 3 : 3 + side] = 1
    owners[9, ::2] = 1
    assert find_roles(factorization([lattice(0), lattice(20)], owners), beam=BEAM).n_crystals == found


def test_background_can_be_named_or_switched_off():
    fit = factorization([lattice(0), lattice(20), blob(14.0)], halves(3))
    named = find_roles(fit, beam=BEAM, background=1)
    assert named.roles[1] == "background"
    assert named.crystals[1] == -1
    assert find_roles(fit, beam=BEAM, background="none").n_crystals >= 2
    with pytest.raises(UsageError, match="--background 3 is not a component; there are 3"):
        find_roles(fit, beam=BEAM, background=3)


def test_roles_do_not_depend_on_the_order_of_components():
    fit = factorization([lattice(0, seed=1), lattice(20), lattice(0, seed=2), blob(14.0)], halves(4))
    order = [3, 1, 0, 2]
    turned = Factorization(
        components=fit.components[order],
        weights=fit.weights[:, order],
        geometry=fit.geometry,
        probe_mask=fit.probe_mask,
        pixel_mask=fit.pixel_mask,
    )
    before, after = find_roles(fit, beam=BEAM), find_roles(turned, beam=BEAM)
    assert before.n_crystals == after.n_crystals == 2
    together = [(before.crystals[i] == before.crystals[j]) for i in order for j in order]
    assert together == [(after.crystals[i] == after.crystals[j]) for i in range(4) for j in range(4)]


def test_spots_lose_beam_and_background_and_keep_the_rest():
    pattern = lattice(0) + 0.5 * blob(14.0) + 30 * blob(1.5)
    spots = spot_patterns(pattern[None], np.ones((SIDE, SIDE), dtype=bool), BEAM)[0]
    assert spots[32, 32] == 0
    assert spots[20:24, 5].max() < 0.15
    peak = np.unravel_index(lattice(0).argmax(), (SIDE, SIDE))
    assert spots[peak] == pytest.approx(lattice(0).max(), rel=0.35)


def test_spots_on_a_large_detector_use_a_smaller_copy_for_the_background():
    big = np.kron(lattice(0) + 0.5 * blob(14.0), np.ones((4, 4)))
    beam = Beam(center=(129.5, 129.5), radius=12.0)
    spots = spot_patterns(big[None], np.ones(big.shape, dtype=bool), beam)
    small = spot_patterns((lattice(0) + 0.5 * blob(14.0))[None], np.ones((SIDE, SIDE), dtype=bool), BEAM)
    assert spots.shape == (1, 256, 256)
    assert position_similarity(np.stack([spots[0], np.kron(small[0], np.ones((4, 4)))]))[0, 1] > 0.95


def test_small_patterns_keep_all_but_the_beam():
    pattern = np.arange(64.0).reshape(1, 8, 8)
    used = np.ones((8, 8), dtype=bool)
    np.testing.assert_array_equal(spot_patterns(pattern, used, None), pattern)


def test_similarity_by_hand_and_of_nothing():
    spots = np.array([[[4.0, 0.0]], [[4.0, 4.0]], [[0.0, 0.0]]])
    similarity = position_similarity(spots)
    assert similarity[0, 1] == pytest.approx(1 / np.sqrt(2))
    assert similarity[2].tolist() == [0, 0, 0]


def test_peakedness_by_hand():
    spots = np.ones((1, 10, 10))
    spots[0, 0, :5] = 20
    assert peakedness(spots)[0] == pytest.approx(100 / 195)


def test_a_bent_crystal_lights_other_spots_of_the_same_lattice():
    y, x = np.indices((SIDE, SIDE)) - 32
    tilted = [lattice(10) * np.exp(-(((y - shift) ** 2) + x**2) / (2 * 12.0**2)) for shift in (-18, 18)]
    stack = np.stack([*tilted, lattice(37)])
    positions, lattices = position_similarity(stack), lattice_similarity(stack)
    assert positions[0, 1] < 0.5
    assert lattices[0, 1] > 0.8
    assert abs(lattices[0, 2]) < 0.3
    np.testing.assert_allclose(crystal_similarity(stack), (positions + lattices) / 2)
    np.testing.assert_allclose(np.diag(lattices), 1)


def test_a_ring_is_round_and_spots_are_not():
    y, x = np.indices((SIDE, SIDE)) - 32
    ring = np.exp(-((np.hypot(y, x) - 15) ** 2) / 4)
    found = roundness(np.stack([ring, lattice(0)]), BEAM)
    assert found[0] > 0.95
    assert found[1] < 0.5


def test_a_film_with_a_ring_is_background():
    y, x = np.indices((SIDE, SIDE)) - 32
    ring = np.exp(-((np.hypot(y, x) - 15) ** 2) / 4)
    roles = find_roles(factorization([lattice(0), ring], halves(2)), beam=BEAM)
    assert roles.roles == ("crystal", "background")
