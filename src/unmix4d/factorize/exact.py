"""Passes over the data itself: refine components and weights, and take the exact loss, for every k at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.factored import Candidate, squared_error, unit_rows
from unmix4d.factorize.rules import Rule
from unmix4d.factorize.weighting import Weighting
from unmix4d.records import FloatArray, PatternMatrix

SWEEPS = 3
FINAL_SWEEPS = 10
TILE_PIXELS = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one block adds for one candidate."""

    weights: FloatArray
    squares: FloatArray
    back: FloatArray
    error: float


@dataclass(slots=True, kw_only=True, eq=False)
class _Sums:
    """What all blocks add up to for one candidate: weightsᵀ weights, weightsᵀ matrix, squared error; float64."""

    squares: FloatArray
    back: FloatArray
    error: float

    @classmethod
    def zeros(cls, candidate: Candidate, norm2: float) -> "_Sums":
        """Start with nothing explained."""
        return cls(
            squares=np.zeros((candidate.k, candidate.k)), back=np.zeros(candidate.components.shape), error=norm2
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What is factorised, and by which rule.

    Attributes
    ----------
    matrix : PatternMatrix
    weighting : Weighting
    norm2 : float
        Sum of squares of the weighted matrix.
    rule : Rule
    penalty : float
        L1 penalty on the weights, for components of unit length.
    executor : Executor
    """

    matrix: PatternMatrix
    weighting: Weighting
    norm2: float
    rule: Rule
    penalty: float
    executor: Executor

    def fit_weights(self, weights: FloatArray, gram: FloatArray, cross: FloatArray, sweeps: int) -> FloatArray:
        """Improve weights (n, k) by some sweeps of the rule."""
        for _ in range(sweeps):
            weights = self.rule(weights, gram, cross - self.penalty)
        return weights


def refine(
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    max_passes: int,
    tol: float,
    after_pass: Callable[[], None] = lambda: None,
) -> None:
    """Alternate on the data until a pass gains less than ``tol`` of the objective; one pass serves all of them.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of Candidate
        Improved in place.
    max_passes : int
    tol : float
    after_pass : callable
        Called after each pass, for progress.
    """
    active = list(candidates)
    for _ in range(max_passes):
        if not active:
            return
        _one_pass(problem, active)
        after_pass()
        for candidate in active:
            before, now = candidate.history[-2:] if len(candidate.history) > 1 else (1.0, candidate.history[-1])
            candidate.converged = before - now < tol * before
        active = [candidate for candidate in active if not candidate.converged]


def _one_pass(problem: Problem, candidates: Sequence[Candidate]) -> None:
    """Improve the weights of every block, then the components from what the blocks add up to."""
    column = problem.weighting.column
    stacked = np.ascontiguousarray((np.concatenate([c.components for c in candidates]) * column).T)
    grams = [c.components @ c.components.T for c in candidates]
    offsets = np.cumsum([0, *(c.k for c in candidates)])
    mine = [slice(offsets[i], offsets[i + 1]) for i in range(len(candidates))]

    def work(block: int) -> tuple[slice, list[_Part]]:
        rows, patterns = problem.matrix.rows_of(block), problem.matrix.read_block(block)
        of_rows = problem.weighting.row[rows, None]
        cross = (patterns @ stacked) * of_rows
        crosses = [np.asfortranarray(cross[:, part]) for part in mine]
        fitted = [
            problem.fit_weights(np.asfortranarray(c.weights[rows]), gram, own, SWEEPS)
            for c, gram, own in zip(candidates, grams, crosses, strict=True)
        ]
        back = ((np.concatenate(fitted, axis=1) * of_rows).T @ patterns) * column
        return rows, [
            _Part(
                weights=weights,
                squares=weights.T @ weights,
                back=back[mine[i]],
                error=squared_error(0.0, weights, grams[i], crosses[i]),
            )
            for i, weights in enumerate(fitted)
        ]

    sums = [_Sums.zeros(c, problem.norm2) for c in candidates]
    for rows, parts in problem.executor.map_blocks(work, range(problem.matrix.n_blocks)):
        for candidate, total, part in zip(candidates, sums, parts, strict=True):
            candidate.weights[rows] = part.weights
            total.squares += part.squares
            total.back += part.back
            total.error += part.error
    for candidate, total in zip(candidates, sums, strict=True):
        _update_components(problem, candidate, total)


def _update_components(problem: Problem, candidate: Candidate, total: "_Sums") -> None:
    candidate.history.append(max(total.error, 0.0) / problem.norm2)
    grown = np.asfortranarray(candidate.components.T)
    squares = total.squares.astype(np.float32)
    back = np.asfortranarray(total.back.T, dtype=np.float32)
    for _ in range(SWEEPS):
        grown = problem.rule(grown, squares, back)
    candidate.components, lengths = unit_rows(np.ascontiguousarray(grown.T))
    candidate.weights *= lengths


def measure(problem: Problem, candidates: Sequence[Candidate]) -> list[float]:
    """Fit the weights once more to the final components and take the exact K-component losses, in one pass.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of Candidate
        Their weights and histories are brought up to date.

    Returns
    -------
    list of float
        Mean of |V - V'| over all rows and columns, in counts, for each candidate (paper, K-component loss).
    """
    weighting = problem.weighting
    grams = [c.components @ c.components.T for c in candidates]
    plain = [_unweighted(c.components, weighting.column) for c in candidates]

    def work(block: int) -> tuple[slice, list[tuple[FloatArray, float, float]]]:
        rows, patterns = problem.matrix.rows_of(block), problem.matrix.read_block(block)
        of_rows = weighting.row[rows, None]
        out = []
        for i, candidate in enumerate(candidates):
            cross = np.asfortranarray((patterns @ (candidate.components * weighting.column).T) * of_rows)
            weights = np.asfortranarray(candidate.weights[rows])
            weights = problem.fit_weights(weights, grams[i], cross, FINAL_SWEEPS)
            counts = np.divide(weights, of_rows, out=np.zeros_like(weights), where=of_rows > 0)
            loss = _absolute_error(patterns, np.ascontiguousarray(counts), plain[i])
            out.append((weights, squared_error(0.0, weights, grams[i], cross), loss))
        return rows, out

    losses, errors = [0.0 for _ in candidates], [problem.norm2 for _ in candidates]
    for rows, parts in problem.executor.map_blocks(work, range(problem.matrix.n_blocks)):
        for i, (weights, error, loss) in enumerate(parts):
            candidates[i].weights[rows] = weights
            errors[i] += error
            losses[i] += loss
    for candidate, error in zip(candidates, errors, strict=True):
        candidate.history.append(max(error, 0.0) / problem.norm2)
    return [loss / (problem.matrix.n_probes * problem.matrix.n_pixels) for loss in losses]


def _unweighted(components: FloatArray, column: FloatArray) -> FloatArray:
    """Components in counts: divided by the column weights, 0 where those are 0."""
    return np.divide(components, column, out=np.zeros_like(components), where=column > 0)


def _absolute_error(patterns: FloatArray, weights: FloatArray, components: FloatArray) -> float:
    """Sum of |patterns - weights @ components|, tile by tile so that the difference stays in cache."""
    total = 0.0
    for left in range(0, patterns.shape[1], TILE_PIXELS):
        tile = slice(left, left + TILE_PIXELS)
        difference = weights @ components[:, tile]
        np.subtract(patterns[:, tile], difference, out=difference)
        np.abs(difference, out=difference)
        total += float(difference.sum(dtype=np.float64))
    return total


def in_counts(candidate: Candidate, weighting: Weighting) -> tuple[FloatArray, FloatArray]:
    """Components of unit sum (k, n_pixels) and weights in counts (n_probes, k), largest total weight first.

    Method 4.3: the scale that W H leaves open is fixed so that weights are counts; ties in the order keep the
    lower index first. A component that carries nothing comes last, 0 everywhere.
    """
    components = _unweighted(candidate.components, weighting.column).astype(np.float64)
    sums = components.sum(axis=1)
    rows = weighting.row[:, None]
    weights = np.divide(candidate.weights, rows, out=np.zeros_like(candidate.weights), where=rows > 0) * sums
    dead = (sums <= 0) | (weights.sum(axis=0) <= 0)
    components = np.where(dead[:, None], 0.0, components / np.where(sums > 0, sums, 1.0)[:, None])
    weights = np.where(dead, 0.0, weights)
    order = np.argsort(-weights.sum(axis=0, dtype=np.float64), kind="stable")
    return components[order].astype(np.float32), np.ascontiguousarray(weights[:, order], dtype=np.float32)
