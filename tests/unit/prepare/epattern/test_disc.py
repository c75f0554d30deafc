"""The opening by a disc: that of scikit-image, bit by bit, and what a disc must do."""

import numpy as np
import pytest
from skimage.morphology import disk, opening

from unmix4d.prepare.epattern.background import Background
from unmix4d.prepare.epattern.disc import disc_steps, open_by_disc

RADII = range(1, 25)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).gamma(1.5, 20, shape).astype(np.float32)


@pytest.mark.parametrize("radius", RADII)
def test_its_steps_are_those_of_scikit_image(radius):
    theirs = [step for step, times in disk(radius, decomposition="sequence") for _ in range(times)]
    np.testing.assert_array_equal(np.array(disc_steps(radius)), np.array(theirs))


@pytest.mark.parametrize("shape", [(40, 40), (41, 57), (9, 33), (1, 5), (3, 3)])
@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8, 9, 12, 16])
def test_it_gives_every_bit_of_scikit_image(shape, radius):
    images = noise(3, *shape)
    theirs = [opening(image, disk(radius, decomposition="sequence")) for image in images]
    ours = open_by_disc(images, radius)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, np.array(theirs))


def test_a_disc_beyond_the_image_leaves_the_least_value():
    images = noise(2, 5, 9)
    lowest = images.min(axis=(1, 2), keepdims=True)
    for radius in (14, 300, 10**6):
        np.testing.assert_array_equal(open_by_disc(images, radius), np.broadcast_to(lowest, images.shape))


def test_a_disc_that_fits_stays_and_a_smaller_one_goes():
    y, x = np.indices((41, 41)) - 20
    for radius, stays in ((8, True), (4, False)):
        image = np.where(np.hypot(y, x) <= radius + 0.5, 7, 2).astype(np.float32)
        assert (open_by_disc(image[None], 6)[0].max() == 7) == stays


def test_background_with_a_radius_far_beyond_the_pattern():
    left = Background(name="top-hat", radius=1e4).take_from(noise(1, 32, 32))
    assert np.isfinite(left).all()
