import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from unmix4d.decide.sweep import Range, range_of_interest, run_sweep
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.records import Factorization, FloatArray, PatternMatrix

MakeMatrix = Callable[..., PatternMatrix]
MakeFit = Callable[..., Factorization]


class FakeFit:
    """Gives factorizations with scripted losses, one script for each time that a k is asked for."""

    def __init__(self, matrix: PatternMatrix, make_fit: MakeFit, *scripts: Mapping[int, float]) -> None:
        self.matrix = matrix
        self.make_fit = make_fit
        self.scripts = scripts
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, ks: Sequence[int]) -> dict[int, Factorization]:
        fits = {}
        for k in ks:
            times = sum(k in call for call in self.calls)
            loss = self.scripts[min(times, len(self.scripts) - 1)][k]
            fits[k] = self.make_fit(np.ones((k, self.matrix.n_pixels)), self.weights(k), self.matrix, loss)
        self.calls.append(tuple(ks))
        return fits

    def weights(self, k: int) -> FloatArray:
        return np.ones((self.matrix.n_probes, k))


def knee_at(knee: int, last: int = 40) -> dict[int, float]:
    """A loss that falls by 1 until the knee, by 0.01 after it."""
    return {k: 100.0 - min(k, knee) - 0.01 * max(k - knee, 0) for k in range(1, last + 1)}


@pytest.fixture
def matrix(make_matrix: MakeMatrix) -> PatternMatrix:
    return make_matrix(np.ones((50, 40)))


def test_fits_every_k_in_one_call(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    fit = FakeFit(matrix, make_fit, knee_at(6))
    sweep = run_sweep(matrix, fit=fit, k_max=12)
    assert fit.calls == [tuple(range(1, 13))]
    assert sweep.ks == tuple(range(1, 13))
    assert sweep.refit is fit


def test_clips_k_to_the_smaller_side_of_the_matrix(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    for shape in ((5, 9), (9, 5)):
        matrix = make_matrix(np.ones(shape))
        fit = FakeFit(matrix, make_fit, knee_at(5))
        assert run_sweep(matrix, fit=fit).ks == (1, 2, 3, 4, 5)
        assert fit.calls == [(1, 2, 3, 4, 5)]  # the knee at the end extends nothing


def test_extends_until_the_range_of_interest_fits(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    fit = FakeFit(matrix, make_fit, knee_at(10))
    sweep = run_sweep(matrix, fit=fit, k_max=11)
    assert fit.calls == [tuple(range(1, 12)), (12, 13, 14)]
    assert range_of_interest(sweep) == Range(knee=10, low=6, high=14)


def test_extends_twice_at_most(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    # Every second fall dwarfs all before it, so the elbow is always the last k but one.
    falls = [1, 1, 1, 1, 1, 10, 0.1, 1e3, 0.1, 1e5, 0.1, 1e7, 0.1, 1e9]
    fit = FakeFit(matrix, make_fit, {k: 1e10 - sum(falls[: k - 1]) for k in range(1, 16)})
    run_sweep(matrix, fit=fit, k_max=8, half_width=3)
    assert fit.calls == [tuple(range(1, 9)), (9, 10), (11, 12)]


def test_extension_stops_at_what_the_data_allows(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    matrix = make_matrix(np.ones((12, 30)))
    fit = FakeFit(matrix, make_fit, knee_at(10))
    sweep = run_sweep(matrix, fit=fit, k_max=11)
    assert fit.calls == [tuple(range(1, 12)), (12,)]
    interest = range_of_interest(sweep)
    assert (interest.knee, interest.low, interest.high) == (10, 6, 12)
    assert "sweep ends at k = 12" in interest.note


def test_refits_a_rising_loss_once_and_keeps_the_better(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    losses = knee_at(6)
    first = losses | {4: losses[3] * 1.02, 9: losses[6] * 1.02, 11: losses[6] * 1.005}
    second = losses | {4: losses[4], 9: losses[6] * 1.001}
    fit = FakeFit(matrix, make_fit, first, second)
    sweep = run_sweep(matrix, fit=fit, k_max=12)
    assert fit.calls == [tuple(range(1, 13)), (4, 9)]  # 11 rose by less than 1 %
    assert sweep.fits[4].loss == losses[4]
    assert sweep.fits[9].loss == losses[6] * 1.001


def test_a_worse_refit_is_dropped_and_the_rest_warned_of(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    losses = knee_at(6)
    fit = FakeFit(matrix, make_fit, losses | {9: losses[6] * 1.02}, losses | {9: losses[6] * 1.5})
    with pytest.warns(Unmix4dWarning, match=r"k = 9 has a loss more than 1 %"):
        sweep = run_sweep(matrix, fit=fit, k_max=12)
    assert sweep.fits[9].loss == losses[6] * 1.02


@pytest.mark.parametrize(("k_min", "k_max"), [(0, 5), (-1, 5), (4, 3)])
def test_refuses_bounds_that_are_no_range(matrix: PatternMatrix, make_fit: MakeFit, k_min: int, k_max: int) -> None:
    with pytest.raises(UsageError, match=f"got k_min = {k_min} and k_max = {k_max}"):
        run_sweep(matrix, fit=FakeFit(matrix, make_fit, {}), k_min=k_min, k_max=k_max)


def test_k_min_beyond_the_data_names_the_limit(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    matrix = make_matrix(np.ones((4, 9)))
    with pytest.raises(UsageError, match="k_min = 5 is more than this data allows: k can be at most 4"):
        run_sweep(matrix, fit=FakeFit(matrix, make_fit, {}), k_min=5)


def test_a_fit_that_forgets_a_k_is_refused(matrix: PatternMatrix) -> None:
    with pytest.raises(ValueError, match=r"must give every k of \[1, 2\], it gave \[\]"):
        run_sweep(matrix, fit=lambda _: {}, k_max=2)


def test_range_without_an_elbow_is_the_whole_sweep(matrix: PatternMatrix, make_fit: MakeFit) -> None:
    straight = {k: 50.0 - k for k in range(1, 21)}
    interest = range_of_interest(run_sweep(matrix, fit=FakeFit(matrix, make_fit, straight)))
    assert (interest.knee, interest.low, interest.high) == (None, 2, 20)
    assert "without an elbow" in interest.note


@pytest.mark.parametrize(
    ("k_min", "k_max", "knee", "half_width", "expected"),
    [
        (1, 20, 3, 4, (3, 2, 7)),  # never below 2
        (1, 20, 8, 4, (8, 4, 12)),
        (6, 20, 8, 4, (8, 6, 12)),  # never below the sweep
        (1, 20, 8, 0, (8, 8, 8)),
        (1, 1, 8, 4, (None, 1, 1)),
        (3, 3, 8, 4, (None, 3, 3)),
    ],
)
def test_range_is_the_knee_and_its_neighbours(
    *,
    matrix: PatternMatrix,
    make_fit: MakeFit,
    k_min: int,
    k_max: int,
    knee: int,
    half_width: int,
    expected: tuple[int | None, int, int],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sweep = run_sweep(matrix, fit=FakeFit(matrix, make_fit, knee_at(knee)), k_min=k_min, k_max=k_max)
    interest = range_of_interest(sweep, half_width)
    assert (interest.knee, interest.low, interest.high) == expected
    assert [k for k in range(25) if k in interest] == list(range(expected[1], expected[2] + 1))
