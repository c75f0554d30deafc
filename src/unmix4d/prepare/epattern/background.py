"""What patterns stand on: four backgrounds that are taken away before spots are looked for (method 2.3, step 5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.prepare.epattern.disc import open_by_disc
from unmix4d.prepare.epattern.paraboloid import raise_and_smooth, shrink, slide, subtract
from unmix4d.prepare.epattern.rings import ring_medians, subtract_rings
from unmix4d.records import FloatArray, IntArray

BackgroundName = Literal["paraboloid", "ball", "top-hat", "radial", "none"]
NAMES: tuple[BackgroundName, ...] = ("paraboloid", "ball", "top-hat", "radial", "none")
RADIUS_SHARE = 0.1
SHRINK_RADIUS = 8.0
GREY = 255.0
"""Radii are those of the method for values from 0 to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """One way to find what a pattern stands on.

    Attributes
    ----------
    name : {"paraboloid", "ball", "top-hat", "radial", "none"}
        A paraboloid or a ball that slides along under the pattern; what a flat disc leaves of it (opening); the
        median of each ring about the direct beam; nothing.
    radius : float or None
        Of ball, disc, and of the paraboloid at its top, pixels; None = a tenth of the pattern's width.
    level : float
        Counts that stand for 255: the curvature of ball and paraboloid is that of the method for such patterns.
    center : (float, float) or None
        Of the rings, pixels; None = the middle of the pattern.
    """

    name: BackgroundName = "paraboloid"
    radius: float | None = None
    level: float = GREY
    center: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UsageError(f"there is no background named {self.name!r}; known: {', '.join(NAMES)}")

    def take_from(self, patterns: FloatArray) -> FloatArray:
        """Give patterns (n, y, x) float32 less their background; noise stays, so values may be negative."""
        if self.name == "none":
            return patterns
        if self.name == "radial":
            rings = _rings(patterns.shape[1:], self.center)
            out = np.empty_like(patterns)
            subtract_rings(patterns, rings, ring_medians(patterns, rings), out)
            return out
        radius = self.radius or RADIUS_SHARE * max(patterns.shape[1:])
        return _SHRUNK[self.name](patterns, radius, GREY / self.level)


def _rings(shape: tuple[int, ...], center: tuple[float, float] | None) -> IntArray:
    """Ring of every pixel (y, x): its distance from the centre, rounded."""
    cy, cx = center or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    y, x = np.indices(shape)
    return np.asarray(np.rint(np.hypot(y - cy, x - cx)), dtype=np.int64)


def _shrunk(patterns: FloatArray, radius: float) -> tuple[FloatArray, int]:
    """Give patterns on a grid that is coarser for large radii, and how much."""
    n, ny, nx = patterns.shape
    side = max(1, min(int(radius // SHRINK_RADIUS), ny // 3, nx // 3))
    small = np.empty((n, ny // side, nx // side), dtype=np.float32)
    shrink(patterns, side, small)
    return small, side


def _less(patterns: FloatArray, small: FloatArray, shift: FloatArray, side: int) -> FloatArray:
    out = np.empty_like(patterns)
    subtract(patterns, small, shift, side, out)
    return out


def _paraboloid(patterns: FloatArray, radius: float, grey: float) -> FloatArray:
    small, side = _shrunk(patterns, radius)
    under, room = np.empty_like(small), np.empty_like(small)
    shift = raise_and_smooth(small, room, under)
    slide(under, side**2 / (2 * radius * grey))
    return _less(patterns, under, shift, side)


def _ball(patterns: FloatArray, radius: float, grey: float) -> FloatArray:
    from scipy.ndimage import grey_opening  # noqa: PLC0415 - slow import

    small, side = _shrunk(patterns, radius)
    under, room = np.empty_like(small), np.empty_like(small)
    shift = raise_and_smooth(small, room, under)
    reach = int(radius / side)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * side
    inside = np.hypot(y, x) <= radius
    height = np.sqrt(np.maximum(radius**2 - y**2 - x**2, 0)) / grey
    opened = [grey_opening(image, footprint=inside, structure=height, mode="nearest") for image in under]
    return _less(patterns, np.array(opened, dtype=np.float32), shift, side)


def _top_hat(patterns: FloatArray, radius: float, _grey: float) -> FloatArray:
    small, side = _shrunk(patterns, radius)
    under, room = np.empty_like(small), np.empty_like(small)
    shift = raise_and_smooth(small, room, under)
    return _less(patterns, open_by_disc(under, max(1, round(radius / side))), shift, side)


_SHRUNK: Mapping[str, Callable[[FloatArray, float, float], FloatArray]] = MappingProxyType(
    {"paraboloid": _paraboloid, "ball": _ball, "top-hat": _top_hat}
)
