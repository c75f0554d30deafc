"""Solvers that alternate between weights and components: every k and start from a few passes over the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.execute import Executor, Serial
from unmix4d.factorize.choice import choose_start
from unmix4d.factorize.exact import Problem, in_counts, measure, refine
from unmix4d.factorize.factored import Candidate, Limits, fit_sketch
from unmix4d.factorize.rules import Rule, hals, multiplicative
from unmix4d.factorize.sketch import RANK, Sketch, prime, sketch_matrix
from unmix4d.factorize.start import start_components
from unmix4d.factorize.weighting import Weighting, look_at_matrix
from unmix4d.records import Factorization, PatternMatrix

Progress = Callable[[float, float], None]

EXTRA_RANK = 24
REFINE_PASSES = 20


def _silent(_done: float, _total: float) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternating:
    """Non-negative matrix factorisation by alternating updates.

    Every start of every k is first fitted in a low-rank form of the matrix; of each k the best one is then refined
    on the data itself, and its exact loss is taken. One pass over the data serves every k.

    Attributes
    ----------
    starts : tuple of str
        Any of ``spa``, ``nndsvda``, ``random``.
    weighting : {"poisson", "none"}
        Keenan-Kotula weights (method 4.4), or none.
    l1 : float
        L1 penalty on the weights, as a share of the root mean square length of the (weighted) patterns, 0 = none.
    max_iter : int or None
        Most iterations for one start; None = the rule's own default.
    tol : float
        Relative gain of the objective below which the iteration stops (method 4.2).
    refine_passes : int
        Most passes over the data after the low-rank fit.
    executor : Executor
    progress : callable
        ``progress(done, total)``.
    """

    name: ClassVar[str]
    rule: ClassVar[Rule]
    default_iterations: ClassVar[int]
    extrapolates: ClassVar[bool]

    starts: tuple[str, ...] = ("spa", "nndsvda", "random")
    weighting: Literal["poisson", "none"] = "poisson"
    l1: float = 0.0
    max_iter: int | None = None
    tol: float = 1e-4
    refine_passes: int = REFINE_PASSES
    executor: Executor = field(default_factory=Serial)
    progress: Progress = _silent

    def fit_many(
        self, matrix: PatternMatrix, ks: Sequence[int], /, *, rng: np.random.Generator
    ) -> Mapping[int, Factorization]:
        """Factorise for every k of ``ks``.

        Parameters
        ----------
        matrix : PatternMatrix
        ks : sequence of int
        rng : numpy.random.Generator
            Draws the random directions of the low-rank form and the random starts.

        Returns
        -------
        mapping of k to Factorization

        Raises
        ------
        UsageError
            If a k is not between 1 and the smaller side of the matrix.
        """
        limit = min(matrix.n_probes, matrix.n_pixels)
        if not ks or min(ks) < 1 or max(ks) > limit:
            raise UsageError(f"k = {', '.join(map(str, ks))} is not possible; this scan allows k from 1 to {limit}")
        steps = _Steps(total=3 + self.refine_passes, report=self.progress)
        weighting, sampled, sample = look_at_matrix(
            matrix, poisson=self.weighting == "poisson", executor=self.executor
        )
        steps.advance()
        weighted = sample * weighting.row[sampled, None] * weighting.column
        directions = prime(weighted, rank=max(RANK, max(ks) + EXTRA_RANK), rng=rng)
        sketch = sketch_matrix(matrix, weighting, directions, executor=self.executor)
        steps.advance()
        penalty = self.l1 * float(np.sqrt(sketch.norm2 / matrix.n_probes))
        tried = self._try_starts(sketch, ks, rng=rng, penalty=penalty)
        chosen = [choose_start(tried[k], matrix.probe_mask) for k in ks]
        problem = Problem(
            matrix=matrix,
            weighting=weighting,
            norm2=sketch.norm2,
            rule=type(self).rule,
            penalty=penalty,
            executor=self.executor,
        )
        refine(problem, chosen, max_passes=self.refine_passes, tol=self.tol, after_pass=steps.advance)
        losses = measure(problem, chosen)
        steps.finish()
        spreads = {k: {c.start: c.history[-1] for c in tried[k] if c not in chosen} for k in ks}
        for candidate in chosen:
            spreads[candidate.k][candidate.start] = candidate.history[-1]
        return {
            c.k: self._record(c, matrix, weighting, loss=loss, spread=spreads[c.k])
            for c, loss in zip(chosen, losses, strict=True)
        }

    def _try_starts(
        self, sketch: Sketch, ks: Sequence[int], *, rng: np.random.Generator, penalty: float
    ) -> dict[int, list[Candidate]]:
        jobs = [(k, start) for k in ks for start in self.starts]
        generators = rng.spawn(len(jobs))
        limits = Limits(max_iter=self.max_iter or self.default_iterations, tol=self.tol)

        def fit(job: int) -> Candidate:
            k, start = jobs[job]
            components = start_components(start, sketch, k, rng=generators[job])
            return fit_sketch(
                sketch,
                start,
                components,
                rule=type(self).rule,
                limits=limits,
                penalty=penalty,
                extrapolate=self.extrapolates,
            )

        tried: dict[int, list[Candidate]] = {k: [] for k in ks}
        # One after the other: the many short steps of a rule make threads wait for each other (decision 0005).
        for candidate in Serial().map_blocks(fit, range(len(jobs))):
            tried[candidate.k].append(candidate)
        return tried

    def _record(
        self,
        candidate: Candidate,
        matrix: PatternMatrix,
        weighting: Weighting,
        *,
        loss: float,
        spread: Mapping[str, float],
    ) -> Factorization:
        components, weights = in_counts(candidate, weighting)
        return Factorization(
            components=components,
            weights=weights,
            geometry=matrix.geometry,
            probe_mask=matrix.probe_mask,
            pixel_mask=matrix.pixel_mask,
            loss=loss,
            loss_history=tuple(candidate.history),
            converged=candidate.converged,
            solver=self.name,
            start=candidate.start,
            start_losses=spread,
        )


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
    """Counts the passes for the progress report."""

    total: int
    report: Progress
    done: int = 0

    def advance(self) -> None:
        """One more pass is done."""
        self.done += 1
        self.report(float(self.done), float(self.total))

    def finish(self) -> None:
        """All are done, whether or not every pass was needed."""
        self.report(float(self.total), float(self.total))
