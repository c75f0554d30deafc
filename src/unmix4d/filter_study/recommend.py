"""One rule that recommends a filter, and the words that follow from its numbers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from unmix4d.records import Confidence, FilterAdvice, FilterAnswer, FilterOverlap

LEAST_EXPLAINED = 0.75
"""A filter whose nearest cluster has less than this of what sets a crystal apart has lost that crystal."""

MOST_CREATED = 0.05
"""Most overlap, as a share of the boundary probes, that a filter may have made itself."""

LIMIT_RATIO = 0.5
"""From this ratio on overlap counts here: that which a 3 x 3 mean makes beside a sharp and straight boundary."""

MILDEST_FIRST = ("raw", "gated-mean", "mean", "epattern")
SURENESS: Mapping[Confidence, int] = MappingProxyType({"low": 0, "medium": 1, "high": 2})


RULE = (
    "A filter is left out if it lost a crystal that another found: if, of what sets the mean unfiltered pattern of "
    "that crystal apart from the mean of all, its nearest cluster has less than "
    f"{LEAST_EXPLAINED:.0%}; or if it made overlap (ratio of {LIMIT_RATIO:g} or more) at more than "
    f"{MOST_CREATED:.0%} of the boundary probes. Of the others, those of the highest confidence; of these the one "
    f"that changes the patterns least: {', '.join(MILDEST_FIRST)}, then any other. If all lost one, the one that "
    "lost least; if all made overlap, those that made the least stay."
)


def created(overlaps: Sequence[FilterOverlap], name: str) -> float:
    """Share of the boundary probes whose overlap the filter made itself.

    It is that of overlap which the weights fitted to the unfiltered counts do not have, less the same share away
    from boundaries: there a mean mixes nothing, so that it says what noise and the threshold alone do. At least 0.
    """
    at = {row.zone: row for row in overlaps if (row.name, row.threshold) == (name, LIMIT_RATIO)}
    inside = at["interior"].share("n_absent") if at["interior"].n_assessed else 0.0
    return max(0.0, at["boundary"].share("n_absent") - inside) if at["boundary"].n_assessed else 0.0


def recommend(answers: Sequence[FilterAnswer], overlaps: Sequence[FilterOverlap]) -> FilterAdvice:
    """Recommend a filter.

    Of the filters that lost no crystal that another found (their nearest cluster has 75 % or more of what sets
    it apart), and that made overlap at no more than 5 % of the boundary probes, those of the highest confidence;
    and of these the one that changes the patterns least: raw, gated-mean, mean, epattern, then any other. If all
    lost one, the one that lost least is taken; if all made overlap, those that made the least stay.

    Parameters
    ----------
    answers : sequence of FilterAnswer
    overlaps : sequence of FilterOverlap

    Returns
    -------
    FilterAdvice
    """
    made = {answer.name: created(overlaps, answer.name) for answer in answers}
    others: dict[str, str] = {}
    left = []
    for answer in answers:
        if answer.explained < LEAST_EXPLAINED:
            others[answer.name] = (
                f"it lost a crystal: its nearest cluster has {_percent(answer.explained)} of what sets that apart, "
                f"less than {_percent(LEAST_EXPLAINED)}"
            )
        else:
            left.append(answer)
    if not left:  # each lost what another found
        left = [max(answers, key=lambda answer: answer.explained)]
        del others[left[0].name]
    least = min(made[answer.name] for answer in left)
    limit = max(MOST_CREATED, least)
    for answer in [answer for answer in left if made[answer.name] > limit]:
        others[answer.name] = (
            f"it made overlap at {_percent(made[answer.name])} of the boundary probes, more than {_percent(limit)}"
        )
        left.remove(answer)
    surest = max(SURENESS[answer.decision.confidence] for answer in left)
    for answer in [answer for answer in left if SURENESS[answer.decision.confidence] < surest]:
        others[answer.name] = f"its confidence is {answer.decision.confidence}"
        left.remove(answer)
    best = min(left, key=lambda answer: _place(answer.name))
    for answer in left:
        if answer is not best:
            others[answer.name] = f"it does as well, and changes the patterns more than {best.name}"
    return FilterAdvice(name=best.name, reason=_reason(best, made[best.name]), rule=RULE, others=others, made=made)


def _reason(best: FilterAnswer, made: float) -> str:
    decision = best.decision
    crystals = "1 crystal" if decision.n_crystals == 1 else f"{decision.n_crystals} crystals"
    explained = f"of every crystal that another filter finds it has {_percent(best.explained)} or more"
    words = (
        f"{crystals} with {decision.confidence} confidence; {explained}; overlap that it made: {_percent(made)} of "
        "the boundary probes"
    )
    if decision.confidence == "low":
        words += "; no filter that may be used makes the number of crystals sure, so take it as a proposal"
    return words


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _place(name: str) -> int:
    return MILDEST_FIRST.index(name) if name in MILDEST_FIRST else len(MILDEST_FIRST)
