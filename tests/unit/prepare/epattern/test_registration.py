"""Spots of known places and counts, and what becomes of patterns without any."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from unmix4d.errors import UsageError
from unmix4d.prepare.epattern.filter import EPattern, Sight
from unmix4d.records import DIRECT_BEAM, DOUBTFUL_BEAM, Beam, Survey

SIDE, HEIGHT = 128, 100.0


def spots_on(shape, places, heights, width):
    y, x = np.indices(shape)
    image = np.zeros(shape)
    for (cy, cx), height in zip(places, heights, strict=True):
        image += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    return image


def seen_with(width, **options):
    return EPattern(sight=Sight(level=HEIGHT, width=width, gain=options.pop("gain", 0.0)), **options)


def as_scan(*images, dtype=np.float32):
    return np.stack(images)[None].astype(dtype)


@cache
def recovered(snr: float, width: float):
    """Places and intensities relative to the truth, of 20 patterns with 25 spots on a hill of background."""
    rng = np.random.default_rng([int(snr), int(10 * width)])
    y, x = np.indices((SIDE, SIDE))
    hill = 40 * np.exp(-((y - SIDE / 2) ** 2 + (x - SIDE / 2) ** 2) / (2 * 30.0**2)) + 20
    truth, images = [], []
    for _ in range(20):
        grid = np.stack(np.meshgrid(*[np.arange(1, 6) * SIDE / 6] * 2, indexing="ij"), -1).reshape(-1, 2)
        places = grid + rng.uniform(-0.5, 0.5, grid.shape)
        noise = rng.normal(0, HEIGHT / snr, (SIDE, SIDE))
        truth.append(places)
        images.append(spots_on((SIDE, SIDE), places, [HEIGHT] * 25, width) + hill + noise)
    table = seen_with(width).register(as_scan(*images))
    off, counts, told, n_false = [], [], [], 0
    for p, places in enumerate(truth):
        mine = slice(table.first[p], table.first[p + 1])
        found = np.stack([table.y[mine], table.x[mine]], axis=1)
        distance, nearest = cKDTree(found).query(places)
        assert (distance < 1).all()
        n_false += len(found) - len(places)
        off.append(found[nearest] - places)
        counts.append(table.intensity[mine][nearest] / (2 * np.pi * width**2 * HEIGHT) - 1)
        told.append(table.intensity_noise[mine][nearest] / (2 * np.pi * width**2 * HEIGHT))
    return np.concatenate(off), np.concatenate(counts), np.concatenate(told), n_false


@pytest.mark.parametrize("width", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("snr", [10, 20, 50])
def test_places_are_as_good_as_the_noise_allows(snr, width):
    off, _, _, n_false = recovered(snr, width)
    best = (2 / np.pi) ** 0.5 / snr  # Cramer-Rao bound along one axis, of a Gaussian in white noise
    assert np.sqrt(np.mean(off**2)) <= max(1.15 * best, 0.025)
    assert np.sqrt(np.mean(off**2)) <= 0.1
    assert np.median(np.hypot(*off.T)) <= 0.1
    assert np.abs(off.mean(axis=0)).max() < 4 * best / len(off) ** 0.5 + 0.001
    assert n_false <= 2  # of 500


@pytest.mark.parametrize("width", [1.5, 2.0])
@pytest.mark.parametrize("snr", [10, 20, 50])
def test_intensities_are_within_five_percent_and_their_noise_is_told(snr, width):
    _, counts, told, _ = recovered(snr, width)
    assert abs(np.mean(counts)) < 0.02
    assert np.std(counts) < 0.05
    assert np.mean(told) == pytest.approx(np.std(counts), abs=0.005)


def test_a_narrow_spot_at_ten_to_one_is_limited_by_its_noise():
    _, counts, _, _ = recovered(10, 1.0)
    assert abs(np.mean(counts)) < 0.02
    assert np.std(counts) < 1.15 / (np.pi**0.5 * 10)  # the bound of 5.6 %


def test_counts_of_poisson_spots_are_unbiased():
    rng = np.random.default_rng(3)
    clean = spots_on((64, 64), [(31.3, 31.6), (15.2, 40.7)], [60, 30], 1.5) + 1
    table = seen_with(1.5, gain=1.0).register(rng.poisson(clean, (10, 20, 64, 64)).astype(np.float32))
    for height, place in ((60, (31.3, 31.6)), (30, (15.2, 40.7))):
        mine = np.hypot(table.y - place[0], table.x - place[1]) < 1.5
        total = 2 * np.pi * 1.5**2 * height
        assert mine.sum() == 200
        assert table.intensity[mine].mean() == pytest.approx(total, rel=0.03)
        assert table.intensity[mine].std() == pytest.approx(table.intensity_noise[mine].mean(), rel=0.15)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_type_of_counts_gives_the_same_spots(dtype):
    image = np.rint(spots_on((64, 64), [(30.2, 33.4), (12.6, 20.1)], [200, 120], 1.5) + 3)
    table = seen_with(1.5).register(as_scan(image, dtype=dtype))
    assert table.n_spots == 2
    np.testing.assert_allclose(table.y, [30.2, 12.6], atol=0.02)
    np.testing.assert_allclose(table.x, [33.4, 20.1], atol=0.02)
    assert table.intensity.dtype == np.float32


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("shape", [(32, 32), (1, 4), (3, 3), (2, 5)])
def test_a_constant_pattern_has_no_spot_and_is_drawn_empty(value, shape):
    patterns = np.full((2, 3, *shape), value, dtype=np.float32)
    table = EPattern().register(patterns)
    assert table.n_spots == 0
    assert table.first.tolist() == [0] * 7
    assert not EPattern()(patterns).any()


def test_pure_noise_has_next_to_no_spots():
    patterns = np.random.default_rng(5).poisson(3, (1, 20, 128, 128)).astype(np.float32)
    assert seen_with(1.5, gain=1.0).register(patterns).n_spots <= 2


def test_single_electrons_are_no_spots():
    patterns = np.random.default_rng(6).poisson(0.003, (1, 20, 128, 128)).astype(np.float32)
    assert seen_with(1.0, gain=1.0).register(patterns).n_spots <= 2


def test_a_spot_on_the_border_is_left_out():
    inside, cut = (32.2, 31.7), (20.0, 0.4)
    table = seen_with(1.5).register(as_scan(spots_on((64, 64), [inside, cut], [100, 100], 1.5)))
    assert table.n_spots == 1
    assert (table.y[0], table.x[0]) == pytest.approx(inside, abs=0.02)


@pytest.mark.parametrize("at", [(0.3, -0.2), (0.5, 0.5), (-0.4, 0.1)])
def test_two_spots_six_pixels_apart_bias_each_other_by_a_bounded_amount(at):
    first = np.array([30.0 + at[0], 28.0 + at[1]])
    second = np.array([first[0], first[1] + 6])
    table = seen_with(1.5).register(as_scan(spots_on((64, 64), [first, second], [100, 60], 1.5)))
    order = np.argsort(table.x)
    assert table.n_spots == 2
    assert abs(table.x[order] - [first[1], second[1]]).max() < 0.25
    assert abs(table.y[order] - first[0]).max() < 0.02
    np.testing.assert_allclose(table.intensity[order] / (2 * np.pi * 1.5**2), [100, 60], rtol=0.05)


def test_the_direct_beam_is_the_spot_nearest_to_the_middle_and_comes_first():
    places = [(32.3, 31.1), (20, 31), (45, 50)]
    table = seen_with(1.5).register(as_scan(spots_on((64, 64), places, [80, 100, 60], 1.5)))
    assert table.flags.tolist() == [DIRECT_BEAM, 0, 0]
    assert table.bright_field()[0, 0] == pytest.approx(2 * np.pi * 1.5**2 * 80, rel=0.02)
    assert table.count_map()[0, 0] == 2
    assert np.all(np.diff(np.hypot(table.y - 31.5, table.x - 31.5)) > 0)


def test_a_much_brighter_spot_near_the_middle_is_the_beam_and_is_marked():
    table = seen_with(1.5).register(as_scan(spots_on((64, 64), [(32, 32), (41, 32)], [20, 100], 1.5)))
    assert table.flags.tolist() == [DIRECT_BEAM + DOUBTFUL_BEAM, 0]
    assert table.y[0] == pytest.approx(41, abs=0.1)


def test_without_a_beam_near_the_middle_none_is_marked():
    table = seen_with(1.5).register(as_scan(spots_on((64, 64), [(10, 12)], [100], 1.5)))
    assert table.flags.tolist() == [0]
    assert table.bright_field()[0, 0] == 0
    assert table.dark_field()[0, 0] > 0


def test_spots_move_with_their_beam_to_where_it_should_be():
    beam, spot = np.array([33.4, 30.6]), np.array([20.2, 44.1])
    image = spots_on((64, 64), [beam, spot], [100, 50], 1.5)
    sight = Sight(level=HEIGHT, width=1.5, gain=0.0, center=(32.0, 31.0))
    moved = EPattern(sight=sight).register(as_scan(image))
    assert (moved.y[0], moved.x[0]) == (32.0, 31.0)
    assert (moved.y[1] - 32, moved.x[1] - 31) == pytest.approx(tuple(spot - beam), abs=0.05)
    stays = EPattern(sight=sight, center=False).register(as_scan(image))
    assert (stays.y[0], stays.x[0]) == pytest.approx(tuple(beam), abs=0.05)


def test_bad_pixels_are_no_spots_and_do_not_pull_at_others():
    image = spots_on((64, 64), [(32.0, 32.0)], [100], 1.5)
    image[10, 50], image[32, 33] = 5000, 0
    bad = np.zeros((64, 64), dtype=bool)
    bad[10, 50] = bad[32, 33] = True
    sight = Sight(level=HEIGHT, width=1.5, gain=0.0, bad=bad)
    table = EPattern(sight=sight).register(as_scan(image))
    assert table.n_spots == 1
    assert (table.y[0], table.x[0]) == pytest.approx((32, 32), abs=0.15)


def test_no_more_spots_are_kept_than_asked_for_the_most_prominent_first():
    places = [(y, x) for y in range(10, 60, 12) for x in range(10, 60, 12)]
    heights = np.linspace(30, 100, len(places))
    table = seen_with(1.2, most=5).register(as_scan(spots_on((64, 64), places, heights, 1.2)))
    assert table.n_spots == 5
    assert table.intensity.min() == pytest.approx(2 * np.pi * 1.2**2 * heights[-5], rel=0.05)


def test_a_shoulder_that_rises_too_little_is_no_spot():
    ridge = spots_on((64, 64), [(32, 28), (32, 31.5)], [100, 99], 2.0)  # one smooth hill after smoothing
    assert seen_with(2.0).register(as_scan(ridge)).n_spots == 1


def test_the_noise_is_that_of_the_corners_and_sets_the_least_prominence():
    image = np.random.default_rng(8).normal(50, 4, (64, 64))
    table = seen_with(1.5).register(as_scan(image, np.zeros((64, 64))))
    assert table.noise[0, 0] == pytest.approx(4, rel=0.1)
    assert table.least_prominence[0, 0] == table.noise[0, 0]
    assert table.noise[0, 1] == 0
    assert table.least_prominence[0, 1] == pytest.approx(3 * HEIGHT / 255)


def test_the_counts_of_a_spot_are_drawn_whole():
    image = spots_on((64, 64), [(32.3, 31.6), (12.1, 40.7)], [100, 50], 1.5)
    filtering = seen_with(1.5)
    table = filtering.register(as_scan(image))
    drawn = filtering.draw(table, np.array([0]))[0].reshape(64, 64)
    assert drawn.sum() == pytest.approx(table.intensity.sum(), rel=1e-5)
    assert (drawn > 0).mean() < 0.03
    y, x = np.indices(drawn.shape)
    near = np.hypot(y - 12.1, x - 40.7) < 6
    assert (drawn[near] * y[near]).sum() / drawn[near].sum() == pytest.approx(12.1, abs=0.05)


def test_what_is_drawn_and_registered_again_stays_the_same():
    rng = np.random.default_rng(9)
    grid = np.stack(np.meshgrid(*[np.arange(12, 120, 20)] * 2, indexing="ij"), -1).reshape(-1, 2)
    places = grid + rng.uniform(-0.5, 0.5, grid.shape)
    filtering = seen_with(1.8)
    first = filtering.register(as_scan(spots_on((128, 128), places, rng.uniform(40, 100, len(places)), 1.8)))
    once = filtering.draw(first, np.array([0])).reshape(1, 1, 128, 128)
    second = filtering.register(once)
    twice = filtering.draw(second, np.array([0])).reshape(1, 1, 128, 128)
    third = filtering.register(twice)
    assert first.n_spots == second.n_spots == third.n_spots == len(places)
    np.testing.assert_allclose(np.sort(second.y), np.sort(first.y), atol=0.05)
    np.testing.assert_allclose(np.sort(third.y), np.sort(second.y), atol=0.05)
    assert second.intensity.sum() == pytest.approx(first.intensity.sum(), rel=0.03)
    assert third.intensity.sum() == pytest.approx(second.intensity.sum(), rel=0.03)


def survey_of(mean, beam):
    scan = np.zeros((4, 4))
    return Survey(
        mean_pattern=mean,
        total_counts=scan,
        dark_field=scan,
        beam=beam,
        vacuum=scan > 0,
        empty=scan > 0,
        data_range=1.0,
    )


@pytest.mark.parametrize("width", [0.9, 1.5, 2.5])
def test_fit_finds_how_wide_spots_are_how_bright_and_how_noisy(width):
    mean = spots_on((96, 96), [(47.3, 48.2)], [400], width) + 2
    patches = [np.random.default_rng(i).poisson(mean, (4, 4, 96, 96)).astype(np.float32) * 3 for i in range(6)]
    beam = Beam(center=(47.3, 48.2), radius=4.0)
    sight = EPattern().fit(patches, survey_of(3 * mean, beam)).sight
    assert sight.width == pytest.approx(width, rel=0.03)
    assert sight.center == (47.3, 48.2)
    assert sight.gain == pytest.approx(3, rel=0.05)
    assert sight.level == pytest.approx(np.percentile(3 * mean, 99.9), rel=0.1)


def test_a_given_radius_is_taken_and_without_a_beam_the_usual_one():
    patches = [np.ones((2, 2, 64, 64), dtype=np.float32)]
    nothing = survey_of(np.ones((64, 64)), None)
    assert EPattern(spot_radius=5.355).fit(patches, nothing).sight.width == pytest.approx(3)
    assert EPattern().fit(patches, nothing).sight.width == 0.7
    assert EPattern().fit([np.zeros((2, 2, 64, 64), dtype=np.float32)], nothing).sight.level == 255
    with pytest.raises(UsageError, match="radius of a spot"):
        EPattern(spot_radius=0)


@settings(max_examples=25)
@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([(24, 24), (17, 30), (5, 3)])
)
def test_patterns_are_registered_one_by_one_whatever_stands_beside_them(rows, columns, seed, shape):
    patterns = np.random.default_rng(seed).poisson(2, (rows, columns, *shape)).astype(np.float32)
    patterns[..., shape[0] // 2, shape[1] // 2] += 40
    before = patterns.copy()
    filtering = seen_with(1.0, gain=1.0)
    whole = filtering(patterns)
    np.testing.assert_array_equal(patterns, before)
    assert whole.shape == patterns.shape
    assert whole.min() >= 0
    for y in range(rows):
        np.testing.assert_array_equal(filtering(patterns[y : y + 1]), whole[y : y + 1])


def test_a_spot_that_cannot_be_the_beam_moves_nothing():
    spot = np.array([24.2, 35.1])
    image = spots_on((64, 64), [spot], [100], 1.5)
    sight = Sight(level=HEIGHT, width=1.5, gain=0.0, center=(32.0, 31.0))
    table = EPattern(sight=sight).register(as_scan(image))
    assert table.flags.tolist() == [0]
    assert (table.y[0], table.x[0]) == pytest.approx(tuple(spot), abs=0.05)


def test_where_the_beam_is_left_out_no_pattern_is_moved():
    near, spot = np.array([34.9, 31.2]), np.array([20.2, 44.1])
    image = spots_on((64, 64), [near, spot], [100, 50], 1.0)
    bad = np.zeros((64, 64), dtype=bool)
    bad[31:33, 30:33] = True
    sight = Sight(level=HEIGHT, width=1.0, gain=0.0, center=(32.0, 31.0), bad=bad)
    table = EPattern(sight=sight).register(as_scan(image))
    assert table.flags.tolist() == [0, 0]
    assert (table.y[0], table.x[0]) == pytest.approx(tuple(near), abs=0.1)
