"""What each component is: a crystal, one more piece of a crystal, background, vacuum, or nothing (method 6.6)."""

from typing import Literal

import numpy as np

from unmix4d.decide.spots import peakedness, position_similarity, spot_patterns
from unmix4d.errors import UsageError
from unmix4d.quality.material import find_material
from unmix4d.records import (
    NO_CRYSTAL,
    Beam,
    BoolArray,
    ComponentRoles,
    Factorization,
    FloatArray,
    Role,
)

SAME_CRYSTAL = 0.70
SAME_PATTERN = 0.95
BACKGROUND_PEAKEDNESS = 0.5
BACKGROUND_SPOT_SHARE = 0.55
IN_BEAM = 0.5
MIN_PIECE = 12


def find_roles(
    fit: Factorization,
    *,
    beam: Beam | None = None,
    background: Literal["auto", "none"] | int = "auto",
    same_crystal: float = SAME_CRYSTAL,
    min_piece: int = MIN_PIECE,
) -> ComponentRoles:
    """Recognise what the components of one factorization are.

    A component is *dead* if it carries nothing, and *background* if its spots are neither sharp (brightest 5 % of
    pixels below half of the spot intensity) nor most of its counts. The rest are linked where their spots sit at
    the same places. A group is a crystal if it has the most Bragg counts of all on at least ``min_piece``
    connected probes, which it then labels; in it the heaviest component is the *crystal*, the others are
    *duplicate* (cosine of the spot patterns with it of at least 0.95) or *split*. Groups that own no such piece are
    *vacuum* if most of their counts lie in the direct beam, and *background* otherwise.

    Parameters
    ----------
    fit : Factorization
    beam : Beam or None
    background : "auto", "none" or int
        Recognise background, never call anything background, or name the component that is.
    same_crystal : float
        Mean similarity of spot positions from which two groups of components are one crystal.
    min_piece : int
        Probes of the smallest connected piece that makes a crystal.

    Returns
    -------
    ComponentRoles

    Raises
    ------
    UsageError
        If ``background`` is not the index of a component.
    """
    patterns = fit.component_patterns().astype(np.float64)
    spots = spot_patterns(patterns, fit.pixel_mask, beam)
    similarity = position_similarity(spots)
    dead = fit.dead
    if isinstance(background, int) and not 0 <= background < fit.k:
        raise UsageError(f"--background {background} is not a component; there are {fit.k}, counted from 0")
    plain = _is_background(patterns, spots, beam, background) & ~dead
    alive = ~dead & ~plain & (spots.sum(axis=(1, 2)) > 0)
    groups = _link(similarity, alive, same_crystal)
    bragg = fit.weights * spots.sum(axis=(1, 2)) * alive
    owned = _own_a_piece(bragg, groups, fit.probe_mask, min_piece)
    roles: list[Role] = ["dead" if d else "background" for d in dead]
    crystals = np.full(fit.k, NO_CRYSTAL, dtype=np.int16)
    index = 0
    for group, is_crystal in zip(groups, owned, strict=True):
        if not is_crystal and background != "none":
            for i in group:
                roles[i] = "vacuum" if _beam_share(patterns[i], beam) > IN_BEAM else "background"
            continue
        for i in group:
            roles[i] = _role_in_group(spots, group[0], i)
            crystals[i] = index
        index += 1
    return ComponentRoles(
        roles=tuple(roles), crystals=crystals, spot_patterns=spots.astype(np.float32), similarity=similarity
    )


def _is_background(
    patterns: FloatArray, spots: FloatArray, beam: Beam | None, background: Literal["auto", "none"] | int
) -> BoolArray:
    k = len(patterns)
    if background == "none":
        return np.zeros(k, dtype=bool)
    if isinstance(background, int):
        return np.asarray(np.arange(k) == background)
    counts = patterns.sum(axis=(1, 2)) * (1 - np.array([_beam_share(pattern, beam) for pattern in patterns]))
    spot_share = spots.sum(axis=(1, 2)) / np.maximum(counts, np.finfo(float).tiny)
    return np.asarray((peakedness(spots) < BACKGROUND_PEAKEDNESS) & (spot_share < BACKGROUND_SPOT_SHARE))


def _beam_share(pattern: FloatArray, beam: Beam | None) -> float:
    """Share of a pattern's counts that lie in the direct beam disc."""
    total = float(pattern.sum())
    if beam is None or total <= 0:
        return 0.0
    return float(pattern[beam.disc((pattern.shape[0], pattern.shape[1]))].sum()) / total


def _link(similarity: FloatArray, alive: BoolArray, limit: float) -> list[list[int]]:
    """Group components by average linkage, each group in ascending order, groups by their first component."""
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415 - slow import
    from scipy.spatial.distance import squareform  # noqa: PLC0415 - slow import

    index = np.flatnonzero(alive)
    if len(index) < 2:  # noqa: PLR2004 - a pair is the smallest thing to link
        return [[int(i)] for i in index]
    apart = 1 - similarity[np.ix_(index, index)]
    np.fill_diagonal(apart, 0)
    label = fcluster(linkage(squareform(apart, checks=False), "average"), 1 - limit, "distance")
    return sorted([int(i) for i in index[label == one]] for one in np.unique(label))


def _role_in_group(spots: FloatArray, first: int, i: int) -> Role:
    """Name a member of a group: its heaviest, one with the same intensities, or one with others."""
    if i == first:
        return "crystal"
    one, other = spots[first].ravel(), spots[i].ravel()
    cosine = float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), np.finfo(float).tiny)
    return "duplicate" if cosine >= SAME_PATTERN else "split"


def _own_a_piece(bragg: FloatArray, groups: list[list[int]], probe_mask: BoolArray, min_piece: int) -> list[bool]:
    """Tell which groups have the most Bragg counts (n_probes, k) of all on enough connected probes."""
    from scipy.ndimage import label  # noqa: PLC0415 - slow import

    if not groups:
        return []
    of_groups = np.stack([bragg[:, group].sum(axis=1) for group in groups], axis=1)
    total, owner = np.zeros(probe_mask.shape), np.full(probe_mask.shape, NO_CRYSTAL)
    total[probe_mask] = of_groups.sum(axis=1)
    owner[probe_mask] = of_groups.argmax(axis=1)
    owner[~find_material(total, probe_mask)] = NO_CRYSTAL
    smallest = min(min_piece, int(probe_mask.sum()))
    owned = []
    for group in range(len(groups)):
        pieces, n = label(owner == group)
        owned.append(bool(n) and int(np.bincount(pieces.ravel())[1:].max()) >= smallest)
    return owned
