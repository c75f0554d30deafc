"""What is seen of a scan before any run: a sample that is read at once, and sums over all patterns."""

import numpy as np
import pytest

from unmix4d import api
from unmix4d.explore import look
from unmix4d.explore.look import Look, read_sample
from unmix4d.explore.source import Detector, whole_source


@pytest.fixture(scope="module")
def patterns(scan_path):
    return np.load(scan_path)


@pytest.fixture
def source(scan_path):
    return whole_source(api.open_scan(scan_path))


def test_a_small_scan_is_its_own_sample(source, patterns):
    sample = read_sample(source)
    assert (sample.stride, sample.shape) == (1, (12, 14))
    np.testing.assert_allclose(sample.mean(), patterns.mean(axis=(0, 1)))
    np.testing.assert_array_equal(sample.maximum(), patterns.max(axis=(0, 1)))
    y, x = np.unravel_index(patterns.sum(axis=(0, 1)).argmax(), (32, 32))
    assert np.hypot(sample.beam().center[0] - y, sample.beam().center[1] - x) < 1.5


def test_a_sample_of_a_larger_scan_keeps_to_its_bytes(source, patterns):
    each = patterns[0, 0].nbytes
    sample = read_sample(source, most_bytes=50 * each)
    assert sample.stride == 2
    assert sample.shape == (6, 7)
    np.testing.assert_array_equal(sample.patterns, patterns[::2, ::2].reshape(-1, 32, 32))


def test_a_slow_file_gives_a_coarse_sample(source, monkeypatch):
    monkeypatch.setattr(look, "SAMPLE_SECONDS", 0.0)
    sample = read_sample(source)
    assert sample.stride == 2
    assert len(sample.patterns) == 42, "the first one holds about sixteen patterns or more"


@pytest.mark.parametrize("shape", [(1, 168), (168, 1), (1, 1), (3, 2)])
def test_lines_and_single_patterns_have_samples(patterns, shape):
    few = patterns.reshape(-1, 32, 32)[: shape[0] * shape[1]].reshape(*shape, 32, 32)
    sample = read_sample(whole_source(api.open_scan(few)))
    assert sample.stride == 1
    np.testing.assert_array_equal(sample.patterns, few.reshape(-1, 32, 32))


def test_no_pattern_is_read_twice(source):
    asked = []
    read = source.source.read_counts

    class Watched:
        geometry = source.source.geometry

        def read_counts(self, tile):
            asked.append((tile.rows.start, tile.columns.start))
            return read(tile)

    object.__setattr__(source, "source", Watched())
    read_sample(source)
    assert len(asked) == len(set(asked)) == 12 * 14


def test_the_quick_image_is_that_of_the_patterns_that_were_read(source, patterns):
    sample = read_sample(source, most_bytes=50 * patterns[0, 0].nbytes)
    detector = Detector(cy=15, cx=16, inner=3, outer=8)
    expected = patterns[::2, ::2][..., detector.mask((32, 32))].sum(axis=-1)
    np.testing.assert_allclose(sample.image(detector), expected, rtol=1e-6)
    assert (sample.image(Detector(cy=-99, cx=0, inner=0, outer=2)) == 0).all()


def test_the_sums_are_exact_and_come_with_progress(patterns, monkeypatch):
    monkeypatch.setattr("unmix4d.explore.source.BLOCK_BYTES", 3 * 14 * patterns[0, 0].nbytes)
    told = list(Look(source=whole_source(api.open_scan(patterns))).sums())
    assert [n for n, _ in told] == sorted({n for n, _ in told})
    assert len(told) > 3
    assert told[-1][0] == 12 * 14
    assert all(len(values) == 0 for _, values in told[:-1])
    mean, maximum = told[-1][1].reshape(2, 32, 32)
    np.testing.assert_allclose(mean, patterns.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_array_equal(maximum, patterns.max(axis=(0, 1)))


def test_values_below_zero_and_none_count_nothing():
    patterns = np.full((2, 2, 4, 4), -3.0, np.float32)
    patterns[0, 0, 0, 0], patterns[1, 1, 2, 2] = 8, np.nan
    *_, (_, values) = Look(source=whole_source(api.open_scan(patterns))).sums()
    mean, maximum = values.reshape(2, 4, 4)
    assert mean.sum() == mean[0, 0] == 2
    assert maximum.sum() == 8
