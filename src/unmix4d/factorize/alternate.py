"""Solvers that alternate between weights and components: every k and start from a few passes over the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.execute import Counted, Executor, Serial, Threads, give_back_memory, one_blas_thread
from unmix4d.factorize import steps
from unmix4d.factorize.coarse import Coarse, coarsen
from unmix4d.factorize.exact import Problem, in_counts
from unmix4d.factorize.factored import Candidate, Fitter, Limits
from unmix4d.factorize.refine import Measured, measure
from unmix4d.factorize.rules import Rule, hals, multiplicative
from unmix4d.factorize.sketch import Sketch, prime, sketch_matrix
from unmix4d.factorize.start import STARTS
from unmix4d.factorize.tries import Tried, between, finish, try_starts
from unmix4d.factorize.weighting import Scheme, find_weighting, take_sample
from unmix4d.records import FactoredMatrix, Factorization, FloatArray, PatternMatrix
from unmix4d.registry import Keeper, NothingKept

Progress = Callable[[float, float], None]

RANK = 48
EXTRA_RANK = 24
REFINE_PASSES = 20
PASSES = 2


def _silent(_done: float, _total: float) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternating:
    """Non-negative matrix factorisation by alternating updates.

    Every start of every k is first fitted in a low-rank form of the matrix that one pass over the data gives, made
    smaller still; the best of each k is then improved in the low-rank form itself. One more pass fits all weights
    to the data and takes the exact losses; where the low-rank form falls short, further passes refine every k.

    Attributes
    ----------
    starts : tuple of str
        Any of ``spa``, ``kmeans``, ``nndsvda``, ``warm``, ``random``.
    weighting : {"poisson", "measured", "none"}
        Keenan-Kotula weights (method 4.4), the noise between neighbouring probes, or none.
    l1 : float
        L1 penalty on the weights, as a share of the root mean square length of the (weighted) patterns, 0 = none.
    max_iter : int or None
        Most iterations for one start; None = the rule's own default.
    tol : float
        Relative gain of the objective below which the iteration stops (method 4.2).
    refine_passes : int
        Most passes over the data to refine; 0 = never.
    executor : Executor
        Of passes over the data.
    local : Executor or None
        Of starts, which stay in this process; by default ``executor`` unless it is that of a cluster.
    progress : callable
        ``progress(done, total)``.
    keeper : Keeper
        Keeps finished steps.
    """

    name: ClassVar[str]
    rule: ClassVar[Rule]
    default_iterations: ClassVar[int]
    extrapolates: ClassVar[bool] = False

    starts: tuple[str, ...] = ("spa", "kmeans", "nndsvda", "warm")
    weighting: Scheme = "poisson"
    l1: float = 0.0
    max_iter: int | None = None
    tol: float = 1e-4
    refine_passes: int = REFINE_PASSES
    executor: Executor = field(default_factory=Serial)
    local: Executor | None = None
    progress: Progress = _silent
    keeper: Keeper = field(default_factory=NothingKept)
    _sketches: dict[int, tuple[PatternMatrix, Sketch]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def fit_many(
        self, matrix: PatternMatrix, ks: Sequence[int], /, *, rng: np.random.Generator
    ) -> Mapping[int, Factorization]:
        """Factorise for every k of ``ks``.

        Parameters
        ----------
        matrix : PatternMatrix
        ks : sequence of int
        rng : numpy.random.Generator

        Returns
        -------
        mapping of k to Factorization

        Raises
        ------
        UsageError
            If a k is below 1 or above what the matrix allows, or a start is unknown.
        """
        check_ks(ks, min(matrix.n_probes, matrix.n_pixels))
        _check_starts(self.starts)
        root = int(rng.integers(2**32))
        count = _Steps(total=2 * PASSES * matrix.n_blocks, report=self.progress, each=matrix.n_blocks / len(ks))
        sketch = self._sketch(matrix, max(ks), seed=root, after_block=count.block)
        tried = self._fit(sketch.factored, ks, root=root, count=count)
        problem = Problem(
            matrix=matrix,
            row=sketch.row,
            column=sketch.factored.column,
            norm2=sketch.norm2,
            rule=type(self).rule,
            penalty=self._penalty(sketch.norm2, matrix.n_probes),
            executor=Counted(self.executor, count.block),
        )
        for k in tried:
            tried[k].best.weights = sketch.to_probes(tried[k].best.weights)
        give_back_memory()
        measured = self._measured(problem, tried, root=root)
        give_back_memory()
        count.finish()
        return {
            k: self._record(tried.pop(k), matrix, (problem.row, problem.column), loss=loss)
            for k, loss in zip(list(tried), measured.losses, strict=True)
        }

    def fit_factored(
        self, factored: FactoredMatrix, ks: Sequence[int], /, *, rng: np.random.Generator
    ) -> Mapping[int, Factorization]:
        """Factorise a low-rank form for every k of ``ks`` without reading data; losses are NaN.

        Parameters
        ----------
        factored : FactoredMatrix
        ks : sequence of int
        rng : numpy.random.Generator

        Returns
        -------
        mapping of k to Factorization
        """
        check_ks(ks, min(len(factored.scores), factored.basis.shape[1]))
        _check_starts(self.starts)
        count = _Steps(total=2 * len(ks), report=self.progress, each=1)
        tried = self._fit(factored, ks, root=int(rng.integers(2**32)), count=count, keeper=NothingKept())
        scale = factored.row, factored.column
        return {k: self._record(found, factored, scale, loss=float("nan")) for k, found in tried.items()}

    def factor(
        self, matrix: PatternMatrix, k_max: int, *, seed: int = 0, after_block: Callable[[], None] = lambda: None
    ) -> FactoredMatrix:
        """Bring a matrix into low-rank form, from one pass over the data.

        Parameters
        ----------
        matrix : PatternMatrix
        k_max : int
            The largest k that is going to be fitted.
        seed : int
            Of the random directions.
        after_block : callable
            Called after each block, for progress.

        Returns
        -------
        FactoredMatrix
        """
        return self._sketch(matrix, k_max, seed=seed, after_block=after_block).factored

    def _sketch(self, matrix: PatternMatrix, k_max: int, *, seed: int, after_block: Callable[[], None]) -> Sketch:
        rank = max(RANK, k_max + EXTRA_RANK)
        known = self._sketches.get(rank)
        if known is not None and known[0] is matrix:
            return known[1]
        name = f"sketch-{rank}"
        kept = self.keeper.load(name)
        if kept is None:
            with one_blas_thread():
                sketch = self._look(matrix, rank, seed, Counted(self.executor, after_block))
            give_back_memory()
            self.keeper.save(name, steps.pack_sketch(sketch))
        else:
            sketch = steps.unpack_sketch(kept, matrix)
        self._sketches[rank] = matrix, sketch
        return sketch

    def _look(self, matrix: PatternMatrix, rank: int, seed: int, executor: Executor) -> Sketch:
        sample = take_sample(matrix, in_pairs=self.weighting == "measured")
        weighting = find_weighting(matrix, sample, self.weighting, executor=self.executor)
        directions = prime(sample, weighting, rank=rank, rng=np.random.default_rng(seed))
        del sample  # as large as a block is, or larger
        return sketch_matrix(matrix, weighting, directions, executor=executor)

    def _fit(
        self,
        factored: FactoredMatrix,
        ks: Sequence[int],
        *,
        root: int,
        count: "_Steps",
        keeper: Keeper | None = None,
    ) -> dict[int, Tried]:
        """Try every start of every k on the coarse matrix, then improve the best of each k on the matrix itself."""
        keeper = self.keeper if keeper is None else keeper
        fitter = Fitter(
            rule=type(self).rule,
            limits=Limits(max_iter=self.max_iter or self.default_iterations, tol=self.tol),
            penalty=self._penalty(factored.norm2, len(factored.scores)),
            extrapolate=self.extrapolates,
        )
        tried: dict[int, Tried] = {}
        with one_blas_thread():
            coarse = coarsen(factored)
            for k in sorted(ks):
                name = f"start-{root:08x}-k{k:03d}"
                kept = keeper.load(name)
                if kept is None:
                    smaller = tried[k - 1].best if k - 1 in tried else None
                    tried[k] = try_starts(
                        coarse, k, self.starts, fitter, smaller=smaller, seed=(root,), executor=self._local()
                    )
                    keeper.save(name, steps.pack_tried(tried[k]))
                else:
                    tried[k] = steps.unpack_tried(kept)
                count.advance()
            give_back_memory()
            self._finish(factored, coarse, tried, fitter, root=root, count=count, keeper=keeper)
        return tried

    def _finish(
        self,
        factored: FactoredMatrix,
        coarse: Coarse,
        tried: dict[int, Tried],
        fitter: Fitter,
        *,
        root: int,
        count: "_Steps",
        keeper: Keeper,
    ) -> None:
        """Put what becomes of the best start of each k in its place."""
        grouped = between(factored, coarse)

        def improve(k: int) -> tuple[int, Candidate]:
            kept = keeper.load(f"fit-{root:08x}-k{k:03d}")
            return k, finish(
                factored, coarse, grouped, tried[k], fitter
            ) if kept is None else steps.unpack_candidate(kept)

        # The largest k first: it takes the most room besides what is found, of which there is little as yet.
        for k, candidate in self._local().map_blocks(improve, sorted(tried, reverse=True)):
            tried[k] = replace(tried[k], best=candidate)
            give_back_memory()
            keeper.save(f"fit-{root:08x}-k{k:03d}", steps.pack_candidate(candidate))
            count.advance()

    def _measured(self, problem: Problem, tried: Mapping[int, Tried], *, root: int) -> Measured:
        name = f"exact-{root:08x}"
        candidates = [found.best for found in tried.values()]
        kept = self.keeper.load(name)
        if kept is not None:
            return steps.unpack_measured(kept, candidates)
        measured = measure(problem, candidates, max_passes=self.refine_passes, tol=self.tol)
        self.keeper.save(name, steps.pack_measured(measured, candidates))
        return measured

    def _local(self) -> Executor:
        if self.local is not None:
            return self.local
        return self.executor if isinstance(self.executor, (Serial, Threads)) else Serial()

    def _penalty(self, norm2: float, n_rows: int) -> float:
        return self.l1 * float(np.sqrt(norm2 / n_rows))

    def _record(
        self,
        tried: Tried,
        fitted: PatternMatrix | FactoredMatrix,
        scale: tuple[FloatArray, FloatArray],
        *,
        loss: float,
    ) -> Factorization:
        """Bring what was found to counts; ``scale`` are the weights of rows and columns."""
        candidate = tried.best
        components, weights = in_counts(candidate, *scale)
        give_back_memory()
        return Factorization(
            components=components,
            weights=weights,
            geometry=fitted.geometry,
            probe_mask=fitted.probe_mask,
            pixel_mask=fitted.pixel_mask,
            loss=loss,
            loss_history=tuple(candidate.history),
            converged=candidate.converged,
            solver=self.name,
            start=candidate.start,
            start_losses=tried.losses,
            stability=tried.stability,
        )


def check_ks(ks: Sequence[int], limit: int) -> None:
    """Refuse k that a matrix does not allow, whose smaller side is ``limit``."""
    if not ks or min(ks) < 1 or max(ks) > limit:
        raise UsageError(f"k = {', '.join(map(str, ks))} is not possible; this scan allows k from 1 to {limit}")


def _check_starts(starts: Sequence[str]) -> None:
    unknown = [name for name in starts if name not in STARTS]
    if unknown or not starts:
        what = f"no start named {unknown[0]!r}" if unknown else "no start was named"
        raise UsageError(f"{what}; known: {', '.join(STARTS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hals(Alternating):
    """Hierarchical alternating least squares: the default."""

    name: ClassVar[str] = "hals"
    rule: ClassVar[Rule] = staticmethod(hals)
    default_iterations: ClassVar[int] = 200
    extrapolates: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplicative(Alternating):
    """Multiplicative updates of Lee and Seung, least squares."""

    name: ClassVar[str] = "multiplicative"
    rule: ClassVar[Rule] = staticmethod(multiplicative)
    default_iterations: ClassVar[int] = 1000
    extrapolates: ClassVar[bool] = False


@dataclass(slots=True, kw_only=True)
class _Steps:
    """Counts what is done, for progress: blocks as one, fits of one k as ``each``."""

    total: float
    report: Progress
    each: float
    done: float = 0.0

    def block(self) -> None:
        """One more block is done; passes that were not foreseen do not count."""
        self._add(1)

    def advance(self) -> None:
        """One more k is done."""
        self._add(self.each)

    def _add(self, more: float) -> None:
        self.done = min(self.total, self.done + more)
        self.report(self.done, self.total)

    def finish(self) -> None:
        """All are done, whether or not every pass was needed."""
        self.report(self.total, self.total)
