"""Compiled inner loop over patterns of any real type, which are read where they lie and not copied."""

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.records import AnyArray, FloatArray, IntArray

PIXELS = 1024


@compiled
def add_classes(
    patterns: AnyArray, labels: IntArray, order: IntArray, sums: FloatArray, directions: FloatArray
) -> None:
    """Add the patterns of every class to ``sums``, and divided by their norms to ``directions``.

    Parameters
    ----------
    patterns : (n, n_pixels), any real type
    labels : (n,) int64
        Class of each pattern.
    order : (n,) int64
        In which the patterns are taken; by class, the sums of one class stay in cache.
    sums, directions : (n_classes, n_pixels) float64
        Are changed; a pattern of zeros adds nothing.
    """
    n, n_pixels = patterns.shape
    inverse = np.zeros(n)
    for p in range(n):
        square = np.float64(0)
        for left in range(0, n_pixels, PIXELS):
            row = patterns[p, left : min(left + PIXELS, n_pixels)]
            part = np.float32(0)
            for d in range(row.size):
                value = np.float32(row[d])
                part += value * value
            square += part
        inverse[p] = 1 / np.sqrt(square) if square > 0 else 0
    for left in range(0, n_pixels, PIXELS):
        right = min(left + PIXELS, n_pixels)
        for p in order:
            row, scale = patterns[p, left:right], inverse[p]
            whole, unit = sums[labels[p], left:right], directions[labels[p], left:right]
            for d in range(right - left):
                count = np.float64(row[d])
                whole[d] += count
                unit[d] += count * scale


@compiled
def class_cosines(patterns: AnyArray, labels: IntArray, templates: FloatArray, used: FloatArray) -> FloatArray:
    """Give the cosine of every pattern with the template of its class, over the pixels that are used.

    Parameters
    ----------
    patterns : (n, n_pixels), any real type
    labels : (n,) int64
        Class of each pattern; others than those of ``templates`` have none.
    templates : (n_classes, n_pixels) float32
        Of norm 1, and 0 where ``used`` is.
    used : (n_pixels,) float32
        1 for the pixels that count, else 0.

    Returns
    -------
    (n,) float64
        NaN without a class; 0 for a pattern or template of zeros.
    """
    n, n_pixels = patterns.shape
    cosines = np.full(n, np.nan)
    for p in range(n):
        if labels[p] < 0 or labels[p] >= len(templates):
            continue
        square, product = np.float64(0), np.float64(0)
        for left in range(0, n_pixels, PIXELS):
            right = min(left + PIXELS, n_pixels)
            row, template, mask = patterns[p, left:right], templates[labels[p], left:right], used[left:right]
            part, along = np.float32(0), np.float32(0)
            for d in range(right - left):
                value = np.float32(row[d]) * mask[d]
                part += value * value
                along += value * template[d]
            square += part
            product += along
        cosines[p] = product / np.sqrt(square) if square > 0 else 0
    return cosines


@compiled
def running_rank(lines: FloatArray, half: int, rank: int) -> FloatArray:
    """Give the value of a rank in a window that runs along each line, which goes on reflected beyond its ends.

    Parameters
    ----------
    lines : (n, m) float
    half : int
        The window holds ``2 half + 1`` values; at most ``m`` of them beyond an end.
    rank : int
        0 is the smallest value.

    Returns
    -------
    (n, m)
        Of the type of ``lines``.
    """
    n, m = lines.shape
    ranked = np.empty_like(lines)
    size = 2 * half + 1
    window = np.empty(size, lines.dtype)  # in order
    longer = np.empty(m + 2 * half, lines.dtype)
    for i in range(n):
        for j in range(m + 2 * half):
            place = j - half
            if place < 0:
                place = -1 - place
            if place >= m:
                place = 2 * m - 1 - place
            longer[j] = lines[i, place]
        window[:] = np.sort(longer[:size])
        ranked[i, 0] = window[rank]
        for j in range(1, m):
            gone, new = longer[j - 1], longer[j + size - 1]
            at = 0
            while window[at] < gone:
                at += 1
            while at < size - 1 and window[at + 1] < new:
                window[at] = window[at + 1]
                at += 1
            while at > 0 and window[at - 1] > new:
                window[at] = window[at - 1]
                at -= 1
            window[at] = new
            ranked[i, j] = window[rank]
    return ranked
