"""Coordinate descent from NNDSVD: by hand, and against scikit-learn, whose procedure it is."""

import numpy as np
import pytest

from unmix4d.execute import Threads
from unmix4d.factorize.descent import descend, fit_descent, piece_rows


def images(seed=0, n=700, d=60, k=4):
    rng = np.random.default_rng(seed)
    mean = 120 * rng.random((n, k)) ** 4 @ rng.random((k, d)) ** 4
    return rng.poisson(mean).clip(0, 255).astype(np.uint8)


def test_one_row_by_hand():
    # Column 1: gradient 4 * 1 - 10 = -6, so 1 + 6/4; column 2: gradient 4 * 1 + 4 = 8, so 1 - 8/4 cut off at 0.
    factor = np.array([[1, 1]], np.float32)
    violation = descend(factor, np.array([[4]], np.float32), np.array([[10, -4]], np.float32))
    np.testing.assert_allclose(factor, [[2.5, 0]])
    assert violation == pytest.approx(6 + 8)


def test_a_gradient_that_points_out_of_the_bounds_is_no_violation():
    factor = np.zeros((1, 2), np.float32)
    violation = descend(factor, np.array([[2]], np.float32), np.array([[-3, 4]], np.float32))
    np.testing.assert_allclose(factor, [[0, 2]])
    assert violation == pytest.approx(4)


def test_the_second_row_sees_what_became_of_the_first():
    gram = np.array([[2, 1], [1, 2]], np.float32)
    cross = np.array([[4], [4]], np.float32)
    factor = np.zeros((2, 1), np.float32)
    descend(factor, gram, cross)
    np.testing.assert_allclose(factor, [[2], [1]])  # 4/2, then (4 - 2)/2


def test_it_does_what_scikit_learn_does():
    from sklearn.decomposition import NMF

    values = images()
    model = NMF(4, init="nndsvd", solver="cd", max_iter=25, tol=0, random_state=0)
    theirs = model.fit_transform(values.T.astype(np.float32))  # as the scripts: pixels are rows
    ours = fit_descent(values, 4, rng=np.random.default_rng(0), max_iter=25, tol=0)
    np.testing.assert_allclose(ours.components, theirs.T, rtol=5e-3, atol=2e-3 * theirs.max())
    np.testing.assert_allclose(ours.weights, model.components_, rtol=5e-3, atol=2e-3 * model.components_.max())
    assert (ours.n_iterations, ours.converged) == (25, False)


def test_it_ends_where_scikit_learn_ends():
    from sklearn.decomposition import NMF

    values = images(1)
    model = NMF(2, init="nndsvd", solver="cd", max_iter=1500, random_state=0).fit(values.T.astype(np.float32))
    ours = fit_descent(values, 2, rng=np.random.default_rng(0))
    assert ours.converged
    assert abs(ours.n_iterations - model.n_iter_) <= 1


def test_threads_and_floats_change_nothing(monkeypatch):
    monkeypatch.setattr("unmix4d.factorize.descent.LEAST_PIECE", 1)
    monkeypatch.setattr("unmix4d.factorize.descent.PIECE_BYTES", 4 * 60 * 100)
    assert piece_rows(60) == 100
    values = images(2)
    one = fit_descent(values, 3, rng=np.random.default_rng(0), max_iter=10)
    two = fit_descent(values.astype(np.float32), 3, rng=np.random.default_rng(0), max_iter=10, executor=Threads(3))
    np.testing.assert_array_equal(one.components, two.components)
    np.testing.assert_array_equal(one.weights, two.weights)


def test_one_component_and_one_that_carries_nothing():
    values = np.outer([1, 2, 3, 0], [4, 0, 5]).astype(np.uint8)
    found = fit_descent(values, 1, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found.weights.T @ found.components, values, atol=1e-3)
    more = fit_descent(values, 3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(more.weights.T @ more.components, values, atol=1e-2)
