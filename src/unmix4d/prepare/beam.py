"""Where the direct beam is, and which probes are vacuum (method 1.2 and 4.5)."""

import numpy as np

from unmix4d.quality.background import MAD_TO_SIGMA
from unmix4d.records import Beam, BoolArray, FloatArray

BEAM_RADIUS_FACTOR = 1.5
BEAM_MIN_RADIUS = 3.0
BEAM_MAX_OFFSET = 1 / 6
CENTER_STEPS = 5
VACUUM_MIN_CONTRAST = 4.0
VACUUM_MIN_SEPARATION = 0.7
VACUUM_MIN_PROBES = 8
VACUUM_SPREAD = 5.0


def find_beam(mean_pattern: FloatArray, *, reach: float = BEAM_MAX_OFFSET) -> Beam | None:
    """Find the direct beam in a mean pattern.

    The brightest spot of the smoothed pattern, with 1.5 times its radius at half maximum, at least 3 pixels
    (method 1.2). None when that spot lies more than a sixth of the detector from the centre: then the beam is
    blocked or outside.

    Parameters
    ----------
    mean_pattern : (pattern_y, pattern_x) float
    reach : float
        How far from the centre it may be, as a share of the shorter side.

    Returns
    -------
    Beam or None
    """
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow import

    smooth = gaussian_filter(np.asarray(mean_pattern, dtype=np.float64), 1.0)
    shape = np.array(smooth.shape)
    peak = np.array(np.unravel_index(int(smooth.argmax()), smooth.shape))
    if smooth.max() <= 0 or np.hypot(*(peak - (shape - 1) / 2)) > reach * shape.min():
        return None
    center = (float(peak[0]), float(peak[1]))
    near = max(BEAM_MIN_RADIUS, BEAM_RADIUS_FACTOR * _half_radius(smooth, center))
    for _ in range(CENTER_STEPS):
        center = _center_of_mass(smooth, center, near)
    radius = BEAM_RADIUS_FACTOR * _half_radius(smooth, center)
    return Beam(center=center, radius=max(BEAM_MIN_RADIUS, radius))


def _center_of_mass(smooth: FloatArray, center: tuple[float, float], reach: float) -> tuple[float, float]:
    """Centre of mass of what rises above the median, within ``reach`` of ``center``."""
    y, x = np.indices(smooth.shape)
    near = np.hypot(y - center[0], x - center[1]) <= reach
    mass = np.where(near, np.maximum(smooth - np.median(smooth), 0.0), 0.0)
    total = max(float(mass.sum()), np.finfo(float).tiny)
    return float((mass * y).sum() / total), float((mass * x).sum() / total)


def _half_radius(smooth: FloatArray, center: tuple[float, float]) -> float:
    """Radius at which the mean over the ring falls below half of the centre, background taken as the median."""
    y, x = np.indices(smooth.shape)
    ring = np.rint(np.hypot(y - center[0], x - center[1])).astype(int).ravel()
    pixels = np.bincount(ring)
    radii = np.flatnonzero(pixels)
    profile = np.bincount(ring, smooth.ravel())[radii] / pixels[radii]
    floor = float(np.median(smooth))
    half = floor + (profile.max() - floor) / 2
    below = int(np.argmax(profile < half))
    if below == 0:
        return 0.0
    drop = profile[below - 1] - profile[below]
    inner, outer = radii[below - 1], radii[below]
    return float(inner + (outer - inner) * (profile[below - 1] - half) / drop)


def find_vacuum(dark_field: FloatArray, usable: BoolArray) -> BoolArray:
    """Judge which probes see no specimen, by their counts outside the direct beam.

    Otsu's threshold on the logarithm, accepted only where the two classes are far apart (between-class variance at
    least 70 % of all, medians a factor of 4 apart); otherwise no probe is called vacuum. Of the lower class those
    are taken whose counts are alike: the others see a little of the specimen.

    Parameters
    ----------
    dark_field : (scan_y, scan_x) float
        Counts outside the direct beam disc.
    usable : (scan_y, scan_x) bool
        Probes to judge; the others are False in the answer.

    Returns
    -------
    (scan_y, scan_x) bool
    """
    vacuum = np.zeros(dark_field.shape, dtype=bool)
    values = np.log(np.maximum(dark_field[usable], 0.0) + 1.0)
    if values.size < 2 * VACUUM_MIN_PROBES or np.ptp(values) == 0:
        return vacuum
    threshold, separation = _otsu(values)
    low, high = values[values <= threshold], values[values > threshold]
    if min(low.size, high.size) < VACUUM_MIN_PROBES or separation < VACUUM_MIN_SEPARATION:
        return vacuum
    if np.median(high) - np.median(low) < np.log(VACUUM_MIN_CONTRAST):
        return vacuum
    counts = dark_field[usable]
    few = counts[values <= threshold]
    middle = float(np.median(few))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(few - middle)))
    vacuum[usable] = (values <= threshold) & (counts <= middle + VACUUM_SPREAD * spread)
    return vacuum


def _otsu(values: FloatArray) -> tuple[float, float]:
    """Threshold that separates two classes best, and the share of the variance that lies between them."""
    ordered = np.sort(values)
    n = np.arange(1, ordered.size)
    below = np.cumsum(ordered)[:-1]
    mean_low, mean_high = below / n, (ordered.sum() - below) / (ordered.size - n)
    between = n * (ordered.size - n) / ordered.size**2 * (mean_high - mean_low) ** 2
    best = int(between.argmax())
    return float((ordered[best] + ordered[best + 1]) / 2), float(between[best] / ordered.var())
