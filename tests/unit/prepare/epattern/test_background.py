"""Backgrounds: opening by a parabola by brute force, and what each of the four leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.errors import UsageError
from unmix4d.prepare.epattern.background import NAMES, Background
from unmix4d.prepare.epattern.paraboloid import slide

REAL = [name for name in NAMES if name != "none"]


def opened(line: np.ndarray, curvature: float) -> np.ndarray:
    """Highest of all parabolas that touch the line from below at two places, by trying every pair."""
    i = np.arange(line.size)
    flat = line + curvature * i**2
    best = np.minimum.accumulate(np.full(line.size, -np.inf))
    for left in range(line.size):
        for right in range(left + 1, line.size):
            slope = (flat[right] - flat[left]) / (right - left)
            chord = flat[left] + slope * (i - left)
            if (chord <= flat + 1e-9).all():
                best[left : right + 1] = np.maximum(best[left : right + 1], chord[left : right + 1])
    return best - curvature * i**2


def peak(shape, at, height, width):
    y, x = np.indices(shape)
    return height * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * width**2))


@given(st.integers(2, 24), st.floats(0.01, 2.0), st.integers(0, 2**32 - 1))
def test_under_one_line_slide_gives_the_opening_by_a_parabola(size, curvature, seed):
    line = np.random.default_rng(seed).uniform(0, 20, size)
    images = line.astype(np.float32).reshape(1, 1, size).copy()
    slide(images, curvature)
    np.testing.assert_allclose(images.ravel(), opened(line.astype(np.float32), curvature), atol=1e-3)


def test_a_paraboloid_that_is_no_more_curved_stays_what_it_is():
    y, x = np.indices((20, 24))
    hill = (50 - 0.02 * ((y - 9) ** 2 + (x - 13) ** 2)).astype(np.float32)
    images = hill[None].copy()
    slide(images, 0.03)
    np.testing.assert_allclose(images[0], hill, atol=1e-3)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("shape", [(64, 64), (41, 57), (3, 3), (1, 5), (2, 2)])
def test_nothing_is_left_of_a_constant_pattern(name, shape):
    patterns = np.full((2, *shape), 7, dtype=np.float32)
    np.testing.assert_allclose(Background(name=name).take_from(patterns), 0, atol=1e-4)


@pytest.mark.parametrize("name", REAL)
def test_a_spot_stays_and_a_broad_hill_goes(name):
    shape = (128, 128)
    hill, spot = peak(shape, (63.5, 63.5), 30, 40), peak(shape, (40.3, 80.6), 50, 1.2)
    left = Background(name=name).take_from((hill + spot + 5)[None].astype(np.float32))[0]
    rest = spot < 0.01
    assert np.abs(left[rest]).max() < 0.3 * 30
    assert np.abs(left[rest]).mean() < 2
    assert left.max() == pytest.approx(spot.max(), abs=4)


def test_input_is_not_written_to_and_none_takes_nothing():
    patterns = np.random.default_rng(0).random((2, 32, 32), dtype=np.float32)
    before = patterns.copy()
    for name in NAMES:
        Background(name=name).take_from(patterns)
    np.testing.assert_array_equal(patterns, before)
    assert Background(name="none").take_from(patterns) is patterns


def test_radial_takes_the_median_of_each_ring():
    pattern = np.zeros((5, 5), dtype=np.float32)
    pattern[2, 2] = 9  # ring 0: one pixel
    pattern[1, 2], pattern[3, 2], pattern[2, 1], pattern[2, 3] = 1, 2, 3, 4  # ring 1 with the four corners of it
    pattern[1, 1], pattern[1, 3], pattern[3, 1], pattern[3, 3] = 5, 6, 7, 8
    left = Background(name="radial").take_from(pattern[None])[0]
    assert left[2, 2] == 0
    assert left[1, 2] == 1 - 4.5  # of sqrt(2) from the middle, too, as that rounds to 1
    assert left[0, 0] == 0


def test_noise_about_zero_is_kept():
    patterns = np.random.default_rng(1).normal(100, 3, (1, 96, 96)).astype(np.float32)
    left = Background().take_from(patterns)
    assert (left < 0).mean() > 0.2
    assert left.std() == pytest.approx(3, rel=0.1)


def test_curvature_follows_the_level_so_that_scaled_patterns_give_scaled_answers():
    patterns = peak((64, 64), (30, 30), 200, 9)[None].astype(np.float32)
    small = Background(level=255).take_from(patterns)
    large = Background(level=2550).take_from(10 * patterns)
    np.testing.assert_allclose(large, 10 * small, atol=1e-2)


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(UsageError, match=r"no background named 'flat'; known: paraboloid, ball"):
        Background(name="flat")
