"""What each component is: a crystal, one more piece of a crystal, background, vacuum, or nothing (method 6.6)."""

from collections.abc import Sequence

import numpy as np

from unmix4d.decide.segments import MIN_PIECE, Background, Group, Linking, Segments, find_segments
from unmix4d.decide.spots import spot_patterns
from unmix4d.records import NO_CRYSTAL, Beam, ComponentRoles, Factorization, FloatArray, Role

SAME_CRYSTAL = Linking("average", 0.50)
SAME_PATTERN = Linking("average", 0.975)
DUPLICATE = 0.95
IN_BEAM = 0.5


def find_roles(
    fit: Factorization,
    *,
    beam: Beam | None = None,
    background: Background = "auto",
    linking: Linking = SAME_CRYSTAL,
    min_piece: int = MIN_PIECE,
    segments: Segments | None = None,
    groups: Sequence[Group] | None = None,
) -> ComponentRoles:
    """Recognise what the components of one factorization are.

    A component is *dead* if it carries nothing. The rest are put together where their spots are those of one
    crystal, see `Segments.groups`. In a group that is a crystal the heaviest component is the *crystal*, the others
    are *duplicate* (cosine of the spot patterns with it of at least 0.95) or *split*. All others are *vacuum* if
    most of their counts lie in the direct beam, and *background* otherwise.

    Parameters
    ----------
    fit : Factorization
    beam : Beam or None
        Where the direct beam is; its disc and a margin are no part of the spots.
    background : {"auto", "none"} or int
        Recognise background, take no component for it, or the one of this index.
    linking : Linking
        When components are one crystal.
    min_piece : int
        Connected probes that a group must own; fewer if there are not as many probes at all.
    segments : Segments or None
        What `find_segments` found, if it was asked before.
    groups : sequence of Group or None
        What belongs together, in the order of the crystals, if it is known.

    Returns
    -------
    ComponentRoles

    Raises
    ------
    UsageError
        If ``background`` is the index of no component.

    Notes
    -----
    Method, sections 4.5 and 6.6. Neither the order nor the scale of the components matters.
    """
    seen = find_segments(fit, beam=beam, background=background) if segments is None else segments
    patterns = fit.component_patterns()
    spots = spot_patterns(patterns, fit.pixel_mask, beam)
    roles: list[Role] = [_lost(pattern, beam) for pattern in patterns]
    for dead in np.flatnonzero(fit.dead).tolist():
        roles[dead] = "dead"
    if seen.forced is not None:
        roles[seen.forced] = "background"
    crystals = np.full(fit.k, NO_CRYSTAL, dtype=np.int16)
    merged = seen.groups(linking, min_piece) if groups is None else groups
    owners = [group for group in merged if group.crystal]
    for index, group in enumerate(owners):
        for i in group.members:
            roles[i] = _role_in_group(spots, group.members[0], i)
            crystals[i] = index
    return ComponentRoles(roles=tuple(roles), crystals=crystals, spot_patterns=spots, similarity=seen.similarity)


def _lost(pattern: FloatArray, beam: Beam | None) -> Role:
    """Name a component that belongs to no crystal."""
    return "vacuum" if _beam_share(pattern, beam) > IN_BEAM else "background"


def _beam_share(pattern: FloatArray, beam: Beam | None) -> float:
    """Share of a pattern's counts that lie in the direct beam disc."""
    total = float(pattern.sum())
    if beam is None or total <= 0:
        return 0.0
    return float(pattern[beam.disc((pattern.shape[0], pattern.shape[1]))].sum()) / total


def _role_in_group(spots: FloatArray, first: int, i: int) -> Role:
    """Name a member of a group: its heaviest, one with the same intensities, or one with others."""
    if i == first:
        return "crystal"
    one, other = spots[first].ravel(), spots[i].ravel()
    cosine = float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), np.finfo(float).tiny)
    return "duplicate" if cosine >= DUPLICATE else "split"
