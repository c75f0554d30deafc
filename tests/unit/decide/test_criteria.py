import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from unmix4d.decide.criteria import (
    Distinctness,
    ExemplarScores,
    Loss,
    NearestGmsd,
    NearestMdsi,
    NearestSsim,
    PsnrFidelity,
    best_k,
    measure_distinctness,
)
from unmix4d.execute import Threads
from unmix4d.records import Factorization, FloatArray, PatternMatrix, Sweep
from unmix4d.registry import Criterion, load

MakeMatrix = Callable[..., PatternMatrix]
MakeFit = Callable[..., Factorization]
MakeSweep = Callable[..., Sweep]


def lattice(angle_deg: float = 0.0, dx: float = 0.0) -> FloatArray:
    """A square lattice of Gaussian spots on 128 x 128 pixels, 0...255 (method, section 12)."""
    a, out = np.deg2rad(angle_deg), np.zeros((128, 128))
    y, x = np.mgrid[0:128, 0:128].astype(np.float64)
    for m in range(-5, 6):
        for n in range(-5, 6):
            u, v = 16.0 * m, 16.0 * n
            spot_x = 63.5 + dx + u * np.cos(a) - v * np.sin(a)
            spot_y = 63.5 + u * np.sin(a) + v * np.cos(a)
            peak = 240.0 if (m, n) == (0, 0) else 180.0 * np.exp(-(u * u + v * v) / (2 * 40.0**2))
            out += peak * np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / (2 * 1.6**2))
    return np.clip(out, 0.0, 255.0)


A, B, E = lattice(), lattice(angle_deg=10.0), lattice(dx=1.0)
D, F = 0.5 * A, np.clip(0.7 * A + 0.3 * B, 0, 255)

# Set, mean SSIM, GMSD, MDSI, and sum of nearest dissimilarities by each (method, section 6.3).
REFERENCE = [
    ([A, B], [0.361114, 0.353890, 0.579272], [1.277773, 0.707780, 0.225196]),
    ([A, B, E], [0.534686, 0.261233, 0.488052], [0.870952, 0.503106, 0.129682]),
    ([A, B, A], [0.574076, 0.235927, 0.386181], [0.638886, 0.353890, 0.112598]),
    ([A, B, F, D], [0.637995, 0.214324, 0.392547], [0.681847, 0.421632, 0.067084]),
]
METRICS = ("ssim", "gmsd", "mdsi")


def score(make_sweep: MakeSweep, patterns: Sequence[FloatArray]) -> ExemplarScores:
    k = len(patterns)
    return measure_distinctness(make_sweep(np.array(patterns), {k: range(k)}), [k]).at[k]


def test_the_generator_is_that_of_the_reference() -> None:
    assert A[63, 63] == pytest.approx(217.67054829297206, rel=1e-12)
    assert A[63, 79] == pytest.approx(150.7014309421381, rel=1e-12)
    assert [image.sum() for image in (A, B, F)] == pytest.approx([90149.65516, 91023.385192, 90411.77417])


@pytest.mark.parametrize(("patterns", "means", "nearest"), REFERENCE)
def test_reference_table(
    make_sweep: MakeSweep, patterns: list[FloatArray], means: list[float], nearest: list[float]
) -> None:
    scores = score(make_sweep, patterns)
    # Half a unit of the last digit shown, and float32 components.
    assert [scores.mean(m) for m in METRICS] == pytest.approx(means, abs=6e-7)
    assert [scores.nearest_sum(m) for m in METRICS] == pytest.approx(nearest, abs=6e-7)


def test_order_of_the_components_does_not_matter(make_sweep: MakeSweep) -> None:
    one, other = score(make_sweep, [A, B, E, F]), score(make_sweep, [F, A, E, B])
    for metric in METRICS:
        assert other.nearest_sum(metric) == pytest.approx(one.nearest_sum(metric), rel=1e-12)
        assert other.mean(metric) == pytest.approx(one.mean(metric), rel=1e-12)
    np.testing.assert_allclose(other.scores["ssim"].values[0], one.scores["ssim"].values[3, [3, 0, 2, 1]])


def test_a_duplicate_is_at_no_distance_and_counts_as_redundant(make_sweep: MakeSweep) -> None:
    scores = score(make_sweep, [A, A, D])
    assert [scores.nearest_sum(m) for m in METRICS] == pytest.approx([0, 0, 0], abs=1e-12)
    assert scores.n_redundant == 3  # D is A at half the dose: the same form
    assert scores.mean("psnr") == 100  # infinite PSNR is capped
    assert score(make_sweep, [A, B, E]).n_redundant == 0


