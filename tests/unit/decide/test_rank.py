"""Directions above the noise: as many as there are patterns, whatever the detector."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from tests.unit.decide.known_rank import SCAN, SIDE, counts_of, mean_counts, sweep_of

from unmix4d.decide.rank import SignalToNoise, _ratios, ratios_to_edge
from unmix4d.records import Sweep


@pytest.fixture(scope="module")
def five() -> Sweep:
    return sweep_of(counts_of(5, 0), 8)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_as_many_directions_as_patterns(k: int) -> None:
    curve = SignalToNoise().curve(sweep_of(counts_of(k, 1), 8))
    values = np.array(curve.values)
    assert curve.choice == k
    assert (values[:k] > 1).all()
    assert (values[k:] <= 1).all()
    assert (np.diff(values) <= 1e-6).all()


def test_noise_that_is_not_poisson_is_measured_too() -> None:
    mean = mean_counts(3, 2, dose=4000.0)
    noise = np.random.default_rng(3).normal(0, 6 + np.linspace(0, 6, SIDE * SIDE), mean.shape)
    curve = SignalToNoise().curve(sweep_of(np.rint(mean + noise + 60).clip(0).astype(np.uint16), 8))
    assert curve.choice in {3, 4}  # the offset is a pattern of its own


def test_shuffled_probes_have_only_their_mean(five: Sweep) -> None:
    assert five.factored is not None
    order = np.random.default_rng(5).permutation(len(five.factored.scores))
    shuffled = replace(five.factored, scores=five.factored.scores[order])
    assert (ratios_to_edge(shuffled) > 1).sum() == 1
    assert (ratios_to_edge(five.factored) > 1).sum() == 5


def test_noise_that_neighbours_share_prefers_no_k() -> None:
    smooth = uniform_filter(counts_of(3, 2).reshape(*SCAN, -1).astype(float), (5, 5, 0))
    counts = np.rint(100 * smooth).reshape(SCAN[0] * SCAN[1], -1).astype(np.uint16)
    curve = SignalToNoise().curve(sweep_of(counts, 6))
    assert curve.choice is None
    assert "share their noise" in curve.note
    assert len(curve.values) == 6


def test_the_ratio_by_hand() -> None:
    # One direction, 1 and 3 in turns: mean square 5, differences of 2, so noise of 4 / 2.
    here, there = np.array([0, 1, 2]), np.array([1, 2, 3])
    assert _ratios(np.array([[1.0], [3.0], [1.0], [3.0]]), here, there) == pytest.approx([2.5], rel=1e-5)


def test_too_few_probes_are_not_measured(five: Sweep) -> None:
    assert five.factored is not None
    mask = np.zeros(SCAN, dtype=bool)
    mask[:2] = True
    small = replace(five.factored, scores=five.factored.scores[:64], row=five.factored.row[:64], probe_mask=mask)
    curve = SignalToNoise().curve(replace(five, factored=small))
    assert (curve.ks, curve.choice) == ((), None)
    assert SignalToNoise().curve(replace(five, factored=None)).ks == ()
