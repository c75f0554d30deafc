"""Labels, ratio and roles are the same under any rescaling and permutation of components (method 4.3)."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unmix4d.decide.roles import find_roles
from unmix4d.factorize.exact import in_counts
from unmix4d.factorize.factored import Candidate
from unmix4d.maps.clusters import cluster_map
from unmix4d.maps.overlap import overlap_map
from unmix4d.records import Factorization, Geometry

SCAN, PATTERN, K = (9, 10), (20, 20), 4


def factors(seed):
    """Sharp spots at a few places each, grains in bands with soft boundaries."""
    rng = np.random.default_rng(seed)
    components = np.full((K, *PATTERN), 0.01)
    for i in range(K):
        for y, x in rng.integers(2, 18, (6, 2)):
            components[i, y - 1 : y + 2, x - 1 : x + 2] += rng.uniform(0.5, 2)
    x = np.linspace(-0.5, K - 0.5, SCAN[1])
    share = np.exp(-((x[:, None] - np.arange(K)) ** 2) / 0.2) * rng.uniform(0.8, 1.2, (SCAN[1], K))
    weights = np.tile(share, (SCAN[0], 1)) * rng.uniform(500, 900, (SCAN[0] * SCAN[1], 1))
    return components.reshape(K, -1), weights


def answer(components, weights):
    n_probes, n_pixels = len(weights), components.shape[1]
    rng = np.random.default_rng(1)
    row = rng.uniform(0.5, 2, n_probes).astype(np.float32)
    column = rng.uniform(0.5, 2, n_pixels).astype(np.float32)
    candidate = Candidate(start="", components=components * column, weights=weights * row[:, None], history=[1.0])
    unit, counts = in_counts(candidate, row, column)
    fit = Factorization(
        components=unit,
        weights=counts,
        geometry=Geometry(scan_shape=SCAN, pattern_shape=PATTERN),
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones(PATTERN, dtype=bool),
    )
    clusters = cluster_map(fit, find_roles(fit))
    return fit, clusters, overlap_map(clusters.crystal_weights, clusters.labels)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.permutations(range(K)), st.lists(st.floats(1e-3, 1e3), min_size=K, max_size=K))
def test_nothing_depends_on_scale_or_order(seed, order, scales):
    components, weights = factors(seed)
    scale = np.array(scales)
    fit, clusters, overlap = answer(components, weights)
    turned = answer((components * scale[:, None])[list(order)], (weights / scale)[:, list(order)])
    np.testing.assert_allclose(turned[0].components, fit.components, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(turned[0].weights, fit.weights, rtol=1e-4)
    assert turned[1].roles.roles == clusters.roles.roles
    np.testing.assert_array_equal(turned[1].labels, clusters.labels)
    np.testing.assert_allclose(turned[2].ratio, overlap.ratio, rtol=1e-3, atol=1e-6)


def test_the_hand_check_of_the_method():
    components, weights = (
        np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]]),
        np.array([[4.0, 0.0], [2.0, 1.0], [1.0, 4.0]]),
    )
    ones = np.ones(3, dtype=np.float32)
    candidate = Candidate(start="", components=components, weights=weights, history=[1.0])
    unit, counts = in_counts(candidate, ones, ones)
    np.testing.assert_allclose(unit, [[0, 0.5, 0.5], [0.5, 0.5, 0]])
    np.testing.assert_allclose(counts, [[0, 8], [4, 4], [16, 2]])
    ratio = np.sort(counts, axis=1)[:, 0] / counts.max(axis=1)
    np.testing.assert_allclose(ratio, [0, 1, 0.125])
