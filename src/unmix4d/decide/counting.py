"""How many crystals there are, counted in ways that share little but the data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from unmix4d.decide.coherence import EXPLAINED, Residuals, signal_rank, without_beam
from unmix4d.decide.roles import SAME_CRYSTAL
from unmix4d.decide.segments import Background, Group, Linking, Segments, find_segments
from unmix4d.decide.vote import PREFERRED, Votes, fitting_size, sizes_to_ask, take_votes
from unmix4d.execute import Executor, Serial
from unmix4d.records import Beam, Confidence, Factorization, Purified, Sweep

NOISE = 0.05
"""Neighbouring patterns that share less than this of their power have nothing but noise in their spots."""

AGREED, MOSTLY, HALF = 0.9, 0.75, 0.5
SATURATED = 0.95
"""Share of all directions from which on the number of those that hold signal means nothing."""

SIZES_WITHOUT_RANK = 4

APART = 0.55
"""Crystals whose purest probes are less alike than this are surely two."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """All counts.

    Attributes
    ----------
    votes : Votes
        Count A: merged groups.
    shares : mapping of k to float
        What each k leaves unexplained of the Bragg signal in the worst patch; empty if it could not be measured.
    rank : int or None
        Directions of the data that hold signal; None if nearly all do, or nothing was measured.
    coherence : float or None
        Share of the power in the spots that neighbouring patterns have in common.
    segments : mapping of k to Segments
        For every k of the sweep, and for larger ones that were looked at.
    largest : Factorization or None
        The one with the most components that was looked at; None where the rank is not known.
    purified : Purified or None
        Count C: crystals as their purest probes show them; None where the components were enough.
    closest : float
        Similarity of the two of them that are most alike.
    """

    votes: Votes
    shares: Mapping[int, float]
    rank: int | None
    coherence: float | None
    segments: Mapping[int, Segments]
    largest: Factorization | None = None
    purified: Purified | None = None
    closest: float = 0.0

    @property
    def n_crystals(self) -> int:
        """The answer: count C, or that of the components where they were enough."""
        return self.by_components if self.purified is None else self.purified.n_crystals

    @property
    def by_components(self) -> int:
        """The winner of the votes, or count B if they are divided and half as many are for it."""
        votes, b = self.votes, self.confirmed
        if b is None or votes.agreement >= MOSTLY or 2 * votes.counts.get(b, 0) < votes.counts[votes.winner]:
            return votes.winner
        return b

    @property
    def undecided(self) -> bool:
        """Whether the votes for several crystals are so divided, and unconfirmed, that they give no answer."""
        if self.purified is not None:
            return False
        return self.confidence == "low" and self.n_crystals > 1 and self.votes.near(self.n_crystals) < MOSTLY

    @property
    def sufficient(self) -> int | None:
        """The smallest k that explains the data everywhere; None if none does, or nothing was measured."""
        return next((k for k, share in self.shares.items() if share < EXPLAINED), None)

    @property
    def confirmed(self) -> int | None:
        """Count B: how many components of the `sufficient` k belong to a crystal; the others are background."""
        k = self.sufficient
        if k is None or k not in self.segments:
            return k
        return sum(len(group.members) for group in self.segments[k].groups(SAME_CRYSTAL) if group.crystal)

    @property
    def confidence(self) -> Confidence:
        """High, medium or low: see `docs/decide.md`."""
        n, b = self.n_crystals, self.confirmed
        agreement = self.votes.share(n)
        if n == 1 and self.rank == 0:
            return "medium"  # nothing varies: one crystal everywhere and none look much the same
        if self.purified is not None:
            return "medium" if agreement >= HALF or b == n or self.closest < APART else "low"
        if self.shares and agreement >= AGREED and (b is None or b >= n):
            return "high"
        if agreement >= MOSTLY and b == n:
            return "high"
        return "medium" if agreement >= HALF or b == n else "low"


def count_crystals(
    sweep: Sweep, *, beam: Beam | None = None, background: Background = "auto", executor: Executor | None = None
) -> Counted:
    """Count crystals in two ways.

    Count A looks at factorizations with more components than crystals, merges components whose spots are those of
    one crystal, and votes. Count B asks how many components explain all that is coherent between neighbours.

    Parameters
    ----------
    sweep : Sweep
        With its low-rank form and the right to fit it, as far as the solver offers them; without them count A has
        no larger models than the sweep's and count B is not made.
    beam : Beam or None
    background : {"auto", "none"} or int
        As in `find_segments`; an index is heeded where there is such a component.
    executor : Executor or None
        Works on several k at a time.

    Returns
    -------
    Counted
    """
    pool = executor or Serial()
    rank, coherence, shares = None, None, {}
    if sweep.factored is not None:
        rank = signal_rank(without_beam(sweep.factored, beam))
        if rank >= SATURATED * sweep.factored.rank:
            rank = (
                None  # a filter has made noise of neighbours alike, or the low-rank form is full: it tells nothing
            )
        residuals = Residuals.of(sweep.factored, beam)
        coherence = residuals.coherence
        shares = residuals.shares(sweep.fits)
    fits = {**_larger_fits(sweep, rank, beam), **sweep.fits}
    nothing = coherence is not None and coherence < NOISE

    def look(fit: Factorization) -> tuple[int, Segments]:
        named = "auto" if isinstance(background, int) and background >= fit.k else background
        found = find_segments(fit, beam=beam, background=named)
        if sweep.factored is not None and fit.k not in sweep.fits:
            found = replace(found, probes=sweep.factored.probes_per_row)
        return fit.k, replace(found, bragg=np.zeros_like(found.bragg)) if nothing else found

    segments = dict(sorted(pool.map_blocks(look, list(fits.values()))))
    asked = _asked(rank, tuple(segments))
    votes = take_votes({k: segments[k] for k in asked}, most=None if rank is None else rank + 1)
    largest = None if rank is None else fits[votes.sizes[-1]]
    return Counted(votes=votes, shares=shares, rank=rank, coherence=coherence, segments=segments, largest=largest)


def _larger_fits(sweep: Sweep, rank: int | None, beam: Beam | None) -> Mapping[int, Factorization]:
    """Fit the sizes that the sweep does not hold to the low-rank form without the beam."""
    factored = sweep.factored
    if factored is None or sweep.fit_factored is None or rank is None:
        return {}
    limit = min(len(factored.scores), factored.basis.shape[1], factored.rank)
    missing = [k for k in sizes_to_ask(rank, limit) if k > sweep.ks[-1]]
    return sweep.fit_factored(without_beam(factored, beam), missing) if missing else {}


def _asked(rank: int | None, known: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes to vote on: the nearest ones that were fitted."""
    if rank is None:
        upper = [k for k in known if 2 * k >= known[-1]]
        return tuple(sorted({upper[round(i)] for i in np.linspace(0, len(upper) - 1, SIZES_WITHOUT_RANK)}))
    wanted = sizes_to_ask(rank, max(known[-1], 1))
    return tuple(sorted({min(known, key=lambda k: (abs(k - size), k)) for size in wanted}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """The factorization that is kept.

    Attributes
    ----------
    sweep : Sweep
        With one more k if none of its own had as many crystals and a larger one did.
    k : int
    linking : Linking
        How its components are merged.
    segments : Segments
    groups : tuple of Group or None
        One for each crystal, where it is known which components it has; else they are merged by ``linking``.
    """

    sweep: Sweep
    k: int
    linking: Linking
    segments: Segments
    groups: tuple[Group, ...] | None = None


def choose_model(sweep: Sweep, counted: Counted, *, beam: Beam | None = None) -> Model:
    """Take a small factorization whose groups are as many as the crystals, see `fitting_size`.

    Parameters
    ----------
    sweep : Sweep
    counted : Counted
    beam : Beam or None

    Returns
    -------
    Model
        One of the sweep if any has as many; else a larger one, fitted to the data; else that of the sweep whose
        number is nearest.
    """
    n, segments = counted.n_crystals, counted.segments
    found = fitting_size(sweep.ks, segments, n)
    if found is not None:
        return Model(sweep=sweep, k=found[0], linking=found[1], segments=segments[found[0]])
    larger = fitting_size([k for k in segments if k not in sweep.fits], segments, n)
    if larger is not None and sweep.refit is not None:
        size = larger[0]
        grown = replace(sweep, fits={**sweep.fits, **sweep.refit((size,))})
        fitted = find_segments(grown.fits[size], beam=beam)
        again = fitting_size((size,), {size: fitted}, n)
        if again is not None:
            return Model(sweep=grown, k=size, linking=again[1], segments=fitted)
    k, linking = _nearest(sweep, counted)
    return Model(sweep=sweep, k=k, linking=linking, segments=segments[k])


def _nearest(sweep: Sweep, counted: Counted) -> tuple[int, Linking]:
    """Take the smallest model of the sweep whose count is nearest to the answer."""
    n = counted.n_crystals
    return min(
        ((k, linking) for k in sweep.ks for linking in PREFERRED),
        key=lambda one: (abs(counted.segments[one[0]].n_crystals(one[1]) - n), one[0]),
    )
