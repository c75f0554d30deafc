"""Faults of the camera that show in sums over the scan: hot and dead pixels, an offset, saturation, a beam stop."""

from dataclasses import dataclass

import numpy as np

from unmix4d.records import Beam, BoolArray, FloatArray

HOT_RATIO = 6.0
MIDDLE, THIRD = 4, 5
SURE = 5.0
STEADY = 0.5
LEAST_PROBES = 32
LEAST_SIDE = 8

DARK, DARKEST, BRIGHT = 0.10, 0.02, (0.90, 0.99)
LEAST_BRIGHT, MUCH_MORE = 0.25, 0.1
RISE = 0.5
QUIET = 0.8
FAR_FROM_0 = 3.0
ALIKE, EQUAL = 0.15, 0.03
LEAST_DARK = 16

FULL_SHARE, FULL_PROBES, FULL_VALUE = 0.02, 8, 4

SHADOW_DEPTH, SHADOW_EDGE = 0.1, 0.3
SHADOW_LEAST, SHADOW_MOST = 12, 0.3
LIT = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """What is known of every stored pixel, each (pixel_y, pixel_x) float64.

    Attributes
    ----------
    mean, variance : over the probes
    noise : variance between neighbouring probes
    largest, times : largest value, and at how many probes it occurs
    n_probes : int
    """

    mean: FloatArray
    variance: FloatArray
    noise: FloatArray
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


def _neighbour(image: FloatArray, rank: int) -> FloatArray:
    """Give, of the eight neighbours of every pixel, the one of this rank from below."""
    from scipy.ndimage import rank_filter  # noqa: PLC0415 - slow import

    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    return np.asarray(rank_filter(image, rank, footprint=ring, mode="nearest"))


def find_hot(pixels: Pixels, level: float = 0.0) -> BoolArray:
    """Pixels that are far brighter than what is about them, and bright at every probe alike.

    Six times the third brightest neighbour: a Gaussian spot with a standard deviation of 0.6 pixels comes to four.
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
    mean, around = pixels.mean - level, np.maximum(_neighbour(pixels.mean, THIRD) - level, 0)
    noise = (pixels.variance + HOT_RATIO**2 * _neighbour(pixels.variance, THIRD)) / pixels.n_probes
    above = mean - HOT_RATIO * around
    between_grains = np.maximum(pixels.variance - pixels.noise, 0)
    return np.asarray((above > SURE * np.sqrt(noise)) & (above > 0) & (between_grains < STEADY * mean**2))


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
    noise = np.sqrt(_neighbour(pixels.variance, MIDDLE) / pixels.n_probes)
    counting = (_neighbour(pixels.mean, MIDDLE) > SURE * noise) | (level > 0)  # a camera with an offset has noise
    return np.asarray(pixels.constant & (noise > 0) & counting)


def find_offset(pixels: Pixels, bad: BoolArray, *, integers: bool) -> float:
    """Level that a camera adds to every pixel; 0 unless that is sure.

    The noise of counts goes with their mean, whatever one electron counts; an offset has none. So noise over mean
    in the darkest tenth of the pixels must be less than half of what it is for what bright pixels count more; and
    the dark ones must be much alike or, counted as electrons, quieter than counting allows. Or they are both, and
    as good as equal: under a high offset all pixels are dark. A level from which the dark
    ones often come near 0 is never taken.

    Parameters
    ----------
    pixels : Pixels
    bad : (pixel_y, pixel_x) bool
        Pixels to pass over.
    integers : bool
        Whether values are whole numbers; others may have any unit, in which no noise is too quiet.

    Returns
    -------
    float
        The 2 % quantile of the mean pattern, a whole number for integers.
    """
    usable = ~bad & ~pixels.constant & (pixels.mean > 0)
    if not pixels.enough or usable.sum() * DARK < LEAST_DARK:
        return 0.0
    mean, noise = pixels.mean[usable], pixels.noise[usable]
    lowest, low, *bright = np.quantile(mean, (DARKEST, DARK, *BRIGHT))
    dark, brighter = mean <= low, (mean >= bright[0]) & (mean <= bright[1])
    in_dark = float(noise[dark].sum() / mean[dark].sum())
    more = float(np.median(mean[brighter])) - float(mean[dark].mean())
    noise_of_more = float(np.quantile(noise[brighter], LEAST_BRIGHT)) - float(noise[dark].mean())
    rises = more > MUCH_MORE * low and in_dark * more < RISE * noise_of_more
    quiet = integers and in_dark < QUIET
    unevenness = (low - lowest) / lowest
    if lowest < FAR_FROM_0 * np.sqrt(pixels.variance[usable][dark].mean()):
        return 0.0
    if not ((rises and (quiet or unevenness < ALIKE)) or (quiet and unevenness < EQUAL)):
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

    Farther out, where all is dimmer, dark means darker than other pixels as far from the middle: the arm of a stop
    ends at the detector's edge, and the dim rim there is no part of its shadow.

    Parameters
    ----------
    mean : (pixel_y, pixel_x) float

    Returns
    -------
    (pixel_y, pixel_x) bool
        Without any True unless it is sure.
    """
    from scipy.ndimage import gaussian_filter, label, median  # noqa: PLC0415 - slow import

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
    round_about = np.rint(far).astype(np.int64)
    level = np.asarray(median(smooth, round_about, np.arange(round_about.max() + 1)))[round_about]
    pieces, _ = label(smooth < SHADOW_EDGE * np.where(far > side / 4, np.minimum(level, bright), bright))
    deepest = np.unravel_index(int(np.where(inner, smooth, np.inf).argmin()), mean.shape)
    shadow = np.asarray(pieces == pieces[deepest])
    sound = SHADOW_LEAST <= shadow.sum() <= SHADOW_MOST * shadow.size and shadow[ring].mean() < SHADOW_MOST
    lit = (smooth[ring & ~shadow] >= SHADOW_EDGE * bright).mean() > LIT
    return shadow if sound and lit else none
