"""What of a pattern is no spot: the beam, and what is smooth."""

import numpy as np

from unmix4d.quality.kernels import running_rank
from unmix4d.records import Beam, BoolArray, FloatArray

MIN_SIDE, MAX_SIDE = 16, 96
"""Pixels: smaller patterns do not tell spots from background, larger ones are shrunk."""

BACKGROUND_QUANTILE = 0.35
WINDOW_SHARE = 0.055
BEAM_MARGIN = 1.0
MAD_TO_SIGMA = 1.4826


def outside_beam(shape: tuple[int, int], beam: Beam | None) -> BoolArray:
    """Pixels farther than a margin from the direct beam disc, all if there is none."""
    if beam is None:
        return np.ones(shape, dtype=bool)
    return ~Beam(center=beam.center, radius=beam.radius + BEAM_MARGIN).disc(shape)


def fill(patterns: FloatArray, allowed: BoolArray) -> FloatArray:
    """Replace pixels that are not allowed, which are 0, by the smoothed pattern around them."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow import

    if allowed.all():
        return patterns
    sigma = max(1.0, WINDOW_SHARE * min(allowed.shape))
    weight = gaussian_filter(allowed.astype(np.float32), sigma)
    smooth = gaussian_filter(patterns, (0, sigma, sigma))
    around = np.divide(smooth, weight, out=np.zeros_like(smooth), where=weight > 0)
    return np.where(allowed, patterns, around)


def smooth_background(patterns: FloatArray) -> FloatArray:
    """Smooth background, found on copies of at most 96 pixels a side."""
    from scipy.ndimage import gaussian_filter, zoom  # noqa: PLC0415 - slow import

    small = shrink(patterns)
    half = max(2, round(WINDOW_SHARE * min(small.shape[1:])))
    size = 2 * half + 1
    rank = int(BACKGROUND_QUANTILE * size)
    # A quantile of rows and then of columns is within 1 % of that of the square window and five times as fast.
    rows = _ranked(small, half, rank)
    floor = _ranked(rows.swapaxes(1, 2), half, rank).swapaxes(1, 2)
    smooth = gaussian_filter(floor, (0, size / 3, size / 3))
    if small.shape == patterns.shape:
        return np.asarray(smooth)
    factors = [1, *(size / part for size, part in zip(patterns.shape[1:], smooth.shape[1:], strict=True))]
    return np.asarray(zoom(smooth, factors, order=1, mode="nearest", grid_mode=True))


def _ranked(patterns: FloatArray, half: int, rank: int) -> FloatArray:
    lines = np.ascontiguousarray(patterns).reshape(-1, patterns.shape[2])
    return running_rank(lines, half, rank).reshape(patterns.shape)


def squares(shape: tuple[int, ...]) -> int:
    """Give the side of the squares of pixels that leave at most 96 along the smaller side of a pattern."""
    return -(-min(shape) // MAX_SIDE)


def shrink(patterns: FloatArray) -> FloatArray:
    """Mean over squares of pixels so that the smaller side is at most 96; incomplete squares are left out."""
    side = squares(patterns.shape[1:])
    if side == 1:
        return patterns
    ny, nx = patterns.shape[1] // side, patterns.shape[2] // side
    parts = patterns[:, : ny * side, : nx * side].reshape(len(patterns), ny, side, nx, side)
    return np.asarray(parts.mean(axis=(2, 4)))


def shrink_beam(beam: Beam | None, side: int) -> Beam | None:
    """Give the beam as it is after shrinking by squares of ``side``."""
    if beam is None:
        return None
    y, x = ((place - (side - 1) / 2) / side for place in beam.center)
    return Beam(center=(y, x), radius=beam.radius / side)
