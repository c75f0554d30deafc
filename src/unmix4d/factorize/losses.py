"""The K-component loss of many factorizations at once: sums of |V - V'| with V read once and kept in cache.

Electrons are counted, so that most pixels of most patterns hold 0, 1 or 2. Where V' cannot exceed 1, |v - v'| is v'
for v = 0 and v - v' otherwise: the sum over such faint pixels is linear in V', and one matrix product gives it for
all factorizations at twice the speed. Only bright pixels are compared one by one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.factorize.products import Seen
from unmix4d.factorize.sketch import Buffer
from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray

ROWS, PIXELS = 64, 512
ALMOST_ONE = 1 - 1e-5
MARGIN = 1.1
MOST_BRIGHT = 0.5
"""Share of bright pixels above which all are compared one by one (docs/performance.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """Takes |V - V'| of several factorizations.

    Attributes
    ----------
    components : (K, n_pixels) float32
        Non-negative, those of all factorizations one below the other.
    bounds : (n_factorizations + 1,) int64
        Factorization i has the rows from ``bounds[i]`` to ``bounds[i + 1]``.
    sums : (K,) float64
        Of the components over the pixels, 1 for those that are 0 everywhere.
    largest : (n_factorizations, n_pixels) float32
        Largest component of each factorization, for components of unit sum.
    """

    components: FloatArray
    bounds: IntArray
    sums: FloatArray
    largest: FloatArray

    @classmethod
    def of(cls, components: FloatArray, bounds: IntArray) -> "Losses":
        """Prepare for these components."""
        sums = components.sum(axis=1, dtype=np.float64)
        sums[sums <= 0] = 1
        scale = (1 / sums).astype(np.float32)
        largest = [(components[a:b] * scale[a:b, None]).max(axis=0) for a, b in pairwise(bounds)]
        return cls(components=components, bounds=bounds, sums=sums, largest=np.array(largest))

    def presume_faint(self, patterns: AnyArray, weights: FloatArray) -> BoolArray | None:
        """Pixels that stay faint if weights (n, K), in counts, grow a little; None if they are not worth it."""
        bright = self._bright(patterns, weights * np.float32(MARGIN))
        return None if bright.mean() > MOST_BRIGHT else ~bright

    def add_up(self, patterns: AnyArray, weights: FloatArray, seen: Seen | None = None) -> FloatArray:
        """Sum of |patterns - weights @ components| of every factorization.

        Parameters
        ----------
        patterns : (n, n_pixels), any real type
        weights : (n, K) float32
            Of all factorizations side by side, in counts.
        seen : Seen, optional
            Spares another look at the faint pixels, if those it has are faint.

        Returns
        -------
        (n_factorizations,) float64
        """
        bright = self._bright(patterns, weights)
        if seen is not None and not np.any(bright & seen.faint):
            columns = np.flatnonzero(~seen.faint)
            return self._at(columns, patterns, weights) + self._from_seen(weights, seen)
        if bright.mean() > MOST_BRIGHT:
            return absolute_errors(patterns, weights, self.components, self.bounds)
        return self._at(np.flatnonzero(bright), patterns, weights) + self._faint(patterns, weights, ~bright)

    def _at(self, columns: IntArray, patterns: AnyArray, weights: FloatArray) -> FloatArray:
        """Sum over these pixels, which are compared one by one."""
        few, own = pick_columns(patterns, columns), pick_columns(self.components, columns)
        return absolute_errors(few, weights, own, self.bounds)

    def _from_seen(self, weights: FloatArray, seen: Seen) -> FloatArray:
        """Sum over faint pixels: of v, and of v' everywhere less twice that where v > 0."""
        everywhere = (self.components @ seen.faint.astype(np.float32)).astype(np.float64)
        along = weights.sum(axis=0, dtype=np.float64) * everywhere
        along -= 2 * np.einsum("ij,ij->j", weights, seen.sums, dtype=np.float64)
        return np.asarray(seen.counts + np.add.reduceat(along, self.bounds[:-1]))

    def _bright(self, patterns: AnyArray, weights: FloatArray) -> BoolArray:
        """Pixels where some V' may exceed 1, (n_pixels,).

        V' is at most the largest sum of weights times the largest component, and at most the sum of the largest
        weights times their components; both for components of unit sum.
        """
        if patterns.dtype.kind != "u":
            return np.ones(patterns.shape[1], dtype=bool)
        bright = np.zeros(patterns.shape[1], dtype=bool)
        counts = weights * self.sums.astype(np.float32)
        most = weights.max(axis=0, initial=0)
        for (first, last), largest in zip(pairwise(self.bounds), self.largest, strict=True):
            mixed = counts[:, first:last].sum(axis=1).max(initial=0) * largest
            stacked = most[first:last] @ self.components[first:last]
            bright |= np.minimum(mixed, stacked) > ALMOST_ONE
        return bright

    def _faint(self, patterns: AnyArray, weights: FloatArray, faint: BoolArray) -> FloatArray:
        """Sum over the other pixels: of v' where v = 0 and of v - v' elsewhere."""
        buffer = Buffer(len(patterns), patterns.shape[1])
        sides = np.zeros((len(patterns), len(self.components)), dtype=np.float32)
        weigh, counts = faint.astype(np.float32), 0.0
        for tile in buffer.tiles:
            signs = buffer.part(tile)
            counts += take_sides(patterns, tile.start, weigh, signs)
            sides += signs @ self.components[:, tile].T
        along = np.einsum("ij,ij->j", weights, sides, dtype=np.float64)
        return np.asarray(counts + np.add.reduceat(along, self.bounds[:-1]))


@compiled
def pick_columns(rows: AnyArray, columns: IntArray) -> AnyArray:
    """Copy some columns of rows (n, n_pixels)."""
    picked = np.empty((len(rows), len(columns)), rows.dtype)
    for p in range(len(rows)):
        row, out = rows[p], picked[p]
        for i in range(columns.size):
            out[i] = row[columns[i]]
    return picked


@compiled
def take_sides(patterns: AnyArray, left: int, weigh: FloatArray, signs: FloatArray) -> float:
    """Write 1 where a count is 0 and -1 where it is not, times ``weigh`` (n_pixels,), for columns from ``left`` on.

    Gives the sum of the counts times ``weigh``.
    """
    n, width = signs.shape
    times = weigh[left : left + width]
    total = np.float64(0)
    for p in range(n):
        stored, out = patterns[p, left : left + width], signs[p]
        part = np.float32(0)
        for d in range(width):
            value = np.float32(stored[d])
            out[d] = times[d] if value == 0 else -times[d]
            part += value * times[d]
        total += part
    return float(total)


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
    across = np.ascontiguousarray(weights.T)
    counts, made = np.empty(ROWS * PIXELS, np.float32), np.empty(ROWS * PIXELS, np.float32)
    own, few = np.empty(len(components) * PIXELS, np.float32), np.empty(len(components) * ROWS, np.float32)
    totals = np.zeros(len(bounds) - 1)
    for left in range(0, n_pixels, PIXELS):
        width = min(PIXELS, n_pixels - left)
        tile = own[: len(components) * width].reshape(len(components), width)
        tile[:] = components[:, left : left + width]
        for top in range(0, n, ROWS):
            size = min(ROWS, n - top)
            here, there = counts[: size * width].reshape(size, width), made[: size * width].reshape(size, width)
            here[:] = patterns[top : top + size, left : left + width]
            part = few[: len(components) * size].reshape(len(components), size)
            part[:] = across[:, top : top + size]
            for i in range(len(totals)):
                np.dot(part[bounds[i] : bounds[i + 1]].T, tile[bounds[i] : bounds[i + 1]], there)
                totals[i] += _distance(here, there)
    return totals


@inlined
def _distance(here: FloatArray, there: FloatArray) -> float:
    """Sum of |here - there|, in float64 over the rows."""
    total = np.float64(0)
    for p in range(len(here)):
        one, other = here[p], there[p]
        part = np.float32(0)
        for d in range(one.size):
            part += abs(one[d] - other[d])
        total += part
    return float(total)
