"""Measured overlap against a truth that mixes linearly."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.execute import Serial, Threads
from unmix4d.measure.overlap import LEAST_FRACTION, measure_overlap


def measured(mosaic, executor=None, **options):
    return measure_overlap(
        mosaic.matrix,
        mosaic.crystals,
        mosaic.labels,
        mean_pattern=mosaic.mean,
        executor=executor or Serial(),
        **options,
    )


@pytest.fixture(scope="module")
def mixing(mosaic):
    return measured(mosaic)


def test_the_variance_of_counted_electrons_is_their_mean(mosaic, mixing):
    mean = mosaic.mean.mean()
    assert (mixing.noise.read + mixing.noise.gain * mean) / mean == pytest.approx(1, abs=0.05)


def test_intervals_hold_the_true_share_of_the_second_in_92_to_99_percent(mosaic, mixing):
    low, high = np.sort(mosaic.amounts, axis=0)[-2:]
    mixed = low > 0.1 * high
    pick = [np.take_along_axis(mosaic.amounts, i[None].astype(int), 0)[0] for i in (mixing.first, mixing.second)]
    share = pick[1] / (pick[0] + pick[1])
    held = (share >= mixing.low) & (share <= mixing.high)
    assert 0.92 <= held[mixed].mean() <= 0.99


def test_overlap_is_found_where_it_is_and_hardly_elsewhere(mosaic, mixing):
    low, high = np.sort(mosaic.amounts, axis=0)[-2:]
    assert mixing.significant[low >= 0.1 * high].all()
    assert mixing.significant[low == 0].mean() <= 0.01


def test_a_share_that_patterns_are_not_known_to_is_not_called_overlap(mosaic, mixing):
    low, high = np.sort(mosaic.amounts, axis=0)[-2:]
    assert (low < 0.04 * high)[mixing.fraction < LEAST_FRACTION].mean() > 0.9
    assert not mixing.significant[mixing.fraction < LEAST_FRACTION].any()
    assert mixing.fraction[mixing.significant].min() < 0.12  # what is there is found


def test_the_band_is_a_boundary_of_the_two_crystals(mixing):
    pair = mixing.pairs[0]
    assert (pair.first, pair.second, pair.kind) == (0, 1, "boundary")
    assert pair.area.low <= pair.area.value <= pair.area.high
    assert pair.fraction.low < 0.5 < pair.fraction.high
    assert pair.p_value < 1e-10


def test_areas_fall_with_the_threshold_and_lie_in_their_intervals(mixing):
    values = [area.value for area in mixing.areas]
    assert values == sorted(values, reverse=True)
    assert all(area.low <= area.value <= area.high for area in mixing.areas)


def test_what_is_not_labelled_is_not_assessed(mosaic):
    labels = np.where(np.indices(mosaic.labels.shape)[0] < 12, -1, mosaic.labels).astype(np.int16)
    mixing = measured(replace_labels(mosaic, labels))
    assert np.isnan(mixing.fraction[:12]).all()
    assert not mixing.significant[:12].any()
    assert (mixing.first[:12] == -1).all()


def replace_labels(mosaic, labels):
    return type(mosaic)(**{**vars(mosaic), "labels": labels})


def test_threads_change_nothing(mosaic, mixing):
    other = measured(mosaic, Threads(3))
    np.testing.assert_array_equal(other.weights, mixing.weights)
    np.testing.assert_array_equal(other.low, mixing.low)


def test_one_crystal_overlaps_with_nothing(mosaic):
    crystals = mosaic.crystals
    one = replace(crystals, patterns=crystals.patterns[:1], bragg=crystals.bragg[:, :1], spots=crystals.spots[:1])
    assert measure_overlap(mosaic.matrix, one, mosaic.labels, mean_pattern=mosaic.mean, executor=Serial()) is None


def test_the_line_goes_across_the_boundary_from_one_crystal_to_the_other(mixing):
    line = mixing.trajectory
    assert (line.first, line.second, line.chosen) == (0, 1, False)
    assert line.fraction[0] < 0.1
    assert line.fraction[-1] > 0.9
    assert line.raw.shape == line.residual.shape == (5, 24, 24)
    np.testing.assert_allclose(line.residual.mean(), 0, atol=0.1)


def test_a_given_line_is_kept(mosaic):
    line = measured(mosaic, line=(20, 2, 20, 27)).trajectory
    assert line.chosen
    assert line.probes[0].tolist() == [20, 2]
    assert line.probes[-1].tolist() == [20, 27]


@pytest.mark.parametrize("line", [(0, 0, 24, 3), (5, 5, 5, 5)])
def test_a_line_that_is_none_is_refused(mosaic, line):
    with pytest.raises(UsageError, match="--trajectory"):
        measured(mosaic, line=line)


def test_a_pattern_that_no_crystal_has_is_left_over(mosaic):
    rows = np.concatenate([mosaic.matrix.read_block(i) for i in range(mosaic.matrix.n_blocks)])
    images = rows.reshape(*mosaic.labels.shape, 24, 24).copy()
    images[18:22, 24:28, 20:22, 20:22] += 40
    flat = images.reshape(rows.shape)
    bounds = mosaic.matrix.bounds
    matrix = replace(mosaic.matrix, read_block=lambda i: flat[bounds[i] : bounds[i + 1]])
    mixing = measured(type(mosaic)(**{**vars(mosaic), "matrix": matrix}))
    assert mixing.unexplained.unknown[18:22, 24:28].all()
    assert mixing.unexplained.unknown.sum() - 16 <= 0.01 * mosaic.labels.size
    peak = np.unravel_index(np.nanargmax(mixing.unexplained.residual), (24, 24))
    assert peak[0] in (20, 21)
    assert peak[1] in (20, 21)
