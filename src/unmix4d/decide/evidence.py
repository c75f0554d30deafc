"""Everything that is known about each k: the counts of crystals, the loss, and how distinct the components are."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unmix4d.decide.counting import Counted, Model
from unmix4d.decide.criteria import (
    DISTINCTNESS,
    Coherence,
    Distinctness,
    Loss,
    PsnrFidelity,
    Stability,
    unexplained_curve,
)
from unmix4d.decide.elbow import log_bends, log_second_difference, running_minimum
from unmix4d.decide.held_out import HeldOut
from unmix4d.decide.others import other_criteria
from unmix4d.decide.rank import SignalToNoise
from unmix4d.decide.roles import SAME_CRYSTAL, find_roles
from unmix4d.decide.sweep import Range
from unmix4d.records import Beam, ComponentRoles, CriterionCurve, Sweep

KNEE = "knee of the loss"
LOG_BEND = "bend of the logarithm of the loss"
GROUPS = "crystals by merged groups"
PURIFIED = "crystals by purest probes"
RESIDUAL = "unexplained signal"
HELD_OUT = "held-out counts"
ABOVE_NOISE = "directions above the noise"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the sweep says about each k.

    Attributes
    ----------
    k : int
        Of the factorization that is kept.
    counted : Counted
        All counts of the crystals.
    interest : Range
    ks : tuple of int
        Those of the sweep within the range of interest.
    measured : Distinctness
    roles : mapping of k to ComponentRoles
        For every k of the range, and for ``k``.
    level_two : mapping of "ssim", "gmsd", "mdsi" to CriterionCurve
        Over ``ks``; one that could not be measured is empty.
    other_curves : tuple of CriterionCurve
        The loss, what is made of it, and what is shown beside.
    foreign_curves : tuple of CriterionCurve
        Of criteria that other packages add.
    log_bend : int or None
        Where the logarithm of the loss bends most.
    """

    k: int
    counted: Counted
    interest: Range
    ks: tuple[int, ...]
    measured: Distinctness
    roles: Mapping[int, ComponentRoles]
    level_two: Mapping[str, CriterionCurve]
    other_curves: tuple[CriterionCurve, ...]
    foreign_curves: tuple[CriterionCurve, ...]
    log_bend: int | None

    @property
    def n_crystals(self) -> int:
        """Number of distinct crystals among the components that are kept."""
        return self.roles[self.k].n_crystals

    @property
    def level_two_votes(self) -> Mapping[str, int]:
        """The k that each metric prefers; those that prefer none are left out."""
        return {metric: c.choice for metric, c in self.level_two.items() if c.choice is not None}

    @property
    def votes(self) -> Mapping[str, int]:
        """What each criterion would choose."""
        found = {
            GROUPS: self.counted.by_components,
            PURIFIED: None if self.counted.purified is None else self.counted.n_crystals,
            RESIDUAL: self.counted.sufficient,
            KNEE: self.interest.knee,
            LOG_BEND: self.log_bend,
            HELD_OUT: self._choice(HeldOut.name),
            ABOVE_NOISE: self._choice(SignalToNoise.name),
            **self.level_two_votes,
            **{c.name: c.choice for c in self.foreign_curves},
        }
        return MappingProxyType({name: k for name, k in found.items() if k is not None})

    def _choice(self, name: str) -> int | None:
        return next((curve.choice for curve in self.other_curves if curve.name == name), None)


def gather_evidence(
    model: Model, counted: Counted, *, interest: Range, measured: Distinctness, beam: Beam | None = None
) -> Evidence:
    """Look at every k of the range of interest, and at the one that is kept.

    Parameters
    ----------
    model : Model
        The factorization that is kept, with the sweep.
    counted : Counted
    interest : Range
    measured : Distinctness
        Of every k of the range, and of the one that is kept.
    beam : Beam or None

    Returns
    -------
    Evidence
    """
    sweep = model.sweep
    ks = tuple(k for k in sweep.ks if k in interest)
    roles = {k: find_roles(sweep.fits[k], beam=beam, segments=counted.segments[k]) for k in ks}
    roles[model.k] = find_roles(
        sweep.fits[model.k], beam=beam, linking=model.linking, segments=model.segments, groups=model.groups
    )
    level_two = {m: measured.curve(m, "nearest_sum", ks) for m in DISTINCTNESS}
    other_curves = (
        unexplained_curve(counted.shares),
        Loss().curve(sweep),
        Stability().curve(sweep),
        Coherence().curve(sweep),
        HeldOut(beam=beam).curve(sweep),
        SignalToNoise(beam=beam).curve(sweep),
        _log_bend_curve(sweep),
        *(measured.curve(m, "mean", ks) for m in DISTINCTNESS),
        measured.curve("psnr", "mean", ks),
        PsnrFidelity(measured=measured).curve(sweep),
        _crystal_curve(sweep, counted, roles),
    )
    return Evidence(
        k=model.k,
        counted=counted,
        interest=interest,
        ks=ks,
        measured=measured,
        roles=MappingProxyType(dict(sorted(roles.items()))),
        level_two=MappingProxyType(level_two),
        other_curves=other_curves,
        foreign_curves=other_criteria(sweep, (*level_two.values(), *other_curves)),
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


def _crystal_curve(sweep: Sweep, counted: Counted, roles: Mapping[int, ComponentRoles]) -> CriterionCurve:
    found = {k: counted.segments[k].n_crystals(SAME_CRYSTAL) for k in sweep.ks if k in counted.segments}
    found |= {k: of_k.n_crystals for k, of_k in roles.items()}
    return CriterionCurve(
        name="n_crystals",
        better="higher",
        ks=tuple(sorted(found)),
        values=tuple(float(found[k]) for k in sorted(found)),
        note="a count: where it stays the same over several k it can be trusted; no value is better",
    )
