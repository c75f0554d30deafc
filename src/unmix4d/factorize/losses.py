"""The K-component loss of many factorizations at once: sums of |V - V'| with V read once and kept in cache.

Electrons are counted, so that most pixels of most patterns hold 0, 1 or 2. Where V' cannot exceed 1, |v - v'| is v'
for v = 0 and v - v' otherwise: the sum over such faint pixels is linear in V', and only the counts that are not 0
have to be looked at. Bright pixels are compared one by one; which are bright is settled for a few rows at a time.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.factorize.products import CHUNK, Across, Seen
from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray

ROWS, PIXELS = 64, 512
AT_ONCE = 8  # components that are turned together
ALMOST_ONE = 1 - 1e-5
MARGIN = 1.1
MOST_BRIGHT = 0.5
"""Share of bright pixels above which all are compared one by one (docs/performance.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """Takes |V - V'| of several factorizations.

    Attributes
    ----------
    across : Across
        Non-negative components of all factorizations.
    bounds : (n_factorizations + 1,) int64
        Factorization i has the components from ``bounds[i]`` to ``bounds[i + 1]``.
    sums : (K,) float32
        Of the components over the pixels, 1 for those that are 0 everywhere.
    largest : (n_factorizations, n_pixels) float32
        Largest component of each factorization, for components of unit sum.
    """

    across: Across
    bounds: IntArray
    sums: FloatArray
    largest: FloatArray

    @classmethod
    def of(cls, across: Across, bounds: IntArray) -> "Losses":
        """Prepare for these components, one factorization at a time."""
        sums = np.ones(int(bounds[-1]))
        largest = np.empty((len(bounds) - 1, len(across.pixels)), dtype=np.float32)
        for i, (a, b) in enumerate(pairwise(bounds)):
            own = across.components(slice(a, b))
            of_own = own.sum(axis=1, dtype=np.float64)
            sums[a:b] = np.where(of_own > 0, of_own, 1)
            own *= (1 / sums[a:b]).astype(np.float32)[:, None]
            own.max(axis=0, out=largest[i])
        return cls(across=across, bounds=bounds, sums=sums.astype(np.float32), largest=largest)

    def presume_faint(self, patterns: AnyArray, weights: FloatArray) -> BoolArray | None:
        """Pixels that stay faint if weights (n, K), in counts, grow a little; None if they are not worth it.

        One row of (n_chunks, n_pixels) for every `CHUNK` rows of the patterns.
        """
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
            Spares another look at the faint pixels.

        Returns
        -------
        (n_factorizations,) float64
        """
        if seen is None:
            everywhere = np.arange(patterns.shape[1], dtype=np.int32)
            return absolute_errors(patterns, weights, self.across.pixels, self.bounds, everywhere)
        total = self._from_seen(weights, seen)
        bright = self._bright(patterns, weights)
        for i, (own, presumed) in enumerate(zip(bright, seen.faint, strict=True)):
            rows = slice(CHUNK * i, CHUNK * (i + 1))
            mistaken = np.flatnonzero(own & presumed)
            if mistaken.size:
                total -= self._linear(mistaken, patterns[rows], weights[rows])
            compared = np.flatnonzero(own | ~presumed).astype(np.int32)
            total += absolute_errors(patterns[rows], weights[rows], self.across.pixels, self.bounds, compared)
        return total

    def _linear(self, columns: IntArray, patterns: AnyArray, weights: FloatArray) -> FloatArray:
        """Sum over these pixels as if they were faint."""
        few, own = pick_columns(patterns, columns), self.across.pixels[columns, : self.across.k]
        sides = np.where(few > 0, np.float32(-1), np.float32(1)) @ own
        along = np.einsum("ij,ij->j", weights, sides, dtype=np.float64)
        return np.asarray(float(few.sum(dtype=np.float64)) + np.add.reduceat(along, self.bounds[:-1]))

    def _from_seen(self, weights: FloatArray, seen: Seen) -> FloatArray:
        """Sum over faint pixels: of v, and of v' everywhere less twice that where v > 0."""
        everywhere = seen.faint.astype(np.float32) @ self.across.pixels[:, : self.across.k]
        of_chunks = np.add.reduceat(weights, np.arange(0, len(weights), CHUNK), axis=0, dtype=np.float64)
        along = np.einsum("ij,ij->j", of_chunks, everywhere, dtype=np.float64)
        along -= 2 * np.einsum("ij,ij->j", weights, seen.sums, dtype=np.float64)
        return np.asarray(seen.counts + np.add.reduceat(along, self.bounds[:-1]))

    def _bright(self, patterns: AnyArray, weights: FloatArray) -> BoolArray:
        """Pixels where some V' may exceed 1, for each chunk of rows: (n_chunks, n_pixels)."""
        bright = np.ones((-(-len(patterns) // CHUNK), patterns.shape[1]), dtype=bool)
        if patterns.dtype.kind == "u":
            exceed_one(
                np.ascontiguousarray(weights), self.across.pixels, self.sums, self.largest, self.bounds, bright
            )
        return bright


@compiled
def exceed_one(  # noqa: PLR0917 - compiled functions take no keywords
    weights: FloatArray,
    pixels: FloatArray,
    sums: FloatArray,
    largest: FloatArray,
    bounds: IntArray,
    bright: BoolArray,
) -> None:
    """Set in ``bright`` (n_chunks, n_pixels) where weights (n, K) @ components may exceed 1.

    V' is at most the largest sum of weights times the largest component, and at most the sum of the largest
    weights times their components; both for components of unit sum. ``pixels`` holds them as `Across` does.
    """
    n, n_all = weights.shape
    n_chunks, n_pixels = bright.shape
    most, mixed = np.zeros((n_chunks, n_all), np.float32), np.zeros((n_chunks, len(bounds) - 1), np.float32)
    for p in range(n):
        c = p // CHUNK
        for i in range(len(bounds) - 1):
            total = np.float32(0)
            for j in range(bounds[i], bounds[i + 1]):
                most[c, j] = max(most[c, j], weights[p, j])
                total += weights[p, j] * sums[j]
            mixed[c, i] = max(mixed[c, i], total)
    highest_of = np.ascontiguousarray(most.T)
    own = np.empty(n_all * PIXELS, np.float32)
    room, highest = np.empty(n_chunks * PIXELS, np.float32), np.empty(n_chunks * PIXELS, np.float32)
    for left in range(0, n_pixels, PIXELS):
        width = min(PIXELS, n_pixels - left)
        tile = own[: n_all * width].reshape(n_all, width)
        _turn(pixels[left : left + width], tile)
        stacked = room[: n_chunks * width].reshape(n_chunks, width)
        reached = highest[: n_chunks * width].reshape(n_chunks, width)
        reached[:] = 0
        for i in range(len(bounds) - 1):
            np.dot(highest_of[bounds[i] : bounds[i + 1]].T, tile[bounds[i] : bounds[i + 1]], stacked)
            for c in range(n_chunks):
                _raise_to(largest[i, left : left + width], mixed[c, i], stacked[c], reached[c])
        for c in range(n_chunks):
            _mark(reached[c], bright[c, left : left + width])


@inlined
def _raise_to(largest: FloatArray, factor: float, stacked: FloatArray, out: FloatArray) -> None:
    for d in range(out.size):
        out[d] = max(out[d], min(factor * largest[d], stacked[d]))


@inlined
def _mark(reached: FloatArray, out: BoolArray) -> None:
    for d in range(out.size):
        out[d] = reached[d] > ALMOST_ONE


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
def absolute_errors(
    patterns: AnyArray, weights: FloatArray, pixels: FloatArray, bounds: IntArray, places: IntArray
) -> FloatArray:
    """Add up |patterns - weights @ components| over some pixels, for several factorizations.

    Parameters
    ----------
    patterns : (n, n_pixels), any real type
    weights : (n, K) float32
        Of all factorizations side by side, in counts.
    pixels : (n_pixels, K or more) float32
        Components as in `Across`.
    bounds : (n_factorizations + 1,) int64
        Factorization i has the columns of ``weights`` from ``bounds[i]`` to ``bounds[i + 1]``.
    places : (n,) int32
        The pixels.

    Returns
    -------
    (n_factorizations,) float64
    """
    across = np.ascontiguousarray(weights.T)
    n, n_all = weights.shape
    counts, made = np.empty(ROWS * PIXELS, np.float32), np.empty(ROWS * PIXELS, np.float32)
    own, few = np.empty(n_all * PIXELS, np.float32), np.empty(n_all * ROWS, np.float32)
    totals = np.zeros(len(bounds) - 1)
    for left in range(0, places.size, PIXELS):
        here = places[left : left + PIXELS]
        tile = own[: n_all * here.size].reshape(n_all, here.size)
        _pick_and_turn(pixels, here, tile)
        for top in range(0, n, ROWS):
            size = min(ROWS, n - top)
            shape = (size, here.size)
            seen, there = counts[: size * here.size].reshape(shape), made[: size * here.size].reshape(shape)
            for p in range(size):
                _pick(patterns[top + p], here, seen[p])
            part = few[: n_all * size].reshape(n_all, size)
            part[:] = across[:, top : top + size]
            for i in range(len(totals)):
                np.dot(part[bounds[i] : bounds[i + 1]].T, tile[bounds[i] : bounds[i + 1]], there)
                totals[i] += _distance(seen, there)
    return totals


@inlined
def _pick(row: AnyArray, places: IntArray, out: FloatArray) -> None:
    for i in range(places.size):
        out[i] = np.float32(row[places[i]])


@inlined
def _turn(pixels: FloatArray, out: FloatArray) -> None:
    """Transpose (n, K or more) into (K, n), some components at a time: the places written to stay in cache."""
    for first in range(0, len(out), AT_ONCE):
        for i in range(len(pixels)):
            for j in range(first, min(first + AT_ONCE, len(out))):
                out[j, i] = pixels[i, j]


@inlined
def _pick_and_turn(pixels: FloatArray, places: IntArray, out: FloatArray) -> None:
    for first in range(0, len(out), AT_ONCE):
        for i in range(places.size):
            for j in range(first, min(first + AT_ONCE, len(out))):
                out[j, i] = pixels[places[i], j]


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
