"""Compiled inner loops over stored counts, which are read once and not copied."""

import numpy as np

from unmix4d.compiled import compiled, inlined
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
    patterns: AnyArray, used: FloatArray, outside: FloatArray, line: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Add up patterns (n, n_pixels) of a real type without negative values.

    ``used`` and ``outside`` are 1 for the pixels that count, and for those of them outside the direct beam, else 0.
    Gives the sum of each row over the used pixels and over those outside, (n,); and of each column (5, n_pixels):
    the sum, the sum of squares, the sum of the squares of differences within pairs of rows, the largest value and
    how often that occurs. All float64. Rows 0 and 1, 2 and 3 ... of every ``line`` rows are pairs.
    """
    n, n_pixels = patterns.shape
    columns, total, dark = np.zeros((5, n_pixels)), np.zeros(n), np.zeros(n)
    part, part2, part3 = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.float32)
    top, often = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.float32)
    for left in range(0, n_pixels, PIXELS):
        right = min(left + PIXELS, n_pixels)
        one, two = used[left:right], outside[left:right]
        top[:], often[:] = -1, 0
        for p in range(n):
            row = patterns[p, left:right]
            here, away = np.float32(0), np.float32(0)
            for d in range(right - left):
                value = np.float32(row[d])
                here += value * one[d]
                away += value * two[d]
                part[d] += value
                part2[d] += value * value
                same = np.float32(1) if value == top[d] else np.float32(0)
                often[d] = np.float32(1) if value > top[d] else often[d] + same
                top[d] = max(top[d], value)
            total[p] += here
            dark[p] += away
            if (p % line) % 2 == 1:
                other = patterns[p - 1, left:right]
                for d in range(right - left):
                    change = np.float32(row[d]) - np.float32(other[d])
                    part3[d] += change * change
            if p % ROWS == ROWS - 1 or p == n - 1:
                _move_sum(part, columns[0, left:right])
                _move_sum(part2, columns[1, left:right])
                _move_sum(part3, columns[2, left:right])
        columns[3, left:right] = top[: right - left]
        columns[4, left:right] = often[: right - left]
    return total, dark, columns


@inlined
def _move_sum(part: FloatArray, into: FloatArray) -> None:
    """Add a sum in float32 to one in float64, and begin it anew."""
    for d in range(into.size):
        into[d] += part[d]
        part[d] = 0


@compiled
def add_to_cells(
    patterns: AnyArray, cells: IntArray, corner: tuple[int, int], width: int, sums: FloatArray
) -> None:
    """Add a window of every pattern (n, n_pixels) to the sum (n_cells, window_y, window_x) of its cell."""
    _, ny, nx = sums.shape
    for p in range(len(cells)):
        for y in range(ny):
            start = (corner[0] + y) * width + corner[1]
            row, into = patterns[p, start : start + nx], sums[cells[p], y]
            for x in range(nx):
                into[x] += row[x]


@compiled
def mend(  # noqa: PLR0917 - compiled functions take no keywords
    patterns: AnyArray,
    bad: tuple[IntArray, IntArray],
    level: float,
    moved: IntArray,
    probes: tuple[IntArray, int],
    out: AnyArray,
) -> None:
    """Repair patterns (n, n_pixels) into ``out``: bad pixels, then the level, then the place.

    ``bad`` = (pixels, neighbours of each), ``moved`` (n, 2) or (0, 2), ``probes`` = (a number of each, width of a
    pattern).
    """
    pixels, around = bad
    number, width = probes
    n, n_pixels = patterns.shape
    height = n_pixels // width
    room = np.empty(n_pixels, patterns.dtype)
    for p in range(n):
        row, into = patterns[p], out[p]
        room[:] = row
        for i in range(pixels.size):
            room[pixels[i]] = row[around[i, number[p] % around.shape[1]]]
        if level != 0:
            for d in range(n_pixels):
                room[d] = max(0.0, room[d] - level)
        if len(moved) == 0:
            into[:] = room
            continue
        into[:] = 0
        dy, dx = moved[p]
        left, right = max(0, -dx), min(width, width - dx)
        for y in range(max(0, -dy), min(height, height - dy)):
            start = (y + dy) * width + dx
            into[y * width + left : y * width + right] = room[start + left : start + right]


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
