"""Patterns and virtual images as they are read from a scan: cropped, binned and filtered as the run did it."""

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import UsageError
from unmix4d.explore.source import Detector, pattern_source


def image_of(source, detector):
    blocks = list(source.virtual(detector))
    assert [first for first, _ in blocks] == np.cumsum([0, *(len(v) for _, v in blocks[:-1])]).tolist()
    return np.concatenate([values for _, values in blocks]).reshape(source.source.geometry.scan_shape)


@pytest.fixture(scope="module")
def patterns(scan_path):
    return np.load(scan_path)


@pytest.fixture(scope="module")
def source(run, scan_path):
    return pattern_source(api.open_scan(scan_path), run.result, run.settings)


def test_crop_and_bin_are_those_of_the_run(run_of, scan_path, patterns):
    run = run_of(scan_path, crop=(2, 11, 1, 13), bin=2)
    source = pattern_source(api.open_scan(scan_path), run.result, run.settings)
    expected = patterns[2 + 4, 1 + 5].reshape(16, 2, 16, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(source.measured(4, 5), expected)
    assert source.filtered(4, 5) is None
    image = image_of(source, Detector(cy=7.5, cx=7.5, inner=0, outer=100))
    np.testing.assert_allclose(image, patterns[2:11, 1:13].sum(axis=(2, 3)), rtol=1e-6)


@pytest.mark.parametrize("probe", [(0, 0), (5, 7), (11, 13)])
def test_the_filter_sees_the_neighbours_also_at_the_edge(run_of, scan_path, patterns, probe):
    run = run_of(scan_path, filter="mean")
    source = pattern_source(api.open_scan(scan_path), run.result, run.settings)
    y, x = probe
    around = patterns[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
    np.testing.assert_allclose(source.filtered(y, x), around.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_array_equal(source.measured(y, x), patterns[y, x])


@pytest.mark.parametrize(
    "detector",
    [
        Detector(cy=16, cx=16, inner=0, outer=0.5),
        Detector(cy=0, cx=31, inner=0, outer=6),
        Detector(cy=10, cx=20, inner=4, outer=9),
        Detector(cy=-100, cx=16, inner=0, outer=3),
    ],
)
def test_virtual_images_sum_the_pixels_whose_middle_is_inside(source, patterns, detector):
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - detector.cy, x - detector.cx)
    mask = (distance >= detector.inner) & (distance <= detector.outer)
    np.testing.assert_allclose(image_of(source, detector), patterns[..., mask].sum(axis=-1), rtol=1e-6)


def test_a_scan_of_another_shape_is_refused(run, patterns):
    with pytest.raises(UsageError, match=r"11 x 14 of 32 x 32 pixels where the run has 12 x 14 of 32 x 32"):
        pattern_source(api.open_scan(patterns[:11]), run.result, run.settings)
