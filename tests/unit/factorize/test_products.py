"""Products from the counts that are not 0 against those of NumPy, and losses that use them."""

from itertools import pairwise

import numpy as np
import pytest

from unmix4d.factorize.losses import Losses
from unmix4d.factorize.products import CHUNK, LANES, SPARSE, Across, density


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def problem(rng, dtype, share):
    """Patterns of which ``share`` is not 0, and components; widths that fill neither a tile nor a lane."""
    k, n, n_pixels = 37, 23, 1300
    patterns = (rng.random((n, n_pixels)) < share) * rng.integers(1, 200, (n, n_pixels))
    components, scale = rng.random((k, n_pixels), np.float32), rng.random(n_pixels, np.float32)
    assert k % LANES
    return patterns.astype(dtype), components, scale


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.9])
def test_a_product_is_the_same_from_few_counts_and_by_blas(rng, dtype, share):
    patterns, components, scale = problem(rng, dtype, share)
    assert (density(patterns) <= SPARSE) == (share < SPARSE)
    found = Across.of(components).times(patterns, scale)
    np.testing.assert_allclose(found, (patterns * scale.astype(float)) @ components.T, rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.6])
def test_sums_over_faint_pixels_come_with_the_product(rng, share):
    patterns, components, scale = problem(rng, np.uint8, share)
    patterns = np.tile(patterns, (4, 1))
    faint = rng.random((2, patterns.shape[1])) < 0.7
    across = Across.of(components)
    product, seen = across.times_and_seen(patterns, scale, faint)
    np.testing.assert_allclose(product, (patterns * scale.astype(float)) @ components.T, rtol=1e-5)
    of_rows = faint[np.arange(len(patterns)) // CHUNK]
    np.testing.assert_allclose(seen.sums, ((patterns > 0) * of_rows) @ components.T, rtol=1e-5)
    assert seen.counts == patterns[of_rows].sum(dtype=int)


@pytest.mark.parametrize("grown", [1.0, 1.05, 3.0])
def test_losses_hold_whether_or_not_weights_grew_beyond_what_was_presumed(rng, grown):
    bounds = np.array([0, 1, 3, 7])
    brightness = 1.5 * rng.random(2000) ** 4
    patterns = rng.poisson(brightness, (2 * CHUNK + 22, 2000)).astype(np.uint16)
    components = rng.random((7, 2000), np.float32) * brightness.astype(np.float32)
    weights = rng.random((len(patterns), 7), np.float32)
    weights[CHUNK:] *= np.float32(0.6)
    losses = Losses.of(Across.of(components), bounds)
    faint = losses.presume_faint(patterns, weights)
    assert 0.5 <= faint.mean() < 1
    assert faint[0].sum() < faint[1].sum()
    _, seen = Across.of(components).times_and_seen(patterns, np.ones(2000, np.float32), faint)
    weights *= np.float32(grown)
    expected = [
        np.abs(patterns - weights[:, a:b].astype(float) @ components[a:b]).sum() for a, b in pairwise(bounds)
    ]
    np.testing.assert_allclose(losses.add_up(patterns, weights, seen), expected, rtol=1e-5)


def test_nothing_is_presumed_where_most_pixels_are_bright(rng):
    components = rng.random((2, 500), np.float32)
    losses = Losses.of(Across.of(components), np.array([0, 2]))
    patterns = rng.poisson(40, (5, 500)).astype(np.uint8)
    assert losses.presume_faint(patterns, np.full((5, 2), 100, np.float32)) is None
    assert losses.presume_faint(patterns.astype(np.float32), np.full((5, 2), 1e-3, np.float32)) is None
