"""Levels of the overlap test hold for few counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from unmix4d.measure.likelihood import normal_of


@pytest.mark.parametrize("skewness", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("z", [-1.0, 0.0, 2.0, 4.0, 8.0])
def test_deviates_are_those_of_a_gamma_distribution(skewness, z):
    shape = 4 / skewness**2
    exact = norm.isf(gamma.sf(shape + z * np.sqrt(shape), shape))
    assert normal_of(np.array(z), np.array(skewness)) == pytest.approx(exact, rel=0.02, abs=0.02)


@pytest.mark.parametrize("mean", [0.5, 2.0, 10.0])
def test_weighted_sums_of_few_counts_reach_a_level_as_often_as_it_says(mean):
    weights = np.linspace(0.5, 1.5, 6)
    counts = np.random.default_rng(0).poisson(mean, (200_000, 6))
    variance, third = mean * (weights**2).sum(), mean * (weights**3).sum()
    z = (counts @ weights - mean * weights.sum()) / np.sqrt(variance)
    true = normal_of(z, np.full(len(z), third / variance**1.5))
    level = norm.isf(0.001)
    assert 0.0005 < (true > level).mean() < 0.0015
    assert (z > level).mean() > 1.5 * (true > level).mean()


@given(st.floats(0, 1.9), st.floats(-3, 30), st.floats(0.01, 3))
def test_what_is_less_likely_stays_so(skewness, z, more):
    both = normal_of(np.array([z, z + more]), np.full(2, skewness))
    assert both[1] >= both[0]
    assert np.isfinite(both).all()


@given(st.floats(-30, 30))
def test_without_skewness_nothing_changes(z):
    assert normal_of(np.array(z), np.array(0.0)) == z
