"""The update rules by hand, and what every rule must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.factorize.rules import hals, multiplicative

RULES = [hals, multiplicative]


def problem(seed, n=12, k=3, d=9):
    rng = np.random.default_rng(seed)
    right = rng.random((k, d))
    data = rng.random((n, k)) @ right + 0.01 * rng.random((n, d))
    return data, np.asfortranarray(rng.random((n, k)) + 0.1), right


def test_hals_solves_one_column_exactly():
    right = np.array([[1.0, 2.0]])
    data = np.array([[2.0, 4.0], [-1.0, -1.0]])
    factor = hals(np.ones((2, 1)), right @ right.T, data @ right.T)
    np.testing.assert_allclose(factor, [[2.0], [0.0]])


def test_multiplicative_by_hand():
    factor = multiplicative(np.array([[2.0]]), np.array([[4.0]]), np.array([[6.0]]))
    assert factor[0, 0] == pytest.approx(2 * 6 / 8, rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_error_never_rises_and_nothing_is_negative(rule, seed):
    data, factor, right = problem(seed)
    gram, cross = right @ right.T, data @ right.T
    error = np.linalg.norm(data - factor @ right)
    for _ in range(5):
        factor = rule(factor, gram, cross)
        now = np.linalg.norm(data - factor @ right)
        assert now <= error * (1 + 1e-9)
        assert factor.min() >= 0
        error = now


@pytest.mark.parametrize("rule", RULES)
def test_a_component_of_zeros_is_left_alone(rule):
    data, factor, right = problem(0)
    right[1] = 0
    after = rule(factor.copy(order="F"), right @ right.T, data @ right.T)
    assert np.isfinite(after).all()


def test_hals_reaches_the_non_negative_least_squares_solution():
    from scipy.optimize import nnls

    data, factor, right = problem(3)
    data -= 0.4
    for _ in range(300):
        factor = hals(factor, right @ right.T, data @ right.T)
    expected = np.array([nnls(right.T, row)[0] for row in data])
    np.testing.assert_allclose(factor, expected, atol=2e-6)  # single precision
