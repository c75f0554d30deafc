"""One pass over the data for all k at once: fit the weights to it, and take the exact losses."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from unmix4d.execute import Executor, give_back_memory
from unmix4d.factorize.factored import Candidate, squared_error
from unmix4d.factorize.losses import Losses
from unmix4d.factorize.products import SPARSE_TWICE, Across, Seen, back_product, density
from unmix4d.factorize.rules import Rule
from unmix4d.records import AnyArray, FloatArray, IntArray, PatternMatrix

FINAL_SWEEPS = 10
COMPONENT_SWEEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What is factorised, and by which rule.

    Attributes
    ----------
    matrix : PatternMatrix
    row, column : (n_probes,), (n_pixels,) float32
        Weights of rows and columns.
    norm2 : float
        Sum of squares of the weighted matrix.
    rule : Rule
    penalty : float
        L1 penalty on the weights, for components of unit length.
    executor : Executor
    """

    matrix: PatternMatrix
    row: FloatArray
    column: FloatArray
    norm2: float
    rule: Rule
    penalty: float
    executor: Executor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Components of several factorizations, side by side; number i has ``bounds[i]:bounds[i + 1]``."""

    across: Across
    bounds: IntArray

    @classmethod
    def of(cls, candidates: Sequence[Candidate], column: FloatArray) -> "Stack":
        """Stack the components as counts: divided by the column weights, 0 where those are 0."""
        bounds = np.cumsum([0, *(c.k for c in candidates)], dtype=np.int64)
        across = Across.empty(int(bounds[-1]), len(column))
        for candidate, own in zip(candidates, _parts(bounds), strict=True):
            across.pixels[:, own] = components_as_counts(candidate, column).T
        return cls(across=across, bounds=bounds)

    def lend(self, candidates: Sequence[Candidate], keep: Collection[int]) -> None:
        """Let the candidates look at these components instead of holding their own, but for those to ``keep``."""
        for i, (candidate, own) in enumerate(zip(candidates, self.parts, strict=True)):
            if i not in keep:
                candidate.components, candidate.as_counts = self.across.pixels[:, own].T, True

    @property
    def parts(self) -> list[slice]:
        """Rows of each factorization."""
        return _parts(self.bounds)


def components_as_counts(candidate: Candidate, column: FloatArray) -> FloatArray:
    """Give components divided by the column weights, 0 where those are 0: (k, n_pixels), a copy."""
    if candidate.as_counts:
        return np.array(candidate.components, order="C")
    inverse = np.divide(1, column, out=np.zeros_like(column), where=column > 0)
    return np.asarray(candidate.components * inverse)


def _parts(bounds: IntArray) -> list[slice]:
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one block gives: fitted weights (n, K), and for each factorization its errors and sums."""

    rows: slice
    weights: FloatArray
    errors: list[float]
    losses: FloatArray
    squares: list[FloatArray] = field(default_factory=list)
    back: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pass:
    """Works on one block at a time; small enough to travel.

    ``back_of`` names the stacked rows for which weightsᵀ matrix is wanted, at every ``stride``-th pixel; ``losses``
    are taken if given.
    """

    matrix: PatternMatrix
    stack: Stack
    grams: list[FloatArray]
    column: FloatArray
    rule: Rule
    penalty: float
    sweeps: int
    back_of: IntArray
    stride: int
    losses: Losses | None

    def __call__(self, item: tuple[int, FloatArray, FloatArray]) -> _Part:
        block, row, weights = item
        patterns = self.matrix.read_block(block)
        cross, seen = self._cross(patterns, row, weights)
        cross *= row[:, None]
        errors = [
            self._fit(weights, cross, own, gram) for own, gram in zip(self.stack.parts, self.grams, strict=True)
        ]
        return _Part(
            rows=self.matrix.rows_of(block),
            weights=weights,
            errors=errors,
            losses=self._losses(patterns, row, weights, seen),
            squares=[weights[:, own].T @ weights[:, own] for own in self.stack.parts] if len(self.back_of) else [],
            back=self._back(patterns, row, weights) if len(self.back_of) else None,
        )

    def _cross(self, patterns: AnyArray, row: FloatArray, weights: FloatArray) -> tuple[FloatArray, Seen | None]:
        """Patterns times components, (n, K), column weights twice: of the patterns and of the components.

        With it, where counts are few, what the losses need, as far as the weights from before tell.
        """
        squared = self.column**2
        if self.losses is not None and density(patterns) <= SPARSE_TWICE:
            faint = self.losses.presume_faint(patterns, _in_counts(weights, row))
            if faint is not None:
                return self.stack.across.times_and_seen(patterns, squared, faint)
        return self.stack.across.times(patterns, squared), None

    def _fit(self, weights: FloatArray, cross: FloatArray, own: slice, gram: FloatArray) -> float:
        """Improve the weights of one factorization in place; give what they change of the squared error."""
        wanted = np.asfortranarray(cross[:, own])
        fitted = np.array(weights[:, own], order="F")
        for _ in range(self.sweeps):
            fitted = self.rule(fitted, gram, wanted - self.penalty if self.penalty else wanted)
        weights[:, own] = fitted
        return squared_error(0.0, fitted, gram, wanted)

    def _losses(self, patterns: AnyArray, row: FloatArray, weights: FloatArray, seen: Seen | None) -> FloatArray:
        if self.losses is None:
            return np.zeros(len(self.grams))
        return self.losses.add_up(patterns, _in_counts(weights, row), seen)

    def _back(self, patterns: AnyArray, row: FloatArray, weights: FloatArray) -> FloatArray:
        here = slice(None, None, self.stride)
        return back_product(patterns[:, here], weights[:, self.back_of] * row[:, None], self.column[here])


