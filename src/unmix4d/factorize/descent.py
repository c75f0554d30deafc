"""Least squares by cyclic coordinate descent from NNDSVD, on a matrix in memory: what scikit-learn's NMF does.

The paper's scripts use it for every model that is shown (method, section 11). It is not a solver to choose:
`unmix4d.factorize.alternate` reaches the same minima from a few passes over the data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.execute import Executor, Serial, one_blas_thread
from unmix4d.records import AnyArray, FloatArray

ROWS = 256
PIECE_BYTES, LEAST_PIECE = 2**24, 64
"""About what the patterns of which a product is taken at once have as float32, and how many there are at least; the
pieces do not depend on the number of threads."""

MAX_ITER = 1500
TOLERANCE = 1e-4
OVERSAMPLING = 10
POWER_STEPS = 7
NNDSVD_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DescentFit:
    """Components (k, n_pixels) and weights (k, n_probes), float32, neither normalised, and how it ended."""

    components: FloatArray
    weights: FloatArray
    n_iterations: int
    converged: bool


def fit_descent(
    values: AnyArray,
    k: int,
    *,
    rng: np.random.Generator,
    max_iter: int = MAX_ITER,
    tol: float = TOLERANCE,
    executor: Executor | None = None,
    tick: Callable[[], None] = lambda: None,
) -> DescentFit:
    """Minimise the squared error, one column of one factor after the other: components first, then weights.

    Parameters
    ----------
    values : (n_probes, n_pixels), any real type, not negative
    k : int
    rng : numpy.random.Generator
        Of the random directions that singular vectors are found from.
    max_iter : int
    tol : float
        It ends when the sum of the projected gradients is this share of that of the first iteration.
    executor : Executor, optional
        Of products; None = one piece after the other.
    tick : callable
        Called after every iteration, for progress.

    Returns
    -------
    DescentFit

    Notes
    -----
    Cichocki & Phan, IEICE Trans. Fundam. E92-A (2009) 708; ended as by Hsieh & Dhillon, KDD 2011, 1064; both as in
    scikit-learn.
    """
    products = _Products(values=values, executor=executor or Serial())
    first, n_iterations, converged = 0.0, 0, False
    with one_blas_thread():
        components, weights = nndsvd(products, k, rng=rng)
        while n_iterations < max_iter and not converged:
            violation = descend(components, weights @ weights.T, products.back(weights))
            violation += descend(weights, components @ components.T, products.along(components))
            tick()
            n_iterations += 1
            first = first or violation
            converged = violation <= tol * first
    return DescentFit(components=components, weights=weights, n_iterations=n_iterations, converged=converged)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Products:
    """Products of a few rows with the values, taken in pieces that are float32 only while they are needed."""

    values: AnyArray
    executor: Executor

    def along(self, components: FloatArray) -> FloatArray:
        """Components (r, n_pixels) times Vᵀ: (r, n_probes) float32."""
        parts = self._map(lambda piece, _rows: np.dot(components, piece.T))
        return np.concatenate(list(parts), axis=1)

    def back(self, weights: FloatArray) -> FloatArray:
        """Weights (r, n_probes) times V: (r, n_pixels) float32, summed in float64."""
        total = np.zeros((len(weights), self.values.shape[1]))
        for part in self._map(lambda piece, rows: np.dot(np.ascontiguousarray(weights[:, rows]), piece)):
            total += part
        return total.astype(np.float32)

    def _map(self, product: Callable[[FloatArray, slice], FloatArray]) -> Iterator[FloatArray]:
        size = piece_rows(self.values.shape[1])

        def work(start: int) -> FloatArray:
            rows = slice(start, min(start + size, len(self.values)))
            return product(self.values[rows].astype(np.float32, copy=False), rows)

        starts = range(0, len(self.values), size)
        # An executor limits BLAS anew at every call, which costs more than a small product.
        alone = len(starts) == 1 or isinstance(self.executor, Serial)
        return map(work, starts) if alone else self.executor.map_blocks(work, starts)


def piece_rows(n_pixels: int) -> int:
    """Give the number of patterns of one piece."""
    return max(LEAST_PIECE, PIECE_BYTES // (4 * n_pixels))


def nndsvd(products: _Products, k: int, *, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Non-negative double SVD, zeros left as they are: components (k, n_pixels) and weights (k, n_probes), float32.

    Boutsidis & Gallopoulos, Pattern Recognit. 41 (2008) 1350, from a randomised SVD (Halko et al., SIAM Rev. 53
    (2011) 217) with ten directions more than needed and seven power steps, as in scikit-learn.
    """
    n_probes, n_pixels = products.values.shape
    rank = min(k + OVERSAMPLING, n_probes, n_pixels)
    basis = _orthonormal(rng.standard_normal((rank, n_pixels), dtype=np.float32))
    for _ in range(POWER_STEPS):
        basis = _orthonormal(products.back(_orthonormal(products.along(basis))))
    left, sizes, right = np.linalg.svd(products.along(basis).astype(np.float64), full_matrices=False)
    across = left.T[:k] @ basis
    components, weights = np.zeros((k, n_pixels)), np.zeros((k, n_probes))
    components[0], weights[0] = np.sqrt(sizes[0]) * np.abs(across[0]), np.sqrt(sizes[0]) * np.abs(right[0])
    for i in range(1, min(k, rank)):
        halves = [(np.maximum(s * across[i], 0), np.maximum(s * right[i], 0)) for s in (1, -1)]
        norms = [(float(np.linalg.norm(a)), float(np.linalg.norm(b))) for a, b in halves]
        side = int(np.argmax([a * b for a, b in norms]))
        (one, other), (length, width) = halves[side], norms[side]
        if length * width > 0:
            scale = np.sqrt(sizes[i] * length * width)
            components[i], weights[i] = scale * one / length, scale * other / width
    for factor in (components, weights):
        factor[factor < NNDSVD_FLOOR] = 0
    return components.astype(np.float32), weights.astype(np.float32)


def _orthonormal(rows: FloatArray) -> FloatArray:
    """Give orthonormal rows that span the same."""
    return np.ascontiguousarray(np.linalg.qr(rows.T)[0].T)


@compiled
def descend(factor: FloatArray, gram: FloatArray, cross: FloatArray) -> float:
    """Improve a factor (k, n) in place, one row after the other, with gram (k, k) and cross (k, n), all float32.

    Gives the sum of the absolute projected gradients that it met.
    """
    k, n = factor.shape
    violation = np.float64(0)
    room = np.empty(ROWS, np.float32)
    zero = np.float32(0)
    for low in range(0, n, ROWS):
        high = min(low + ROWS, n)
        slope = room[: high - low]
        for i in range(k):
            wanted, own = cross[i, low:high], factor[i, low:high]
            for p in range(slope.size):
                slope[p] = -wanted[p]
            for j in range(k):
                share, other = gram[i, j], factor[j, low:high]
                for p in range(slope.size):
                    slope[p] += share * other[p]
            met = np.float32(0)
            for p in range(slope.size):
                met += abs(slope[p]) if own[p] > zero else abs(min(slope[p], zero))
            violation += met
            if gram[i, i] > zero:
                inverse = np.float32(1) / gram[i, i]
                for p in range(slope.size):
                    own[p] = max(own[p] - slope[p] * inverse, zero)
    return violation
