"""The components of one factorization as pieces of crystals: which belong together, and which groups are crystals.

Factorizations with more components than crystals split crystals where they bend or change their thickness, and lose
none. What belongs together is found by the places and the lattice of the spots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmix4d.decide.spots import (
    crystal_similarity,
    peakedness,
    roundness,
    spot_patterns,
)
from unmix4d.errors import UsageError
from unmix4d.quality.background import MIN_SIDE, outside_beam, shrink, shrink_beam, squares
from unmix4d.quality.material import find_material
from unmix4d.quality.turned import turned_apart
from unmix4d.records import Beam, BoolArray, Factorization, FloatArray, IntArray

Background = Literal["auto", "none"] | int
Method = Literal["average", "single"]
METHODS: tuple[Method, ...] = ("average", "single")

MIN_PIECE = 12
"""Connected probes on which a crystal is the strongest."""

DOMINANT = 8
"""Probes on which a component must be the strongest to found a group of its own."""

DOMINANT_SHARE = 50
"""On small scans one in so many probes is enough."""

TURNED_GAIN = 0.03
"""By how much two components must be more alike once one is turned to be unlike; see decision 0024."""

BACKGROUND_PEAKEDNESS = 0.5
BACKGROUND_SPOT_SHARE = 0.55
BACKGROUND_ROUNDNESS = 0.6
_FEW = 2


@dataclass(frozen=True, slots=True)
class Linking:
    """How components are put together: by average or single linkage, down to this similarity."""

    method: Method
    limit: float


@dataclass(frozen=True, slots=True)
class Group:
    """Components that belong together, ascending, and whether they are a crystal."""

    members: tuple[int, ...]
    crystal: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segments:
    """What is known about the components of one factorization before they are put together.

    Attributes
    ----------
    similarity : (k, k) float64
        See `crystal_similarity`; 0 for those that are `turned_apart`.
    bragg : (n_probes, k) float32
        Counts of each component in its spots.
    counts : (k,) float64
        Counts of each component outside of the beam, over the scan.
    peakedness, roundness : (k,) float64
    forced : int or None
        A component that the user named as background.
    keeps_background : bool
        Whether every group is taken for a crystal.
    probe_mask : (scan_y, scan_x) bool
    probes : int
        How many probes of the scan each of them stands for.
    """

    similarity: FloatArray
    bragg: FloatArray
    counts: FloatArray
    peakedness: FloatArray
    roundness: FloatArray
    forced: int | None
    keeps_background: bool
    probe_mask: BoolArray
    probes: int = 1

    @property
    def k(self) -> int:
        """Number of components."""
        return len(self.similarity)

    def n_crystals(self, linking: Linking, min_piece: int = MIN_PIECE) -> int:
        """Count the groups that are crystals."""
        return sum(group.crystal for group in self.groups(linking, min_piece))

    def groups(self, linking: Linking, min_piece: int = MIN_PIECE) -> list[Group]:
        """Put components together, groups in the order of their first components.

        Components that are the strongest at enough probes are linked; each of the others joins the group that it is
        most like, if that is like enough, and is left out otherwise. A group is a crystal if it has the most Bragg
        counts of all on ``min_piece`` connected probes and is no background.
        """
        alive: BoolArray = np.asarray(self.bragg.any(axis=0))
        if self.forced is not None:
            alive[self.forced] = False
        material = self._material(alive)
        founders = self._founders(alive, material)
        groups = _link(self.similarity, founders, linking)
        for i in np.flatnonzero(alive & ~np.isin(np.arange(self.k), founders)):
            self._join(int(i), groups, linking)
        members = sorted(tuple(sorted(group)) for group in groups)
        owned = self._own_a_piece(members, material, -(-min_piece // self.probes))
        return [
            Group(group, self.keeps_background or (own and not self._is_background(group)))
            for group, own in zip(members, owned, strict=True)
        ]

    def hidden(self, groups: Sequence[Group], *, share: float, unlike: float) -> list[tuple[int, ...]]:
        """Give the members of crystals that are the strongest nowhere, as a particle on a thicker grain is.

        Of ``groups`` those that own no piece and are no background, and single components that joined none, whose
        mean similarity to any crystal is below ``unlike`` and that have ``share`` of the Bragg counts on
        `MIN_PIECE` connected probes.
        """
        crystals = [list(group.members) for group in groups if group.crystal]
        material = self._material(np.asarray(self.bragg.any(axis=0)))
        total = np.maximum(self.bragg.sum(axis=1), np.finfo(np.float32).tiny)
        joined = {i for group in groups for i in group.members} | {self.forced}
        single = [(i,) for i in range(self.k) if i not in joined and self.bragg[:, i].any()]
        found = []
        for members in (*(group.members for group in groups if not group.crystal), *single):
            own = list(members)
            alike = [float(self.similarity[np.ix_(own, other)].mean()) for other in crystals]
            if max(alike, default=0.0) >= unlike or self._is_background(own):
                continue
            held = material & (self.bragg[:, own].sum(axis=1) >= share * total)
            if self._largest_piece(held) >= -(-MIN_PIECE // self.probes):
                found.append(members)
        return found

    def _material(self, alive: BoolArray) -> BoolArray:
        total = self.bragg[:, alive].sum(axis=1, dtype=np.float64)
        if not total.any():
            return np.zeros(len(total), dtype=bool)
        on_scan = np.zeros(self.probe_mask.shape)
        on_scan[self.probe_mask] = total
        return find_material(on_scan, self.probe_mask)[self.probe_mask]

    def _founders(self, alive: BoolArray, material: BoolArray) -> IntArray:
        strongest = np.where(alive, self.bragg, -1).argmax(axis=1)[material]
        enough = min(max(1, DOMINANT // self.probes), max(1, len(self.bragg) // DOMINANT_SHARE))
        return np.flatnonzero(alive & (np.bincount(strongest, minlength=self.k) >= enough))

    def _join(self, i: int, groups: list[list[int]], linking: Linking) -> None:
        if not groups:
            return
        reduce = np.max if linking.method == "single" else np.mean
        alike = [float(reduce(self.similarity[i, group])) for group in groups]
        best = int(np.argmax(alike))
        if alike[best] >= linking.limit:
            groups[best].append(i)

    def _is_background(self, group: Sequence[int]) -> bool:
        members = list(group)
        spots = self.bragg[:, members].sum(axis=0, dtype=np.float64)
        weight = spots / max(float(spots.sum()), np.finfo(float).tiny)
        spot_share = float(spots.sum()) / max(float(self.counts[members].sum()), np.finfo(float).tiny)
        diffuse = weight @ self.peakedness[members] < BACKGROUND_PEAKEDNESS and spot_share < BACKGROUND_SPOT_SHARE
        return bool(diffuse or weight @ self.roundness[members] > BACKGROUND_ROUNDNESS)

    def _own_a_piece(self, groups: Sequence[Sequence[int]], material: BoolArray, min_piece: int) -> list[bool]:
        """Tell which groups have the most Bragg counts of all on enough connected probes."""
        if not groups:
            return []
        strongest = np.stack([self.bragg[:, list(group)].sum(axis=1) for group in groups], axis=1).argmax(axis=1)
        smallest = min(min_piece, len(self.bragg))
        return [self._largest_piece(material & (strongest == i)) >= smallest for i in range(len(groups))]

    def _largest_piece(self, where: BoolArray) -> int:
        """Count the probes of the largest connected piece of those (n_probes,) that are marked."""
        from scipy.ndimage import label  # noqa: PLC0415 - slow import

        own = np.zeros(self.probe_mask.shape, dtype=bool)
        own[self.probe_mask] = where
        return int(np.bincount(label(own)[0].ravel())[1:].max(initial=0))


def find_segments(fit: Factorization, *, beam: Beam | None = None, background: Background = "auto") -> Segments:
    """Look at the spots of all components, on copies of at most 96 pixels a side.

    Parameters
    ----------
    fit : Factorization
    beam : Beam or None
    background : {"auto", "none"} or int
        Recognise background, take no component for it, or the one of this index.

    Returns
    -------
    Segments

    Raises
    ------
    UsageError
        If ``background`` is the index of no component.
    """
    if isinstance(background, int) and not 0 <= background < fit.k:
        raise UsageError(f"--background {background} is not a component; there are {fit.k}, counted from 0")
    side = squares(fit.geometry.pattern_shape)
    cover = shrink(fit.pixel_mask[None].astype(np.float32))[0]
    patterns = shrink(fit.component_patterns()) / np.maximum(cover, np.finfo(np.float32).eps) * side**2
    used, small_beam = cover > 1 / _FEW, shrink_beam(beam, side)
    spots = spot_patterns(patterns, used, small_beam)
    outside = used & outside_beam((used.shape[0], used.shape[1]), small_beam)
    alive = ~fit.dead
    return Segments(
        similarity=np.where(turned_apart(spots, small_beam, gain=TURNED_GAIN), 0, crystal_similarity(spots)),
        bragg=np.asarray(fit.weights * (spots.sum(axis=(1, 2), dtype=np.float64) * alive).astype(np.float32)),
        counts=patterns[:, outside].sum(axis=1) * fit.weights.sum(axis=0, dtype=np.float64),
        peakedness=peakedness(spots),
        roundness=roundness(spots, small_beam) if min(used.shape) >= MIN_SIDE else np.zeros(fit.k),
        forced=background if isinstance(background, int) else None,
        keeps_background=background == "none",
        probe_mask=fit.probe_mask,
    )


def _link(similarity: FloatArray, founders: IntArray, linking: Linking) -> list[list[int]]:
    if len(founders) < _FEW:
        return [[int(i)] for i in founders]
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415 - slow import
    from scipy.spatial.distance import squareform  # noqa: PLC0415 - slow import

    apart = np.maximum(1 - similarity[np.ix_(founders, founders)], 0)
    np.fill_diagonal(apart, 0)
    label = fcluster(linkage(squareform(apart, checks=False), linking.method), 1 - linking.limit, "distance")
    return [[int(i) for i in founders[label == one]] for one in np.unique(label)]
