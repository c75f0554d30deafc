"""How wide a spot is, from the direct beam."""

import numpy as np

from unmix4d.records import FloatArray, Survey

NARROWEST = 0.7
WIDEST_SHARE = 1 / 16
USUAL_SHARE = 4 / 512 / 2.5
"""Of discs of 4 pixels in radius on 512 (method 2.3, step 14)."""

STEPS = 30


def spot_width(survey: Survey) -> float:
    """Give the standard deviation of a spot in pixels: that of the direct beam in the mean pattern.

    Where there is no beam, that of the method.
    """
    shape = survey.mean_pattern.shape
    if survey.beam is None:
        return usual_width(shape)
    widest = max(NARROWEST, WIDEST_SHARE * min(shape))
    return float(min(widest, max(NARROWEST, _gaussian_width(survey.mean_pattern, survey.beam.center, widest))))


def usual_width(shape: tuple[int, ...]) -> float:
    """Give the standard deviation of a spot of the method, by the size of the pattern."""
    return float(max(NARROWEST, USUAL_SHARE * max(shape)))


def _gaussian_width(image: FloatArray, center: tuple[float, float], widest: float) -> float:
    """Give the standard deviation of a peak, by second moments under a Gaussian weight that is matched to it."""
    y, x = np.indices(image.shape)
    square = (y - center[0]) ** 2 + (x - center[1]) ** 2
    width = widest / 2
    for _ in range(STEPS):
        ring = (square > (4 * width) ** 2) & (square <= (4 * width + 3) ** 2)
        level = float(np.median(image[ring])) if ring.any() else 0.0
        weight = np.exp(-square / (2 * width**2)) * (image - level)
        total = float(weight.sum())
        if total <= 0:
            return width
        # Of a Gaussian under one of the same width the second moment is half of its own.
        moment = float((weight * square).sum()) / total / 2
        found = min(widest, max(NARROWEST, (2 * max(moment, 0.0)) ** 0.5))
        if abs(found - width) < 1e-3:  # noqa: PLR2004 - pixels
            break
        width = found
    return width
