"""The smooth background is found by a window that runs along lines."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import gaussian_filter, rank_filter

from unmix4d.quality.background import smooth_background
from unmix4d.quality.kernels import running_rank


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "half"), [(16, 2), (64, 4), (17, 8), (5, 5), (40, 1)])
def test_the_running_rank_is_that_of_scipy(dtype: type, m: int, half: int) -> None:
    rng = np.random.default_rng(m)
    lines = rng.poisson(2.0, (9, m)).astype(dtype)  # many equal values
    lines[:3] += rng.normal(0, 1, (3, m)).astype(dtype)
    for rank in (0, half // 2, half, 2 * half):
        expected = rank_filter(lines, rank, size=(1, 2 * half + 1))
        assert_array_equal(running_rank(lines, half, rank), expected)


def test_a_background_is_the_quantile_of_rows_and_then_of_columns() -> None:
    patterns = np.random.default_rng(0).gamma(2.0, 1.0, (3, 40, 52)).astype(np.float32)
    floors = [rank_filter(rank_filter(one, 1, size=(1, 5)), 1, size=(5, 1)) for one in patterns]
    assert_array_equal(smooth_background(patterns), gaussian_filter(np.stack(floors), (0, 5 / 3, 5 / 3)))
