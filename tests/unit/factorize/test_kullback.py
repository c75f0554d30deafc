"""Multiplicative updates for the Kullback-Leibler divergence: by hand, by the formula, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.errors import UsageError
from unmix4d.execute import Threads
from unmix4d.factorize.kullback import LOOK_EVERY, MuKl, divergence, fit_kullback, update
from unmix4d.records import Geometry, PatternMatrix


def counts(seed, n=90, d=40, k=3, level=20.0):
    rng = np.random.default_rng(seed)
    mean = level * rng.random((n, k)) ** 3 @ rng.random((k, d)) ** 3
    return rng.poisson(mean).astype(np.uint8)


def matrix_of(values, scan_shape, pattern_shape):
    half = len(values) // 2
    blocks = (values[:half], values[half:])
    return PatternMatrix(
        read_block=lambda i: blocks[i],
        bounds=(0, half, len(values)),
        probe_mask=np.ones(scan_shape, dtype=bool),
        pixel_mask=np.ones(pattern_shape, dtype=bool),
        geometry=Geometry(scan_shape=scan_shape, pattern_shape=pattern_shape),
    )


def test_one_step_by_hand():
    # V = [2 4], W = [1], C = [1 1]: W becomes (2 + 4) / (1 + 1) = 3, then C = C * 3 [2/3 4/3] / 3.
    weights, components = np.ones((1, 1), np.float32), np.ones((1, 2), np.float32)
    update(np.array([[2.0, 4.0]]), weights, components)
    np.testing.assert_allclose(weights, [[3]], rtol=1e-6)
    np.testing.assert_allclose(components, [[2 / 3, 4 / 3]], rtol=1e-6)


def test_the_divergence_by_hand():
    # V = [2 0], V' = [1 3]: 2 ln 2 - 2 + 1 + 3, and |2 - 1| + |0 - 3|.
    found = divergence(np.array([[2, 0]], np.uint8), np.ones((1, 1), np.float32), np.array([[1, 3]], np.float32))
    assert found == pytest.approx((2 * np.log(2) + 2, 4), rel=1e-6)


def test_a_step_is_that_of_the_formula_whatever_the_number_of_pieces():
    values = counts(0, n=150).astype(float) + 0.5
    rng = np.random.default_rng(1)
    weights, components = rng.random((150, 4)) + 0.1, rng.random((4, 40)) + 0.1
    found = weights.astype(np.float32), components.astype(np.float32)
    update(values, *found)
    weights *= (values / (weights @ components)) @ components.T / components.sum(axis=1)
    components *= weights.T @ (values / (weights @ components)) / weights.sum(axis=0)[:, None]
    np.testing.assert_allclose(found[0], weights, rtol=2e-5)
    np.testing.assert_allclose(found[1], components, rtol=2e-5)


@given(seed=st.integers(0, 1000), k=st.integers(1, 5))
def test_no_step_makes_the_divergence_larger(seed, k):
    values = counts(seed, n=30, d=20)
    rng = np.random.default_rng(seed)
    weights = rng.random((30, k), dtype=np.float32)
    components = rng.random((k, 20), dtype=np.float32)
    before = divergence(values, weights, components)[0]
    for _ in range(8):
        update(values, weights, components)
        now = divergence(values, weights, components)[0]
        assert now <= before * (1 + 1e-5) + 1e-5
        before = now


def test_all_counts_are_kept():
    values = counts(2)
    found = fit_kullback(values, 3, rng=np.random.default_rng(0), max_iter=15)
    made = float((found.weights.sum(axis=0) * found.components.sum(axis=1)).sum())
    assert made == pytest.approx(values.sum(), rel=1e-5)


def test_the_unit_is_that_of_images_between_0_and_1():
    values = counts(3)
    eight_bit = fit_kullback(values, 3, rng=np.random.default_rng(5), unit=255, max_iter=20)
    scaled = fit_kullback(values / 255, 3, rng=np.random.default_rng(5), max_iter=20)
    np.testing.assert_allclose(eight_bit.weights, scaled.weights, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(eight_bit.components, 255 * scaled.components, rtol=1e-3, atol=1e-3)
    assert eight_bit.loss == pytest.approx(scaled.loss, rel=1e-4)


def test_it_ends_by_its_tolerance_at_a_tenth_iteration_and_else_at_the_last():
    values = counts(4)
    ended = fit_kullback(values, 2, rng=np.random.default_rng(0), tol=1e-2)
    assert ended.converged
    assert ended.n_iterations % LOOK_EVERY == 0
    roots = np.sqrt(2 * np.array(ended.divergences))
    falls = -np.diff(roots) / roots[0]
    assert falls[-1] < 1e-2 <= falls[:-1].min(initial=1)
    whole = fit_kullback(values, 2, rng=np.random.default_rng(0), tol=0, max_iter=33)
    assert (whole.n_iterations, whole.converged, len(whole.divergences)) == (33, False, 1 + 3 + 1)


def test_it_agrees_with_scikit_learn():
    from sklearn.decomposition import non_negative_factorization

    values = counts(6).astype(np.float32) + 0.1
    rng = np.random.default_rng(7)
    weights, components = rng.random((90, 3), dtype=np.float32), rng.random((3, 40), dtype=np.float32)
    theirs = non_negative_factorization(
        values,
        weights.copy(),
        components.copy(),
        n_components=3,
        init="custom",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=12,
        tol=0,
    )
    for _ in range(12):
        update(values, weights, components)
    np.testing.assert_allclose(weights, theirs[0], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(components, theirs[1], rtol=2e-3, atol=1e-4)


def test_the_solver_gives_counts_and_the_same_bits_for_any_number_of_threads():
    values = counts(8)
    matrix = matrix_of(values, (9, 10), (5, 8))
    fits = MuKl().fit_many(matrix, [1, 3], rng=np.random.default_rng(0))
    again = MuKl(local=Threads(2)).fit_many(matrix, [1, 3], rng=np.random.default_rng(0))
    for k, fit in fits.items():
        np.testing.assert_allclose(fit.components.sum(axis=1), 1, rtol=1e-5)
        assert fit.weights.sum() == pytest.approx(values.sum(), rel=1e-4)
        assert (np.diff(fit.weights.sum(axis=0)) <= 0).all()
        assert fit.loss == pytest.approx(np.abs(values - fit.weights @ fit.components).mean(), rel=1e-4)
        np.testing.assert_array_equal(fit.weights, again[k].weights)
    assert fits[3].loss < fits[1].loss


def test_the_solver_refuses_what_it_cannot_do():
    matrix = matrix_of(counts(9), (9, 10), (5, 8))
    with pytest.raises(UsageError, match="allows k from 1 to 40"):
        MuKl().fit_many(matrix, [41], rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="no L1 penalty"):
        MuKl(l1=0.1).fit_many(matrix, [2], rng=np.random.default_rng(0))
