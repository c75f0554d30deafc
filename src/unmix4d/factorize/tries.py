"""Every start of every k on the coarse matrix, and the best of each k on the matrix itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.choice import choose_start, near_ties, reproducibility
from unmix4d.factorize.coarse import MOST_PROBES, Coarse
from unmix4d.factorize.factored import Candidate, Fitter
from unmix4d.factorize.sketch import MANY_PROBES
from unmix4d.factorize.start import WARM, one_more, start_components
from unmix4d.records import FactoredMatrix

FALLBACK = "spa"
LAST_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """What came of the starts of one k.

    Attributes
    ----------
    best : Candidate
        In the coarse matrix.
    losses : mapping
        Objective of every start.
    stability : float
        Mean cosine between the components of the starts that fit best; NaN for a single start.
    """

    best: Candidate
    losses: Mapping[str, float] = field(default_factory=dict)
    stability: float = float("nan")


def try_starts(
    coarse: Coarse,
    k: int,
    starts: Sequence[str],
    fitter: Fitter,
    *,
    smaller: Candidate | None,
    seed: Sequence[int],
    executor: Executor,
) -> Tried:
    """Fit k components from every start and choose.

    Parameters
    ----------
    coarse : Coarse
    k : int
    starts : sequence of str
    fitter : Fitter
    smaller : Candidate or None
        The best of k - 1, for the warm start; without it that start is left out, or is the first of all if alone.
    seed : sequence of int
        Of the starts that draw random numbers; each has a stream of its own.
    executor : Executor

    Returns
    -------
    Tried
    """
    matrix = coarse.leading(k)
    usable = [name for name in starts if name != WARM or smaller is not None] or [FALLBACK]
    fitter = replace(fitter, limits=fitter.limits.looser())

    def fit(name: str) -> Candidate:
        if name == WARM and smaller is not None:
            components = one_more(matrix, smaller)
        else:
            rng = np.random.default_rng([*seed, k, usable.index(name)])
            components = start_components(name, matrix, k, rng=rng)
        return fitter.fit(matrix, name, components)

    candidates = list(executor.map_blocks(fit, usable))
    return Tried(
        best=choose_start(candidates, matrix.probe_mask),
        losses={c.start: c.objective for c in candidates},
        stability=_stability(candidates),
    )


def _stability(candidates: Sequence[Candidate]) -> float:
    """Mean cosine between the components of the starts that fit best: near-ties, or else the best two."""
    if len(candidates) == 1:
        return float("nan")
    by_objective = sorted(candidates, key=lambda candidate: candidate.objective)
    best = by_objective[: max(2, len(near_ties(candidates)))]
    return float(np.mean([reproducibility(a.components, b.components) for a, b in combinations(best, 2)]))


def between(factored: FactoredMatrix, coarse: Coarse) -> FactoredMatrix | None:
    """Give what `finish` goes through: all pixels of grouped probes. None where probes are few."""
    many = len(factored.scores) > (MANY_PROBES if factored.of is None else MOST_PROBES)
    return coarse.with_all_pixels(factored) if many else None


def finish(
    factored: FactoredMatrix, coarse: Coarse, grouped: FactoredMatrix | None, tried: Tried, fitter: Fitter
) -> Candidate:
    """Bring the best start to the matrix itself: first all its pixels, then all its probes.

    Where probes are many, groups of them determine the components nearly as well; a few steps with all follow.
    """
    best = tried.best
    components = coarse.pixels.spread(best.components)
    weights, closer = best.weights, fitter.limits.closer()
    if grouped is not None:
        nearly = replace(fitter, limits=closer).fit(grouped, best.start, components, weights)
        components, weights = nearly.components, nearly.weights
        closer = replace(closer, max_iter=min(closer.max_iter, LAST_STEPS), window=LAST_STEPS)
    spread = coarse.probes.spread(weights.T).T
    return replace(fitter, limits=closer).fit(factored, best.start, components, spread)
