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
    fit: float


def refine(  # noqa: PLR0913 - the loop needs all of them and nothing else
    matrix: PatternMatrix,
    weighting: Weighting,
    candidates: Sequence[Candidate],
    *,
    rule: Rule,
    norm2: float,
    executor: Executor,
    max_passes: int,
    tol: float,
    penalty: float = 0.0,
    after_pass: Callable[[], None] = lambda: None,
) -> None:
    """Alternate on the data until a pass gains less than ``tol`` of the objective; one pass serves all of them.

    Parameters
    ----------
    matrix : PatternMatrix
    weighting : Weighting
    candidates : sequence of Candidate
        Improved in place.
    rule : Rule
    norm2 : float
        Sum of squares of the weighted matrix.
    executor : Executor
    max_passes : int
    tol : float
    penalty : float
        L1 penalty on the weights, for components of unit length.
    after_pass : callable
        Called after each pass, for progress.
    """
    active = list(candidates)
    for _ in range(max_passes):
        if not active:
            return
        _one_pass(matrix, weighting, active, rule=rule, norm2=norm2, executor=executor, penalty=penalty)
        after_pass()
        for candidate in active:
            before, now = candidate.history[-2:] if len(candidate.history) > 1 else (1.0, candidate.history[-1])
            candidate.converged = before - now < tol * before
        active = [candidate for candidate in active if not candidate.converged]


def _one_pass(
    matrix: PatternMatrix,
    weighting: Weighting,
    candidates: Sequence[Candidate],
    *,
    rule: Rule,
    norm2: float,
    executor: Executor,
    penalty: float,
) -> None:
    stacked = np.ascontiguousarray((np.concatenate([c.components for c in candidates]) * weighting.column).T)
    grams = [candidate.components @ candidate.components.T for candidate in candidates]
    offsets = np.cumsum([0, *(candidate.k for candidate in candidates)])

    def work(block: int) -> tuple[slice, list[_Part]]:
        rows, patterns = matrix.rows_of(block), matrix.read_block(block)
        of_rows = weighting.row[rows, None]
        cross = (patterns @ stacked) * of_rows
        parts = []
        for i, candidate in enumerate(candidates):
            mine = np.asfortranarray(cross[:, offsets[i] : offsets[i + 1]])
            weights = np.asfortranarray(candidate.weights[rows])
            for _ in range(SWEEPS):
                weights = rule(weights, grams[i], mine - penalty)
            fit = squared_error(0.0, weights, grams[i], mine)
            parts.append(_Part(weights=weights, squares=weights.T @ weights, back=np.empty(0), fit=fit))
        together = np.concatenate([part.weights for part in parts], axis=1) * of_rows
        back = (together.T @ patterns) * weighting.column
        return rows, [
            _Part(weights=part.weights, squares=part.squares, back=back[offsets[i] : offsets[i + 1]], fit=part.fit)
            for i, part in enumerate(parts)
        ]

    squares = [np.zeros((c.k, c.k)) for c in candidates]
    backs = [np.zeros(c.components.shape) for c in candidates]
    errors = [norm2 for _ in candidates]
    for rows, parts in executor.map_blocks(work, range(matrix.n_blocks)):
        for i, part in enumerate(parts):
            candidates[i].weights[rows] = part.weights
            squares[i] += part.squares
            backs[i] += part.back
            errors[i] += part.fit
    for i, candidate in enumerate(candidates):
        candidate.history.append(max(errors[i], 0.0) / norm2)
        grown = np.asfortranarray(candidate.components.T)
        back = np.asfortranarray(backs[i].T, dtype=np.float32)
        for _ in range(SWEEPS):
            grown = rule(grown, squares[i].astype(np.float32), back)
        candidate.components, lengths = unit_rows(np.ascontiguousarray(grown.T))
        candidate.weights *= lengths


def measure(
    matrix: PatternMatrix,
    weighting: Weighting,
    candidates: Sequence[Candidate],
    *,
    rule: Rule,
    norm2: float,
    executor: Executor,
    penalty: float = 0.0,
) -> list[float]:
    """Fit the weights once more to the final components and take the exact K-component losses, in one pass.

    Returns
    -------
    list of float
        Mean of |V - V'| over all rows and columns, in counts, for each candidate (paper, K-component loss).
    """
    grams = [c.components @ c.components.T for c in candidates]
    plain = [_unweighted(c.components, weighting.column) for c in candidates]

    def work(block: int) -> tuple[slice, list[tuple[FloatArray, float, float]]]:
        rows, patterns = matrix.rows_of(block), matrix.read_block(block)
        of_rows = weighting.row[rows, None]
        out = []
        for i, candidate in enumerate(candidates):
            cross = np.asfortranarray((patterns @ (candidate.components * weighting.column).T) * of_rows)
            weights = np.asfortranarray(candidate.weights[rows])
            for _ in range(FINAL_SWEEPS):
                weights = rule(weights, grams[i], cross - penalty)
            counts = np.divide(weights, of_rows, out=np.zeros_like(weights), where=of_rows > 0)
            loss = _absolute_error(patterns, np.ascontiguousarray(counts), plain[i])
            out.append((weights, squared_error(0.0, weights, grams[i], cross), loss))
        return rows, out

    losses, errors = [0.0 for _ in candidates], [norm2 for _ in candidates]
    for rows, parts in executor.map_blocks(work, range(matrix.n_blocks)):
        for i, (weights, error, loss) in enumerate(parts):
            candidates[i].weights[rows] = weights
            errors[i] += error
            losses[i] += loss
    for candidate, error in zip(candidates, errors, strict=True):
        candidate.history.append(max(error, 0.0) / norm2)
    return [loss / (matrix.n_probes * matrix.n_pixels) for loss in losses]


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
