"""Choose how many crystals there are, and which factorization shows them (method, section 6)."""

from dataclasses import replace
from types import MappingProxyType

from unmix4d.decide.counting import choose_model, count_crystals
from unmix4d.decide.criteria import measure_distinctness
from unmix4d.decide.distinct import most_distinct
from unmix4d.decide.elbow import ElbowMethod
from unmix4d.decide.evidence import Evidence, gather_evidence
from unmix4d.decide.exemplars import Exemplar
from unmix4d.decide.purified import has_hidden, purified_model, with_purified
from unmix4d.decide.reason import explain, list_warnings
from unmix4d.decide.roles import SAME_PATTERN
from unmix4d.decide.segments import Background
from unmix4d.decide.sweep import range_of_interest
from unmix4d.errors import UsageError
from unmix4d.execute import Executor
from unmix4d.records import Beam, Confidence, Decision, Sweep


def decide(
    sweep: Sweep,
    *,
    k: int | None = None,
    beam: Beam | None = None,
    background: Background = "auto",
    half_width: int = 4,
    exemplar: Exemplar = "reconstruction",
    elbow: ElbowMethod = "kneedle",
    executor: Executor | None = None,
) -> tuple[Sweep, Decision]:
    """Count the crystals, and choose the factorization that shows them.

    Parameters
    ----------
    sweep : Sweep
        Best with its low-rank form and the right to fit it.
    k : int or None
        Set by the user; everything is measured and shown all the same. Its components are merged only if they are
        the same pattern.
    beam : Beam or None
        The direct beam, which is no part of a crystal's spots.
    background : {"auto", "none"} or int
        Recognise background, take no component for it, or the one of this index at the chosen k.
    half_width : int
        Of the range of interest around the knee of the loss, in which distinctness is measured.
    exemplar : {"reconstruction", "component", "data"}
        What stands for a component.
    elbow : str
        How the knee is found, as in `find_elbow`.
    executor : Executor or None
        Works on several k at a time.

    Returns
    -------
    Sweep
        With one more k if the answer needs more components than were tried.
    Decision

    Raises
    ------
    UsageError
        If ``k`` was not fitted.

    Notes
    -----
    The rule: factorizations with more components than crystals are merged into groups by the places and lattices of
    their spots, in several ways, and the most frequent number of groups wins (`count_crystals`); a small
    factorization with that many groups and a component to spare is kept (`choose_model`). Where the ways disagree
    and nothing else confirms the number, the answer is that of the most distinct components (`most_distinct`), and
    not sure. Confidence comes from how many of the ways agree, and from whether as many components explain the
    coherent signal of the data (`Counted.confidence`). Neither the order nor the scale of the components matters.
    """
    _check_fitted(sweep, k)
    counted = count_crystals(sweep, beam=beam, background=background, executor=executor)
    if background == "auto" and (counted.confidence != "high" or has_hidden(counted)):
        counted = with_purified(sweep, counted, beam=beam)
    interest = range_of_interest(sweep, half_width, elbow)
    ks = tuple(j for j in sweep.ks if j in interest)
    measured = measure_distinctness(sweep, ks, exemplar=exemplar, executor=executor)
    if counted.purified is not None:
        model = purified_model(sweep, counted, counted.purified, beam=beam)
    elif counted.undecided:
        model = most_distinct(sweep, counted, measured, ks)
    else:
        model = choose_model(sweep, counted, beam=beam)
    automatic = model.k
    if k is not None:
        model = replace(model, k=k, linking=SAME_PATTERN, segments=counted.segments[k], groups=None)
    if model.k not in ks:
        measured = measured.joined(measure_distinctness(model.sweep, [model.k], exemplar=exemplar))
    evidence = gather_evidence(
        model,
        counted,
        interest=interest,
        measured=measured,
        beam=beam,
    )
    return model.sweep, _decision(evidence, automatic=automatic, user=k is not None)


def _check_fitted(sweep: Sweep, k: int | None) -> None:
    if k is not None and k not in sweep.fits:
        raise UsageError(
            f"k = {k} was not fitted: the sweep holds k = {sweep.ks[0]} to {sweep.ks[-1]}; "
            f"sweep over a range that includes it"
        )


def _decision(evidence: Evidence, *, automatic: int, user: bool) -> Decision:
    counted = evidence.counted
    confidence: Confidence = counted.confidence
    if evidence.n_crystals != counted.n_crystals:  # of a user's k, or where the ways to group disagree
        confidence = "low"
    return Decision(
        k=evidence.k,
        n_crystals=evidence.n_crystals,
        k_low=evidence.interest.low,
        k_high=evidence.interest.high,
        confidence=confidence,
        reason=explain(evidence, automatic=automatic, confidence=confidence, user=user),
        curves=(*evidence.level_two.values(), *evidence.other_curves, *evidence.foreign_curves),
        pairwise=MappingProxyType({j: tuple(s.scores.values()) for j, s in evidence.measured.at.items()}),
        votes=evidence.votes,
        counts=counted.votes.counts,
        roles=evidence.roles,
        warnings=list_warnings(evidence, confidence=confidence),
        purified=None if user else counted.purified,
    )
