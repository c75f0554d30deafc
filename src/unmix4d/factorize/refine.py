"""From fitted to final: exact losses of every k, and passes over the data where the low-rank fit falls short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unmix4d.factorize.exact import FINAL_SWEEPS, Problem, Sums, improved_components, run_pass
from unmix4d.factorize.factored import Candidate, unit_rows

BOUND = 2e-3
"""What one more update of the components on the data itself may take away of the squared error."""

CHECKED_PIXELS, MOST_STRIDE = 2048, 5
"""At least so many pixels are asked whether that would be so, in large patterns every fifth."""

REFINE_SWEEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Exact losses of all candidates, and whether they had to be refined on the data.

    Attributes
    ----------
    losses : list of float
        Mean of |V - V'| over all rows and columns, in counts.
    gain : float
        The share of the error that one more update on the data takes away at the largest k.
    passes : int
        Passes of refinement.
    """

    losses: list[float]
    gain: float
    passes: int


def measure(
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    max_passes: int,
    tol: float,
    after_pass: Callable[[], None] = lambda: None,
) -> Measured:
    """Fit the weights to the data and take the exact K-component losses; refine first where that is needed.

    Whether it is needed shows on the largest k: if one more update of its components on the data takes away more
    than `BOUND` of the error, all candidates are refined.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of Candidate
        Their weights, histories and, if refined, components are brought up to date.
    max_passes : int
        Of refinement.
    tol : float
        Refinement ends for a candidate whose error falls by less than this share in a pass.
    after_pass : callable
        Called after each pass, for progress.

    Returns
    -------
    Measured
    """
    checked = _to_check(candidates) if max_passes else []
    sums = _measuring_pass(problem, candidates, checked)
    after_pass()
    gain = _largest_gain(problem, candidates, checked, sums)
    if gain <= BOUND:
        return Measured(losses=_per_value(problem, sums), gain=gain, passes=0)
    passes = refine(problem, candidates, max_passes=max_passes, tol=tol, after_pass=after_pass)
    sums = _measuring_pass(problem, candidates, [])
    after_pass()
    return Measured(losses=_per_value(problem, sums), gain=gain, passes=passes)


def _to_check(candidates: Sequence[Candidate]) -> list[int]:
    """Choose the largest k: it is where the low-rank form falls short most (decision 0006)."""
    return [max(range(len(candidates)), key=lambda i: candidates[i].k)]


def _measuring_pass(problem: Problem, candidates: Sequence[Candidate], checked: Sequence[int]) -> Sums:
    stride = max(1, problem.matrix.n_pixels // CHECKED_PIXELS)
    sums = run_pass(
        problem, candidates, sweeps=FINAL_SWEEPS, back_of=checked, measures=True, stride=min(stride, MOST_STRIDE)
    )
    _note_errors(problem, candidates, sums)
    return sums


def _note_errors(problem: Problem, candidates: Sequence[Candidate], sums: Sums) -> None:
    for candidate, error in zip(candidates, sums.errors, strict=True):
        candidate.history.append(max(problem.norm2 + float(error), 0.0) / problem.norm2)


def _per_value(problem: Problem, sums: Sums) -> list[float]:
    n_values = problem.matrix.n_probes * problem.matrix.n_pixels
    return [float(loss) / n_values for loss in sums.losses]


def _largest_gain(problem: Problem, candidates: Sequence[Candidate], checked: Sequence[int], sums: Sums) -> float:
    gains, first = [0.0], 0
    for i in checked:
        back = sums.back[first : first + candidates[i].k]
        first += candidates[i].k
        gains.append(sums.gain(i, candidates[i], back, problem.norm2, problem.rule))
    return max(gains)


def refine(
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    max_passes: int,
    tol: float,
    after_pass: Callable[[], None] = lambda: None,
) -> int:
    """Alternate on the data until a pass gains less than ``tol`` of the error; one pass serves all candidates.

    Parameters are those of :func:`measure`. Gives the number of passes.
    """
    active = list(candidates)
    for candidate in active:
        if candidate.as_counts:
            candidate.components = np.ascontiguousarray(candidate.components) * problem.column
            candidate.as_counts = False
    for done in range(max_passes):
        if not active:
            return done
        sums = run_pass(problem, active, sweeps=REFINE_SWEEPS, back_of=range(len(active)), measures=False)
        _note_errors(problem, active, sums)
        after_pass()
        first = 0
        for candidate, squares in zip(active, sums.squares, strict=True):
            back = sums.back[first : first + candidate.k]
            first += candidate.k
            grown = improved_components(candidate.components, squares, back, problem.rule)
            candidate.components, lengths = unit_rows(grown)
            candidate.weights *= lengths
            # The error of the first pass is that of the components it started from: nothing was gained yet.
            before, now = candidate.history[-2:] if done else (np.inf, candidate.history[-1])
            candidate.converged = bool(before - now < tol * now)
        active = [candidate for candidate in active if not candidate.converged]
    return max_passes
