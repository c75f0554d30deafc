"""Boundary or stacked: areas drawn by hand."""

import numpy as np
import pytest

from unmix4d.measure.regions import BOUNDARY, STACKED, find_regions, kind_of, usual_width

SHAPE = (24, 40)


def halves(middle=20):
    """Crystal 0 on the left, 1 on the right."""
    first = np.zeros(SHAPE, dtype=np.int16)
    first[:, middle:] = 1
    return first, 1 - first


def regions_of(first, second, overlap, fraction):
    return find_regions(first, second, fraction, overlap=overlap, assessed=np.ones(SHAPE, dtype=bool))


def test_a_narrow_band_between_two_crystals_is_a_boundary():
    first, second = halves()
    overlap = np.zeros(SHAPE, dtype=bool)
    overlap[:, 19:21] = True
    (region,) = regions_of(first, second, overlap, np.full(SHAPE, 0.4))
    assert (region.first, region.second, region.n_probes, region.between) == (0, 1, 48, True)
    assert kind_of(region, usual_width([region])) == BOUNDARY


def test_a_particle_within_a_crystal_is_stacked():
    first, second = np.zeros(SHAPE, dtype=np.int16), np.ones(SHAPE, dtype=np.int16)
    overlap = np.zeros(SHAPE, dtype=bool)
    overlap[8:16, 8:16] = True
    (region,) = regions_of(first, second, overlap, np.full(SHAPE, 0.4))
    assert not region.between
    assert np.isnan(usual_width([region]))
    assert kind_of(region, usual_width([region])) == STACKED


@pytest.mark.parametrize(("inclined", "kind"), [(True, BOUNDARY), (False, STACKED)])
def test_a_wide_area_is_a_boundary_only_if_the_share_goes_across_it(inclined, kind):
    first, second = halves()
    overlap = np.zeros(SHAPE, dtype=bool)
    overlap[:, 10:30] = True
    of_one = np.tile(np.clip((np.arange(40) - 9.5) / 20, 0, 1) if inclined else np.full(40, 0.45), (SHAPE[0], 1))
    fraction = np.where(first == 0, of_one, 1 - of_one if inclined else 1 - 0.55)
    (region,) = regions_of(first, second, overlap, fraction)
    assert region.between
    assert kind_of(region, 2.0) == kind


def test_areas_of_different_pairs_are_apart():
    first, second = halves()
    second[:12] = 2
    overlap = np.zeros(SHAPE, dtype=bool)
    overlap[:, 19:21] = True
    found = {(r.first, r.second): r.n_probes for r in regions_of(first, second, overlap, np.full(SHAPE, 0.3))}
    assert found == {(0, 1): 24, (0, 2): 12, (1, 2): 12}
