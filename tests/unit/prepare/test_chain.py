"""Preparation: checks, cropping, binning, masks, and blocks that give the same matrix as the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmix4d.errors import InputError, UsageError
from unmix4d.execute import Serial, Threads
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import Raw, ScanMean
from unmix4d.records import Geometry, Scan


def scan_of(patterns: np.ndarray, step: float | None = None) -> Scan:
    geometry = Geometry(
        scan_shape=patterns.shape[:2], pattern_shape=patterns.shape[2:], pattern_step_inv_angstrom=step
    )
    return Scan(patterns=patterns, geometry=geometry)


def random_scan(shape=(5, 6, 8, 8), seed=0, dtype=np.uint16) -> np.ndarray:
    return np.random.default_rng(seed).poisson(5, shape).astype(dtype)


def whole(matrix) -> np.ndarray:
    return np.concatenate([block for _, block in matrix.blocks()])


def prepared(patterns, **options):
    return prepare(scan_of(patterns), executor=Serial(), **options)


def test_matrix_holds_the_patterns_in_c_order():
    patterns = random_scan()
    matrix = prepared(patterns).matrix(filter=Raw())
    np.testing.assert_array_equal(whole(matrix), patterns.reshape(30, 64))
    assert matrix.steps == ("filter: raw",)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4000), st.sampled_from([1, 3, 5]), st.booleans())
def test_blocks_with_halo_give_what_the_whole_scan_gives(rows, columns, block_bytes, size, threaded):
    if rows * columns < 2:
        return
    patterns = random_scan((rows, columns, 3, 4), seed=rows * 10 + columns) + 1
    executor = Threads(2) if threaded else Serial()
    matrix = prepare(scan_of(patterns), executor=executor, block_bytes=block_bytes).matrix(
        filter=ScanMean(size=size)
    )
    expected = ScanMean(size=size)(patterns.astype(np.float32)).reshape(-1, 12)
    np.testing.assert_allclose(whole(matrix), expected, rtol=1e-5)


def test_cached_blocks_are_read_once():
    class Counting:
        def __init__(self, patterns):
            self.patterns, self.shape, self.dtype, self.reads = patterns, patterns.shape, patterns.dtype, 0

        def __getitem__(self, key):
            self.reads += 1
            return self.patterns[key]

    source = Counting(random_scan())
    scan = Scan(patterns=source, geometry=scan_of(source.patterns).geometry)
    ready = prepare(scan, executor=Serial(), block_bytes=600)
    kept, dropped = ready.matrix(filter=Raw(), cache_bytes=2**20), ready.matrix(filter=Raw(), cache_bytes=100)
    for matrix, expected in ((kept, matrix_blocks := kept.n_blocks), (dropped, 2 * matrix_blocks)):
        source.reads = 0
        whole(matrix), whole(matrix)
        assert source.reads == expected


def test_crop_and_bin_are_applied_and_reported():
    patterns = random_scan((6, 7, 9, 9))
    ready = prepare(scan_of(patterns, step=0.02), executor=Serial(), crop=(1, 4, 2, 7), bin=2)
    matrix = ready.matrix(filter=Raw())
    expected = patterns[1:4, 2:7, :8, :8].reshape(3, 5, 4, 2, 4, 2).sum(axis=(3, 5)).reshape(15, 16)
    np.testing.assert_array_equal(whole(matrix), expected)
    assert matrix.geometry.pattern_step_inv_angstrom == pytest.approx(0.04)
    assert "cropped to scan lines 1-3, columns 2-6" in matrix.steps
    assert any(step.startswith("detector binned 2 x 2: 9 x 9 to 4 x 4 pixels, 17 pixels") for step in matrix.steps)


@pytest.mark.parametrize("crop", [(0, 0, 0, 3), (2, 1, 0, 3), (0, 9, 0, 3)])
def test_a_crop_outside_the_scan_is_refused(crop):
    with pytest.raises(UsageError, match="--crop"):
        prepared(random_scan(), crop=crop)


def test_a_bin_larger_than_the_detector_is_refused():
    with pytest.raises(UsageError, match="--bin 9"):
        prepared(random_scan(), bin=9)


def test_nan_is_an_error_that_names_the_first():
    patterns = random_scan(dtype=np.float32)
    patterns[2, 3, 4, 5] = np.nan
    patterns[4, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match=r"2 values .* probe \(2, 3\), pixel \(4, 5\)"):
        prepared(patterns)
    with pytest.raises(InputError, match=r"2 values .* probe \(2, 3\), pixel \(4, 5\)"):
        prepared(patterns, block_bytes=600)


def test_nan_zero_and_nan_mask():
    patterns = random_scan(dtype=np.float32) + 1
    patterns[2, 3, 4, 5] = np.nan
    zero = prepared(patterns, nan="zero").matrix(filter=Raw())
    assert whole(zero)[15, 37] == 0
    masked = prepared(patterns, nan="mask").matrix(filter=Raw())
    assert not masked.pixel_mask[4, 5]
    assert masked.n_pixels == 63
    patterns[1, 1] = np.nan
    dropped = prepared(patterns, nan="mask").matrix(filter=Raw())
    assert not dropped.probe_mask[1, 1]
    assert dropped.n_pixels == 63


def test_negative_values_are_clipped_with_a_warning_that_says_how_much():
    patterns = np.full((3, 4, 2, 2), 10, dtype=np.int16)
    patterns[0, 0, 0, 0] = -5
    survey = prepared(patterns).survey
    assert survey.clipped_fraction == pytest.approx(1 / 48)
    assert survey.clipped_min == -5
    assert any("2.08% of the values were negative, the lowest -5" in text for text in survey.warnings)
    assert survey.total_counts[0, 0] == 30


def test_negative_shift_and_error():
    patterns = np.full((3, 4, 2, 2), 10, dtype=np.int16)
    patterns[0, 0, 0, 0] = -5
    matrix = prepared(patterns, negative="shift").matrix(filter=Raw())
    assert whole(matrix)[0].tolist() == [0, 15, 15, 15]
    assert "offset of 5 added" in matrix.steps[0]
    with pytest.raises(InputError, match="1 negative values"):
        prepared(patterns, negative="error")


def test_a_scan_without_counts_is_refused():
    with pytest.raises(InputError, match="every pattern is zero"):
        prepared(np.zeros((3, 4, 5, 5), dtype=np.uint8))


def test_a_single_probe_is_refused():
    with pytest.raises(InputError, match="1 probes"):
        prepared(np.ones((1, 1, 5, 5), dtype=np.uint8))


def test_empty_patterns_and_dead_pixels_are_left_out():
    patterns = random_scan() + 1
    patterns[1, 2] = 0
    patterns[:, :, 3, 4] = 0
    matrix = prepared(patterns).matrix(filter=Raw())
    assert not matrix.probe_mask[1, 2]
    assert not matrix.pixel_mask[3, 4]
    assert (matrix.n_probes, matrix.n_pixels) == (29, 63)
    assert any("empty patterns left out: 1" in step for step in matrix.steps)


def test_a_mask_file_shape_is_checked_and_binned():
    patterns = random_scan()
    use = np.ones((8, 8), dtype=bool)
    use[0, 0] = False
    assert not prepared(patterns).matrix(filter=Raw(), mask=use).pixel_mask[0, 0]
    binned = prepared(patterns, bin=2).matrix(filter=Raw(), mask=use)
    assert binned.pixel_mask.shape == (4, 4)
    assert not binned.pixel_mask[0, 0]
    with pytest.raises(UsageError, match="the mask has 3 x 3"):
        prepared(patterns).matrix(filter=Raw(), mask=np.ones((3, 3), dtype=bool))


def test_byte_data_keep_their_range_and_saturation_is_counted():
    patterns = random_scan(dtype=np.uint8)
    patterns[0, 0, 0, :2] = 255
    survey = prepared(patterns).survey
    assert survey.data_range == 255
    assert survey.saturated_fraction == pytest.approx(2 / patterns.size)


def test_a_file_that_is_damaged_inside_is_told_with_the_place():
    class Damaged:
        shape, dtype = (4, 5, 8, 8), np.dtype(np.uint8)

        def __getitem__(self, key):
            if key[0].stop > 2:
                raise OSError("filter returned failure during read")
            return np.ones((key[0].stop - key[0].start, key[1].stop - key[1].start, 8, 8), dtype=np.uint8)

    scan = Scan(patterns=Damaged(), geometry=Geometry(scan_shape=(4, 5), pattern_shape=(8, 8)))
    with pytest.raises(InputError, match="scan lines 2 to 2 cannot be read, the file is damaged there"):
        prepare(scan, executor=Serial(), block_bytes=5 * 64 * 4)
