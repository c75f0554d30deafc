"""Bragg spots of a component: what is left when its smooth background and its speckle are removed.

The steps and their constants are those of the research that this package builds on; they were chosen on simulated
scans and are listed in ``docs/decide.md``.
"""

import numpy as np

from unmix4d.records import Beam, BoolArray, FloatArray

MAX_SIDE = 96
MIN_SIDE = 16
BACKGROUND_QUANTILE = 35
WINDOW_SHARE = 0.055
SPECKLE_SIGMAS = 3.0
MAD_TO_SIGMA = 1.4826
BEAM_MARGIN = 1.0
PEAK_PIXELS = 0.05


def spot_patterns(patterns: FloatArray, used: BoolArray, beam: Beam | None) -> FloatArray:
    """Remove beam, smooth background and speckle from component patterns.

    The background is the 35 % percentile in a window of about a ninth of the detector, smoothed; speckle is what
    lies below three robust standard deviations. Patterns under 16 pixels a side keep all but the beam.

    Parameters
    ----------
    patterns : (k, pattern_y, pattern_x) float
    used : (pattern_y, pattern_x) bool
        Pixels that were factorised.
    beam : Beam or None

    Returns
    -------
    (k, pattern_y, pattern_x) float64, non-negative
    """
    shape = patterns.shape[1:]
    allowed = used.copy()
    if beam is not None:
        allowed &= ~Beam(center=beam.center, radius=beam.radius + BEAM_MARGIN).disc((shape[0], shape[1]))
    if min(shape) < MIN_SIDE:
        return np.asarray(np.where(allowed, patterns, 0.0))
    return np.stack([_spots(pattern.astype(np.float64), allowed) for pattern in patterns])


def _spots(pattern: FloatArray, allowed: BoolArray) -> FloatArray:
    if not allowed.any() or not pattern[allowed].any():
        return np.zeros_like(pattern)
    left = np.maximum(pattern - _background(_fill(pattern, allowed)), 0.0)
    values = left[allowed]
    middle = np.median(values)
    spread = MAD_TO_SIGMA * np.median(np.abs(values - middle))
    return np.where(allowed, np.maximum(left - middle - SPECKLE_SIGMAS * spread, 0.0), 0.0)


def _fill(pattern: FloatArray, allowed: BoolArray) -> FloatArray:
    """Replace pixels that are not allowed by the smoothed pattern around them."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow import

    sigma = max(1.0, WINDOW_SHARE * min(pattern.shape))
    weight = gaussian_filter(allowed.astype(np.float64), sigma)
    smooth = gaussian_filter(np.where(allowed, pattern, 0.0), sigma)
    around = np.divide(smooth, weight, out=np.zeros_like(smooth), where=weight > 0)
    return np.where(allowed, pattern, around)


def _background(pattern: FloatArray) -> FloatArray:
    """Smooth background, found on a copy of at most 96 pixels a side because the percentile filter is slow."""
    from scipy.ndimage import gaussian_filter, percentile_filter, zoom  # noqa: PLC0415 - slow import

    small = shrink(pattern[None])[0]
    half = max(2, round(WINDOW_SHARE * min(small.shape)))
    floor = percentile_filter(small, BACKGROUND_QUANTILE, size=2 * half + 1)
    smooth = gaussian_filter(floor, (2 * half + 1) / 3)
    if small.shape == pattern.shape:
        return np.asarray(smooth)
    factors = [size / part for size, part in zip(pattern.shape, smooth.shape, strict=True)]
    return np.asarray(zoom(smooth, factors, order=1, mode="nearest", grid_mode=True))


def shrink(patterns: FloatArray) -> FloatArray:
    """Mean over squares of pixels so that the smaller side is at most 96; incomplete squares are left out."""
    side = -(-min(patterns.shape[1:]) // MAX_SIDE)
    ny, nx = patterns.shape[1] // side, patterns.shape[2] // side
    squares = patterns[:, : ny * side, : nx * side].reshape(len(patterns), ny, side, nx, side)
    return np.asarray(squares.mean(axis=(2, 4)))


def position_similarity(spots: FloatArray) -> FloatArray:
    """Cosine between the square roots of spot patterns (k, y, x): 1 = spots at the same places, (k, k) float64.

    The square root makes it a comparison of positions rather than of intensities.
    """
    roots = np.sqrt(shrink(spots)).reshape(len(spots), -1)
    lengths = np.linalg.norm(roots, axis=1)
    return np.asarray(roots @ roots.T / np.maximum(np.outer(lengths, lengths), np.finfo(float).tiny))


def peakedness(spots: FloatArray) -> FloatArray:
    """Share of each spot pattern's intensity in its brightest 5 % of pixels, (k,)."""
    flat = np.sort(spots.reshape(len(spots), -1), axis=1)[:, ::-1]
    n = max(1, round(PEAK_PIXELS * flat.shape[1]))
    return np.asarray(flat[:, :n].sum(axis=1) / np.maximum(flat.sum(axis=1), np.finfo(float).tiny))
