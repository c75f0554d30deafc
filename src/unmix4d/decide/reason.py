"""A decision in words."""

from collections.abc import Sequence

from unmix4d.decide.evidence import LOG_BEND, Evidence
from unmix4d.records import Confidence

MIN_FIDELITY_DB = 30.0
_FIDELITY_WORDS = ((40.0, "excellent"), (MIN_FIDELITY_DB, "high"), (25.0, "moderate"), (20.0, "poor"))


def explain(evidence: Evidence, *, k: int, automatic: int, confidence: Confidence, single: bool, user: bool) -> str:
    """Say in plain sentences what was chosen and what speaks for it.

    Parameters
    ----------
    evidence : Evidence
    k : int
        What was chosen.
    automatic : int
        What the rule chose.
    confidence : {"high", "medium", "low"}
    single : bool
        Whether the rule found no second crystal.
    user : bool
        Whether the user set k.
    """
    sentences = [
        _answer(evidence, k, automatic, user=user),
        *([_uncertainty(evidence, k)] if confidence == "low" else []),
        _level_one(evidence),
        *([] if not single else ["No second component stands out as a pattern of its own"]),
        _level_two(evidence, automatic),
        _crystals(evidence),
        _redundancy(evidence, k),
        _fidelity(evidence, k),
        f"Confidence is {confidence}",
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def list_warnings(evidence: Evidence, *, k: int, confidence: Confidence) -> tuple[str, ...]:
    """List what the user should know before trusting the decision."""
    fidelity = evidence.measured.at[k].fidelity
    under_fitted = (
        f"under-fitted, or the single patterns are noisy: at k = {k} the reconstruction is {fidelity:.1f} dB from "
        f"the measured patterns, below {MIN_FIDELITY_DB:.0f} dB"
    )
    found = [
        _uncertainty(evidence, k) if confidence == "low" else "",
        evidence.interest.note,
        evidence.measured.note,
        under_fitted if fidelity < MIN_FIDELITY_DB else "",
        _redundancy(evidence, k),
    ]
    return tuple(warning for warning in found if warning)


def candidates(evidence: Evidence, k: int) -> list[int]:
    """List the chosen k and those that the metrics of level two prefer, ascending."""
    return sorted({k, *evidence.level_two_votes.values()})


def crystals_with_room(evidence: Evidence, k: int) -> list[int]:
    """List the numbers of crystals at k, k + 1 and k + 2, where these were looked at.

    A count can be trusted if it stays when there is room for more; at k - 1 it is bound to be lower.
    """
    return [n for other, n in evidence.n_crystals.items() if k <= other <= k + 2]


def _answer(evidence: Evidence, k: int, automatic: int, *, user: bool) -> str:
    n = evidence.n_crystals[k]
    crystals = {0: "no crystal, nothing but background, vacuum or noise", 1: "one crystal"}.get(n, f"{n} crystals")
    if not user:
        return f"k = {_count(k, 'component')} with {crystals} among them"
    rule = "as the rule would have done" if k == automatic else f"the rule would have chosen {automatic}"
    return f"k was set to {k} by the user, {rule}; with {crystals} among the components"


def _uncertainty(evidence: Evidence, k: int) -> str:
    near = [*crystals_with_room(evidence, k), *(evidence.n_crystals[c] for c in candidates(evidence, k))]
    if min(near) < max(near):
        return f"Uncertain: between {min(near)} and {max(near)} crystals"
    ks = candidates(evidence, k)
    return (
        f"Uncertain: between {ks[0]} and {ks[-1]} components, though {_count(near[0], 'crystal')} with any of them"
    )


def _level_one(evidence: Evidence) -> str:
    interest = evidence.interest
    if len(evidence.ks) == 1:
        return f"Nothing but k = {interest.low} was compared"
    bend = f"; its logarithm bends most at {evidence.log_bend}" if LOG_BEND in evidence.votes else ""
    if interest.knee is None:
        return f"{_capital(interest.note)}{bend}"
    note = f" ({interest.note})" if interest.note else ""
    return f"The loss bends at k = {interest.knee}{bend}; k = {interest.low} to {interest.high} was compared{note}"


def _level_two(evidence: Evidence, automatic: int) -> str:
    votes = evidence.level_two_votes
    if len(evidence.ks) == 1:
        return ""
    if not votes:
        return "How distinct the patterns are is the same for every k"
    each = ", ".join(f"k = {k} by {metric.upper()}" for metric, k in votes.items())
    end = ", the end of the range: a larger k might do as well" if automatic == evidence.ks[-1] else ""
    note = f" ({evidence.measured.note})" if evidence.measured.note else ""
    return f"The patterns are most distinct at {each}{note}; the rule takes k = {automatic}{end}"


def _crystals(evidence: Evidence) -> str:
    counts = [evidence.n_crystals[k] for k in evidence.ks]
    if len(set(counts)) == 1:
        return f"Every k of the range shows {_count(counts[0], 'crystal')}"
    listed = ", ".join(map(str, counts))
    span = f"k = {evidence.ks[0]} to {evidence.ks[-1]}"
    return f"The number of crystals over {span} is {listed}; most often {evidence.usual_crystals}"


def _redundancy(evidence: Evidence, k: int) -> str:
    n = evidence.measured.at[k].n_redundant
    return f"{_count(n, 'pair')} of components at k = {k} stand for nearly the same pattern" if n else ""


def _fidelity(evidence: Evidence, k: int) -> str:
    value = evidence.measured.at[k].fidelity
    if value != value:  # noqa: PLR0124 - NaN: no pattern to compare with
        return ""
    word = next((word for limit, word in _FIDELITY_WORDS if value >= limit), "unacceptable")
    return f"The exemplars are reconstructed to {value:.1f} dB of the single measured patterns ({word})"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def spread(values: Sequence[int]) -> int:
    """Largest minus smallest, 0 for none."""
    return max(values) - min(values) if values else 0
