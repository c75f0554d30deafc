"""The median of every ring about the direct beam."""

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.records import FloatArray, IntArray


@compiled
def ring_medians(patterns: FloatArray, rings: IntArray) -> FloatArray:
    """Give the median of patterns (n, y, x) over each ring, (n, n_rings).

    ``rings`` (y, x) has the ring of a pixel.
    """
    n, ny, nx = patterns.shape
    pixels = np.bincount(rings.ravel())
    first = np.zeros(pixels.size + 1, np.int64)
    for i in range(pixels.size):
        first[i + 1] = first[i] + pixels[i]
    medians = np.zeros((n, pixels.size), np.float32)
    values, at = np.empty(ny * nx, np.float32), np.empty(pixels.size, np.int64)
    for p in range(n):
        at[:] = first[:-1]
        for y in range(ny):
            for x in range(nx):
                values[at[rings[y, x]]] = patterns[p, y, x]
                at[rings[y, x]] += 1
        for i in range(pixels.size):
            if pixels[i] > 0:
                medians[p, i] = np.median(values[first[i] : first[i + 1]])
    return medians


@compiled
def subtract_rings(patterns: FloatArray, rings: IntArray, medians: FloatArray, out: FloatArray) -> None:
    """Take from patterns (n, y, x) the value of each pixel's ring."""
    n, ny, nx = patterns.shape
    for p in range(n):
        for y in range(ny):
            for x in range(nx):
                out[p, y, x] = patterns[p, y, x] - medians[p, rings[y, x]]
