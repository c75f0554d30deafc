"""Compiled inner loops over stored counts, which are read once and not copied."""

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray

PIXELS = 1024
ROWS = 64


def as_rows(patterns: AnyArray) -> AnyArray:
    """Patterns (y, x, pattern_y, pattern_x) as rows (n, n_pixels) of the kind that compiled loops take.

    Contiguous, in the machine's byte order and not read-only: each other kind would have to be compiled again.
    """
    native = patterns.dtype.newbyteorder("=")
    usual = patterns.flags.c_contiguous and patterns.flags.writeable and patterns.flags.aligned
    if not usual or native != patterns.dtype or type(patterns) is not np.ndarray:
        patterns = np.array(patterns, dtype=native, order="C", subok=False)
    return patterns.reshape(patterns.shape[0] * patterns.shape[1], -1)


@compiled
def tally_counts(
    patterns: AnyArray, used: FloatArray, outside: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Add up patterns (n, n_pixels) of an unsigned integer type.

    ``used`` and ``outside`` are 1 for the pixels that count, and for those of them outside the direct beam, else 0.
    Gives the sum of each column (n_pixels,), of each row over the used pixels and over those outside (n,), float64,
    and the largest value.
    """
    n, n_pixels = patterns.shape
    columns, total, dark = np.zeros(n_pixels), np.zeros(n), np.zeros(n)
    largest = patterns[0, 0]
    part = np.zeros(PIXELS, np.float32)
    for left in range(0, n_pixels, PIXELS):
        right = min(left + PIXELS, n_pixels)
        one, two, into = used[left:right], outside[left:right], columns[left:right]
        for p in range(n):
            row = patterns[p, left:right]
            here, away = np.float32(0), np.float32(0)
            for d in range(right - left):
                value = np.float32(row[d])
                here += value * one[d]
                away += value * two[d]
                part[d] += value
                largest = max(largest, row[d])
            total[p] += here
            dark[p] += away
            if p % ROWS == ROWS - 1 or p == n - 1:
                for d in range(right - left):
                    into[d] += part[d]
                    part[d] = 0
    return columns, total, dark, float(largest)


@compiled
def pick(patterns: AnyArray, rows: BoolArray, columns: IntArray, out: AnyArray) -> None:
    """Copy some rows and columns of patterns (n, n_pixels) into ``out``."""
    to = 0
    for p in range(len(rows)):
        if rows[p]:
            row, picked = patterns[p], out[to]
            for i in range(columns.size):
                picked[i] = row[columns[i]]
            to += 1