def test_dead_components_add_nothing(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    rows = np.array([A.ravel(), B.ravel()])
    matrix = make_matrix(rows, A.shape)
    fit = make_fit(np.array([A.ravel(), B.ravel(), E.ravel()]), np.array([[1.0, 0, 0], [0, 1, 0]]), matrix)
    scores = measure_distinctness(Sweep(matrix=matrix, fits={3: fit}), [3]).at[3]
    assert scores.alive.tolist() == [True, True, False]
    assert scores.nearest_sum("ssim") == pytest.approx(1.277773, abs=6e-7)
    assert scores.mean("gmsd") == pytest.approx(0.353890, abs=6e-7)
    assert np.isnan(scores.scores["ssim"].values[2]).all()
    assert scores.n_redundant == 0


def test_one_living_component_is_distinct_from_nothing(make_sweep: MakeSweep) -> None:
    scores = score(make_sweep, [A])
    assert scores.nearest_sum("ssim") == 0
    assert math.isnan(scores.mean("ssim"))
    assert scores.n_redundant == 0


def test_fidelity_by_hand(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    # Probe 0 is reproduced exactly (capped at 100 dB); probe 1 is off by 1 in one of four pixels with white = 10:
    # 10 log10(100 / 0.25) = 26.0206 dB.
    rows = np.array([[4.0, 4, 0, 0], [0, 0, 10, 5]])
    matrix = make_matrix(rows, (2, 2))
    fit = make_fit(np.array([[4.0, 4, 0, 0], [0, 0, 10, 6]]), np.eye(2), matrix)
    sweep = Sweep(matrix=matrix, fits={2: fit})
    curve = PsnrFidelity().curve(sweep)
    assert curve.ks == (2,)
    assert curve.values[0] == pytest.approx((100 + 10 * math.log10(400)) / 2, rel=1e-6)
    assert curve.choice is None


def test_fidelity_of_empty_patterns_is_unknown(make_matrix: MakeMatrix, make_fit: MakeFit) -> None:
    matrix = make_matrix(np.zeros((2, 4)), (2, 2))
    fit = make_fit(np.ones((1, 4)), np.ones((2, 1)), matrix)
    assert np.isnan(PsnrFidelity().curve(Sweep(matrix=matrix, fits={1: fit})).values[0])


def test_small_patterns_go_without_ssim(make_sweep: MakeSweep) -> None:
    small = np.random.default_rng(0).random((3, 8, 10))
    measured = measure_distinctness(make_sweep(small, {2: [0, 1], 3: [0, 1, 2]}), [2, 3])
    assert measured.metrics == ("gmsd", "mdsi", "psnr")
    assert measured.note == "patterns of 8 px a side are too small: ssim needs 11"
    empty = measured.curve("ssim")
    assert (empty.ks, empty.choice, empty.note) == ((), None, measured.note)
    assert measured.curve("gmsd").ks == (2, 3)


def test_curves_choose_the_most_distinct(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(np.array([A, B, lattice(30.0), A, F]), {2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]})
    measured = measure_distinctness(sweep, sweep.ks)
    for metric, mean_better in (("ssim", "lower"), ("gmsd", "higher"), ("mdsi", "higher")):
        nearest, mean = measured.curve(metric), measured.curve(metric, "mean")
        assert (nearest.name, nearest.better, nearest.choice) == (f"nearest_{metric}", "higher", 3)
        assert (mean.name, mean.better, mean.choice) == (f"mean_{metric}", mean_better, 3)
        assert nearest.values == tuple(measured.at[k].nearest_sum(metric) for k in (2, 3, 4))
    assert measured.curve("gmsd", ks=[2, 4]).choice == 4
    with pytest.raises(ValueError, match="no metric named 'nsd'"):
        measured.curve("nsd")
    with pytest.raises(ValueError, match="'psnr' is no measure of distinctness"):
        measured.curve("psnr")


def test_threads_change_nothing(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(np.array([A, B, E]), {2: [0, 1], 3: [0, 1, 2]})
    serial, threads = (measure_distinctness(sweep, (2, 3), executor=e) for e in (None, Threads(2)))
    for k in (2, 3):
        for metric in METRICS:
            np.testing.assert_array_equal(threads.at[k].scores[metric].values, serial.at[k].scores[metric].values)


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ([1.0, 3.0, 2.0], "higher", 5),
        ([1.0, 3.0, 2.0], "lower", 4),
        ([1.0, 3.0, 3.0 + 1e-12], "higher", 5),  # a tie goes to the smaller k
        ([2.0, 2.0, 2.0 + 1e-12], "higher", None),  # flat: no preference
        ([math.nan, 1.0, 2.0], "higher", 6),
        ([math.nan, math.nan, math.nan], "higher", None),
    ],
)
def test_best_k(values: list[float], better: str, expected: int | None) -> None:
    assert best_k([4, 5, 6], values, better=better) == expected  # type: ignore[arg-type]


def test_best_of_one_k_is_that_k() -> None:
    assert best_k([7], [0.0]) == 7


@pytest.mark.parametrize("name", ["loss", *METRICS])
def test_registered_criteria_keep_the_protocol(name: str, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(np.array([A, B, E]), {1: [0], 2: [0, 1], 3: [0, 1, 2]}, {1: 3.0, 2: 1.0, 3: 0.9})
    criterion = load("criteria", name)()
    assert isinstance(criterion, Criterion)
    assert criterion.name == name
    curve = criterion.curve(sweep)
    assert curve.better == criterion.better
    assert curve.choice == 2
    assert curve.ks == ((1, 2, 3) if name == "loss" else (2, 3))


def test_criteria_share_what_was_measured(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(np.array([A, B, E]), {2: [0, 1], 3: [0, 1, 2]}, {2: 2.0, 3: 1.0})
    measured = measure_distinctness(sweep, (2, 3))
    blind = replace(sweep.matrix, read_block=lambda _: pytest.fail("nothing needs to be read again"))
    for criterion in (NearestSsim, NearestGmsd, NearestMdsi):
        alone, shared = criterion().curve(sweep), criterion(measured=measured).curve(replace(sweep, matrix=blind))
        assert shared.values == alone.values
    assert isinstance(measured, Distinctness)


def test_loss_without_an_elbow_says_so(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(np.array([A, B]), {1: [0], 2: [0, 1]}, {1: 2.0, 2: 1.0})
    curve = Loss().curve(sweep)
    assert (curve.values, curve.choice, curve.note) == ((2.0, 1.0), None, "no elbow")
