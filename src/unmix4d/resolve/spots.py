"""The Bragg spots of mean patterns, in counts, and the rings that describe what lies between them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unmix4d.quality.background import MAD_TO_SIGMA, fill, outside_beam, smooth_background
from unmix4d.records import Beam, BoolArray, FloatArray, IntArray

RING = 1.5
"""Width of the rings about the beam in pixels, for patterns of up to 64 a side; in proportion for larger ones."""

USUAL_SIDE = 64
RINGS_PER_ENTRY = 2
FEWEST_PIXELS = 4
SIGMAS = 3.0
FEWEST_IN_SPOT = 2
FAINT_BACKGROUND = 0.02
EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rings:
    """The detector as seen from the direct beam.

    Attributes
    ----------
    allowed : (pattern_y, pattern_x) bool
        Pixels that are used and lie outside of the beam.
    beam : Beam or None
    radius : (pattern_y, pattern_x) float64, pixels
    step : float
        Width of a ring.
    """

    allowed: BoolArray
    beam: Beam | None
    radius: FloatArray
    step: float

    @classmethod
    def about(cls, beam: Beam | None, used: BoolArray) -> "Rings":
        """Lay rings about the beam, or about the middle of the detector if none was found."""
        ny, nx = used.shape
        centre = ((ny - 1) / 2, (nx - 1) / 2) if beam is None else beam.center
        y, x = np.ogrid[:ny, :nx]
        return cls(
            allowed=used & outside_beam((ny, nx), beam),
            beam=beam,
            radius=np.hypot(y - centre[0], x - centre[1]),
            step=RING * max(1.0, min(ny, nx) / USUAL_SIDE),
        )

    def medians(self, images: FloatArray) -> FloatArray:
        """Median of every ring of images (n, y, x), linear between rings; 0 where nothing is allowed."""
        order, bounds, places = self._members()
        values = images[:, self.allowed]
        found = np.stack([np.median(values[:, order[a:b]], axis=1) for a, b in pairwise(bounds)], axis=1)
        out = np.zeros(images.shape)
        for own, medians in zip(out, found, strict=True):
            own[self.allowed] = np.interp(self.radius[self.allowed], places, medians)
        return out

    def _members(self) -> tuple[IntArray, list[int], FloatArray]:
        """Sort allowed pixels by ring; where each ring begins, and its mean radius. The corners are one ring."""
        radius = self.radius[self.allowed]
        last = int(min(self.allowed.shape) / 2 / self.step)
        number = np.minimum((radius / self.step).astype(np.int64), last)
        order = np.argsort(number, kind="stable")
        first = np.flatnonzero(np.diff(number[order], prepend=-1))
        bounds = [*first.tolist(), len(order)]
        return order, bounds, np.array([radius[order[a:b]].mean() for a, b in pairwise(bounds)])

    def entries(self) -> FloatArray:
        """Give what any falling or ringed background is a sum of: overlapping rings, (n, n_allowed) float64."""
        radius = self.radius[self.allowed]
        width = RINGS_PER_ENTRY * self.step
        knots = np.arange(0, radius.max(initial=0) + width, width)
        rings = np.maximum(1 - np.abs(radius - knots[:, None]) / width, 0)
        return np.asarray(rings[rings.sum(axis=1) > FEWEST_PIXELS])


def find_spots(images: FloatArray, rings: Rings) -> FloatArray:
    """Keep the Bragg spots of mean patterns.

    Background is the median of each ring about the beam, and what is smooth of the rest. A spot is two pixels or
    more, side by side, above three robust standard deviations of what is left; it is taken with the pixels beside
    it. Nothing else is subtracted, so that the counts of weak and of strong patterns can be compared.

    Parameters
    ----------
    images : (n, pattern_y, pattern_x) float
        Counts; what is not allowed is not looked at.
    rings : Rings

    Returns
    -------
    (n, pattern_y, pattern_x) float64, counts, not negative
    """
    from scipy.ndimage import binary_dilation, label  # noqa: PLC0415 - slow import

    allowed = rings.allowed
    kept = np.where(allowed, np.maximum(images, 0), 0).astype(np.float32)
    radial = rings.medians(kept)
    left = np.where(allowed, kept - radial, 0)
    smooth = np.where(allowed, smooth_background(fill(left.astype(np.float32), allowed)), 0)
    left, background = left - smooth, np.maximum(radial + smooth, 0)
    spots = np.zeros(images.shape)
    for own, above, below in zip(spots, left, background, strict=True):
        floor = FAINT_BACKGROUND * float(below[allowed].mean()) + np.finfo(np.float32).tiny
        noise = np.sqrt(below + floor)  # of counts, up to a factor
        scaled = above / noise
        middle = float(np.median(scaled[allowed]))
        sigma = MAD_TO_SIGMA * float(np.median(np.abs(scaled[allowed] - middle)))
        pieces, _ = label((scaled > middle + SIGMAS * sigma) & allowed, EIGHT)
        large = np.bincount(pieces.ravel()) >= FEWEST_IN_SPOT
        large[0] = False
        spot = binary_dilation(large[pieces]) & allowed
        own[spot] = np.maximum(above - middle * noise, 0)[spot]
    return spots
