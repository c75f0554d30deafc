"""Filters by name: options, the table of spots and what is kept of it."""

import numpy as np
import pytest

from unmix4d.errors import InputError
from unmix4d.execute import Serial
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.epattern.filter import EPattern
from unmix4d.prepare.filtering import STEP, apply_filter
from unmix4d.prepare.source import sample_patches
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import Geometry, Scan
from unmix4d.registry import NothingKept


class InMemory:
    def __init__(self):
        self.steps = {}

    def load(self, step, /):
        return self.steps.get(step)

    def save(self, step, arrays, /):
        self.steps[step] = dict(arrays)


def scan_of(patterns):
    return Scan(
        patterns=patterns, geometry=Geometry(scan_shape=patterns.shape[:2], pattern_shape=patterns.shape[2:])
    )


@pytest.fixture(scope="module")
def prepared():
    scan = make_phantom(PhantomSpec(scan_shape=(8, 9), pattern_shape=(32, 32), n_crystals=2)).scan
    return prepare(scan, executor=Serial())


def use(prepared, name, keeper=None, **settings):
    return apply_filter(prepared, name, settings, executor=Serial(), keeper=keeper or NothingKept())


def test_a_filter_takes_the_settings_that_it_knows(prepared):
    made = use(prepared, "epattern", spot_background="radial", spot_radius=3.0, gate=0.2, seed=0)
    assert (made.filter.spot_background, made.filter.spot_radius) == ("radial", 3.0)
    assert use(prepared, "gated-mean", gate=0.2, spot_radius=3.0).filter.gate == 0.2
    assert use(prepared, "raw", gate=0.2).spots is None


def test_the_matrix_drawn_from_the_table_is_what_the_filter_gives(prepared):
    made = use(prepared, "epattern")
    patterns = prepared.source.read(prepared.source.tiles[0])
    matrix = made.prepared.matrix(filter=made.filter, spots=made.spots)
    expected = made.filter(patterns).reshape(72, -1)[matrix.probe_mask.ravel()][:, matrix.pixel_mask.ravel()]
    np.testing.assert_array_equal(matrix.read_block(0), expected)
    assert "filter: epattern" in matrix.steps


def test_a_table_that_was_kept_is_used_again(prepared):
    keeper = InMemory()
    first = use(prepared, "epattern", keeper)
    keeper.steps[STEP]["intensity"] = 2 * keeper.steps[STEP]["intensity"]
    again = use(prepared, "epattern", keeper)
    np.testing.assert_array_equal(again.spots.intensity, 2 * first.spots.intensity)
    np.testing.assert_array_equal(again.spots.first, first.spots.first)


def test_patterns_without_a_spot_count_as_empty():
    patterns = np.asarray(make_phantom(PhantomSpec(scan_shape=(6, 6), pattern_shape=(32, 32))).scan.patterns).copy()
    patterns[2, 3] = 1
    prepared = prepare(scan_of(patterns), executor=Serial())
    made = use(prepared, "epattern")
    assert not prepared.survey.empty.any()
    assert np.argwhere(made.prepared.survey.empty).tolist() == [[2, 3]]
    matrix = made.prepared.matrix(filter=made.filter, spots=made.spots)
    assert matrix.n_probes == 35
    assert made.prepared.matrix(filter=made.filter).n_probes == 35  # the same rows when they are read


def test_a_scan_without_any_spot_is_refused():
    patterns = np.ones((5, 5, 32, 32), np.uint16) * (3 + np.arange(5, dtype=np.uint16))[:, None, None, None]
    with pytest.raises(InputError, match="finds no spot in any pattern"):
        use(prepare(scan_of(patterns), executor=Serial()), "epattern")


@pytest.mark.parametrize(("shape", "n"), [((1, 1), 1), ((3, 50), 12), ((100, 100), 20), ((7, 2), 1)])
def test_patches_are_spread_over_the_scan_and_stay_in_it(shape, n):
    if shape == (1, 1):
        shape = (1, 2)
    patterns = np.arange(np.prod(shape), dtype=np.uint16).reshape(*shape, 1, 1) * np.ones((1, 1, 2, 2), np.uint16)
    source = prepare(scan_of(patterns + 1), executor=Serial()).source
    patches = list(sample_patches(source))
    assert len(patches) >= n
    assert all(patch.shape[0] == min(4, shape[0]) and patch.shape[1] == min(4, shape[1]) for patch in patches)
    firsts = [int(patch[0, 0, 0, 0]) for patch in patches]
    assert len(set(firsts)) == len(firsts)


def test_hot_pixels_that_cleaning_leaves_out_are_no_spots():
    scan = make_phantom(PhantomSpec(scan_shape=(12, 12), pattern_shape=(48, 48), n_crystals=2)).scan
    patterns = np.asarray(scan.patterns).copy()
    patterns[:, :, 5, 40] = 900
    prepared = prepare(scan_of(patterns), executor=Serial())
    assert prepared.survey.left_out[5, 40]
    spots = use(prepared, "epattern").spots
    assert not (np.hypot(spots.y - 5, spots.x - 40) < 2).any()
    assert isinstance(prepared.fitted(EPattern()), EPattern)
