"""Choose how many components and crystals there are (method, sections 6.2, 6.3 and 6.6)."""

from types import MappingProxyType

import numpy as np

from unmix4d.decide.criteria import TIE, Aggregate
from unmix4d.decide.elbow import ElbowMethod
from unmix4d.decide.evidence import Evidence, RolesOf, gather_evidence
from unmix4d.decide.exemplars import Exemplar
from unmix4d.decide.reason import candidates, crystals_with_room, explain, list_warnings, spread
from unmix4d.errors import UsageError
from unmix4d.execute import Executor
from unmix4d.records import Confidence, CriterionCurve, Decision, FloatArray, Sweep

STABLE = 0.95
"""Mean cosine between the components of the best starts from which on they agree."""

_LEVELS: tuple[Confidence, ...] = ("high", "medium", "low")


def decide(
    sweep: Sweep,
    *,
    roles_of: RolesOf,
    k: int | None = None,
    half_width: int = 4,
    exemplar: Exemplar = "reconstruction",
    aggregate: Aggregate = "nearest_sum",
    elbow: ElbowMethod = "kneedle",
    executor: Executor | None = None,
) -> Decision:
    """Choose k in two levels, and count the crystals among the components.

    Level one finds the range of interest around the elbow of the loss. Level two takes from it the k whose
    components are most distinct: the largest sum of SSIM, GMSD and MDSI dissimilarities, each scaled to 0...1 over
    the range; the smallest k on ties. `n_crystals` counts what ``roles_of`` recognises at that k.

    One crystal: where the loss has no elbow, k = 2 shows no second crystal and most k of the sweep show none
    either, k is 1, or 2 if the second component is background or vacuum.

    Parameters
    ----------
    sweep : Sweep
    roles_of : callable
        Recognises the components of one factorization; called once for every k of the range.
    k : int or None
        Set by the user; everything is measured and shown all the same.
    half_width : int
        Of the range of interest around the knee.
    exemplar : {"reconstruction", "component", "data"}
        What stands for a component.
    aggregate : {"nearest_sum", "mean"}
        How dissimilarities of pairs become one number for each k.
    elbow : str
        Level one, as in `find_elbow`.
    executor : Executor or None
        Works on several k at a time.

    Returns
    -------
    Decision

    Raises
    ------
    UsageError
        If ``k`` was not fitted.

    Notes
    -----
    Paper, decision-making one and two; method, sections 6.2, 6.3 and 6.6. Neither the order nor the scale of the
    components matters.

    Confidence: let v be the distance between the smallest and the largest of the chosen k and the k preferred by
    SSIM, GMSD and MDSI, and c the same for the numbers of crystals found at k, k + 1 and k + 2 (at k - 1 a sound
    count is bound to be lower). *High* if both are 0, *medium* if both are at most 1, else *low*; no better than
    medium without an elbow, without any preference, or with k at the upper end of the range. Where no second
    crystal was found only the numbers of crystals over the whole range count.
    """
    _check_fitted(sweep, k)
    evidence = gather_evidence(
        sweep,
        roles_of=roles_of,
        asked_for=k,
        half_width=half_width,
        exemplar=exemplar,
        aggregate=aggregate,
        elbow=elbow,
        executor=executor,
    )
    alone = _single_crystal(evidence)
    automatic = _most_distinct(evidence) if alone is None else alone
    chosen = automatic if k is None else k
    single = alone is not None and chosen == alone
    confidence = _confidence_of_one(evidence) if single else _confidence(evidence, chosen)
    return Decision(
        k=chosen,
        n_crystals=evidence.n_crystals[chosen],
        k_low=evidence.interest.low,
        k_high=evidence.interest.high,
        confidence=confidence,
        reason=explain(
            evidence, k=chosen, automatic=automatic, confidence=confidence, single=single, user=k is not None
        ),
        curves=(*evidence.level_two.values(), *evidence.other_curves),
        pairwise=MappingProxyType({j: tuple(s.scores.values()) for j, s in evidence.measured.at.items()}),
        votes=evidence.votes,
        roles=evidence.roles,
        warnings=list_warnings(evidence, k=chosen, confidence=confidence),
    )


def _check_fitted(sweep: Sweep, k: int | None) -> None:
    if k is not None and k not in sweep.fits:
        raise UsageError(
            f"k = {k} was not fitted: the sweep holds k = {sweep.ks[0]} to {sweep.ks[-1]}; "
            f"sweep over a range that includes it"
        )


def _most_distinct(evidence: Evidence) -> int:
    """Give the k with the largest sum of scaled criteria, the smallest on ties; of those that the starts agree on.

    Components that fit noise are distinct too, but each start finds others.
    """
    score = np.sum([_scaled(curve, len(evidence.ks)) for curve in evidence.level_two.values()], axis=0)
    stable = np.array([evidence.stability.get(k, 1.0) >= STABLE for k in evidence.ks])
    if stable.any():
        score = np.where(stable, score, -np.inf)
    span = float(np.ptp(score[np.isfinite(score)]))
    best = np.flatnonzero(score >= score.max() - TIE * max(span, TIE))
    return evidence.ks[int(best[0])]


def _scaled(curve: CriterionCurve, n: int) -> FloatArray:
    """Scale a curve to 0...1 with 1 the best; zero for one that prefers no k, and where there is no value."""
    if curve.choice is None:
        return np.zeros(n)
    values = np.asarray(curve.values) * (1 if curve.better == "higher" else -1)
    span = np.nanmax(values) - np.nanmin(values)
    return np.nan_to_num((values - np.nanmin(values)) / span) if span > 0 else np.zeros(n)


def _single_crystal(evidence: Evidence) -> int | None:
    """Give k = 1 or 2 if nothing speaks for a second crystal, else None."""
    n = evidence.n_crystals
    if evidence.interest.knee is not None or n.get(2, 2) > 1 or evidence.usual_crystals > 1:
        return None
    surroundings = {"background", "vacuum"} & set(evidence.roles[2].roles)
    return 2 if surroundings or n.get(1) != n[2] else 1


def _confidence(evidence: Evidence, k: int) -> Confidence:
    apart = max(spread(candidates(evidence, k)), spread(crystals_with_room(evidence, k)))
    weak = evidence.interest.knee is None or not evidence.level_two_votes or k >= evidence.ks[-1]
    return _LEVELS[min(max(apart, int(weak)), 2)]


def _confidence_of_one(evidence: Evidence) -> Confidence:
    return _LEVELS[min(spread([evidence.n_crystals[k] for k in evidence.ks]), 2)]
