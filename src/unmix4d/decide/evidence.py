"""Everything that is known about each k before one is chosen."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unmix4d.decide.criteria import (
    DISTINCTNESS,
    Aggregate,
    Distinctness,
    Loss,
    PsnrFidelity,
    Stability,
    measure_distinctness,
)
from unmix4d.decide.elbow import ElbowMethod, log_bends, log_second_difference, running_minimum
from unmix4d.decide.exemplars import Exemplar
from unmix4d.decide.sweep import Range, range_of_interest
from unmix4d.execute import Executor
from unmix4d.records import ComponentRoles, CriterionCurve, Factorization, Sweep

RolesOf = Callable[[Factorization], ComponentRoles]

KNEE = "knee"
LOG_BEND = "loss log second difference"
CRYSTALS = "crystals over the range"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the sweep says about each k.

    Attributes
    ----------
    interest : Range
    ks : tuple of int
        Those of the sweep within the range of interest.
    measured : Distinctness
    roles : mapping of k to ComponentRoles
        For every k of the range, and for k that were asked for besides.
    level_two : mapping of "ssim", "gmsd", "mdsi" to CriterionCurve
        The curves that decide, over ``ks``; one that could not be measured is empty.
    other_curves : tuple of CriterionCurve
        The loss, what is made of it, and what is shown beside.
    log_bend : int or None
        Where the logarithm of the loss bends most.
    """

    interest: Range
    ks: tuple[int, ...]
    measured: Distinctness
    roles: Mapping[int, ComponentRoles]
    level_two: Mapping[str, CriterionCurve]
    other_curves: tuple[CriterionCurve, ...]
    log_bend: int | None

    @property
    def n_crystals(self) -> Mapping[int, int]:
        """Number of distinct crystals among the components of each k."""
        return {k: roles.n_crystals for k, roles in sorted(self.roles.items())}

    @property
    def stability(self) -> Mapping[int, float]:
        """How well the starts agree on the components of each k, where several were tried."""
        for curve in self.other_curves:
            if curve.name == Stability.name:
                return dict(zip(curve.ks, curve.values, strict=True))
        return {}

    @property
    def usual_crystals(self) -> int:
        """The most frequent number of crystals over the range of interest; the smaller on ties."""
        times = Counter(self.roles[k].n_crystals for k in self.ks)
        return min(times, key=lambda n: (-times[n], n))

    @property
    def level_two_votes(self) -> Mapping[str, int]:
        """The k that each metric prefers; those that prefer none are left out."""
        return {metric: c.choice for metric, c in self.level_two.items() if c.choice is not None}

    @property
    def votes(self) -> Mapping[str, int]:
        """Every vote for a k, and the usual number of crystals."""
        level_one = {KNEE: self.interest.knee, LOG_BEND: self.log_bend}
        known = {name: k for name, k in level_one.items() if k is not None}
        return MappingProxyType({**known, **self.level_two_votes, CRYSTALS: self.usual_crystals})


def gather_evidence(
    sweep: Sweep,
    *,
    roles_of: RolesOf,
    asked_for: int | None = None,
    half_width: int = 4,
    exemplar: Exemplar = "reconstruction",
    aggregate: Aggregate = "nearest_sum",
    elbow: ElbowMethod = "kneedle",
    executor: Executor | None = None,
) -> Evidence:
    """Look at every k of the range of interest.

    Parameters
    ----------
    sweep : Sweep
    roles_of : callable
        Recognises the components of one factorization.
    asked_for : int or None
        A k that is looked at although it may lie outside the range.
    half_width, exemplar, aggregate, elbow, executor
        As in `unmix4d.decide.choose.decide`.

    Returns
    -------
    Evidence

    Notes
    -----
    Without an elbow k = 1 is looked at too, because there may be but one crystal (method, section 6.6).
    """
    interest = range_of_interest(sweep, half_width, elbow)
    ks = tuple(k for k in sweep.ks if k in interest)
    besides = (asked_for, 1 if interest.knee is None else None)
    looked_at = [k for k in sweep.ks if k in ks or k in besides]
    measured = measure_distinctness(sweep, looked_at, exemplar=exemplar, executor=executor)
    roles = {k: roles_of(sweep.fits[k]) for k in looked_at}
    other: Aggregate = "mean" if aggregate == "nearest_sum" else "nearest_sum"
    return Evidence(
        interest=interest,
        ks=ks,
        measured=measured,
        roles=MappingProxyType(roles),
        level_two=MappingProxyType({m: measured.curve(m, aggregate, ks) for m in DISTINCTNESS}),
        other_curves=(
            Loss().curve(sweep),
            Stability().curve(sweep),
            _log_bend_curve(sweep),
            *(measured.curve(m, other, ks) for m in DISTINCTNESS),
            measured.curve("psnr", "mean", ks),
            PsnrFidelity(measured=measured).curve(sweep),
            _crystal_curve(roles),
        ),
        log_bend=log_second_difference(sweep.ks, running_minimum(sweep.losses)),
    )


def _log_bend_curve(sweep: Sweep) -> CriterionCurve:
    losses = running_minimum(sweep.losses)
    bends = log_bends(sweep.ks, losses)
    return CriterionCurve(
        name="loss_log_second_difference",
        better="higher",
        ks=sweep.ks,
        values=tuple(map(float, bends)),
        choice=log_second_difference(sweep.ks, losses),
    )


def _crystal_curve(roles: Mapping[int, ComponentRoles]) -> CriterionCurve:
    return CriterionCurve(
        name="n_crystals",
        better="higher",
        ks=tuple(roles),
        values=tuple(float(r.n_crystals) for r in roles.values()),
        note="a count: where it stays the same over several k it can be trusted; no value is better",
    )
