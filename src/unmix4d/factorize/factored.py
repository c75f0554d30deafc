"""Factorizations of the low-rank form: the cost of an iteration no longer depends on the size of the data."""

from dataclasses import dataclass, replace

import numpy as np

from unmix4d.factorize.kernels import alternate_ahead
from unmix4d.factorize.rules import Rule
from unmix4d.records import FactoredMatrix, FloatArray

FIRST_SWEEPS = 10
SWEEPS = 2
LOOSER = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When an iteration stops (method 4.2).

    After ``max_iter`` steps, or when the last ``window`` gained less than ``tol`` of the first error.
    """

    max_iter: int
    tol: float
    window: int = 10

    def reached(self, history: list[float]) -> bool:
        """Whether the last steps gained too little to go on."""
        return len(history) > self.window and history[-1 - self.window] - history[-1] < self.tol * history[0]

    def looser(self) -> "Limits":
        """Limits for an iteration whose result is going to be improved."""
        return replace(self, tol=LOOSER * self.tol)

    def closer(self) -> "Limits":
        """Limits for an iteration that starts near its end: half the window."""
        return replace(self, window=max(1, self.window // 2))


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
    as_counts : bool
        Whether the components are divided by the column weights instead, as a pass over the data leaves them.
    """

    start: str
    components: FloatArray
    weights: FloatArray
    history: list[float]
    converged: bool = False
    as_counts: bool = False

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitter:
    """How a factorization of the low-rank form is improved.

    Attributes
    ----------
    rule : Rule
    limits : Limits
    penalty : float
        L1 penalty on the weights, for components of unit length.
    extrapolate : bool
        Look ahead along the last step where there is no penalty: about half the iterations. For HALS.
    """

    rule: Rule
    limits: Limits
    penalty: float = 0.0
    extrapolate: bool = False

    def fit(
        self, factored: FactoredMatrix, start: str, components: FloatArray, weights: FloatArray | None = None
    ) -> Candidate:
        """Alternate weights and components until they converge.

        Parameters
        ----------
        factored : FactoredMatrix
        start : str
            Name of the start, for the record.
        components : (k, n_pixels) float32
            Where to start, non-negative.
        weights : (n_probes, k) float32, optional
            Where to start; by default fitted to the components.

        Returns
        -------
        Candidate
        """
        components, lengths = unit_rows(components)
        if weights is None:
            weights = self._first_weights(factored, components)
        else:
            weights = np.asfortranarray(weights * lengths)
        done = Candidate(start=start, components=components, weights=weights, history=[])
        if self.extrapolate and not self.penalty:
            self._alternate_ahead(factored, done)
        else:
            self._alternate(factored, done)
        done.components, lengths = unit_rows(done.components)
        done.weights = np.asfortranarray(done.weights * lengths)
        return done

    def _first_weights(self, factored: FactoredMatrix, components: FloatArray) -> FloatArray:
        cross, gram = _products(factored, components)
        weights = np.asfortranarray(np.maximum(cross, 0))
        for _ in range(FIRST_SWEEPS):
            weights = self.rule(weights, gram, cross - self.penalty)
        return weights

    def _alternate_ahead(self, factored: FactoredMatrix, done: Candidate) -> None:
        components, weights, history = alternate_ahead(
            factored.scores,
            factored.basis,
            np.ascontiguousarray(done.components),
            np.ascontiguousarray(done.weights.T),
            _power(factored),
            (self.limits.max_iter, self.limits.tol, self.limits.window, SWEEPS),
        )
        done.components, done.weights, done.history = components, weights.T, history.tolist()
        done.converged = self.limits.reached(done.history)

    def _alternate(self, factored: FactoredMatrix, done: Candidate) -> None:
        for _ in range(self.limits.max_iter):
            grown = self._improved(factored, done.weights, done.components)
            done.components, lengths = unit_rows(grown)
            done.weights *= lengths
            cross, gram = _products(factored, done.components)
            for _ in range(SWEEPS):
                done.weights = self.rule(done.weights, gram, cross - self.penalty)
            error = squared_error(factored.norm2, done.weights, gram, cross)
            done.history.append(max(error, 0.0) / _power(factored))
            done.converged = self.limits.reached(done.history)
            if done.converged:
                return

    def _improved(self, factored: FactoredMatrix, weights: FloatArray, components: FloatArray) -> FloatArray:
        """Components (k, n_pixels) after some sweeps of the rule, for these weights."""
        back = np.asfortranarray(((weights.T @ factored.scores) @ factored.basis).T)
        squares = weights.T @ weights
        grown = np.array(components.T, order="F")
        for _ in range(SWEEPS):
            grown = self.rule(grown, squares, back)
        return np.ascontiguousarray(grown.T)


def _power(factored: FactoredMatrix) -> float:
    """Sum of squares of the matrix; where it is empty, as beside a beam that covers the detector, not quite 0."""
    return max(factored.norm2, np.finfo(np.float64).tiny)


def _products(factored: FactoredMatrix, components: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cross = matrix @ componentsᵀ (column-major) and gram = components @ componentsᵀ."""
    cross = ((components @ factored.basis.T) @ factored.scores.T).T
    return cross, components @ components.T
