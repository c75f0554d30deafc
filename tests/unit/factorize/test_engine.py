"""The engine: coarse matrices, passes over the data, refinement, kept steps."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.execute import Serial
from unmix4d.factorize import coarse as coarsening
from unmix4d.factorize import refine as refining
from unmix4d.factorize import steps
from unmix4d.factorize.alternate import Hals
from unmix4d.factorize.coarse import coarsen
from unmix4d.factorize.exact import Problem, in_counts, run_pass
from unmix4d.factorize.factored import Fitter, Limits
from unmix4d.factorize.groups import group
from unmix4d.factorize.refine import measure
from unmix4d.factorize.rules import hals
from unmix4d.factorize.tries import between, finish, try_starts
from unmix4d.records import Geometry, PatternMatrix

SCAN, PATTERN = (14, 16), (12, 12)


class Kept:
    """A keeper in memory that may forget what comes after some step, as a killed run does."""

    def __init__(self, until=None):
        self.steps, self.until, self.loaded = {}, until, []

    def load(self, step):
        if step in self.steps:
            self.loaded.append(step)
        return self.steps.get(step)

    def save(self, step, arrays):
        if self.until is not None and len(self.steps) >= self.until:
            raise KeyboardInterrupt
        self.steps[step] = {name: np.array(value) for name, value in arrays.items()}


def data_of(seed=0, k=3, dose=2000):
    rng = np.random.default_rng(seed)
    components = rng.random((k, np.prod(PATTERN))) ** 6
    components /= components.sum(axis=1, keepdims=True)
    labels = np.arange(np.prod(SCAN)) % SCAN[1] * k // SCAN[1]
    return rng.poisson(dose * components[labels]).astype(np.uint16)


def matrix_of(data, block=40):
    bounds = (*range(0, len(data), block), len(data))
    return PatternMatrix(
        read_block=lambda i: data[bounds[i] : bounds[i + 1]],
        bounds=bounds,
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones(PATTERN, dtype=bool),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=PATTERN),
    )


def fitter(tol=1e-5):
    return Fitter(rule=hals, limits=Limits(max_iter=200, tol=tol), extrapolate=True)


def test_groups_add_up_and_spread_again():
    mask = np.ones((3, 4), dtype=bool)
    mask[0, 0] = False
    groups = group(mask, 2)
    assert groups.mask.shape == (2, 2)
    assert len(groups.of) == 11
    ones = groups.gather(np.ones((11, 1), np.float32))[:, 0]
    np.testing.assert_allclose(ones, np.sqrt([3, 4, 2, 2]), rtol=1e-6)
    np.testing.assert_allclose(groups.spread(ones[None]), np.ones((1, 11)), rtol=1e-6)


def test_lines_of_groups_may_be_passed_over():
    mask = np.ones((9, 4), dtype=bool)
    groups = group(mask, 2, every=2)
    assert groups.mask.shape == (3, 2)
    assert groups.counted.reshape(9, 4)[:, 0].tolist() == [True, True, False, False] * 2 + [True]
    sums = groups.gather(np.arange(36, dtype=np.float32)[:, None])[:, 0]
    expected = [(0 + 1 + 4 + 5) / 2, (2 + 3 + 6 + 7) / 2, (16 + 17 + 20 + 21) / 2, (18 + 19 + 22 + 23) / 2]
    np.testing.assert_allclose(sums[:4], expected)
    np.testing.assert_allclose(sums[4:], [65 / np.sqrt(2), 69 / np.sqrt(2)], rtol=1e-6)
    np.testing.assert_array_equal(groups.of.reshape(9, 4)[2:4], groups.of.reshape(9, 4)[:2])


def test_few_probes_are_tried_as_they_are():
    assert coarsen(Hals().factor(matrix_of(data_of()), 4)).probes.mask.shape == SCAN


def test_a_coarse_matrix_keeps_what_is_constant_over_its_groups(monkeypatch):
    monkeypatch.setattr(coarsening, "FEW_PROBES", 100)
    solver = Hals()
    factored = solver.factor(matrix_of(data_of()), 4)
    coarse = coarsen(factored)
    assert coarse.probes.mask.shape == (7, 8)
    rows = coarse.probes.gather(factored.scores @ factored.basis)
    expected = coarse.pixels.gather(rows.T).T
    np.testing.assert_allclose(coarse.matrix.scores @ coarse.matrix.basis, expected, atol=1e-4)
    np.testing.assert_allclose(coarse.matrix.basis @ coarse.matrix.basis.T, np.eye(factored.rank), atol=1e-4)


def test_the_best_start_of_the_coarse_matrix_is_as_good_as_a_start_on_the_matrix():
    factored = Hals().factor(matrix_of(data_of()), 4)
    coarse = coarsen(factored)
    tried = try_starts(coarse, 3, ("spa", "kmeans"), fitter(), smaller=None, seed=(0,), executor=Serial())
    found = finish(factored, coarse, between(factored, coarse), tried, fitter())
    direct = fitter().fit(factored, "spa", np.maximum(factored.scores[[0, 7, 15]] @ factored.basis, 0))
    assert found.objective <= direct.objective * (1 + 1e-4)
    assert set(tried.losses) == {"spa", "kmeans"}
    assert tried.stability > 0.99


def problem_of(matrix, factored):
    return Problem(
        matrix=matrix,
        row=factored.row,
        column=factored.column,
        norm2=factored.norm2,
        rule=hals,
        penalty=0.0,
        executor=Serial(),
    )


def test_a_bad_fit_is_refined_on_the_data_and_a_good_one_is_not():
    data = data_of()
    matrix = matrix_of(data)
    factored = Hals().factor(matrix, 4)
    good = fitter().fit(factored, "spa", np.maximum(factored.scores[[0, 7, 15]] @ factored.basis, 0))
    bad = replace(good, components=np.abs(good.components + 0.02), weights=good.weights.copy(), history=[1.0])
    lengths = np.linalg.norm(bad.components, axis=1, keepdims=True)
    bad.components /= lengths
    kept = measure(problem_of(matrix, factored), [good], max_passes=20, tol=1e-4)
    mended = measure(problem_of(matrix, factored), [bad], max_passes=20, tol=1e-4)
    assert kept.passes == 0
    assert kept.gain <= refining.BOUND
    assert mended.passes > 0
    assert mended.gain > refining.BOUND
    assert bad.objective == pytest.approx(good.objective, rel=2e-3)
    assert mended.losses[0] == pytest.approx(kept.losses[0], rel=5e-3)


def two_fits(factored):
    rows = [0, 7, 15, 20]
    return [
        fitter().fit(factored, "spa", np.maximum(factored.scores[rows[:k]] @ factored.basis, 0)) for k in (3, 4)
    ]


def test_components_that_a_pass_holds_give_the_same_bits_as_those_of_the_fit():
    matrix = matrix_of(data_of())
    factored = Hals().factor(matrix, 4)
    problem, fits = problem_of(matrix, factored), two_fits(factored)
    before = [fit.components for fit in fits]
    run_pass(problem, fits, sweeps=2, back_of=[1], measures=True)
    assert [fit.as_counts for fit in fits] == [True, False]
    assert fits[1].components is before[1]
    own = replace(fits[0], components=before[0], as_counts=False)
    for found, expected in zip(
        *(in_counts(fit, problem.row, problem.column) for fit in (fits[0], own)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_refined_components_are_kept_and_come_back():
    matrix = matrix_of(data_of())
    factored = Hals().factor(matrix, 4)
    problem, fits = problem_of(matrix, factored), two_fits(factored)
    fits[1].components = np.abs(fits[1].components + np.float32(0.02))
    measured = measure(problem, fits, max_passes=3, tol=1e-4)
    assert measured.passes > 0
    again = two_fits(factored)
    steps.unpack_measured(steps.pack_measured(measured, fits), again)
    for one, other in zip(fits, again, strict=True):
        assert one.as_counts == other.as_counts
        for found, expected in zip(
            *(in_counts(fit, problem.row, problem.column) for fit in (other, one)), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dose", [20, 5000])
def test_the_losses_are_exact_at_low_and_high_dose(dose):
    data = data_of(dose=dose)
    fits = Hals().fit_many(matrix_of(data), (2, 3, 5), rng=np.random.default_rng(0))
    for fit in fits.values():
        expected = np.abs(data - fit.weights.astype(np.float64) @ fit.components).mean()
        assert fit.loss == pytest.approx(expected, rel=1e-5)


def test_a_killed_fit_goes_on_where_it_was_and_gives_the_same_bits():
    data, ks = data_of(), (2, 3, 4)
    whole = Hals().fit_many(matrix_of(data), ks, rng=np.random.default_rng(5))
    full = Kept()
    Hals(keeper=full).fit_many(matrix_of(data), ks, rng=np.random.default_rng(5))
    assert len(full.steps) == 2 + 2 * len(ks)
    for until in range(len(full.steps)):
        keeper = Kept(until)
        with pytest.raises(KeyboardInterrupt):
            Hals(keeper=keeper).fit_many(matrix_of(data), ks, rng=np.random.default_rng(5))
        keeper.until = None
        again = Hals(keeper=keeper).fit_many(matrix_of(data), ks, rng=np.random.default_rng(5))
        assert len(keeper.loaded) == until
        for k in ks:
            np.testing.assert_array_equal(again[k].components, whole[k].components)
            np.testing.assert_array_equal(again[k].weights, whole[k].weights)
            assert again[k].loss == whole[k].loss
            assert again[k].loss_history == whole[k].loss_history
            assert again[k].start_losses == whole[k].start_losses


def test_many_sizes_are_fitted_to_one_low_rank_form_without_reading_again():
    data = data_of()
    reads = []

    def read(i):
        reads.append(i)
        return data

    matrix = replace(matrix_of(data), read_block=read, bounds=(0, len(data)))
    solver = Hals()
    factored = solver.factor(matrix, 12)
    seen = len(reads)
    fits = solver.fit_factored(factored, (3, 9, 12), rng=np.random.default_rng(0))
    assert len(reads) == seen
    assert set(fits) == {3, 9, 12}
    left = [float((factored.residual(fits[k]) ** 2).sum()) for k in (3, 9, 12)]
    assert left[0] > left[1] > left[2] * 0.999
    assert np.isnan(fits[3].loss)


def test_the_stored_type_does_not_change_the_answer():
    data = data_of()
    one = Hals().fit_many(matrix_of(data), (3,), rng=np.random.default_rng(0))[3]
    other = Hals().fit_many(matrix_of(data.astype(np.float32)), (3,), rng=np.random.default_rng(0))[3]
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-3, atol=1)
    assert one.loss == pytest.approx(other.loss, rel=1e-5)


def test_a_matrix_of_zeros_is_fitted_by_zeros():
    # As a beam that covers the whole detector leaves it: nothing, whose error is no share of anything.
    found = Hals().factor(matrix_of(data_of()), 3)
    empty = replace(found, scores=0 * found.scores, basis=0 * found.basis, norm2=0.0)
    fits = Hals(starts=("spa", "kmeans")).fit_factored(empty, (1, 3), rng=np.random.default_rng(0))
    assert sorted(fits) == [1, 3]
    assert all(not (fit.weights @ fit.components).any() for fit in fits.values())
