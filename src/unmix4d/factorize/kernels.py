"""Compiled inner loops: they work on pieces that stay in cache, and let other threads run meanwhile.

Arrays are float32 and C-contiguous, counts may be of any real type. Sums over a piece are float32, sums of pieces
float64. Slices are taken before the inner loops, because indexing with an offset keeps them from being vectorised.
"""

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.records import AnyArray, FloatArray, IntArray

ROWS = 256
PIXELS = 1024
GRAM_FLOOR = 1e-20


def _sweep(factor: FloatArray, gram: FloatArray, cross: FloatArray) -> None:
    """Improve a transposed factor (k, n) in place, one row after the other, with gram (k, k) and cross (k, n)."""
    k, n = factor.shape
    zero = np.float32(0)
    room = np.empty(ROWS, np.float32)
    for low in range(0, n, ROWS):
        high = min(low + ROWS, n)
        step = room[: high - low]
        for i in range(k):
            if gram[i, i] <= GRAM_FLOOR:
                continue
            wanted = cross[i, low:high]
            for p in range(high - low):
                step[p] = wanted[p]
            j = 0
            while j + 4 <= k:
                g0, g1, g2, g3 = gram[j, i], gram[j + 1, i], gram[j + 2, i], gram[j + 3, i]
                f0, f1 = factor[j, low:high], factor[j + 1, low:high]
                f2, f3 = factor[j + 2, low:high], factor[j + 3, low:high]
                for p in range(high - low):
                    step[p] -= g0 * f0[p] + g1 * f1[p] + g2 * f2[p] + g3 * f3[p]
                j += 4
            while j < k:
                g0, f0 = gram[j, i], factor[j, low:high]
                for p in range(high - low):
                    step[p] -= g0 * f0[p]
                j += 1
            inverse = np.float32(1) / gram[i, i]
            own = factor[i, low:high]
            for p in range(high - low):
                own[p] = max(own[p] + step[p] * inverse, zero)


hals_sweep = compiled(_sweep)
_sweep_inside = inlined(_sweep)


@inlined
def look_ahead(now: FloatArray, before: FloatArray, share: float, out: FloatArray) -> None:
    """Write max(now + share (now - before), 0) of two flat arrays into a third."""
    far = np.float32(share)
    for i in range(now.size):
        out[i] = max(now[i] + far * (now[i] - before[i]), np.float32(0))


@inlined
def inner_product(a: FloatArray, b: FloatArray) -> float:
    """Sum of the products of two flat arrays, in float64."""
    total = 0.0
    for i in range(a.size):
        total += float(a[i]) * float(b[i])
    return total


@compiled
def alternate_ahead(  # noqa: PLR0917 - compiled functions take no keywords
    scores: FloatArray,
    basis: FloatArray,
    components: FloatArray,
    weights: FloatArray,
    norm2: float,
    limits: tuple[int, float, int, int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Alternate HALS steps for scores (n, r) @ basis (r, n_pixels), looking ahead along the last step.

    From components (k, n_pixels) and weights (k, n), until ``limits`` = (most iterations, tolerance, window of the
    tolerance, sweeps a step). Gives components, weights and the squared error after each iteration as a share of
    ``norm2``. Extrapolation with restarts: Ang & Gillis, Neural Comput. 31 (2019) 417.
    """
    most, tolerance, window, sweeps = limits
    across = np.ascontiguousarray(scores.T)  # a product with a view of the transpose takes twice as long
    best_components, grown, ahead = components.copy(), np.empty_like(components), components.copy()
    best_weights, fitted, far = weights.copy(), np.empty_like(weights), weights.copy()
    back, cross = np.empty_like(components), np.empty_like(weights)
    history = np.empty(most)
    share, ceiling, best = 0.5, 1.0, np.inf
    for step in range(most):
        np.dot(np.dot(far, scores), basis, back)
        squares = np.dot(far, far.T)
        grown[:] = ahead
        for _ in range(sweeps):
            _sweep_inside(grown, squares, back)
        look_ahead(grown.ravel(), best_components.ravel(), share, ahead.ravel())
        np.dot(np.dot(ahead, basis.T), across, cross)
        gram = np.dot(ahead, ahead.T)
        fitted[:] = far
        for _ in range(sweeps):
            _sweep_inside(fitted, gram, cross)
        fit = inner_product(fitted.ravel(), cross.ravel())
        size = np.sum(np.dot(fitted, fitted.T).astype(np.float64) * gram)
        error = max(norm2 - 2 * fit + size, 0.0) / norm2
        if error > best:
            ahead[:], far[:] = best_components, best_weights
            ceiling, share = share, share / 1.5
        else:
            look_ahead(fitted.ravel(), best_weights.ravel(), share, far.ravel())
            best_components[:] = ahead
            best_weights, fitted = fitted, best_weights
            best = error
            share, ceiling = min(ceiling, 1.05 * share), min(1.0, 1.01 * ceiling)
        history[step] = best
        if step >= window and history[step - window] - best < tolerance * history[0]:
            return best_components, best_weights, history[: step + 1]
    return best_components, best_weights, history


@compiled
def unpack(
    patterns: AnyArray, left: int, measure: FloatArray, squared: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Write columns of patterns (n, n_pixels) from ``left`` on into ``counts`` (n, width), with two sums a row.

    Gives sum(patterns * measure) and sum(patterns**2 * squared) of these columns, for each row; (n,) float64.
    """
    n, width = counts.shape
    sums, squares = np.zeros(n), np.zeros(n)
    for p in range(n):
        for low in range(0, width, PIXELS):
            high = min(low + PIXELS, width)
            stored, out = patterns[p, left + low : left + high], counts[p, low:high]
            first, second = measure[left + low : left + high], squared[left + low : left + high]
            one, two = np.float32(0), np.float32(0)
            for d in range(high - low):
                value = np.float32(stored[d])
                out[d] = value
                one += value * first[d]
                two += value * value * second[d]
            sums[p] += one
            squares[p] += two
    return sums, squares


@compiled
def add_up(
    patterns: AnyArray, of: IntArray, measure: FloatArray, squared: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Add patterns (n, n_pixels) up in ``counts`` (n_groups, n_pixels), row p in ``of[p]``, with two sums a row.

    The sums are those of `unpack`.
    """
    n, n_pixels = patterns.shape
    sums, squares = np.zeros(n), np.zeros(n)
    counts[:] = 0
    for p in range(n):
        for low in range(0, n_pixels, PIXELS):
            high = min(low + PIXELS, n_pixels)
            stored, out = patterns[p, low:high], counts[of[p], low:high]
            first, second = measure[low:high], squared[low:high]
            one, two = np.float32(0), np.float32(0)
            for d in range(high - low):
                value = np.float32(stored[d])
                out[d] += value
                one += value * first[d]
                two += value * value * second[d]
            sums[p] += one
            squares[p] += two
    return sums, squares


@compiled
def unpack_scaled(patterns: AnyArray, left: int, scale: FloatArray, counts: FloatArray) -> None:
    """Write columns of patterns (n, n_pixels) from ``left`` on, times ``scale``, into ``counts`` (n, width)."""
    n, width = counts.shape
    times = scale[left : left + width]
    for p in range(n):
        stored, out = patterns[p, left : left + width], counts[p]
        for d in range(width):
            out[d] = np.float32(stored[d]) * times[d]
