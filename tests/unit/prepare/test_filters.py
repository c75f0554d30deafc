"""The scan mean by hand (method 2.2), and block by block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.errors import UsageError
from unmix4d.prepare.filters import Raw, ScanMean


def impulse() -> np.ndarray:
    patterns = np.zeros((4, 4, 2, 2), dtype=np.float32)
    patterns[0, 0] = 36
    return patterns


def test_valid_border_divides_by_the_neighbours_that_exist():
    mean = ScanMean()(impulse())[..., 0, 0]
    assert (mean[0, 0], mean[0, 1], mean[1, 0], mean[1, 1]) == (9, 6, 6, 4)
    assert mean[2:].sum() == 0
    assert mean[:, 2:].sum() == 0


def test_epattern_border_repeats_the_edge_along_the_line():
    mean = ScanMean(border="epattern")(impulse())[..., 0, 0]
    assert (mean[0, 0], mean[0, 1], mean[1, 0], mean[1, 1]) == (12, 6, 8, 4)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_one_line_becomes_one_dimensional(shape):
    patterns = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1, 1)
    line = patterns.ravel()
    mean = ScanMean()(patterns).ravel()
    expected = [line[max(0, i - 1) : i + 2].mean() for i in range(line.size)]
    np.testing.assert_allclose(mean, expected)


def test_sum_is_kept_inside():
    patterns = np.zeros((9, 9, 1, 1), dtype=np.float32)
    patterns[4, 4] = 9
    assert ScanMean()(patterns).sum() == pytest.approx(9)
    assert ScanMean(size=5)(patterns).sum() == pytest.approx(9)


@pytest.mark.parametrize("size", [0, 2, -3])
def test_even_windows_are_refused(size):
    with pytest.raises(UsageError, match="odd"):
        ScanMean(size=size)


def test_raw_gives_the_same_patterns_and_needs_no_neighbours():
    patterns = impulse()
    assert Raw()(patterns) is patterns
    assert Raw().halo == 0


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1), st.sampled_from(["valid", "epattern"]))
def test_input_is_untouched_and_the_mean_stays_within_it(rows, columns, seed, border):
    patterns = np.random.default_rng(seed).random((rows, columns, 2, 3), dtype=np.float32)
    before = patterns.copy()
    mean = ScanMean(border=border)(patterns)
    np.testing.assert_array_equal(patterns, before)
    assert mean.shape == patterns.shape
    assert mean.min() >= patterns.min() - 1e-6
    assert mean.max() <= patterns.max() + 1e-6
