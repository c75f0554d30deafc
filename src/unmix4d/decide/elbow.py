"""Where a loss curve bends: level one of the decision (method, section 6.2)."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np

from unmix4d.records import FloatArray
from unmix4d.records.base import require

Losses = Sequence[float] | FloatArray
ElbowMethod = Literal["kneedle", "chord", "second_difference", "log_second_difference"]

MIN_CHORD_HEIGHT = 0.05
"""A curve that stays closer than this to the straight line between its ends has no elbow."""

_MIN_POINTS = 3
_ROUND_OFF = 1e-9


def find_elbow(ks: Sequence[int], losses: Losses, method: ElbowMethod = "kneedle") -> int | None:
    """Find the k at which the loss stops falling steeply, or None if the curve has no elbow.

    Parameters
    ----------
    ks : sequence of int, length n
        Ascending.
    losses : sequence of float, length n
        Loss at each k, any unit; its running minimum is judged, so that one bad fit does not make an elbow.
    method : {"kneedle", "chord", "second_difference", "log_second_difference"}
        If it finds nothing, or only the first k, the chord method decides.

    Returns
    -------
    int or None

    Raises
    ------
    ValueError
        If lengths differ, ks do not ascend, a loss is not finite, or the method is unknown.

    Notes
    -----
    Paper, level one of the decision; method, section 6.2.
    """
    require(method in METHODS, f"no elbow method named {method!r}; known: {', '.join(METHODS)}")
    curve = running_minimum(losses)
    knee = METHODS[method](ks, curve)
    # A curve that is hollow upwards makes Kneedle stop at its first point, which is an end and no elbow.
    return chord(ks, curve) if knee is None or knee == ks[0] else knee


def running_minimum(losses: Losses) -> FloatArray:
    """Smallest loss so far at each k, (n,) float64."""
    return np.minimum.accumulate(np.asarray(losses, dtype=np.float64))


def kneedle(ks: Sequence[int], losses: Losses) -> int | None:
    """Elbow of a convex, decreasing curve by Kneedle (Satopää et al. 2011), sensitivity 1, offline.

    The first local maximum of the height below the chord after which that height falls by more than the mean
    step of the normalised k, before it turns up again.

    Parameters, errors and source as in `find_elbow`; the curve is judged as it is.
    """
    height = _height(ks, losses)
    if height is None:
        return None
    ahead, behind = np.append(height[1:], height[-1]), np.append(height[0], height[:-1])
    is_peak = (height >= ahead) & (height >= behind)
    is_valley = (height <= ahead) & (height <= behind)
    step = np.diff(_unit_range(ks)).mean()
    peak = None
    for i in range(len(height) - 1):
        if is_peak[i]:
            peak = i
        if is_valley[i]:  # also ends a plateau: nothing counts until the next peak
            peak = None
        if peak is not None and height[i + 1] < height[peak] - step:
            return int(ks[peak])
    return None


def chord(ks: Sequence[int], losses: Losses) -> int | None:
    """Find the k where the curve is furthest below the line between its ends; the first on ties.

    Parameters, errors and source as in `find_elbow`; None if nowhere further than `MIN_CHORD_HEIGHT`.
    """
    height = _height(ks, losses)
    if height is None or height.max() < MIN_CHORD_HEIGHT:
        return None
    return int(ks[int(np.argmax(height))])


def second_difference(ks: Sequence[int], losses: Losses) -> int | None:
    """Find the k where the slope changes most, the paper's "steepest gradient change" taken literally.

    Parameters, errors and source as in `find_elbow`; ks must be consecutive. None if the slope never
    flattens.
    """
    return _sharpest_bend(ks, _checked(ks, losses))


def log_second_difference(ks: Sequence[int], losses: Losses) -> int | None:
    """As `second_difference`, on the logarithm of the loss."""
    return _sharpest_bend(ks, _logarithm(_checked(ks, losses)))


def log_bends(ks: Sequence[int], losses: Losses) -> FloatArray:
    """Second difference of ln(loss) at each k, (n,) float64; NaN at both ends."""
    bends = np.full(len(ks), np.nan)
    if len(ks) >= _MIN_POINTS:
        bends[1:-1] = np.diff(_logarithm(_checked(ks, losses)), n=2)
    return bends


METHODS: Mapping[ElbowMethod, Callable[[Sequence[int], FloatArray], int | None]] = MappingProxyType(
    {
        "kneedle": kneedle,
        "chord": chord,
        "second_difference": second_difference,
        "log_second_difference": log_second_difference,
    }
)
"""Every elbow method by name."""


def _checked(ks: Sequence[int], losses: Losses) -> FloatArray:
    values = np.asarray(losses, dtype=np.float64)
    require(values.shape == (len(ks),), f"an elbow needs one loss for each of {len(ks)} k, got {values.shape}")
    require(bool(np.all(np.diff(ks) > 0)), f"k must ascend, got {list(ks)}")
    require(bool(np.isfinite(values).all()), "an elbow needs finite losses")
    return values


def _height(ks: Sequence[int], losses: Losses) -> FloatArray | None:
    """How far the curve, scaled to 0...1 on both axes, lies below the falling diagonal; None if it is flat."""
    values = _checked(ks, losses)
    if len(values) < _MIN_POINTS or np.ptp(values) == 0:
        return None
    return np.asarray((1 - _unit_range(values)) - _unit_range(ks))


def _unit_range(values: Sequence[int] | FloatArray) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)
    return np.asarray((values - values.min()) / (values.max() - values.min()))


def _logarithm(losses: FloatArray) -> FloatArray:
    """Natural logarithm; the floor lets an exact fit have a loss of 0."""
    floor = 1e-12 * losses.max(initial=0)
    return np.log(np.maximum(losses, floor if floor > 0 else 1.0))


def _sharpest_bend(ks: Sequence[int], values: FloatArray) -> int | None:
    if len(values) < _MIN_POINTS:
        return None
    bends = np.diff(values, n=2)
    if bends.max() <= _ROUND_OFF * np.ptp(values):
        return None
    return int(ks[int(np.argmax(bends)) + 1])
