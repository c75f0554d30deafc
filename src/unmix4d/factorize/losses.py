"""The K-component loss of many factorizations at once: sums of |V - V'| with V read once and kept in cache.

Where most counts are zero the sum is taken over the others alone: |0 - v'| = v' adds up to a product of sums.
"""

import numpy as np

from unmix4d.execute.compiled import compiled
from unmix4d.factorize.kernels import PIXELS
from unmix4d.records import AnyArray, FloatArray, IntArray

SPARSE_BELOW = 0.05
"""Density below which leaving out the zeros is faster (docs/performance.md)."""


@compiled
def absolute_errors(
    patterns: AnyArray, weights: FloatArray, components: FloatArray, bounds: IntArray
) -> FloatArray:
    """Add up |patterns - weights @ components| for several factorizations.

    Parameters
    ----------
    patterns : (n, n_pixels), any real type
    weights : (n, K) float32
        Of all factorizations side by side, in counts.
    components : (K, n_pixels) float32
    bounds : (n_factorizations + 1,) int64
        Factorization i has the columns of ``weights`` from ``bounds[i]`` to ``bounds[i + 1]``.

    Returns
    -------
    (n_factorizations,) float64
    """
    n, n_pixels = patterns.shape
    totals = np.zeros(len(bounds) - 1)
    rest = np.empty((4, PIXELS), np.float32)
    for left in range(0, n_pixels, PIXELS):
        right = min(left + PIXELS, n_pixels)
        for p in range(0, n, 4):
            for i in range(len(bounds) - 1):
                where = (p, left, right, bounds[i], bounds[i + 1])
                if p + 4 <= n:
                    totals[i] += _four_rows(patterns, weights, components, where, rest)
                else:
                    totals[i] += _last_rows(patterns, weights, components, where, rest)
    return totals


@compiled
def _four_rows(
    patterns: AnyArray,
    weights: FloatArray,
    components: FloatArray,
    where: tuple[int, int, int, int, int],
    rest: FloatArray,
) -> float:
    """Four rows and four components at a time: a pixel of a component is loaded once for sixteen products."""
    p, left, right, first, last = where
    size = right - left
    rest0, rest1, rest2, rest3 = rest[0, :size], rest[1, :size], rest[2, :size], rest[3, :size]
    v0, v1 = patterns[p, left:right], patterns[p + 1, left:right]
    v2, v3 = patterns[p + 2, left:right], patterns[p + 3, left:right]
    for d in range(size):
        rest0[d] = v0[d]
        rest1[d] = v1[d]
        rest2[d] = v2[d]
        rest3[d] = v3[d]
    j = first
    while j + 4 <= last:
        c0, c1 = components[j, left:right], components[j + 1, left:right]
        c2, c3 = components[j + 2, left:right], components[j + 3, left:right]
        w00, w01, w02, w03 = weights[p, j], weights[p, j + 1], weights[p, j + 2], weights[p, j + 3]
        w10, w11, w12, w13 = weights[p + 1, j], weights[p + 1, j + 1], weights[p + 1, j + 2], weights[p + 1, j + 3]
        w20, w21, w22, w23 = weights[p + 2, j], weights[p + 2, j + 1], weights[p + 2, j + 2], weights[p + 2, j + 3]
        w30, w31, w32, w33 = weights[p + 3, j], weights[p + 3, j + 1], weights[p + 3, j + 2], weights[p + 3, j + 3]
        for d in range(size):
            x0, x1, x2, x3 = c0[d], c1[d], c2[d], c3[d]
            rest0[d] -= w00 * x0 + w01 * x1 + w02 * x2 + w03 * x3
            rest1[d] -= w10 * x0 + w11 * x1 + w12 * x2 + w13 * x3
            rest2[d] -= w20 * x0 + w21 * x1 + w22 * x2 + w23 * x3
            rest3[d] -= w30 * x0 + w31 * x1 + w32 * x2 + w33 * x3
        j += 4
    while j < last:
        c0 = components[j, left:right]
        w00, w10, w20, w30 = weights[p, j], weights[p + 1, j], weights[p + 2, j], weights[p + 3, j]
        for d in range(size):
            x0 = c0[d]
            rest0[d] -= w00 * x0
            rest1[d] -= w10 * x0
            rest2[d] -= w20 * x0
            rest3[d] -= w30 * x0
        j += 1
    total = np.float32(0)
    for d in range(size):
        total += abs(rest0[d]) + abs(rest1[d]) + abs(rest2[d]) + abs(rest3[d])
    return float(total)


@compiled
def _last_rows(
    patterns: AnyArray,
    weights: FloatArray,
    components: FloatArray,
    where: tuple[int, int, int, int, int],
    rest: FloatArray,
) -> float:
    """Take the rows that are left over one at a time."""
    start, left, right, first, last = where
    left_over = rest[0, : right - left]
    total = np.float64(0)
    for p in range(start, len(patterns)):
        row = patterns[p, left:right]
        for d in range(right - left):
            left_over[d] = row[d]
        for j in range(first, last):
            weight, component = weights[p, j], components[j, left:right]
            for d in range(right - left):
                left_over[d] -= weight * component[d]
        part = np.float32(0)
        for d in range(right - left):
            part += abs(left_over[d])
        total += part
    return float(total)


@compiled
def sparse_errors(
    patterns: AnyArray, weights: FloatArray, pixels: FloatArray, sums: FloatArray, bounds: IntArray
) -> FloatArray:
    """Give what :func:`absolute_errors` gives, looking only at counts that are not zero.

    Parameters
    ----------
    patterns, weights, bounds
        As there.
    pixels : (n_pixels, K) float32
        The components, transposed: what one pixel needs lies together.
    sums : (K,) float64
        Of the components over the pixels.

    Returns
    -------
    (n_factorizations,) float64
    """
    n, n_pixels = patterns.shape
    totals = np.zeros(len(bounds) - 1)
    found = np.empty(n_pixels, np.int32)
    for p in range(n):
        row, own = patterns[p], weights[p]
        n_found = _places(row, found)
        for i in range(len(bounds) - 1):
            first, last = bounds[i], bounds[i + 1]
            w = own[first:last]
            for j in range(last - first):
                totals[i] += w[j] * sums[first + j]
            part = np.float32(0)
            for e in range(n_found):
                c = pixels[found[e], first:last]
                value = np.float32(0)
                for j in range(last - first):
                    value += w[j] * c[j]
                part += abs(np.float32(row[found[e]]) - value) - value
            totals[i] += part
    return totals


@compiled
def _places(row: AnyArray, found: IntArray) -> int:
    """Write where a row is not zero into ``found``, and give how many there are."""
    n = 0
    for d in range(row.size):
        found[n] = d
        n += row[d] != 0
    return n
