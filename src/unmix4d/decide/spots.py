"""Bragg spots of components, and what they say: which components are one crystal, which are none.

The constants were chosen on simulated scans; ``docs/decide.md`` lists them.
"""

import numpy as np

from unmix4d.quality.background import MAD_TO_SIGMA, MIN_SIDE, fill, outside_beam, shrink, smooth_background
from unmix4d.records import Beam, BoolArray, FloatArray

SPECKLE_SIGMAS = 3.0
PEAK_PIXELS = 0.05
LATTICE_RADII = (0.06, 0.5)
DARK_QUARTER = 0.25


def spot_patterns(patterns: FloatArray, used: BoolArray, beam: Beam | None) -> FloatArray:
    """Remove beam, smooth background and speckle from component patterns.

    The background is the 35 % quantile in a window of about a ninth of the detector (along rows, then along
    columns), smoothed; speckle is what lies below three robust standard deviations. Patterns under 16 pixels a side
    keep all but the beam.

    Parameters
    ----------
    patterns : (k, pattern_y, pattern_x) float
    used : (pattern_y, pattern_x) bool
        Pixels that were factorised.
    beam : Beam or None

    Returns
    -------
    (k, pattern_y, pattern_x) float32, non-negative
    """
    shape = patterns.shape[1:]
    allowed = used & outside_beam((shape[0], shape[1]), beam)
    kept = np.where(allowed, patterns, 0).astype(np.float32)
    if min(shape) < MIN_SIDE or not len(patterns) or not allowed.any():
        return kept
    left = np.maximum(kept - smooth_background(fill(kept, allowed)), 0)
    values = left[:, allowed]
    middle = np.median(values, axis=1)
    spread = MAD_TO_SIGMA * np.median(np.abs(values - middle[:, None]), axis=1)
    speckle = (middle + SPECKLE_SIGMAS * spread)[:, None, None]
    return np.where(allowed, np.maximum(left - speckle, 0), 0).astype(np.float32)


def crystal_similarity(spots: FloatArray) -> FloatArray:
    """How much two spot patterns look like one crystal: mean of `position_similarity` and `lattice_similarity`.

    Parameters
    ----------
    spots : (k, y, x) float

    Returns
    -------
    (k, k) float64
        1 = the same spots. Patterns under 16 pixels a side have no lattice to speak of: positions alone count.
    """
    positions = position_similarity(spots)
    if min(spots.shape[1:]) < MIN_SIDE:
        return positions
    return (positions + lattice_similarity(spots)) / 2


def position_similarity(spots: FloatArray) -> FloatArray:
    """Cosine between the square roots of spot patterns (k, y, x): 1 = spots at the same places, (k, k) float64.

    The square root makes it a comparison of positions rather than of intensities.
    """
    return _cosines(np.sqrt(shrink(spots)).reshape(len(spots), -1))


def lattice_similarity(spots: FloatArray) -> FloatArray:
    """How much two spot patterns have the same lattice: cosine between their autocorrelations, (k, k) float64.

    A crystal that bends lights up other spots of the same lattice: their places differ, the vectors between them do
    not. Of the autocorrelation of the root of each pattern the root is taken, within 6 % to 50 % of the detector
    from its centre; its mean over rings is subtracted, because the falloff of all patterns is alike.
    """
    from scipy.fft import irfft2, rfft2  # noqa: PLC0415 - slow import

    roots = np.sqrt(shrink(spots)).astype(np.float32)
    shape = (2 * roots.shape[1], 2 * roots.shape[2])
    y, x = (np.minimum(np.arange(size), size - np.arange(size)) for size in shape)
    radius = np.hypot(y[:, None], x[None, :])
    low, high = (share * min(roots.shape[1:]) for share in LATTICE_RADII)
    # The half that mirrors the other is left out, but for its edge.
    kept = (radius > low) & (radius < high) & (np.arange(shape[0]) <= shape[0] // 2)[:, None]
    vectors = np.empty((len(roots), int(kept.sum())), dtype=np.float32)
    for vector, root in zip(vectors, roots, strict=True):
        vector[...] = irfft2(np.abs(rfft2(root, shape)) ** 2, shape)[kept]
    vectors = np.sqrt(np.maximum(vectors, 0))
    return _cosines(vectors - ring_means(vectors, radius[kept]))


def ring_means(values: FloatArray, radius: FloatArray) -> FloatArray:
    """Replace values (k, n) by their means over rings one pixel wide around radius 0, (k, n)."""
    ring = radius.astype(np.int64)
    size = np.maximum(np.bincount(ring), 1)
    return np.stack([(np.bincount(ring, weights=one) / size)[ring] for one in values]).reshape(values.shape)


def _cosines(vectors: FloatArray) -> FloatArray:
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors @ vectors.T / np.maximum(np.outer(lengths, lengths), np.finfo(float).tiny))


def roundness(spots: FloatArray, beam: Beam | None) -> FloatArray:
    """How much each spot pattern (k, y, x) consists of rings about the beam: 1 = of nothing else, (k,) float64.

    Share of the squares of the root of the pattern that its means over rings one pixel wide hold. The ring of an
    amorphous film comes to more than 0.6, a crystal with few spots to less than 0.5.
    """
    shape = spots.shape[1:]
    center = tuple((size - 1) / 2 for size in shape) if beam is None else beam.center
    y, x = np.indices(shape)
    radius = np.hypot(y - center[0], x - center[1]).ravel() + 0.5
    roots = np.sqrt(spots.astype(np.float64)).reshape(len(spots), -1)
    rings = ring_means(roots, radius)
    return np.asarray((rings**2).sum(axis=1) / np.maximum((roots**2).sum(axis=1), np.finfo(float).tiny))


def evenness(spots: FloatArray, used: BoolArray, beam: Beam | None) -> FloatArray:
    """How much of each spot pattern (k, y, x) goes all around the beam: 1 = all of it, (k,) float64.

    As `roundness`, with the 25 % quantile of every ring instead of its mean, after a maximum over 3 x 3 pixels:
    six spots on one ring leave more than a quarter of it dark, and a hot pixel beside a ring changes nothing.
    """
    from scipy.ndimage import maximum_filter  # noqa: PLC0415 - slow import

    shape = spots.shape[1:]
    center = tuple((size - 1) / 2 for size in shape) if beam is None else beam.center
    y, x = np.indices(shape)
    allowed = used & outside_beam((shape[0], shape[1]), beam)
    ring = np.rint(np.hypot(y - center[0], x - center[1])).astype(np.int64)[allowed]
    squares = maximum_filter(spots.astype(np.float64), (0, 3, 3))[:, allowed]
    order = np.lexsort((squares, np.broadcast_to(ring, squares.shape)))
    ascending = np.take_along_axis(squares, order, axis=1)
    size = np.bincount(ring)
    size = size[size > 0]
    first = np.cumsum(size) - size
    dark = ascending[:, first + (DARK_QUARTER * (size - 1)).astype(np.int64)]
    total = squares.sum(axis=1)
    return np.asarray((dark * size).sum(axis=1) / np.where(total > 0, total, 1))


def peakedness(spots: FloatArray) -> FloatArray:
    """Share of each spot pattern's intensity in its brightest 5 % of pixels, (k,)."""
    flat = np.sort(spots.reshape(len(spots), -1).astype(np.float64), axis=1)[:, ::-1]
    n = max(1, round(PEAK_PIXELS * flat.shape[1]))
    return np.asarray(flat[:, :n].sum(axis=1) / np.maximum(flat.sum(axis=1), np.finfo(float).tiny))
