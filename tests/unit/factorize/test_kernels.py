"""Compiled loops against the same in NumPy."""

from itertools import pairwise

import numpy as np
import pytest

from unmix4d.factorize.kernels import (
    add_up,
    alternate_ahead,
    hals_sweep,
    inner_product,
    look_ahead,
    unpack,
    unpack_scaled,
)
from unmix4d.factorize.losses import Losses, absolute_errors
from unmix4d.factorize.products import Across


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def some(rng, *shape):
    return rng.random(shape).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 4, 7, 9])
@pytest.mark.parametrize("n", [1, 255, 700])
def test_a_hals_sweep_solves_one_row_after_the_other(rng, k, n):
    factor, components = some(rng, k, n), some(rng, k, 30)
    gram = components @ components.T
    cross = gram @ some(rng, k, n) + rng.normal(0, 1, (k, n)).astype(np.float32)
    expected = factor.astype(np.float64)
    for i in range(k):
        expected[i] = np.maximum(expected[i] + (cross[i] - gram[i] @ expected) / gram[i, i], 0)
    hals_sweep(factor, gram, cross)
    np.testing.assert_allclose(factor, expected, atol=1e-3)


def test_a_hals_sweep_leaves_a_dead_component_alone(rng):
    factor, gram = some(rng, 2, 5), np.diag([1.0, 0.0]).astype(np.float32)
    before = factor.copy()
    hals_sweep(factor, gram, some(rng, 2, 5))
    np.testing.assert_array_equal(factor[1], before[1])


def test_looking_ahead_and_inner_products(rng):
    now, before = some(rng, 3000), some(rng, 3000)
    further = np.empty_like(now)
    look_ahead(now, before, 0.5, further)
    np.testing.assert_allclose(further, np.maximum(now + 0.5 * (now - before), 0), rtol=1e-5)
    assert inner_product(now, before) == pytest.approx(float(now.astype(float) @ before), rel=1e-6)


def test_alternating_ahead_reports_the_error_of_what_it_gives(rng):
    scores, basis = some(rng, 50, 6), np.linalg.qr(rng.random((40, 6)))[0].T.astype(np.float32)
    data = scores.astype(np.float64) @ basis
    norm2 = float((data**2).sum())
    components, weights, history = alternate_ahead(
        scores, np.ascontiguousarray(basis), some(rng, 3, 40), some(rng, 3, 50), norm2, (60, 1e-6, 10, 2)
    )
    error = ((data - weights.T.astype(np.float64) @ components) ** 2).sum() / norm2
    assert history[-1] == pytest.approx(error, abs=1e-5)
    assert (np.diff(history) <= 0).all()
    assert components.min() >= 0
    assert weights.min() >= 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("n", "n_pixels"), [(1, 5), (7, 1500), (8, 1024)])
@pytest.mark.parametrize("most", [0.05, 0.5, 5])
def test_losses_are_sums_of_absolute_differences_where_pixels_are_faint_or_bright(rng, dtype, n, n_pixels, most):
    bounds = np.cumsum([0, 1, 2, 5, 8])
    brightness = most * rng.random(n_pixels) ** 4  # V' is below 1 nearly everywhere, or nearly nowhere
    patterns = rng.poisson(brightness, (n, n_pixels)).astype(dtype)
    weights, components = some(rng, n, bounds[-1]), some(rng, bounds[-1], n_pixels) * brightness.astype(np.float32)
    expected = [
        np.abs(patterns - weights[:, a:b].astype(float) @ components[a:b]).sum() for a, b in pairwise(bounds)
    ]
    np.testing.assert_allclose(
        Losses.of(Across.of(components), bounds).add_up(patterns, weights), expected, rtol=1e-6
    )
    some_pixels = np.flatnonzero(rng.random(n_pixels) < 0.6).astype(np.int32)
    found = absolute_errors(patterns, weights, Across.of(components).pixels, bounds, some_pixels)
    here, few = patterns[:, some_pixels], components[:, some_pixels]
    expected = [np.abs(here - weights[:, a:b].astype(float) @ few[a:b]).sum() for a, b in pairwise(bounds)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_component_without_counts_adds_nothing_to_the_loss(rng):
    patterns = rng.poisson(0.2, (6, 50)).astype(np.uint8)
    weights, components = some(rng, 6, 2), some(rng, 2, 50) * np.float32(0.1)
    components[1] = 0
    found = Losses.of(Across.of(components), np.array([0, 2])).add_up(patterns, weights)
    assert found[0] == pytest.approx(
        np.abs(patterns - weights[:, :1].astype(float) @ components[:1]).sum(), rel=1e-5
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_unpacking_gives_counts_and_sums_of_some_columns(rng, dtype):
    patterns = rng.integers(0, 200, (9, 3000)).astype(dtype)
    measure, squared = some(rng, 3000), some(rng, 3000)
    out = np.empty((9, 2100), np.float32)
    sums, squares = unpack(patterns, 700, measure, squared, out)
    here = patterns[:, 700:2800].astype(np.float64)
    np.testing.assert_array_equal(out, here)
    np.testing.assert_allclose(sums, here @ measure[700:2800], rtol=1e-6)
    np.testing.assert_allclose(squares, here**2 @ squared[700:2800], rtol=1e-6)
    unpack_scaled(patterns, 700, measure, out)
    np.testing.assert_allclose(out, here * measure[700:2800], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_patterns_are_added_up_by_groups_with_sums_of_each(rng, dtype):
    patterns = rng.integers(0, 200, (7, 1500)).astype(dtype)
    measure, squared = some(rng, 1500), some(rng, 1500)
    out = np.full((3, 1500), 7, np.float32)
    sums, squares = add_up(patterns, np.array([0, 1, 1, 0, 2, 0, 2]), measure, squared, out)
    np.testing.assert_array_equal(out, [patterns[[0, 3, 5]].sum(0), patterns[1:3].sum(0), patterns[[4, 6]].sum(0)])
    np.testing.assert_allclose(sums, patterns.astype(float) @ measure, rtol=1e-6)
    np.testing.assert_allclose(squares, patterns.astype(float) ** 2 @ squared, rtol=1e-6)
