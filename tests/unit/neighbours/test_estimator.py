"""The estimator keeps scikit-learn's rules and finds what our engine finds."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import NMF as Reference  # noqa: N811 - theirs beside ours
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from unmix4d import NMF

RNG = np.random.default_rng(0)
COMPONENTS = RNG.random((3, 40)) ** 6
COMPONENTS /= COMPONENTS.sum(axis=1, keepdims=True)
WEIGHTS = RNG.dirichlet([0.3] * 3, 200) * 5000
COUNTS = RNG.poisson(WEIGHTS @ COMPONENTS).astype(float)


@parametrize_with_checks([NMF()])
def test_rules_of_scikit_learn(estimator, check):
    check(estimator)


ARRAY_API = """
from sklearn.utils.estimator_checks import estimator_checks_generator
from unmix4d import NMF
checks = [pair for pair in estimator_checks_generator(NMF()) if "array_api" in pair[1].func.__name__]
for estimator, check in checks:
    check(estimator)
print(len(checks))
"""


def test_rule_that_scikit_learn_skips_unless_it_is_switched_on():
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}  # read when SciPy is imported
    answer = subprocess.run(
        [sys.executable, "-c", ARRAY_API], env=environment, capture_output=True, text=True, check=True
    )
    assert int(answer.stdout) >= 1


def test_components_that_made_the_data_are_found():
    model = NMF(3, random_state=0).fit(COUNTS)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (COMPONENTS, model.components_)]
    assert (unit[0] @ unit[1].T).max(axis=1).min() > 0.99
    np.testing.assert_allclose(model.components_.sum(axis=1), 1, rtol=1e-6)


def test_weights_are_counts_and_put_the_data_together_again():
    model = NMF(3, random_state=0)
    weights = model.fit_transform(COUNTS)
    np.testing.assert_allclose(weights.sum(axis=1), COUNTS.sum(axis=1), rtol=0.05)
    again = model.inverse_transform(weights)
    assert np.abs(again - COUNTS).mean() < 1.05 * np.abs(WEIGHTS @ COMPONENTS - COUNTS).mean()


def test_as_good_as_scikit_learn_without_weighting():
    ours = NMF(3, weighting="none", random_state=0)
    theirs = Reference(3, init="nndsvda", max_iter=2000, tol=1e-6, random_state=0)
    errors = [
        np.linalg.norm(COUNTS - model.inverse_transform(model.fit_transform(COUNTS))) for model in (ours, theirs)
    ]
    assert errors[0] <= 1.01 * errors[1]


def test_new_rows_and_scaled_rows():
    model = NMF(3, random_state=0).fit(COUNTS[:150])
    np.testing.assert_allclose(model.transform(2 * COUNTS[150:]), 2 * model.transform(COUNTS[150:]), rtol=1e-6)


def test_empty_rows_and_columns():
    counts = COUNTS.copy()
    counts[5], counts[:, 7] = 0, 0
    model = NMF(3, random_state=0)
    weights = model.fit_transform(counts)
    assert not weights[5].any()
    assert not model.components_[:, 7].any()


def test_parameters_and_pipelines():
    model = clone(NMF(4, l1=0.1)).set_params(n_components=3)
    assert model.get_params()["l1"] == 0.1
    assert make_pipeline(MaxAbsScaler(), model).fit_transform(COUNTS).shape == (200, 3)
    assert list(model.get_feature_names_out()) == ["nmf0", "nmf1", "nmf2"]


@pytest.mark.parametrize("n", [0, 41, 2.5])
def test_wrong_number_of_components(n):
    with pytest.raises(ValueError, match=r"must be a whole number from 1 to 40"):
        NMF(n).fit(COUNTS)


def test_same_seed_same_answer():
    first, second = (NMF(3, random_state=3).fit(COUNTS).components_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
