"""Faults put into scans by hand: found and mended where they are, nothing touched where they are not."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from unmix4d.execute import Serial, Threads
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.cleaning import Cleaning
from unmix4d.prepare.faults import find_shadow
from unmix4d.prepare.filters import Raw
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import Geometry, Scan

SPEC = PhantomSpec(scan_shape=(24, 30), pattern_shape=(48, 48), n_crystals=3, counts_per_pattern=2000)
NOTHING = Cleaning(hot_pixels="none", offset="none", descan="none", saturation="none", vacuum="none")


def scan_of(patterns: np.ndarray) -> Scan:
    geometry = Geometry(scan_shape=patterns.shape[:2], pattern_shape=patterns.shape[2:])
    return Scan(patterns=patterns, geometry=geometry)


def prepared(patterns: np.ndarray, *, executor=None, **options):
    return prepare(scan_of(patterns), executor=executor or Serial(), **options)


def whole(ready) -> np.ndarray:
    return np.concatenate([block for _, block in ready.matrix(filter=Raw()).blocks()])


def steps(ready) -> dict:
    return {step.name: step for step in ready.survey.cleaning}


def found(ready) -> set[str]:
    return {step.name for step in ready.survey.cleaning if step.found}


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return np.asarray(make_phantom(SPEC).scan.patterns)


@pytest.fixture(scope="module")
def wandering() -> np.ndarray:
    """Patterns that go 3 pixels down and 2 to the left over the scan."""
    phantom = make_phantom(replace(SPEC, vacuum_fraction=0.0, stacked_fraction=0.0))
    y, x = np.indices(SPEC.scan_shape)
    down, left = np.rint(3 * y / 23).astype(int), np.rint(2 * x / 29).astype(int)
    patterns = np.asarray(phantom.scan.patterns)
    moved = [np.roll(patterns[i, j], (down[i, j], -left[i, j]), (0, 1)) for i, j in np.ndindex(SPEC.scan_shape)]
    return np.stack(moved).reshape(patterns.shape)


CLEAN = {
    "usual": SPEC,
    "faint": replace(SPEC, counts_per_pattern=60),
    "very faint": replace(SPEC, counts_per_pattern=8),
    "bright": replace(SPEC, counts_per_pattern=200_000, dtype="uint32"),
    "sharp spots": replace(SPEC, spot_sigma=0.6 / 48),
    "sharp spots, bright": replace(SPEC, spot_sigma=0.6 / 48, counts_per_pattern=100_000, dtype="uint32"),
    "sharp spots of one crystal": replace(SPEC, spot_sigma=0.6 / 48, n_crystals=1, vacuum_fraction=0.0),
    "soft spots": replace(SPEC, spot_sigma=1.3 / 48),
    "bytes": replace(SPEC, dtype="uint8", counts_per_pattern=1000),
    "strong background": replace(SPEC, background_fraction=0.5, background_width=0.6, beam_fraction=0.3),
    "no vacuum": replace(SPEC, vacuum_fraction=0.0),
    "many small grains": replace(SPEC, n_crystals=4, grains_per_crystal=12, overlap_width=1.0),
    "no background": replace(SPEC, background_fraction=0.0),
    "bent": replace(SPEC, bending=1.0),
    "weak beam": replace(SPEC, beam_fraction=0.2, intensity_variation=0.1),
}


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_clean_scan_is_left_as_it_is(name, seed):
    patterns = np.asarray(make_phantom(replace(CLEAN[name], seed=seed)).scan.patterns)
    ready, untouched = prepared(patterns), prepared(patterns, cleaning=replace(NOTHING, vacuum="auto"))
    assert found(ready) <= {"vacuum"}
    assert ready.source.window.repair is None
    one, other = ready.matrix(filter=Raw()), untouched.matrix(filter=Raw())
    np.testing.assert_array_equal(one.pixel_mask, other.pixel_mask)
    np.testing.assert_array_equal(one.probe_mask, other.probe_mask)
    assert whole(ready).dtype == patterns.dtype
    np.testing.assert_array_equal(whole(ready), whole(untouched))


# Hot and dead pixels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["steady", "counting", "flickering", "full"])
def test_hot_pixels_are_left_out(clean, value):
    rng, places = np.random.default_rng(1), [(5, 7), (30, 40), (31, 12), (0, 30), (47, 20)]
    patterns = clean.copy()
    for y, x in places:
        heat = {
            "steady": 200,
            "counting": rng.poisson(40, clean.shape[:2]),
            "flickering": 150 * rng.integers(0, 2, clean.shape[:2]),
            "full": 65_535,
        }[value]
        patterns[:, :, y, x] = heat
    ready = prepared(patterns)
    assert {(int(y), int(x)) for y, x in np.argwhere(ready.survey.left_out)} == set(places)
    assert steps(ready)["hot pixels"].action == "5 pixels left out"
    share = 100 * patterns[:, :, *zip(*places, strict=True)].sum() / patterns.sum()
    assert steps(ready)["hot pixels"].before == pytest.approx(share, rel=1e-5)
    assert steps(ready)["hot pixels"].after == 0
    assert "hot pixels: 5 pixels left out" in ready.matrix(filter=Raw()).steps
    good = ~ready.survey.left_out
    np.testing.assert_array_equal(whole(ready), patterns[ready.matrix(filter=Raw()).probe_mask][:, good])


def test_hot_pixels_do_not_hide_the_vacuum_or_the_beam(clean):
    patterns = clean.copy()
    patterns[:, :, 4:44:8, 4:44:8] = 5000
    right, ready = prepared(clean).survey, prepared(patterns).survey
    np.testing.assert_array_equal(ready.vacuum, right.vacuum)
    assert ready.beam.center == pytest.approx(right.beam.center, abs=0.05)
    assert ready.mean_pattern.max() < 5000
    assert ready.data_range < 5000


def test_hot_pixels_stay_if_they_are_switched_off(clean):
    patterns = clean.copy()
    patterns[:, :, 5, 7] = 300
    ready = prepared(patterns, cleaning=Cleaning(hot_pixels="none"))
    assert ready.matrix(filter=Raw()).pixel_mask[5, 7]
    assert steps(ready)["hot pixels"].action == "switched off"
    assert steps(ready)["hot pixels"].before is None


@pytest.mark.parametrize("value", [0, 3])
def test_dead_pixels_are_left_out(clean, value):
    patterns = clean.copy()
    patterns[:, :, 20, 18] = patterns[:, :, 28, 26] = value
    ready = prepared(patterns)
    assert steps(ready)["dead pixels"].action == "2 pixels left out"
    pixel_mask = ready.matrix(filter=Raw()).pixel_mask
    assert not pixel_mask[20, 18]
    assert not pixel_mask[28, 26]


def test_pixels_that_no_electron_reached_are_not_called_dead():
    faint = np.asarray(make_phantom(replace(SPEC, counts_per_pattern=20)).scan.patterns)
    assert (faint.sum(axis=(0, 1)) == 0).any()
    assert "dead pixels" not in found(prepared(faint))


def test_a_bad_pixel_takes_the_values_of_its_good_neighbours_in_turn_before_binning():
    patterns = np.random.default_rng(0).poisson(50, (8, 8, 16, 16)).astype(np.float32)
    patterns[:, :, 7:10, 7:10] += 300  # a beam, so that one is found
    patterns[:, :, 3, 4] = 9999
    patterns[:, :, 3, 5] = 9999
    ready = prepared(patterns, bin=2)
    assert steps(ready)["hot pixels"].action == "2 pixels replaced by their neighbours"
    stored = np.concatenate([ready.source.read_unbinned(tile) for tile in ready.source.tiles])
    for x, around in (
        (4, [(2, 3), (2, 4), (2, 5), (3, 3), (4, 3), (4, 4), (4, 5)]),
        (5, [(2, 4), (2, 5), (2, 6), (3, 6), (4, 4), (4, 5), (4, 6)]),
    ):
        seen = set()
        for probe in np.ndindex(8, 8):
            value = stored[*probe, 3, x]
            seen |= {place for place in around if patterns[*probe, *place] == value}
            assert any(patterns[*probe, *place] == value for place in around)
        assert seen == set(around)
    block = ready.source.read(ready.source.tiles[0])
    assert block[2, 5, 1, 2] == stored[2, 5, 2:4, 4:6].sum()


# Camera offset ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [3, 20, 400])
def test_an_offset_without_noise_is_taken_away_to_the_last_bit(clean, offset):
    ready = prepared(clean + np.uint16(offset))
    assert steps(ready)["camera offset"].action == f"{offset} taken from every value"
    assert steps(ready)["camera offset"].before == pytest.approx(offset, abs=0.1)
    assert steps(ready)["camera offset"].after < 0.1
    assert whole(ready).dtype == np.uint16
    np.testing.assert_array_equal(whole(ready), whole(prepared(clean)))
    np.testing.assert_array_equal(ready.survey.vacuum, prepared(clean).survey.vacuum)


@pytest.mark.parametrize(("gain", "noise"), [(1, 2.0), (4, 3.0), (20, 5.0)])
def test_an_offset_is_found_under_gain_and_read_noise(clean, gain, noise):
    rng = np.random.default_rng(2)
    read = clean * gain + 50 + rng.normal(0, noise, clean.shape)
    ready = prepared(np.rint(np.maximum(read, 0)).astype(np.uint16))
    step = steps(ready)["camera offset"]
    assert step.found
    assert step.before == pytest.approx(50, abs=1)
    assert step.after < noise
    assert (ready.survey.vacuum == prepared(clean).survey.vacuum).mean() > 0.98


def test_an_offset_of_values_in_any_unit_is_found(clean):
    ready = prepared((clean + 5.0).astype(np.float32) / 1000)
    assert steps(ready)["camera offset"].before == pytest.approx(0.005, rel=0.02)
    assert steps(ready)["camera offset"].found


def test_counts_that_were_scaled_down_have_no_offset():
    many = np.asarray(make_phantom(replace(SPEC, counts_per_pattern=60_000, dtype="uint32")).scan.patterns)
    assert "camera offset" not in found(prepared((many // 8).astype(np.uint16)))
    assert "camera offset" not in found(prepared((many / many.max()).astype(np.float32)))


def test_dead_pixels_under_an_offset_are_found(clean):
    patterns = clean + np.random.default_rng(3).poisson(30, clean.shape).astype(np.uint16) // 3
    patterns[:, :, 2, 2] = 10
    patterns[:, :, 40, 3] = 0
    left_out = prepared(patterns).survey.left_out
    assert left_out[2, 2]
    assert left_out[40, 3]


def test_an_offset_is_set_or_switched_off(clean):
    patterns = clean + np.uint16(20)
    asked = prepared(patterns, cleaning=Cleaning(offset=7.0))
    np.testing.assert_array_equal(asked.source.read_counts(asked.source.tiles[0])[0], patterns[0] - 7)
    assert prepared(patterns, cleaning=Cleaning(offset="none")).source.window.repair is None


def test_negative_values_mean_that_the_offset_was_taken_away_before(clean):
    patterns = (clean + 20).astype(np.int32)
    patterns[0, 0, 0, 0] = -1
    assert "camera offset" not in found(prepared(patterns))


# Descan -----------------------------------------------------------------------------------------------------------


def test_a_wandering_beam_is_brought_to_rest(wandering):
    ready = prepared(wandering)
    step = steps(ready)["descan"]
    assert step.found
    assert step.before == pytest.approx(3, abs=0.5)
    assert step.after < 0.5
    moved = ready.source.window.repair.descan.everywhere().reshape(24, 30, 2)
    y, x = np.indices(SPEC.scan_shape)
    assert np.abs(moved[..., 0] - (3 * y / 23 - 1.5)).max() < 0.5
    assert np.abs(moved[..., 1] - (1 - 2 * x / 29)).max() < 0.5
    rows, columns = np.nonzero(~ready.survey.left_out)
    low, high = -np.rint(moved.min(axis=(0, 1))), 47 - np.rint(moved.max(axis=(0, 1)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (low[0], high[0], low[1], high[1])


def test_moved_counts_keep_their_type_and_their_sum(wandering):
    ready = prepared(wandering)
    inner = slice(4, 44)
    block = np.concatenate([ready.source.read_counts(tile) for tile in ready.source.tiles])
    assert block.dtype == np.uint16
    moved, stored = block[..., inner, inner].sum(dtype=float), wandering[..., inner, inner].sum(dtype=float)
    assert moved == pytest.approx(stored, rel=0.01)


def test_a_beam_that_wanders_and_is_saturated_is_brought_to_rest_and_left_out(wandering):
    ready = prepared(np.minimum(wandering, 40))
    assert {"descan", "saturation"} <= found(ready)
    center = np.rint(ready.survey.beam.center).astype(int)
    assert ready.survey.left_out[*center]
    assert steps(ready)["descan"].after < 0.5


def test_hot_pixels_are_replaced_before_patterns_are_moved(wandering):
    patterns = wandering.copy()
    patterns[:, :, 9, 11] = 3000
    ready = prepared(patterns)
    assert steps(ready)["hot pixels"].action == "1 pixel replaced by their neighbours"
    assert whole(ready).max() < 3000


def test_a_wandering_beam_may_be_left_alone(wandering):
    ready = prepared(wandering, cleaning=Cleaning(descan="none"))
    assert ready.source.window.repair is None
    np.testing.assert_array_equal(
        whole(ready), wandering.reshape(720, -1)[:, ready.matrix(filter=Raw()).pixel_mask.ravel()]
    )


def test_the_descan_of_vacuum_is_found(wandering):
    patterns = wandering.copy()
    y, x = np.indices(SPEC.pattern_shape)
    patterns[:, 20:, np.hypot(y - 24, x - 24) > 4] = 0
    ready = prepared(patterns)
    assert {"descan", "vacuum"} <= found(ready)
    assert ready.survey.vacuum[:, 20:].all()


# Saturation and beam stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "dtype"), [(255, "uint8"), (60, "uint16"), (4095, "uint16")])
def test_saturated_pixels_of_the_beam_are_left_out(limit, dtype):
    spec = replace(SPEC, counts_per_pattern=limit * 40, dtype="uint32")
    patterns = np.minimum(np.asarray(make_phantom(spec).scan.patterns), limit).astype(dtype)
    ready = prepared(patterns)
    often = (patterns == limit).mean(axis=(0, 1)) >= 0.02
    inside = replace(ready.survey.beam, radius=ready.survey.beam.radius + 1).disc(SPEC.pattern_shape)
    np.testing.assert_array_equal(ready.survey.left_out, often & inside)
    assert often.any()
    kept = prepared(patterns, cleaning=Cleaning(saturation="none"))
    assert kept.matrix(filter=Raw()).pixel_mask[often].all()


@pytest.mark.parametrize("share", [0.0, 0.002])
def test_the_shadow_of_a_beam_stop_is_left_out_and_no_spot_is_taken_for_the_beam(clean, share):
    y, x = np.indices(SPEC.pattern_shape)
    stop = np.hypot(y - 23.5, x - 23.5) <= 4
    patterns = clean.copy()
    patterns[:, :, stop] = np.random.default_rng(0).poisson(clean[:, :, stop] * share)
    ready = prepared(patterns)
    assert ready.survey.beam is None
    assert ready.survey.left_out[np.hypot(y - 23.5, x - 23.5) <= 2].all()
    assert steps(ready)["beam stop"].found
    assert "descan" not in found(ready)
    dark = ready.survey.vacuum | ready.survey.empty
    assert (dark == prepared(clean).survey.vacuum).mean() > 0.99


@pytest.mark.parametrize("rim", [0.05, 0.3, 1.0])
def test_an_arm_that_ends_at_a_dim_rim_is_a_shadow_and_the_rim_is_none(rim):
    y, x = np.indices((48, 48))
    far = np.hypot(y - 23.5, x - 23.5)
    mean = 10 * np.where(far < 16, 1.0, rim)
    assert not find_shadow(mean).any()
    stop = (far <= 5) | ((np.abs(x - 23.5) < 2) & (y > 23))
    mean[stop] = 0
    shadow = find_shadow(mean)
    assert shadow[far <= 3].all()
    assert not shadow[~stop].any()


# All of it --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(wandering):
    patterns = np.minimum(wandering, 60) + np.uint16(10)
    patterns[:, :, 7, 9] = patterns[:, :, 33, 5] = 2000
    patterns[:, :, 12, 30] = 0
    return patterns


def test_all_faults_at_once_are_found(faulty):
    ready = prepared(faulty)
    assert found(ready) == {"hot pixels", "dead pixels", "camera offset", "descan", "saturation"}
    assert steps(ready)["camera offset"].action == "10 taken from every value"
    assert steps(ready)["dead pixels"].before == 1


@pytest.mark.parametrize(
    ("block_bytes", "executor"), [(5000, Serial()), (140_000, Threads(2)), (10**9, Threads(3))]
)
def test_blocks_and_threads_change_nothing(faulty, block_bytes, executor):
    one, other = prepared(faulty), prepared(faulty, executor=executor, block_bytes=block_bytes)
    assert other.survey.cleaning == one.survey.cleaning
    np.testing.assert_array_equal(other.survey.left_out, one.survey.left_out)
    np.testing.assert_array_equal(other.survey.vacuum, one.survey.vacuum)
    np.testing.assert_array_equal(whole(other), whole(one))


def test_single_rows_are_those_of_the_blocks(faulty):
    matrix = prepared(faulty).matrix(filter=Raw())
    rows = np.array([0, 1, 77, 300, 301, 302, matrix.n_probes - 1])
    np.testing.assert_array_equal(matrix.rows(rows), whole(prepared(faulty))[rows])


def test_a_crop_is_repaired_like_a_scan_of_its_own(faulty):
    cropped, own = prepared(faulty, crop=(2, 22, 3, 29)), prepared(np.ascontiguousarray(faulty[2:22, 3:29]))
    assert cropped.survey.cleaning == own.survey.cleaning
    np.testing.assert_array_equal(whole(cropped), whole(own))


def test_a_repaired_source_is_small_when_it_travels(faulty):
    source = prepared(faulty).source
    alone = replace(source, scan=scan_of(np.zeros((24, 30, 48, 48), dtype=np.uint8)))
    there = pickle.loads(pickle.dumps(alone))  # noqa: S301 - our own
    assert len(pickle.dumps(source.window)) < 3000
    np.testing.assert_array_equal(there.window.repair.around, source.window.repair.around)


def test_signed_and_float_data_are_repaired_alike(faulty):
    level = Cleaning(offset=10.0)
    one, other = (prepared(faulty.astype(kind), cleaning=level) for kind in (np.float32, np.int32))
    assert "descan" in found(one)
    np.testing.assert_array_equal(whole(one)[:, :100], whole(other)[:, :100])
