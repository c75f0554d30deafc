"""How counts become the numbers that a format can hold, and how that is said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import AnyArray

Scale = Literal["auto", "clip", "linear", "sqrt"]
SCALES: tuple[Scale, ...] = ("auto", "clip", "linear", "sqrt")
DTYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float32", "float64")
COUNTS = "bui"
EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """A type of numbers and the rule by which counts become them.

    Attributes
    ----------
    dtype : numpy.dtype
    rule : {"keep", "clip", "linear", "sqrt"}
    top : float
        The count that becomes the largest number, for "linear" and "sqrt".
    said : str
        The rule in words, with its numbers.
    """

    dtype: np.dtype[Any]
    rule: Literal["keep", "clip", "linear", "sqrt"]
    top: float = 1.0
    said: str = ""

    def __call__(self, patterns: AnyArray) -> AnyArray:
        """Change counts of any shape; NaN and what is below 0 become 0 where counts are scaled or cut."""
        if self.rule == "keep":
            return np.ascontiguousarray(patterns, dtype=self.dtype)
        limit = np.iinfo(self.dtype).max
        counts = np.nan_to_num(np.asarray(patterns, dtype=np.float64), nan=0.0, posinf=self.top, neginf=0.0)
        np.maximum(counts, 0, out=counts)
        if self.rule == "linear":
            counts *= limit / self.top
        elif self.rule == "sqrt":
            counts = limit * np.sqrt(counts / self.top)
        return np.ascontiguousarray(np.minimum(np.rint(counts), limit), dtype=self.dtype)


def choose_values(
    stored: np.dtype[Any],
    *,
    allowed: Sequence[str],
    scale: Scale = "auto",
    extremes: Callable[[], tuple[float, float]],
) -> Values:
    """Choose what a format holds instead of the stored type, with no change of values where that is possible.

    Parameters
    ----------
    stored : numpy.dtype
        Type of the counts.
    allowed : sequence of str
        Types that the format can hold, the preferred first; none = all.
    scale : {"auto", "clip", "linear", "sqrt"}
        "auto" keeps every count if a type holds it, and scales linearly if none does. "clip" keeps counts and cuts
        the largest, "linear" and "sqrt" make the largest count the largest number.
    extremes : callable
        Gives the smallest and the largest count; asked only where it matters, because that reads the scan.

    Returns
    -------
    Values

    Raises
    ------
    UsageError
        If the format holds no integers that could be scaled to.
    """
    name = stored.name
    if scale == "auto" and (not allowed or name in allowed):
        return Values(dtype=stored.newbyteorder("="), rule="keep", said=f"{name} as stored")
    low, high = extremes()
    if scale == "auto":
        kept = _holding(stored, allowed, low, high)
        if kept is not None:
            return kept
    integers = [np.dtype(each) for each in allowed or ("uint16",) if np.dtype(each).kind == "u"]
    if not integers:
        raise UsageError(f"--scale {scale} needs whole numbers, and only {', '.join(allowed)} can be written here")
    target = max((each for each in integers if each.itemsize <= 2), key=lambda each: each.itemsize)  # noqa: PLR2004 - uint16
    limit = np.iinfo(target).max
    if scale == "clip":
        return Values(
            dtype=target, rule="clip", said=f"{target.name}: counts above {limit} are cut to it (largest: {high:g})"
        )
    top = high if high > 0 else 1.0
    if scale == "sqrt":
        said = f"{target.name}: {limit} x sqrt(counts / {top:.6g}), so that weak spots stay visible"
        return Values(dtype=target, rule="sqrt", top=top, said=said)
    said = f"{target.name}: counts x {limit / top:.6g}, so that the largest, {top:.6g}, becomes {limit}"
    return Values(dtype=target, rule="linear", top=top, said=said)


def _holding(stored: np.dtype[Any], allowed: Sequence[str], low: float, high: float) -> Values | None:
    """Find a type that holds every count as it is; None if there is none."""
    if stored.kind in COUNTS:
        for each in map(np.dtype, allowed):
            if each.kind in "ui" and np.iinfo(each).min <= low and high <= np.iinfo(each).max:
                said = f"{each.name}, which holds every count (largest: {high:g})"
                return Values(dtype=each, rule="keep", said=said)
    floats = [np.dtype(each) for each in allowed if np.dtype(each).kind == "f"]
    if not floats:
        return None
    exact = stored.kind in COUNTS and max(abs(low), abs(high)) <= EXACT_IN_FLOAT32
    said = f"{floats[0].name}" + (", which holds every count" if exact else ", to its precision")
    return Values(dtype=floats[0], rule="keep", said=said)
