"""Faults of the camera that show in sums over the scan: hot and dead pixels, an offset, saturation, a beam stop."""

from dataclasses import dataclass

import numpy as np

from unmix4d.records import Beam, BoolArray, FloatArray

HOT_RATIO = 8.0
SURE = 5.0
STEADY = 0.5
LEAST_PROBES = 32
LEAST_SIDE = 8

DARK, DARKEST, DIM = 0.10, 0.02, (0.3, 0.5)
QUIET = 0.8
FLAT = 0.15
INTERCEPT = 0.7
LEAST_DARK = 16

FULL_SHARE, FULL_PROBES, FULL_VALUE = 0.02, 8, 4

SHADOW_DEPTH, SHADOW_EDGE = 0.1, 0.3
SHADOW_LEAST, SHADOW_MOST = 12, 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """What is known of every stored pixel, each (pixel_y, pixel_x) float64.

    Attributes
    ----------
    mean, variance : over the probes
    largest, times : largest value, and at how many probes it occurs
    n_probes : int
    """

    mean: FloatArray
    variance: FloatArray
    largest: FloatArray
    times: FloatArray
    n_probes: int

    @property
    def enough(self) -> bool:
        """Whether there are probes and pixels enough to judge."""
        return self.n_probes >= LEAST_PROBES and min(self.mean.shape) >= LEAST_SIDE

    @property
    def constant(self) -> BoolArray:
        """Pixels that have one value at all probes."""
        return np.asarray(self.times == self.n_probes)


def _middle_neighbour(image: FloatArray) -> FloatArray:
    """Median of the eight neighbours of every pixel."""
    from scipy.ndimage import median_filter  # noqa: PLC0415 - slow import

    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    return np.asarray(median_filter(image, footprint=ring, mode="mirror"))


def find_hot(pixels: Pixels, level: float = 0.0) -> BoolArray:
    """Pixels that are far brighter than what is about them, and bright at every probe alike.

    Eight times the median of the neighbours: a Gaussian spot with a standard deviation of 0.6 pixels comes to four.
    And steady: a spot is bright in its grains and dark elsewhere.

    Parameters
    ----------
    pixels : Pixels
    level : float
        The camera's offset.

    Returns
    -------
    (pixel_y, pixel_x) bool
    """
    if not pixels.enough:
        return np.zeros(pixels.mean.shape, dtype=bool)
    mean, around = pixels.mean - level, np.maximum(_middle_neighbour(pixels.mean) - level, 0)
    noise = (pixels.variance + HOT_RATIO**2 * _middle_neighbour(pixels.variance)) / pixels.n_probes
    above = mean - HOT_RATIO * around
    changes = np.maximum(pixels.variance - mean, 0)
    return np.asarray((above > SURE * np.sqrt(noise)) & (above > 0) & (changes < STEADY * mean**2))


def find_dead(pixels: Pixels, level: float = 0.0) -> BoolArray:
    """Pixels that have one value at all probes, where what is about them surely counts.

    Parameters
    ----------
    pixels : Pixels
    level : float
        The camera's offset.

    Returns
    -------
    (pixel_y, pixel_x) bool
    """
    if not pixels.enough:
        return np.zeros(pixels.mean.shape, dtype=bool)
    around = _middle_neighbour(pixels.mean) - level
    noise = np.sqrt(_middle_neighbour(pixels.variance) / pixels.n_probes)
    return np.asarray(pixels.constant & (noise > 0) & (around > SURE * noise))


def find_offset(pixels: Pixels, bad: BoolArray, *, integers: bool) -> float:
    """Level that a camera adds to every pixel; 0 unless that is sure.

    Counts vary at least as much as their mean, an offset does not vary at all. So in the darkest tenth of the
    pixels the variance must be below 0.8 of the mean. And either these pixels must be all alike, or the line
    through the variance over the mean of dark and dim pixels must meet zero near the mean of the dark ones.
    Values that are not whole numbers may have any unit: for them both must hold, and the first says nothing.

    Parameters
    ----------
    pixels : Pixels
    bad : (pixel_y, pixel_x) bool
        Pixels to pass over.
    integers : bool

    Returns
    -------
    float
        The 2 % quantile of the mean pattern, a whole number for integers.
    """
    usable = ~bad & ~pixels.constant & (pixels.mean > 0)
    if not pixels.enough or usable.sum() * DARK < LEAST_DARK:
        return 0.0
    mean, variance = pixels.mean[usable], pixels.variance[usable]
    lowest, low, dim, less_dim = np.quantile(mean, (DARKEST, DARK, *DIM))
    dark = mean <= low
    dark_mean, dark_variance = float(np.median(mean[dark])), float(np.median(variance[dark]))
    quiet = dark_variance < QUIET * dark_mean
    flat = low - lowest < FLAT * lowest
    others = (mean > dim) & (mean <= less_dim)
    rise, run = float(np.quantile(variance[others], 0.25)) - dark_variance, np.median(mean[others]) - dark_mean
    starts_late = rise > 0 and dark_mean - dark_variance * run / rise > INTERCEPT * dark_mean
    if not (quiet and (flat or starts_late) if integers else flat and starts_late):
        return 0.0
    return float(np.rint(lowest)) if integers else float(lowest)


def find_saturated(pixels: Pixels, beam: Beam, bad: BoolArray) -> BoolArray:
    """Pixels of the direct beam that are often at the largest value that any of them has.

    Of values without a limit the largest occurs once or a few times; at least 2 % of the probes, and 8, must have
    it.

    Parameters
    ----------
    pixels : Pixels
    beam : Beam
        In stored pixels.
    bad : (pixel_y, pixel_x) bool
        Pixels to pass over.

    Returns
    -------
    (pixel_y, pixel_x) bool
    """
    near = Beam(center=beam.center, radius=beam.radius + 1).disc(pixels.mean.shape) & ~bad
    top = float(pixels.largest[near].max(initial=0))
    if top < FULL_VALUE:
        return np.zeros(near.shape, dtype=bool)
    often = pixels.times >= max(FULL_PROBES, FULL_SHARE * pixels.n_probes)
    return np.asarray(near & (pixels.largest == top) & often)


def find_shadow(mean: FloatArray) -> BoolArray:
    """Pixels behind a beam stop: a dark piece about the middle of a mean pattern that is bright around it.

    Parameters
    ----------
    mean : (pixel_y, pixel_x) float

    Returns
    -------
    (pixel_y, pixel_x) bool
        Without any True unless it is sure.
    """
    from scipy.ndimage import gaussian_filter, label  # noqa: PLC0415 - slow import

    none = np.zeros(mean.shape, dtype=bool)
    side = min(mean.shape)
    if side < 4 * LEAST_SIDE:
        return none
    smooth = gaussian_filter(mean, 1.0)
    y, x = np.indices(mean.shape)
    far = np.hypot(y - (mean.shape[0] - 1) / 2, x - (mean.shape[1] - 1) / 2)
    inner, ring = far <= side / 8, (far > side / 8) & (far <= side / 4)
    bright = float(np.median(smooth[ring]))
    if bright <= 0 or smooth[inner].min() >= SHADOW_DEPTH * bright:
        return none
    pieces, _ = label(smooth < SHADOW_EDGE * bright)
    deepest = np.unravel_index(int(np.where(inner, smooth, np.inf).argmin()), mean.shape)
    shadow = np.asarray(pieces == pieces[deepest])
    sound = SHADOW_LEAST <= shadow.sum() <= SHADOW_MOST * shadow.size and shadow[ring].mean() < SHADOW_MOST
    return shadow if sound else none
