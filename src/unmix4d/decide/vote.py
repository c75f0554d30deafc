"""Count A: the number of crystals by merged groups, voted over factorizations and ways to merge."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from unmix4d.decide.segments import METHODS, Linking, Segments

LINKINGS = tuple(Linking(method, limit) for method in METHODS for limit in (0.40, 0.50, 0.60))
"""Ways to merge: single linkage alone chains through mixed components, average linkage alone splits what bends."""

PREFERRED = tuple(sorted(LINKINGS, key=lambda linking: (abs(linking.limit - 0.50), linking.method)))
"""The same ways, those in the middle of the limits first."""

SIZES = (0.8, 1.0, 1.25, 1.5)
"""Numbers of components to look at, times the signal rank and two."""

LEAST_SIZE, MOST_SIZE = 8, 48
SPARE = 1
"""Components beyond the number of crystals that the kept factorization has: background needs one."""

ROOM = 2
"""Components that a factorization must have to spare, or its number of crystals is bound by their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """How many crystals the factorizations hold, each merged in several ways.

    Attributes
    ----------
    counts : mapping of number of crystals to int
        In how many of the ways that had room they were found; most frequent first, the smaller number on ties.
    sizes : tuple of int
        Numbers of components that were looked at.
    """

    counts: Mapping[int, int]
    sizes: tuple[int, ...]

    @property
    def winner(self) -> int:
        """The most frequent number; of those, the one nearest to the median of all votes, then the smaller."""
        most = max(self.counts.values())
        middle = float(np.median([n for n, times in self.counts.items() for _ in range(times)]))
        return min((n for n, times in self.counts.items() if times == most), key=lambda n: (abs(n - middle), n))

    @property
    def agreement(self) -> float:
        """Share of the votes for the winner."""
        return self.share(self.winner)

    def share(self, n: int) -> float:
        """Share of the votes for a number."""
        return self.counts.get(n, 0) / sum(self.counts.values())

    def near(self, n: int) -> float:
        """Share of the votes within a tenth of a number."""
        reach = n // 10
        return sum(times for m, times in self.counts.items() if abs(m - n) <= reach) / sum(self.counts.values())

    @property
    def runner_up(self) -> int | None:
        """The second most frequent number, None if all agree."""
        others = {n: times for n, times in self.counts.items() if n != self.winner}
        return min(others, key=lambda n: (-others[n], abs(n - self.winner), n)) if others else None


def sizes_to_ask(rank: int, limit: int) -> tuple[int, ...]:
    """Give the numbers of components to look at.

    Parameters
    ----------
    rank : int
        Signal rank of the data.
    limit : int
        The largest number that the data allow.

    Returns
    -------
    tuple of int, ascending
    """
    wanted = {round(share * (rank + 2)) for share in SIZES}
    return tuple(sorted({min(max(k, LEAST_SIZE), MOST_SIZE, limit) for k in wanted}))


def take_votes(
    segments: Mapping[int, Segments], *, most: int | None = None, linkings: Sequence[Linking] = LINKINGS
) -> Votes:
    """Count the crystals of every factorization with every way to merge.

    Parameters
    ----------
    segments : mapping of k to Segments
        Not empty.
    most : int or None
        There cannot be more crystals than this.
    linkings : sequence of Linking

    Returns
    -------
    Votes
        A count is left out if it comes within two of the number of components, but for the largest k.
    """
    sizes = tuple(sorted(segments))
    counts: Counter[int] = Counter()
    for k, linking in product(sizes, linkings):
        n = segments[k].n_crystals(linking)
        if k >= n + ROOM or k == sizes[-1]:
            counts[n if most is None else min(n, most)] += 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Votes(counts=dict(ordered), sizes=sizes)


def fitting_size(
    sizes: Sequence[int], segments: Mapping[int, Segments], n_crystals: int
) -> tuple[int, Linking] | None:
    """Find a small factorization that has this number of crystals and components to spare, and how to merge it.

    Parameters
    ----------
    sizes : sequence of int
        Ascending; those below the number of crystals are passed over.
    segments : mapping of k to Segments
    n_crystals : int

    Returns
    -------
    (int, Linking) or None
        The smallest with `SPARE` components more than crystals on which at least half of the ways to merge agree;
        else the smallest without them on which they agree, else any with as many. None if there is none.
    """
    half = len(PREFERRED) / 2
    for spare, agreed in ((SPARE, half), (0, half), (0, 1)):
        for k in (size for size in sizes if size >= n_crystals + spare):
            found = [linking for linking in PREFERRED if segments[k].n_crystals(linking) == n_crystals]
            if len(found) >= agreed:
                return k, found[0]
    return None
