"""Factorizations of the low-rank form: the cost of an iteration no longer depends on the size of the data."""

from dataclasses import dataclass

import numpy as np

from unmix4d.factorize.rules import Rule
from unmix4d.factorize.sketch import Sketch
from unmix4d.records import FloatArray

WINDOW = 10
FIRST_SWEEPS = 10
SWEEPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When an iteration stops: after ``max_iter`` steps, or when ten gain less than ``tol`` of the first error."""

    max_iter: int
    tol: float

    def reached(self, history: list[float]) -> bool:
        """Whether the last ten values gained less than ``tol`` (method 4.2)."""
        return len(history) > WINDOW and history[-1 - WINDOW] - history[-1] < self.tol * history[0]


@dataclass(slots=True, kw_only=True, eq=False)
class Candidate:
    """One factorization in the weighted space, from one start.

    Attributes
    ----------
    start : str
    components : (k, n_pixels) float32, rows of unit length
    weights : (n_probes, k) float32, column-major
    history : list of float
        Squared error after each iteration, as a share of the squared matrix.
    converged : bool
    """

    start: str
    components: FloatArray
    weights: FloatArray
    history: list[float]
    converged: bool = False

    @property
    def k(self) -> int:
        """Number of components."""
        return int(self.components.shape[0])

    @property
    def objective(self) -> float:
        """The last value of the history."""
        return self.history[-1]


def unit_rows(components: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scale rows to unit length; zero rows stay zero. Gives the rows and their lengths (1 for zero rows)."""
    lengths = np.linalg.norm(components, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0).astype(np.float32)
    return components / lengths[:, None], lengths


def squared_error(norm2: float, weights: FloatArray, gram: FloatArray, cross: FloatArray) -> float:
    """Squared error of weights (n, k) for a matrix of squared norm ``norm2``, with gram (k, k) and cross (n, k)."""
    fit = float(np.einsum("ij,ij->", weights, cross, dtype=np.float64))
    size = float(np.einsum("ij,ij->", weights.T @ weights, gram, dtype=np.float64))
    return norm2 - 2 * fit + size


def fit_sketch(
    sketch: Sketch,
    start: str,
    components: FloatArray,
    *,
    rule: Rule,
    limits: Limits,
    penalty: float = 0.0,
    extrapolate: bool = False,
) -> Candidate:
    """Alternate weights and components on the low-rank form until it converges.

    Parameters
    ----------
    sketch : Sketch
    start : str
        Name of the start, for the record.
    components : (k, n_pixels) float32
        Where to start, non-negative.
    rule : Rule
    limits : Limits
    penalty : float
        L1 penalty on the weights, for components of unit length.
    extrapolate : bool
        Look ahead along the last step where there is no penalty: about half the iterations. For rules that can
        leave zero again.

    Returns
    -------
    Candidate
    """
    components, _ = unit_rows(components)
    cross, gram = _products(sketch, components)
    weights = np.asfortranarray(np.maximum(cross, 0))
    for _ in range(FIRST_SWEEPS):
        weights = rule(weights, gram, cross - penalty)
    done = Candidate(start=start, components=components, weights=weights, history=[])
    if extrapolate and not penalty:
        _alternate_ahead(sketch, done, rule, limits)
    else:
        _alternate(sketch, done, rule, limits, penalty)
    done.components, lengths = unit_rows(done.components)
    done.weights = np.asfortranarray(done.weights * lengths)
    return done


def _alternate(sketch: Sketch, done: Candidate, rule: Rule, limits: Limits, penalty: float) -> None:
    for _ in range(limits.max_iter):
        done.components, lengths = unit_rows(_improved(sketch, done.weights, done.components, rule))
        done.weights *= lengths
        cross, gram = _products(sketch, done.components)
        for _ in range(SWEEPS):
            done.weights = rule(done.weights, gram, cross - penalty)
        done.history.append(max(squared_error(sketch.norm2, done.weights, gram, cross), 0.0) / sketch.norm2)
        done.converged = limits.reached(done.history)
        if done.converged:
            return


def _alternate_ahead(sketch: Sketch, done: Candidate, rule: Rule, limits: Limits) -> None:
    """Alternate with extrapolation and restarts (Ang & Gillis, Neural Comput. 31 (2019) 417)."""
    momentum = _Momentum()
    weights, components = done.weights, done.components
    best = float("inf")
    for _ in range(limits.max_iter):
        components = momentum.ahead(_improved(sketch, weights, components, rule), done.components)
        cross, gram = _products(sketch, components)
        fitted = weights.copy(order="F")
        for _ in range(SWEEPS):
            fitted = rule(fitted, gram, cross)
        error = max(squared_error(sketch.norm2, fitted, gram, cross), 0.0) / sketch.norm2
        if error > best:
            weights, components = done.weights, done.components
            momentum.shorten()
        else:
            weights = momentum.ahead(fitted, done.weights)
            done.weights, done.components, best = fitted, components, error
            momentum.lengthen()
        done.history.append(best)
        done.converged = limits.reached(done.history)
        if done.converged:
            return


@dataclass(slots=True)
class _Momentum:
    """How far to look ahead: further after each gain, back after a loss."""

    share: float = 0.5
    ceiling: float = 1.0

    def ahead(self, now: FloatArray, before: FloatArray) -> FloatArray:
        """Go on from ``now`` along the last step, as far as nothing becomes negative."""
        return np.maximum(now + np.float32(self.share) * (now - before), 0)

    def lengthen(self) -> None:
        """Look further after a gain."""
        self.share = min(self.ceiling, 1.05 * self.share)
        self.ceiling = min(1.0, 1.01 * self.ceiling)

    def shorten(self) -> None:
        """Look less far after a loss."""
        self.ceiling = self.share
        self.share /= 1.5


def _improved(sketch: Sketch, weights: FloatArray, components: FloatArray, rule: Rule) -> FloatArray:
    """Components (k, n_pixels) after some sweeps of the rule, for these weights."""
    back = np.asfortranarray(((weights.T @ sketch.scores) @ sketch.basis).T)
    squares = weights.T @ weights
    grown = np.array(components.T, order="F")
    for _ in range(SWEEPS):
        grown = rule(grown, squares, back)
    return np.ascontiguousarray(grown.T)


def _products(sketch: Sketch, components: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cross = matrix @ componentsᵀ (column-major) and gram = components @ componentsᵀ."""
    return np.asfortranarray(sketch.scores @ (sketch.basis @ components.T)), components @ components.T
