"""8-bit images as the scripts read them."""

import numpy as np

from unmix4d.paper.images import Images, read_images, shrunk, to_eight_bit, white_level
from unmix4d.records import Geometry, PatternMatrix


def matrix_of(values, pattern_shape):
    scan_shape = (len(values), 1)
    return PatternMatrix(
        read_block=lambda i: values[5 * i : 5 * i + 5],
        bounds=tuple(range(0, len(values) + 1, 5)),
        probe_mask=np.ones(scan_shape, dtype=bool),
        pixel_mask=np.ones(pattern_shape, dtype=bool),
        geometry=Geometry(scan_shape=scan_shape, pattern_shape=pattern_shape),
    )


def test_scaling_rounds_and_cuts_off():
    np.testing.assert_array_equal(to_eight_bit(np.array([0, 1, 2.6, 10, 30]), 10), [0, 26, 66, 255, 255])


def test_8_bit_scans_are_taken_as_they_are():
    values = np.random.default_rng(0).integers(0, 256, (20, 16)).astype(np.uint8)
    images = read_images(matrix_of(values, (4, 4)), is_eight_bit=True)
    np.testing.assert_array_equal(images.values, values)
    assert images.white == 255


def test_a_filtered_8_bit_scan_is_rounded_and_not_scaled():
    values = np.random.default_rng(0).uniform(0, 90, (20, 16)).astype(np.float32)
    images = read_images(matrix_of(values, (4, 4)), is_eight_bit=True)
    np.testing.assert_array_equal(images.values, np.rint(values))


def test_other_scans_have_one_white_level():
    values = np.tile(np.arange(1000, dtype=np.uint16), (20, 1))
    matrix = matrix_of(values, (25, 40))
    assert white_level(matrix, is_eight_bit=False) == np.quantile(values, 0.999)
    images = read_images(matrix, is_eight_bit=False)
    assert images.values.dtype == np.uint8
    assert images.values.max() == 255
    assert images.values[3, 499] == round(255 * 499 / images.white)
    assert white_level(matrix_of(np.zeros((20, 16), np.uint16), (4, 4)), is_eight_bit=False) == 1


def test_large_images_are_resized_and_small_ones_are_not():
    rows = np.repeat(np.arange(0, 200, 2, dtype=np.uint8), 2)[:, None] * np.ones((1, 200), np.uint8)
    small = shrunk(Images(values=rows.reshape(1, -1), shape=(200, 200)), side=100)
    assert small.shape == (100, 100)
    picture = small.values[0].reshape(100, 100)
    assert np.abs(picture[:, 50].astype(int) - np.arange(0, 200, 2)).max() <= 1
    same = Images(values=rows.reshape(1, -1), shape=(200, 200))
    assert shrunk(same, side=200).values is same.values
    assert "not enlarged" in shrunk(same, side=256).steps[0]
