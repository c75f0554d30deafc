"""The solvers: exact where they can be, the same whatever the blocks and workers, honest about what is dead."""

from itertools import pairwise

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.execute import Serial, Threads
from unmix4d.factorize.alternate import Hals, Multiplicative
from unmix4d.records import Geometry, PatternMatrix

SCAN = (12, 15)
PATTERN = (9, 10)


def mixture(k=3, seed=0, noise=True):
    """Separated components, grains with mixed boundaries."""
    rng = np.random.default_rng(seed)
    components = rng.random((k, np.prod(PATTERN))) ** 6
    components /= components.sum(axis=1, keepdims=True)
    x = np.linspace(-0.5, k - 0.5, SCAN[1])
    share = np.exp(-((x[:, None] - np.arange(k)) ** 2) / 0.15)
    share /= share.sum(axis=1, keepdims=True)
    weights = np.tile(share, (SCAN[0], 1)) * rng.uniform(3000, 5000, (np.prod(SCAN), 1))
    clean = weights @ components
    return (rng.poisson(clean) if noise else clean).astype(np.float32), components, weights


def matrix_of(data, block=50, scan=SCAN, pattern=PATTERN):
    bounds = (*range(0, len(data), block), len(data))
    return PatternMatrix(
        read_block=lambda i: data[bounds[i] : bounds[i + 1]],
        bounds=bounds,
        probe_mask=np.ones(scan, dtype=bool),
        pixel_mask=np.ones(pattern, dtype=bool),
        geometry=Geometry(scan_shape=scan, pattern_shape=pattern),
    )


def fit(data, ks=(3,), solver=Hals, seed=0, block=50, **options):
    return solver(**options).fit_many(matrix_of(data, block), ks, rng=np.random.default_rng(seed))


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


@pytest.mark.parametrize("solver", [Hals, Multiplicative])
@pytest.mark.parametrize("weighting", ["poisson", "none"])
def test_known_components_and_weights_come_back(solver, weighting):
    data, components, weights = mixture()
    found = fit(data, solver=solver, weighting=weighting)[3]
    match = cosine(found.components, components)
    order = match.argmax(axis=0)
    assert sorted(order) == [0, 1, 2]
    assert match.max(axis=0).min() > 0.99
    ours = found.weights[:, order]
    assert np.abs(ours / ours.sum(1, keepdims=True) - weights / weights.sum(1, keepdims=True)).mean() < 0.02


@pytest.mark.parametrize("solver", [Hals, Multiplicative])
def test_factors_are_non_negative_with_unit_sum_components_in_order_of_weight(solver):
    data, _, _ = mixture()
    for k, found in fit(data, ks=(1, 2, 4), solver=solver).items():
        assert found.components.min() >= 0
        assert found.weights.min() >= 0
        np.testing.assert_allclose(found.components.sum(axis=1), 1, rtol=1e-5)
        assert (np.diff(found.weights.sum(axis=0)) <= 0).all()
        assert found.k == k
        assert found.solver == solver.name


def test_weights_are_counts():
    data, _, _ = mixture()
    found = fit(data)[3]
    np.testing.assert_allclose(found.weights.sum(axis=1), data.sum(axis=1), rtol=0.05)


def test_the_loss_is_the_exact_mean_absolute_difference():
    data, _, _ = mixture()
    for found in fit(data, ks=(1, 3, 5)).values():
        expected = np.abs(data - found.weights @ found.components).mean()
        assert found.loss == pytest.approx(expected, rel=1e-4)


def test_the_objective_is_as_low_as_that_of_scikit_learn():
    from sklearn.decomposition import NMF

    data, _, _ = mixture()
    theirs = NMF(3, init="nndsvda", tol=1e-8, max_iter=3000).fit(data)
    ours = fit(data, weighting="none", tol=1e-8, max_iter=3000)[3]
    error = np.linalg.norm(data - ours.weights.astype(float) @ ours.components)
    assert error <= theirs.reconstruction_err_ * 1.001


def test_a_mixture_without_noise_is_explained_exactly():
    data, _, _ = mixture(noise=False)
    found = fit(data, tol=1e-10, max_iter=3000)[3]
    assert found.loss < 2e-3 * data.mean()


@pytest.mark.parametrize("executor", [Serial(), Threads(2), Threads(5)])
def test_the_same_seed_gives_the_same_bits_for_any_number_of_workers(executor):
    data, _, _ = mixture()
    expected = fit(data, ks=(2, 3, 4))
    found = fit(data, ks=(2, 3, 4), executor=executor)
    for k, other in found.items():
        np.testing.assert_array_equal(other.components, expected[k].components)
        np.testing.assert_array_equal(other.weights, expected[k].weights)


def test_blocks_do_not_change_the_answer():
    data, _, _ = mixture()
    one, many = fit(data, block=1000)[3], fit(data, block=11)[3]
    np.testing.assert_allclose(one.components, many.components, atol=2e-4)
    np.testing.assert_array_equal(one.weights.argmax(1), many.weights.argmax(1))


def test_the_objective_never_rises_in_the_passes_over_the_data():
    data, _, _ = mixture(k=4)
    history = fit(data, ks=(4,), starts=("random",))[4].loss_history
    assert np.diff(history).max() <= 2e-6  # shares of the squared matrix, in single precision


def test_components_beyond_the_rank_are_dead_and_last():
    rng = np.random.default_rng(0)
    data = np.outer(rng.uniform(100, 200, np.prod(SCAN)), rng.random(np.prod(PATTERN)) + 0.1).astype(np.float32)
    found = fit(data, ks=(3,), starts=("spa",))[3]
    assert found.dead.tolist() == [False, True, True]
    assert found.components[1:].sum() == 0
    assert found.loss < 1e-3 * data.mean()


def test_identical_patterns_give_finite_factors():
    data = np.tile(np.random.default_rng(0).poisson(20, np.prod(PATTERN)), (np.prod(SCAN), 1)).astype(np.float32)
    for found in fit(data, ks=(1, 2, 3)).values():
        assert np.isfinite(found.components).all()
        assert np.isfinite(found.weights).all()
        assert np.isfinite(found.loss)


def test_l1_makes_weights_sparser():
    data, _, _ = mixture()
    plain, sparse = fit(data, ks=(4,))[4], fit(data, ks=(4,), l1=0.05)[4]
    assert (sparse.weights == 0).mean() > (plain.weights == 0).mean() + 0.05


def test_every_start_is_recorded():
    data, _, _ = mixture()
    found = fit(data, starts=("spa", "nndsvda", "random"))[3]
    assert set(found.start_losses) == {"spa", "nndsvda", "random"}
    assert found.start in found.start_losses
    assert max(found.start_losses.values()) < 1.5 * min(found.start_losses.values())


def test_an_iteration_that_is_cut_short_says_that_it_did_not_converge():
    data, _, _ = mixture()
    assert fit(data)[3].converged
    assert not fit(data, max_iter=2, refine_passes=1, tol=1e-12, starts=("random",))[3].converged


@pytest.mark.parametrize("ks", [(), (0,), (91,)])
def test_impossible_k_is_refused(ks):
    data, _, _ = mixture()
    with pytest.raises(UsageError, match="this scan allows k from 1 to 90"):
        fit(data, ks=ks)


def test_progress_ends_at_its_total():
    data, _, _ = mixture()
    seen = []
    fit(data, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert all(a[0] <= b[0] for a, b in pairwise(seen))
