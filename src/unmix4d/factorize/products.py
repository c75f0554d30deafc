"""Products of patterns with the components of many factorizations: by BLAS, or from the counts that are not 0."""

from dataclasses import dataclass

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.factorize.kernels import unpack_scaled
from unmix4d.factorize.sketch import Buffer
from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray

PIXELS = 512  # of which the components stay in cache
LANES = 32  # components are added up by so many
CHUNK = 64  # rows for which it is settled together which pixels are faint
SOME = 64
SPARSE = 0.15
SPARSE_TWICE = 0.25
"""Share of values that are not 0 below which one product, or two at once, pay (docs/performance.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the counts that are not 0 give for the losses.

    Attributes
    ----------
    faint : (n_chunks, n_pixels) bool
        Pixels that were looked at, for every `CHUNK` rows.
    sums : (n, K) float32
        Sum of each component over the faint pixels where the pattern is not 0.
    counts : float
        Sum of the patterns over the faint pixels.
    """

    faint: BoolArray
    sums: FloatArray
    counts: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Across:
    """Components (K, n_pixels) laid out for products.

    Attributes
    ----------
    pixels : (n_pixels, more than K) float32
        Transposed, and filled up with zeros.
    k : int
        Number of components.
    """

    pixels: FloatArray
    k: int

    @classmethod
    def of(cls, components: FloatArray) -> "Across":
        """Lay out components (K, n_pixels)."""
        across = cls.empty(*components.shape)
        across.pixels[:, : across.k] = components.T
        return across

    @classmethod
    def empty(cls, k: int, n_pixels: int) -> "Across":
        """Make room for components, 0 as yet."""
        return cls(pixels=np.zeros((n_pixels, -(-k // LANES) * LANES), dtype=np.float32), k=k)

    def components(self, which: slice) -> FloatArray:
        """Copy some components back: (k, n_pixels)."""
        return np.ascontiguousarray(self.pixels[:, which].T)

    def times(self, patterns: AnyArray, scale: FloatArray) -> FloatArray:
        """Give (patterns * scale) @ componentsᵀ, (n, K), for patterns (n, n_pixels) and scale (n_pixels,)."""
        if density(patterns) <= SPARSE:
            product, _, _ = self._gathered(patterns, scale, np.zeros((0, 0), dtype=np.float32))
            return product[:, : self.k]
        product = np.zeros((len(patterns), self.pixels.shape[1]), dtype=np.float32)
        buffer = Buffer(*patterns.shape)
        for tile in buffer.tiles:
            counts = buffer.part(tile)
            unpack_scaled(patterns, tile.start, scale, counts)
            product += counts @ self.pixels[tile]
        return product[:, : self.k]

    def times_and_seen(self, patterns: AnyArray, scale: FloatArray, faint: BoolArray) -> tuple[FloatArray, Seen]:
        """Give what `times` gives, and sums over faint pixels (n_chunks, n_pixels), from one look at the counts."""
        product, seen, counts = self._gathered(patterns, scale, faint.astype(np.float32))
        return product[:, : self.k], Seen(faint=faint, sums=seen[:, : self.k], counts=counts)

    def _gathered(
        self, patterns: AnyArray, scale: FloatArray, faint: FloatArray
    ) -> tuple[FloatArray, FloatArray, float]:
        shape = len(patterns), self.pixels.shape[1]
        product = np.zeros(shape, dtype=np.float32)
        seen = np.zeros(shape if faint.size else (len(patterns), 0), dtype=np.float32)
        counts = gather(patterns, self.pixels, scale, faint, product, seen)
        return product, seen, counts


def back_product(patterns: AnyArray, weights: FloatArray, scale: FloatArray) -> FloatArray:
    """Give weightsᵀ @ (patterns * scale), (k, n_pixels), for weights (n, k) and patterns (n, n_pixels)."""
    back = np.empty((weights.shape[1], patterns.shape[1]), dtype=np.float32)
    buffer = Buffer(*patterns.shape)
    for tile in buffer.tiles:
        counts = buffer.part(tile)
        unpack_scaled(patterns, tile.start, scale, counts)
        back[:, tile] = weights.T @ counts
    return back


def density(patterns: AnyArray) -> float:
    """Share of the values that are not 0, from some of the patterns."""
    some = patterns[:: max(1, len(patterns) // SOME)]
    return np.count_nonzero(some) / max(1, some.size)


@compiled
def gather(  # noqa: PLR0917 - compiled functions take no keywords
    patterns: AnyArray,
    across: FloatArray,
    scale: FloatArray,
    faint: FloatArray,
    product: FloatArray,
    seen: FloatArray,
) -> float:
    """Add to ``product`` and, if ``faint`` is not empty, to ``seen`` what the counts that are not 0 give.

    Parameters
    ----------
    patterns : (n, n_pixels), any real type
    across : (n_pixels, K) float32
        Components, transposed.
    scale : (n_pixels,) float32
    faint : (n_chunks, n_pixels) float32
        1 for pixels that are faint, else 0; one row for every `CHUNK` patterns.
    product : (n, K) float32
        Gets (patterns * scale) @ across.
    seen : (n, K) float32
        Gets (patterns > 0) * faint @ across.

    Returns
    -------
    float
        Sum of patterns * faint.
    """
    n, n_pixels = patterns.shape
    places = np.empty(PIXELS + 1, np.int32)
    total = np.float64(0)
    for left in range(0, n_pixels, PIXELS):
        right = min(left + PIXELS, n_pixels)
        part, times = across[left:right], scale[left:right]
        for p in range(n):
            row = patterns[p, left:right]
            found = places[: _find(row, places)]
            if faint.size:
                total += _add_both(row, found, part, times, faint[p // CHUNK, left:right], product[p], seen[p])
            else:
                _add_one(row, found, part, times, product[p])
    return float(total)


@inlined
def _find(row: AnyArray, places: IntArray) -> int:
    """Write where a row is not 0; give how many places these are."""
    count = 0
    for d in range(row.size):
        places[count] = d
        count += 1 if row[d] != 0 else 0
    return count


@inlined
def _add_both(  # noqa: PLR0917 - compiled functions take no keywords
    row: AnyArray,
    places: IntArray,
    part: FloatArray,
    times: FloatArray,
    faint: FloatArray,
    product: FloatArray,
    seen: FloatArray,
) -> float:
    """Eight places at a time, so that the sums are fetched and put back less often. Gives sum(row * faint)."""
    counts, i = np.float32(0), 0
    while i + 8 <= places.size:
        d0, d1, d2, d3 = places[i], places[i + 1], places[i + 2], places[i + 3]
        d4, d5, d6, d7 = places[i + 4], places[i + 5], places[i + 6], places[i + 7]
        c0, c1, c2, c3 = part[d0], part[d1], part[d2], part[d3]
        c4, c5, c6, c7 = part[d4], part[d5], part[d6], part[d7]
        f0, f1, f2, f3 = faint[d0], faint[d1], faint[d2], faint[d3]
        f4, f5, f6, f7 = faint[d4], faint[d5], faint[d6], faint[d7]
        v0, v1, v2, v3 = np.float32(row[d0]), np.float32(row[d1]), np.float32(row[d2]), np.float32(row[d3])
        v4, v5, v6, v7 = np.float32(row[d4]), np.float32(row[d5]), np.float32(row[d6]), np.float32(row[d7])
        counts += v0 * f0 + v1 * f1 + v2 * f2 + v3 * f3 + v4 * f4 + v5 * f5 + v6 * f6 + v7 * f7
        v0, v1, v2, v3 = v0 * times[d0], v1 * times[d1], v2 * times[d2], v3 * times[d3]
        v4, v5, v6, v7 = v4 * times[d4], v5 * times[d5], v6 * times[d6], v7 * times[d7]
        for j in range(product.size):
            x0, x1, x2, x3, x4, x5, x6, x7 = c0[j], c1[j], c2[j], c3[j], c4[j], c5[j], c6[j], c7[j]
            product[j] += v0 * x0 + v1 * x1 + v2 * x2 + v3 * x3 + v4 * x4 + v5 * x5 + v6 * x6 + v7 * x7
            seen[j] += f0 * x0 + f1 * x1 + f2 * x2 + f3 * x3 + f4 * x4 + f5 * x5 + f6 * x6 + f7 * x7
        i += 8
    while i < places.size:
        d0 = places[i]
        c0, f0, v0 = part[d0], faint[d0], np.float32(row[d0])
        counts += v0 * f0
        v0 *= times[d0]
        for j in range(product.size):
            product[j] += v0 * c0[j]
            seen[j] += f0 * c0[j]
        i += 1
    return float(counts)


@inlined
def _add_one(row: AnyArray, places: IntArray, part: FloatArray, times: FloatArray, product: FloatArray) -> None:
    i = 0
    while i + 4 <= places.size:
        d0, d1, d2, d3 = places[i], places[i + 1], places[i + 2], places[i + 3]
        c0, c1, c2, c3 = part[d0], part[d1], part[d2], part[d3]
        v0, v1 = np.float32(row[d0]) * times[d0], np.float32(row[d1]) * times[d1]
        v2, v3 = np.float32(row[d2]) * times[d2], np.float32(row[d3]) * times[d3]
        for j in range(product.size):
            product[j] += v0 * c0[j] + v1 * c1[j] + v2 * c2[j] + v3 * c3[j]
        i += 4
    while i < places.size:
        d0 = places[i]
        c0, v0 = part[d0], np.float32(row[d0]) * times[d0]
        for j in range(product.size):
            product[j] += v0 * c0[j]
        i += 1
