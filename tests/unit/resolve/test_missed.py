"""A grain that the crystals found so far do not explain: where it is, and what is not taken for one."""

import numpy as np
import pytest

from unmix4d.records import Beam, FactoredMatrix, Geometry, Purified
from unmix4d.resolve.missed import find_missed

SCAN, SIDE = (20, 24), 32
BEAM = Beam(center=(15.5, 15.5), radius=2.0)
GRAIN = ((6, 8), (6, 23), (24, 12), (25, 24), (11, 27), (20, 4))
OTHER = ((11, 5), (12, 26), (21, 27), (4, 15), (27, 17), (16, 22))
SMALL = ((4, 20), (27, 9), (13, 3), (18, 28), (28, 28), (3, 11))
COUNTS, HAZE, RANK = 4000.0, 3.0, 10


def spots(places):
    image = np.zeros((SIDE, SIDE))
    for weight, (y, x) in enumerate(places, start=3):
        image[y - 1 : y + 2, x - 1 : x + 2] = weight * np.outer((1, 2, 1), (1, 2, 1)) / 16
    return image / image.sum()


def scan_with(size, share=1.0, over=1.0, seed=0):
    """Two grains; of a square of probes a share is a third crystal's, and ``over`` of the rest the grain's."""
    weights = np.zeros((*SCAN, 3))
    weights[:, :12, 0] = weights[:, 12:, 1] = 1
    weights[5 : 5 + size, 3 : 3 + size] = [over * (1 - share), 0, share]
    weights = COUNTS * weights.reshape(-1, 3)
    patterns = np.stack([spots(GRAIN), spots(OTHER), spots(SMALL)])
    seen = np.random.default_rng(seed).poisson(weights @ patterns.reshape(3, -1) + HAZE).astype(np.float64)
    left, values, right = np.linalg.svd(seen, full_matrices=False)
    factored = FactoredMatrix(
        scores=(left[:, :RANK] * values[:RANK]).astype(np.float32),
        basis=right[:RANK].astype(np.float32),
        row=np.ones(len(seen), np.float32),
        column=np.ones(seen.shape[1], np.float32),
        norm2=float((values**2).sum()),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
    )
    known = Purified(bragg=weights[:, :2], spots=COUNTS * patterns[:2], means=COUNTS * patterns[:2])
    return factored, known


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_small_grain_is_found_where_it_is(share):
    missed = find_missed(*scan_with(5, share), beam=BEAM)
    assert missed.n_crystals == 1
    inside = np.zeros(SCAN, dtype=bool)
    inside[5:10, 3:8] = True
    np.testing.assert_array_equal(missed.bragg[:, 0].reshape(SCAN) > 0, inside)
    assert missed.bragg[inside.ravel(), 0].mean() == pytest.approx(share * COUNTS, rel=0.1)
    expected = spots(SMALL)
    cosine = (missed.spots[0] * expected).sum() / np.linalg.norm(missed.spots[0]) / np.linalg.norm(expected)
    assert cosine > 0.99
    whole = share * spots(SMALL) + (1 - share) * spots(GRAIN)
    cosine = (missed.means[0] * whole).sum() / np.linalg.norm(missed.means[0]) / np.linalg.norm(whole)
    assert cosine > 0.98


def test_a_grain_of_few_probes_or_a_small_share_or_few_counts_is_none():
    assert find_missed(*scan_with(3), beam=BEAM).n_crystals == 0
    assert find_missed(*scan_with(5, 0.2), beam=BEAM).n_crystals == 0
    assert find_missed(*scan_with(5, 0.15, over=0.0), beam=BEAM).n_crystals == 0
    assert find_missed(*scan_with(5, 0.4, over=0.0), beam=BEAM).n_crystals == 1


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_missed_where_all_is_explained(seed):
    missed = find_missed(*scan_with(0, seed=seed), beam=BEAM)
    assert missed.n_crystals == 0
    assert missed.spots.shape == (0, SIDE, SIDE)


def test_two_missed_grains_are_two_pieces():
    factored, known = scan_with(5)
    only = Purified(bragg=known.bragg[:, :1], spots=known.spots[:1], means=known.means[:1])
    missed = find_missed(factored, only, beam=BEAM)
    assert missed.n_crystals == 2
    assert ((missed.bragg > 0).sum(axis=1) <= 1).all()
