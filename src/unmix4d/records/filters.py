"""What several filters make of one scan, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from unmix4d.records.answers import ClusterMap, Decision, OverlapMap
from unmix4d.records.base import NO_CRYSTAL, BoolArray, FloatArray, IntArray, empty, require
from unmix4d.records.measured import Geometry, Survey

Zone = Literal["all", "boundary", "interior"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilterAnswer:
    """What one filter leads to.

    Attributes
    ----------
    name : str
        Of the filter.
    decision : Decision
    clusters : ClusterMap
    overlap : OverlapMap
    refitted : OverlapMap
        Of the same crystals and labels, with weights that were fitted to the unfiltered counts.
    classes : (n_crystals,) int16
        Class of each crystal, the same for crystals of other filters that it was matched with.
    iou : (n_crystals,) float64
        Intersection over union of its cluster with that of the reference; NaN where it has no partner there.
    mean_patterns : (n_crystals, pattern_y, pattern_x) float64
        Mean of the filtered patterns of each cluster, counts; NaN for an empty one.
    noise : mapping of column name to (n_crystals,) float64
        NSD by both definitions, of the mean and of the reconstruction, counts.
    losses : mapping of k to float
        Exact mean of abs(V - V') in counts.
    start_losses : mapping of k to mapping of start to float
        The solver's objective that each start came to, as a share of its value for V' = 0.
    explained : float
        How well its clusters stand for the crystal of the other filters that fares worst, 0 to 1: the share of what
        sets its mean unfiltered pattern apart that the nearest cluster has too.
    seconds : float
    warnings : tuple of str
    """

    name: str
    decision: Decision
    clusters: ClusterMap
    overlap: OverlapMap
    refitted: OverlapMap
    classes: IntArray
    iou: FloatArray
    mean_patterns: FloatArray
    noise: Mapping[str, FloatArray]
    losses: Mapping[int, float]
    start_losses: Mapping[int, Mapping[str, float]]
    explained: float
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = self.clusters.n_crystals
        require(self.classes.shape == self.iou.shape == (n,), "one class and one overlap for each crystal")
        require(all(values.shape == (n,) for values in self.noise.values()), "one value for each crystal")

    @property
    def labels(self) -> IntArray:
        """Class at every probe, (scan_y, scan_x) int16; -1 where there is no crystal."""
        table = np.concatenate([self.classes, [NO_CRYSTAL]]).astype(np.int16)
        return np.asarray(table[self.clusters.labels])

    @property
    def fates(self) -> IntArray:
        """What the unfiltered counts say of overlap at the lowest threshold, (scan_y, scan_x) int8.

        -1 = not assessed, 0 = no overlap, 1 = overlap that they confirm, 2 = overlap in the answer alone,
        3 = overlap with the refitted weights alone.
        """
        here, there = self.overlap.level > 0, self.refitted.level > 0
        fate = np.select([here & there, here, there], [1, 2, 3], 0)
        return np.where(self.overlap.level < 0, NO_CRYSTAL, fate).astype(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterAgreement:
    """How far the cluster maps of two filters agree, over the probes where at least one sees a crystal.

    ``share`` is that of probes of the same class; both measures are NaN where they mean nothing.
    """

    first: str
    second: str
    n_probes: int
    adjusted_rand: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOverlap:
    """Overlap of one filter at one threshold, in one zone; numbers of probes.

    Attributes
    ----------
    name : str
        Of the filter.
    zone : "all", "boundary" or "interior"
        Boundary: within one probe of a boundary between two crystals of the reference.
    threshold : float
    n_assessed : int
        Probes of the zone that every filter assesses.
    n_filtered : int
        Those whose ratio reaches the threshold in the answer of the filter.
    n_refitted : int
        Those whose ratio reaches it with the weights that were fitted to the unfiltered counts.
    n_absent : int
        Of ``n_filtered``, those that do not reach it there.
    n_new : int
        Of ``n_refitted``, those that do not reach it in the answer of the filter.
    """

    name: str
    zone: Zone
    threshold: float
    n_assessed: int
    n_filtered: int
    n_refitted: int
    n_absent: int
    n_new: int

    def share(self, number: str) -> float:
        """Give one of the numbers as a share of the assessed probes; NaN if there are none."""
        return int(getattr(self, number)) / self.n_assessed if self.n_assessed else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterAdvice:
    """Which filter is recommended, why, why not the others, and by which rule; in words with their numbers.

    ``made`` is the share of the boundary probes at which each filter made overlap itself.
    """

    name: str
    reason: str
    rule: str = ""
    others: Mapping[str, str] = field(default_factory=empty)
    made: Mapping[str, float] = field(default_factory=empty)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilterComparison:
    """Several filters on one scan.

    Attributes
    ----------
    answers : tuple of FilterAnswer
        In the order in which the filters were asked for.
    reference : str
        The filter whose clusters are the first classes, and whose boundaries are the zones.
    boundary : (scan_y, scan_x) bool
        Probes within one probe of a boundary between two crystals of the reference.
    agreements : tuple of FilterAgreement
    overlaps : tuple of FilterOverlap
    advice : FilterAdvice
    refused : mapping of filter to str
        Filters that cannot be used on this scan, and why.
    shared : tuple of str
        In words, what the runs had in common.
    geometry, survey, pixel_mask
        Of the reference.
    source, source_digest, started : str
    versions, settings : mapping
    """

    answers: tuple[FilterAnswer, ...]
    reference: str
    boundary: BoolArray
    agreements: tuple[FilterAgreement, ...]
    overlaps: tuple[FilterOverlap, ...]
    advice: FilterAdvice
    geometry: Geometry
    survey: Survey
    pixel_mask: BoolArray
    source: str
    source_digest: str
    started: str
    versions: Mapping[str, str] = field(default_factory=empty)
    settings: Mapping[str, Any] = field(default_factory=empty)
    refused: Mapping[str, str] = field(default_factory=empty)
    shared: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The filters that gave an answer."""
        return tuple(answer.name for answer in self.answers)

    @property
    def n_classes(self) -> int:
        """Number of distinct crystals over all filters."""
        return 1 + max((int(answer.classes.max(initial=NO_CRYSTAL)) for answer in self.answers), default=NO_CRYSTAL)

    def answer(self, name: str) -> FilterAnswer:
        """Give the answer of one filter."""
        return next(answer for answer in self.answers if answer.name == name)

    def overlap(self, name: str, zone: Zone) -> tuple[FilterOverlap, ...]:
        """Give the overlap of one filter in one zone, by threshold."""
        return tuple(row for row in self.overlaps if (row.name, row.zone) == (name, zone))
