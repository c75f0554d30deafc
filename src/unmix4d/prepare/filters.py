"""Filters that clean patterns before they are factorised (method, section 2)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Leave the patterns as they were recorded (method 2.1)."""

    name: ClassVar[str] = "raw"

    @property
    def halo(self) -> int:
        """No neighbours are needed."""
        return 0

    def __call__(self, patterns: FloatArray, /) -> FloatArray:
        """Give the patterns (y, x, pattern_y, pattern_x) unchanged."""
        return patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanMean:
    """Mean of each pattern and its scan neighbours in a square window (method 2.2; paper, "mean function").

    It mixes patterns across boundaries over half a window, so that overlap maps get wider.

    Attributes
    ----------
    size : int
        Side of the window in probes, odd.
    border : {"valid", "epattern"}
        ``valid`` divides by the number of neighbours that exist; ``epattern`` does so across scan lines only and
        repeats the edge pattern along them, as the ePattern macros do.
    """

    size: int = 3
    border: Literal["valid", "epattern"] = "valid"
    name: ClassVar[str] = "mean"

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise UsageError(f"the window of the scan mean must be odd and positive, not {self.size}")

    @property
    def halo(self) -> int:
        """Half a window on each side."""
        return self.size // 2

    def __call__(self, patterns: FloatArray, /) -> FloatArray:
        """Average (y, x, pattern_y, pattern_x) over the scan; the same shape, float32."""
        lines = _window_mean(patterns, 0, self.halo, repeat_edge=False)
        return _window_mean(lines, 1, self.halo, repeat_edge=self.border == "epattern")


def _window_mean(patterns: FloatArray, axis: int, reach: int, *, repeat_edge: bool) -> FloatArray:
    """Mean over ``2 reach + 1`` neighbours along one axis; beyond the ends none, or the edge again."""
    moved = np.moveaxis(np.asarray(patterns, dtype=np.float32), axis, 0)
    n = moved.shape[0]
    total = np.zeros_like(moved)
    found = np.zeros(n, dtype=np.float32)
    for shift in range(-reach, reach + 1):
        if repeat_edge:
            total += moved[np.clip(np.arange(n) + shift, 0, n - 1)]
            found += 1
            continue
        start, stop = max(0, -shift), min(n, n - shift)
        if start < stop:
            total[start:stop] += moved[start + shift : stop + shift]
            found[start:stop] += 1
    total /= found.reshape(-1, *[1] * (moved.ndim - 1))
    return np.moveaxis(total, 0, axis)
