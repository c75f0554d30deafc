"""Lattices turned about the beam by known angles, with intensities of their own."""

import numpy as np
import pytest

from unmix4d.quality.turned import PUREST_GAIN, turned_apart
from unmix4d.records import Beam

CENTRE = (30.2, 32.7)
SIDE = 64


def lattice(degrees, *, seed, side=SIDE, radius=1.4, moved=(0.0, 0.0)):
    """Spots of a lattice 7 pixels wide turned about the beam, with random intensities."""
    scale = side / SIDE
    h, k = np.mgrid[-4:5, -4:5].reshape(2, -1)
    kept = (h != 0) | (k != 0)
    angle = np.deg2rad(degrees + 10)
    places = scale * 7 * np.stack([h * np.sin(angle) + k * np.cos(angle), h * np.cos(angle) - k * np.sin(angle)])
    heights = np.random.default_rng(seed).uniform(0.2, 1, h.size)[kept]
    y, x = np.mgrid[:side, :side]
    image = np.zeros((side, side))
    for (dy, dx), height in zip(places[:, kept].T, heights, strict=True):
        away = np.hypot(y - scale * CENTRE[0] - dy - moved[0], x - scale * CENTRE[1] - dx - moved[1])
        image += height * np.exp(-((away / (scale * radius)) ** 2))
    return np.where(image > 0.05, image, 0)


def apart(*images, beam=None):
    found = turned_apart(np.stack(images), beam or Beam(center=CENTRE, radius=3.0), gain=PUREST_GAIN)
    np.testing.assert_array_equal(found, found.T)
    assert not found.diagonal().any()
    return found


@pytest.mark.parametrize("degrees", [-4.0, -2.0, -1.5, 1.5, 2.0, 3.0])
def test_a_lattice_that_is_turned_is_another_crystal(degrees):
    assert apart(lattice(0, seed=0), lattice(degrees, seed=1))[0, 1]


@pytest.mark.parametrize("degrees", [-0.5, 0.0, 0.5])
def test_other_intensities_or_half_a_degree_are_no_other_crystal(degrees):
    patterns = [lattice(0, seed=0), *(lattice(degrees, seed=seed) for seed in range(1, 8))]
    assert not apart(*patterns)[0].any()


def test_a_pattern_that_is_moved_is_not_turned():
    assert not apart(lattice(0, seed=0), lattice(0, seed=1, moved=(0.6, -0.5))).any()


def test_crystals_that_are_alike_at_no_angle_are_left_alone():
    sparse = np.zeros((SIDE, SIDE))
    sparse[[12, 20, 50, 41], [20, 52, 40, 10]] = 1
    assert not apart(lattice(0, seed=0), sparse).any()


def test_each_pair_is_judged_by_itself():
    found = apart(lattice(0, seed=0), lattice(2, seed=1), lattice(0, seed=2), np.zeros((SIDE, SIDE)))
    assert found[0, 1]
    assert found[1, 2]
    assert found.sum() == 4


def test_large_patterns_are_looked_at_smaller():
    beam = Beam(center=(3 * CENTRE[0], 3 * CENTRE[1]), radius=9.0)
    large = [lattice(degrees, seed=seed, side=3 * SIDE) for degrees, seed in ((0, 0), (2, 1), (0, 2))]
    found = apart(*large, beam=beam)
    assert found[0, 1]
    assert not found[0, 2]


def test_small_patterns_have_no_angle_to_speak_of():
    assert not turned_apart(np.ones((2, 12, 40)), None, gain=0.0).any()


def test_without_a_beam_the_middle_of_the_detector_is_turned_about():
    images = [
        lattice(degrees, seed=seed, moved=(31.5 - CENTRE[0], 31.5 - CENTRE[1]))
        for degrees, seed in ((0, 0), (2, 1), (0, 2))
    ]
    found = turned_apart(np.stack(images), None, gain=PUREST_GAIN)
    assert found[0, 1]
    assert not found[0, 2]


@pytest.mark.parametrize("moved", [(0.5, 0.0), (-0.5, 0.5), (0.0, 0.5)])
def test_spots_on_one_side_of_the_beam_that_are_moved_are_not_turned(moved):
    one_side = np.indices((SIDE, SIDE))[1] > CENTRE[1] + 4
    assert not apart(lattice(0, seed=0) * one_side, lattice(0, seed=1, moved=moved) * one_side).any()
    assert apart(lattice(0, seed=0) * one_side, lattice(2, seed=1) * one_side)[0, 1]
