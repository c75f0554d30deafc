"""Same within noise: by hand, in constant areas, across boundaries; and the mean that is gated by it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmix4d.errors import UsageError
from unmix4d.prepare.alike import Cells, Noise, difference, measure_noise
from unmix4d.prepare.filters import ScanMean
from unmix4d.prepare.gating import GatedMean
from unmix4d.records import Beam, Survey


def rates(counts, shape=(24, 24), at=(11.0, 11.0)):
    """Expected counts of a beam and some spots."""
    y, x = np.indices(shape)
    image = np.full(shape, 0.02)
    for height, cy, cx in ((1.0, *at), (0.3, at[0] - 6, at[1] + 2), (0.2, at[0] + 5, at[1] - 4)):
        image += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 1.3**2))
    return counts * image / image.sum()


def constant_area(counts=800, gain=1.0, seed=0, scan=(24, 24)):
    rng = np.random.default_rng(seed)
    return (gain * rng.poisson(rates(counts), (*scan, 24, 24))).astype(np.float32)


def patches_of(patterns):
    return [patterns[y : y + 4, x : x + 4] for y in range(0, 21, 5) for x in range(0, 21, 5)]


def fitted(patterns, side=3, **options):
    cells = Cells(side=side)
    return GatedMean(cells=cells, noise=measure_noise(patches_of(patterns), cells), **options)


def test_the_difference_of_two_patterns_by_hand():
    pooled = np.array([[3, 1, 0, 4], [1, 1, 0, 0]], dtype=np.float32)
    chi2, cells, inverse = difference(pooled, np.array([[0, 1]]))[0]
    assert chi2 == pytest.approx(4 / 4 + 0 + 16 / 4)
    assert cells == 3
    assert inverse == pytest.approx(1 / 4 + 1 / 2 + 1 / 4)
    excess = Noise().excess(np.array([[chi2, cells, inverse]]))
    assert excess[0] == pytest.approx((5 - 3) / (2 * 3 - 2 * 1) ** 0.5)


def test_single_counts_say_nothing_so_patterns_of_them_are_the_same():
    pooled = np.array([[1, 0, 1, 0], [0, 1, 0, 0]], dtype=np.float32)
    sums = difference(pooled, np.array([[0, 1]]))
    assert Noise().excess(sums)[0] == 0
    assert Noise().are_same(sums, 0.01)[0]


@pytest.mark.parametrize("counts", [30, 300, 30000])
def test_the_excess_of_equal_patterns_has_mean_zero_and_variance_one(counts):
    patterns = constant_area(counts, scan=(60, 60))
    pooled = Cells(side=2).of(patterns).reshape(3600, -1)
    excess = Noise().excess(difference(pooled, np.arange(3600).reshape(-1, 2)))
    assert abs(excess.mean()) < 4 / 1800**0.5
    assert excess.std() == pytest.approx(1, abs=0.12)


def test_cells_add_up_squares_and_leave_out_bad_pixels():
    patterns = np.arange(2 * 20, dtype=np.float32).reshape(1, 2, 4, 5)
    bad = np.zeros((4, 5), dtype=bool)
    bad[0, 0] = bad[3, 4] = True
    assert Cells(side=2).of(patterns)[0, 0].tolist() == [0 + 1 + 5 + 6, 2 + 3 + 7 + 8, 4 + 9, 52, 60, 33]
    assert Cells(side=2, bad=bad).of(patterns)[0, 0].tolist() == [12, 20, 13, 52, 60, 14]
    assert Cells(side=1).of(patterns)[0, 1].tolist() == list(range(20, 40))


@pytest.mark.parametrize("gain", [1.0, 0.2, 6.0])
@pytest.mark.parametrize("counts", [200, 5000])
def test_the_gain_is_measured(gain, counts):
    noise = measure_noise(patches_of(constant_area(counts, gain)), Cells(side=2))
    assert noise.gain == pytest.approx(gain, rel=0.03)
    assert noise.spread == pytest.approx(1, abs=0.15)


def test_the_gain_is_measured_where_many_neighbours_differ():
    patterns = constant_area(3000)
    other = np.random.default_rng(1).poisson(rates(3000, at=(12.5, 9.5)), patterns.shape)
    checks = (np.indices((24, 24)).sum(axis=0) // 3 % 2).astype(bool)
    patterns[checks] = other[checks]
    noise = measure_noise(patches_of(patterns), Cells(side=2))
    assert noise.gain == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("gate", [0.01, 0.05])
@pytest.mark.parametrize(("counts", "gain"), [(300, 1.0), (800, 4.0), (20000, 1.0)])
def test_in_a_constant_area_the_stated_share_of_neighbours_is_rejected(counts, gain, gate):
    rejected = []
    for seed in range(4):
        patterns = constant_area(counts, gain, seed)
        inner = fitted(patterns, gate=gate).partners(patterns).reshape(24, 24, 8)[1:-1, 1:-1]
        rejected.append((inner < 0).mean())
    assert 0.3 * gate < np.mean(rejected) < 2 * gate


def test_in_a_constant_area_noise_falls_nearly_as_by_the_plain_mean_and_nothing_is_biased():
    patterns = constant_area(2000)
    gated = fitted(patterns)(patterns)[1:-1, 1:-1]
    plain = ScanMean()(patterns)[1:-1, 1:-1]
    assert gated.var(axis=(0, 1)).sum() <= 1.03 * plain.var(axis=(0, 1)).sum()
    expected = rates(2000)
    error = (gated.mean(axis=(0, 1)) - expected) / np.sqrt(expected / 576)
    assert abs(error.mean()) < 0.2
    assert error.std() < 1.2


def test_nothing_is_mixed_across_a_boundary_between_different_patterns():
    rng = np.random.default_rng(2)
    clean = np.empty((24, 24, 24, 24))
    clean[:, :12], clean[:, 12:] = rates(3000), rates(3000, at=(12.5, 9.5))
    patterns = rng.poisson(clean).astype(np.float32)
    partners = fitted(patterns).partners(patterns)
    probe = np.arange(576)[:, None]
    crossed = (partners >= 0) & ((partners % 24 < 12) != (probe % 24 < 12))
    assert not crossed.any()
    kept = (partners >= 0).reshape(24, 24, 8)
    assert kept[1:-1, 11:13].sum(axis=-1).mean() > 4.8  # five neighbours lie on each side


def test_a_probe_of_its_own_stays_what_it_is():
    patterns = constant_area(5000)
    patterns[10, 10] = np.random.default_rng(3).poisson(rates(5000, at=(8.0, 14.0)))
    gated = fitted(patterns)(patterns)
    np.testing.assert_array_equal(gated[10, 10], patterns[10, 10])


def test_empty_patterns_are_averaged_with_one_another_only():
    patterns = constant_area(500, scan=(6, 6))
    patterns[:3] = 0
    gated = GatedMean(cells=Cells(side=2))(patterns)
    assert not gated[:2].any()
    assert not gated[2].any()
    assert (gated[3:].sum(axis=(2, 3)) > 300).all()


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1), (2, 2)])
def test_small_scans(shape):
    patterns = constant_area(scan=shape)
    gated = GatedMean(gate=1e-9, cells=Cells(side=2))(patterns)
    np.testing.assert_allclose(gated, _square_mean(patterns), rtol=1e-5)


def _square_mean(patterns):
    y, x = patterns.shape[:2]
    return np.array(
        [
            [patterns[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean(axis=(0, 1)) for j in range(x)]
            for i in range(y)
        ]
    )


@pytest.mark.parametrize("gate", [0, 1, -0.1])
def test_a_gate_that_is_no_share_is_refused(gate):
    with pytest.raises(UsageError, match="above 0 and below 1"):
        GatedMean(gate=gate)


def test_noise_of_patterns_without_counts_or_neighbours_is_that_of_counting():
    assert measure_noise([], Cells()) == Noise()
    assert measure_noise([np.zeros((4, 4, 5, 5), np.float32)], Cells()) == Noise()
    assert measure_noise([np.ones((1, 1, 5, 5), np.float32)], Cells()) == Noise()
    assert measure_noise([np.ones((4, 4, 5, 5), np.float32)], Cells()) == Noise()  # all equal: no noise to measure


def test_fit_compares_cells_as_large_as_a_spot_and_leaves_out_what_cleaning_did():
    patterns = constant_area(2000)
    bad = np.zeros((24, 24), dtype=bool)
    bad[0, 0] = True
    scan = np.zeros((24, 24))
    survey = Survey(
        mean_pattern=patterns.mean(axis=(0, 1)),
        total_counts=scan,
        dark_field=scan,
        beam=Beam(center=(11.0, 11.0), radius=3.0),
        vacuum=scan > 0,
        empty=scan > 0,
        data_range=1.0,
        left_out=bad,
    )
    made = GatedMean(gate=0.02).fit(patches_of(patterns), survey)
    assert (made.gate, made.cells.side) == (0.02, 3)
    assert made.cells.bad is bad
    assert made.noise.gain == pytest.approx(1, rel=0.03)


@settings(max_examples=25)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_probes_far_enough_from_the_edge_of_a_block_do_not_depend_on_it(rows, columns, seed):
    patterns = np.random.default_rng(seed).poisson(3, (rows, columns, 6, 5)).astype(np.float32)
    patterns[: rows // 2] *= 2
    before = patterns.copy()
    filtering = GatedMean(gate=0.2, cells=Cells(side=2))
    whole = filtering(patterns)
    np.testing.assert_array_equal(patterns, before)
    for y in range(rows):
        top = max(0, y - 1)
        part = filtering(patterns[top : y + 2])
        np.testing.assert_array_equal(part[y - top], whole[y])
