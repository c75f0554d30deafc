"""Views of stored patterns that read only what is asked for, whatever the order on disk."""

import operator
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from unmix4d.records import AnyArray, PatternArray

PATTERN_NDIM = 2


class LazyScan(ABC):
    """Behaves like a 4-D array (scan_y, scan_x, pattern_y, pattern_x) for integers and slices."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def read(self, rows: range, columns: range) -> AnyArray:
        """Read whole patterns: (len(rows), len(columns), pattern_y, pattern_x)."""

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = (*keys[:at], *[slice(None)] * (len(self.shape) - len(keys) + 1), *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (len(self.shape) - len(keys)))
        rows, row_key = _chosen(keys[0], self.shape[0])
        columns, column_key = _chosen(keys[1], self.shape[1])
        block = self.read(rows, columns)
        return np.asarray(block[(row_key, column_key, *keys[2:])])


class Folded(LazyScan):
    """A stack of patterns (n, pattern_y, pattern_x) as a scan, in C order."""

    def __init__(self, stack: PatternArray, scan_shape: tuple[int, int]) -> None:
        super().__init__((*scan_shape, *stack.shape[1:]), stack.dtype)
        self.stack = stack

    def read(self, rows: range, columns: range) -> AnyArray:
        """Read whole patterns: (len(rows), len(columns), pattern_y, pattern_x)."""
        width = self.shape[1]
        shape = (len(rows), len(columns), *self.shape[2:])
        if len(columns) == width and columns.step == rows.step == 1:
            return np.asarray(self.stack[rows.start * width : rows.stop * width]).reshape(shape)
        out = np.empty(shape, self.dtype)
        for line, row in zip(out, rows, strict=True):
            low, high = min(columns, default=0), max(columns, default=-1) + 1
            read = np.asarray(self.stack[row * width + low : row * width + high])
            line[...] = read[[column - low for column in columns]]
        return out


class Reordered(LazyScan):
    """An array whose axes are stored in another order, perhaps with further axes of length 1.

    ``order[i]`` is the stored axis that serves as axis i of (scan_y, scan_x, pattern_y, pattern_x).
    """

    def __init__(self, stored: PatternArray, order: Sequence[int]) -> None:
        super().__init__([stored.shape[axis] for axis in order], stored.dtype)
        self.stored = stored
        self.order = tuple(order)

    def read(self, rows: range, columns: range) -> AnyArray:
        """Read whole patterns: (len(rows), len(columns), pattern_y, pattern_x)."""
        key: list[Any] = [0] * len(self.stored.shape)
        for axis, wanted in zip(self.order, (_slice(rows), _slice(columns)), strict=False):
            key[axis] = wanted
        for axis in self.order[PATTERN_NDIM:]:
            key[axis] = slice(None)
        kept = sorted(self.order)
        return np.asarray(self.stored[tuple(key)]).transpose([kept.index(axis) for axis in self.order])


class Unfolded:
    """A scan as a stack of patterns (n, pattern_y, pattern_x), in C order."""

    def __init__(self, scan: PatternArray) -> None:
        self.scan = scan
        self.shape = (scan.shape[0] * scan.shape[1], *scan.shape[2:])
        self.dtype = scan.dtype

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        wanted, number = _chosen(key, self.shape[0])
        width = self.scan.shape[1]
        low, high = min(wanted, default=0), max(wanted, default=-1) + 1
        first_row = low // width
        rows = np.asarray(self.scan[first_row : -(-high // width)]).reshape(-1, *self.shape[1:])
        start = low - first_row * width
        return np.asarray(rows[start : start + high - low][:: wanted.step][number])


class Frames:
    """A stack of patterns (n, pattern_y, pattern_x) of which each is read by a call."""

    def __init__(
        self, read_frame: Callable[[int], AnyArray], n_frames: int, shape: Sequence[int], dtype: np.dtype[Any]
    ) -> None:
        self.read_frame = read_frame
        self.shape = (n_frames, *shape)
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        wanted, number = _chosen(key, self.shape[0])
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for frame, i in zip(out, wanted, strict=True):
            frame[...] = self.read_frame(i)
        return np.asarray(out[number])


class Joined:
    """Several stacks of patterns one after the other, as one (n, pattern_y, pattern_x)."""

    def __init__(self, parts: Sequence[PatternArray]) -> None:
        self.parts = tuple(parts)
        self.bounds = (0, *accumulate(int(part.shape[0]) for part in parts))
        self.shape = (self.bounds[-1], *parts[0].shape[1:])
        self.dtype = np.dtype(parts[0].dtype)

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        wanted, number = _chosen(key, self.shape[0])
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for part, (start, stop) in zip(self.parts, pairwise(self.bounds), strict=True):
            first, last = bisect_left(wanted, start), bisect_left(wanted, stop)
            if first < last:
                inside = slice(wanted[first] - start, wanted[last - 1] - start + 1, wanted.step)
                out[first:last] = part[inside]
        return np.asarray(out[number])


class Transposed:
    """A stack whose stored axes are (pattern_x, pattern_y, n), as (n, pattern_y, pattern_x)."""

    def __init__(self, stored: PatternArray) -> None:
        self.stored = stored
        self.shape = tuple(stored.shape[::-1])
        self.dtype = np.dtype(stored.dtype)

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        wanted, number = _chosen(key, self.shape[0])
        return np.asarray(np.asarray(self.stored[:, :, _slice(wanted)]).T[number])


def _chosen(key: Any, size: int) -> tuple[range, int | slice]:  # noqa: ANN401 - whatever NumPy takes
    """Give the indices that an integer or slice picks, and the key that undoes the extra axis of an integer."""
    if isinstance(key, slice):
        picked = range(size)[key]
        if picked.step < 0:
            raise IndexError("patterns that are read on demand take integers and forward slices only")
        return picked, slice(None)
    index = range(size)[operator.index(key)]
    return range(index, index + 1), 0


def _slice(wanted: range) -> slice:
    return slice(wanted.start, wanted.stop, wanted.step)