def _in_counts(weights: FloatArray, row: FloatArray) -> FloatArray:
    return np.divide(weights, row[:, None], out=np.zeros_like(weights), where=row[:, None] > 0)


@dataclass(slots=True, kw_only=True, eq=False)
class Sums:
    """What all blocks add up to, in the order of the candidates.

    ``back`` has the rows that were asked for, at every ``stride``-th pixel.
    """

    errors: FloatArray
    losses: FloatArray
    squares: list[FloatArray]
    back: FloatArray
    stride: int

    def gain(self, i: int, candidate: Candidate, back: FloatArray, norm2: float, rule: Rule) -> float:
        """Share of the error of candidate i that one more update of its components would take away.

        Each pixel is updated on its own, so that those of ``back``, evenly spread, speak for all.
        """
        squares, old = self.squares[i], candidate.components[:, :: self.stride]
        new = improved_components(old, squares, back, rule)
        less = squared_error(0.0, old.T, squares, back.T) - squared_error(0.0, new.T, squares, back.T)
        before = max(norm2 + float(self.errors[i]), 0.0)
        return less * candidate.components.shape[1] / back.shape[1] / before if before > 0 else 0.0


def improved_components(components: FloatArray, squares: FloatArray, back: FloatArray, rule: Rule) -> FloatArray:
    """Improve components (k, n_pixels) with squares = weightsᵀ weights and back = weightsᵀ matrix."""
    grown = np.array(components.T, order="F")
    small, wanted = squares.astype(np.float32), np.asfortranarray(back.T, dtype=np.float32)
    for _ in range(COMPONENT_SWEEPS):
        grown = rule(grown, small, wanted)
    return np.ascontiguousarray(grown.T)


def run_pass(
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    sweeps: int,
    back_of: Sequence[int],
    measures: bool,
    stride: int = 1,
) -> Sums:
    """Fit the weights of all candidates, block by block, and add up what else is asked for.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of Candidate
        Their weights are improved in place. Where losses are measured, components not needed for ``back_of`` are
        given up for those of the pass, `as_counts`: every k twice would be most of what is held.
    sweeps : int
        Of the rule.
    back_of : sequence of int
        Candidates for which weightsᵀ matrix is wanted.
    measures : bool
        Whether the sums of |V - V'| are wanted.
    stride : int
        Of the pixels at which weightsᵀ matrix is wanted.

    Returns
    -------
    Sums
    """
    grams: list[FloatArray] = [c.components @ c.components.T for c in candidates]
    stack = Stack.of(candidates, problem.column)
    parts = stack.parts
    if measures:
        stack.lend(candidates, keep=back_of)
        give_back_memory()
    wanted = [np.arange(parts[i].start, parts[i].stop) for i in back_of]
    work = _Pass(
        matrix=problem.matrix,
        stack=stack,
        grams=grams,
        column=problem.column,
        rule=problem.rule,
        penalty=problem.penalty,
        sweeps=sweeps,
        back_of=np.concatenate(wanted) if wanted else np.zeros(0, dtype=np.int64),
        stride=stride,
        losses=Losses.of(stack.across, stack.bounds) if measures else None,
    )
    sums = Sums(
        errors=np.zeros(len(candidates)),
        losses=np.zeros(len(candidates)),
        squares=[np.zeros((c.k, c.k)) for c in candidates],
        back=np.zeros((len(work.back_of), -(-problem.matrix.n_pixels // stride))),
        stride=stride,
    )
    for part in problem.executor.map_blocks(work, _items(problem, candidates)):
        for candidate, own in zip(candidates, parts, strict=True):
            candidate.weights[part.rows] = part.weights[:, own]
        sums.errors += part.errors
        sums.losses += part.losses
        for i, squares in enumerate(part.squares):
            sums.squares[i] += squares
        if part.back is not None:
            sums.back += part.back
    return sums


def _items(problem: Problem, candidates: Sequence[Candidate]) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Each block with its row weights and the weights of all candidates side by side, (n, K)."""
    for block in range(problem.matrix.n_blocks):
        rows = problem.matrix.rows_of(block)
        yield block, problem.row[rows], np.concatenate([c.weights[rows] for c in candidates], axis=1)


def in_counts(candidate: Candidate, row: FloatArray, column: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Components of unit sum (k, n_pixels) and weights in counts (n_probes, k), largest total weight first.

    Method 4.3: the scale that W H leaves open is fixed so that weights are counts; ties in the order keep the
    lower index first. A component that carries nothing comes last, 0 everywhere.
    """
    components = components_as_counts(candidate, column)
    sums = components.sum(axis=1, dtype=np.float64)
    rows = row[:, None]
    weights = np.divide(candidate.weights, rows, out=np.zeros_like(candidate.weights), where=rows > 0)
    weights *= sums.astype(np.float32)
    totals = weights.sum(axis=0, dtype=np.float64)
    dead = (sums <= 0) | (totals <= 0)
    components /= np.where(sums > 0, sums, 1.0).astype(np.float32)[:, None]
    components[dead], weights[:, dead] = 0, 0
    order = np.argsort(-np.where(dead, 0, totals), kind="stable")
    return components[order], np.ascontiguousarray(weights[:, order])
