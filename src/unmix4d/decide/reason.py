"""A decision in words."""

import numpy as np

from unmix4d.decide.coherence import EXPLAINED
from unmix4d.decide.counting import HALF, NOISE
from unmix4d.decide.evidence import LOG_BEND, Evidence
from unmix4d.decide.purified import SAME
from unmix4d.decide.roles import SAME_CRYSTAL
from unmix4d.records import Confidence

MIN_FIDELITY_DB = 30.0
_FIDELITY_WORDS = ((40.0, "excellent"), (MIN_FIDELITY_DB, "high"), (25.0, "moderate"), (20.0, "poor"))
CLOSE = 0.15
"""Share of the votes from which on a second answer is named."""

STEP = 2.0
"""A share of unexplained signal that never falls by more than this from one k to the next comes down gradually."""


def explain(evidence: Evidence, *, automatic: int, confidence: Confidence, user: bool) -> str:
    """Say in plain sentences what was chosen and what speaks for it.

    Parameters
    ----------
    evidence : Evidence
    automatic : int
        The k that the rule chose.
    confidence : {"high", "medium", "low"}
    user : bool
        Whether the user set k.
    """
    sentences = [
        _answer(evidence, automatic, user=user),
        uncertainty(evidence) if confidence == "low" else "",
        _nothing(evidence),
        _votes(evidence),
        _second_answer(evidence),
        _purified(evidence),
        _by_distinctness(evidence, automatic),
        _unexplained(evidence),
        _continuous(evidence, confidence),
        _most_alike(evidence),
        _level_one(evidence),
        _level_two(evidence),
        _redundancy(evidence),
        _fidelity(evidence),
        f"Confidence is {confidence}",
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def list_warnings(evidence: Evidence, *, confidence: Confidence) -> tuple[str, ...]:
    """List what the user should know before trusting the decision."""
    fidelity = evidence.measured.at[evidence.k].fidelity
    under_fitted = (
        f"under-fitted, or the single patterns are noisy: at k = {evidence.k} the reconstruction is "
        f"{fidelity:.1f} dB from the measured patterns, below {MIN_FIDELITY_DB:.0f} dB"
    )
    found = [
        uncertainty(evidence) if confidence == "low" else "",
        evidence.measured.note,
        under_fitted if fidelity < MIN_FIDELITY_DB else "",
    ]
    return tuple(warning for warning in found if warning)


def uncertainty(evidence: Evidence) -> str:
    """Say between which numbers of crystals the answer lies."""
    counted = evidence.counted
    near = {evidence.n_crystals, counted.n_crystals}
    near |= {n for n in (counted.votes.winner, counted.votes.runner_up, counted.confirmed) if n is not None}
    if len(near) == 1:
        return "Uncertain: no well-defined number of crystals"
    return f"Uncertain: no well-defined number of crystals, between {min(near)} and {max(near)}"


def _answer(evidence: Evidence, automatic: int, *, user: bool) -> str:
    k, n = evidence.k, evidence.n_crystals
    crystals = {0: "no crystal, nothing but background, vacuum or noise", 1: "one crystal"}.get(n, f"{n} crystals")
    if not user:
        return f"k = {_count(k, 'component')} with {crystals} among them"
    rule = "as the rule would have done" if k == automatic else f"the rule would have chosen {automatic}"
    return f"k was set to {k} by the user, {rule}; with {crystals} among the components"


def _nothing(evidence: Evidence) -> str:
    counted = evidence.counted
    if counted.coherence is not None and counted.coherence < NOISE:
        return "Neighbouring patterns have nothing in common but smooth background and noise"
    if counted.n_crystals > 1:
        return ""
    if counted.n_crystals == 0 and counted.purified is not None:
        return "No probes show Bragg spots, not even the purest"
    if counted.rank == 0:
        return "Nothing varies over the scan but noise"
    return "No second pattern has spots of its own"


def _votes(evidence: Evidence) -> str:
    votes = evidence.counted.votes
    sizes = ", ".join(map(str, votes.sizes))
    total = sum(votes.counts.values())
    n = evidence.counted.n_crystals
    found = _count(n, "crystal")
    rank = evidence.counted.rank
    bound = "" if rank is None else f"; {_count(rank, 'direction')} of the data hold signal"
    return f"{votes.counts.get(n, 0)} of {total} ways to group the components of k = {sizes} find {found}{bound}"


def _second_answer(evidence: Evidence) -> str:
    votes, n = evidence.counted.votes, evidence.counted.n_crystals
    other = votes.winner if votes.winner != n else votes.runner_up
    if other is None or votes.counts[other] < CLOSE * sum(votes.counts.values()):
        return ""
    which = "looser" if other < n else "stricter"
    times = votes.counts[other]
    return f"The next answer is {other}, from {times} of them, with a {which} view of what is one crystal"


def _purified(evidence: Evidence) -> str:
    counted = evidence.counted
    if counted.purified is None:
        return ""
    n = counted.n_crystals
    closest = (
        f"; the two that are most alike come to {counted.closest:.2f}, one crystal to {SAME.limit:.2f} or more"
    )
    return f"The spots of the purest probes are those of {_count(n, 'crystal')}{closest if n > 1 else ''}"


def _by_distinctness(evidence: Evidence, automatic: int) -> str:
    if not evidence.counted.undecided:
        return ""
    return f"They do not agree on a number, so the components that are most distinct are kept, k = {automatic}"


def _unexplained(evidence: Evidence) -> str:
    shares, k = evidence.counted.shares, evidence.counted.sufficient
    if not shares:
        return "What components leave unexplained was not measured: the solver offers no low-rank form"
    if k is None:
        return f"No k of the sweep explains {1 - EXPLAINED:.0%} of the Bragg signal of every patch of probes"
    before = f", down from {shares[k - 1]:.0%}" if k - 1 in shares else ""
    b = evidence.counted.confirmed
    own = "" if b == k else f", with {_count(b or 0, 'component')} that belong to crystals"
    left = f"{shares[k]:.0%}{before}{own}"
    return f"From k = {k} on the worst patch of probes has little Bragg signal unexplained: {left}"


def _continuous(evidence: Evidence, confidence: Confidence) -> str:
    """Say so where the unexplained share comes down in small steps: the patterns change without bounds."""
    shares, k = evidence.counted.shares, evidence.counted.sufficient
    if confidence == "high" or k is None or evidence.counted.confirmed == evidence.counted.n_crystals:
        return ""
    falls = [shares[j - 1] / max(shares[j], np.finfo(float).eps) for j in range(2, k + 1) if j - 1 in shares]
    if evidence.counted.votes.agreement >= HALF or not falls or max(falls) > STEP:
        return ""
    return "It falls in small steps: the patterns change continuously, as those of one bent crystal do"


def _most_alike(evidence: Evidence) -> str:
    """Name the two crystals that are most alike, and the crystal that varies most."""
    roles = evidence.roles[evidence.k]
    same = roles.crystals[:, None] == roles.crystals
    known = (roles.crystals[:, None] >= 0) & (roles.crystals >= 0)
    between = np.where(known & ~same, roles.similarity, -np.inf)
    within = np.where(known & same, roles.similarity, np.inf)
    parts = []
    if np.isfinite(between).any():
        i, j = divmod(int(between.argmax()), len(between))
        one, other = sorted((int(roles.crystals[i]), int(roles.crystals[j])))
        parts.append(f"crystals {one} and {other} are the most alike, {between[i, j]:.2f}")
    if within.min() < SAME_CRYSTAL.limit:
        i = int(within.argmin()) // len(within)
        parts.append(f"crystal {roles.crystals[i]} varies most, down to {within.min():.2f}")
    if not parts:
        return ""
    return f"{_capital('; '.join(parts))} (1 = the same spots, one crystal from about {SAME_CRYSTAL.limit:.2f} on)"


def _level_one(evidence: Evidence) -> str:
    interest = evidence.interest
    if len(evidence.ks) == 1:
        return f"Nothing but k = {interest.low} was compared"
    bend = f"; its logarithm bends most at {evidence.log_bend}" if LOG_BEND in evidence.votes else ""
    if interest.knee is None:
        return f"{_capital(interest.note)}{bend}"
    note = f" ({interest.note})" if interest.note else ""
    return f"The loss bends at k = {interest.knee}{bend}; k = {interest.low} to {interest.high} was compared{note}"


def _level_two(evidence: Evidence) -> str:
    votes = evidence.level_two_votes
    note = f" ({evidence.measured.note})" if evidence.measured.note else ""
    if len(evidence.ks) == 1:
        return ""
    if not votes:
        return f"How distinct the patterns are is the same for every k{note}"
    each = ", ".join(f"k = {k} by {metric.upper()}" for metric, k in votes.items())
    return f"The patterns are most distinct at {each}{note}"


def _redundancy(evidence: Evidence) -> str:
    n = evidence.measured.at[evidence.k].n_redundant
    return f"{_count(n, 'pair')} of components at k = {evidence.k} stand for nearly the same pattern" if n else ""


def _fidelity(evidence: Evidence) -> str:
    value = evidence.measured.at[evidence.k].fidelity
    if np.isnan(value):
        return ""
    word = next((word for limit, word in _FIDELITY_WORDS if value >= limit), "unacceptable")
    return f"The exemplars are reconstructed to {value:.1f} dB of the single measured patterns ({word})"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
