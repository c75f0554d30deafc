"""A whole run: what was asked, what it cost, what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unmix4d.records.answers import ClusterComparison, ClusterMap, Decision, OverlapMap
from unmix4d.records.base import BoolArray, IntArray, empty
from unmix4d.records.factors import Factorization
from unmix4d.records.measured import Geometry, Survey
from unmix4d.records.paper import PaperAnswer
from unmix4d.records.spots import SpotTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageCost:
    """Seconds and peak resident bytes of one stage."""

    stage: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunRecord:
    """What is needed to understand and repeat a run."""

    settings: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    source: str
    source_digest: str
    started: str
    costs: tuple[StageCost, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResult:
    """The whole answer of one run: one of each, and what the paper's procedure finds if it was asked for.

    ``swept_labels`` has, for a result that was read back, the labels of every k that was tried: index of the
    strongest component, (scan_y, scan_x) int16, also where the factors of that k were not kept.
    """

    record: RunRecord
    geometry: Geometry
    survey: Survey
    steps: tuple[str, ...]
    pixel_mask: BoolArray
    probe_mask: BoolArray
    fits: Mapping[int, Factorization]
    decision: Decision
    clusters: ClusterMap
    overlap: OverlapMap
    comparison: ClusterComparison
    paper: PaperAnswer | None = None
    spots: SpotTable | None = None
    swept_labels: Mapping[int, IntArray] = field(default_factory=empty)

    @property
    def component_labels(self) -> Mapping[int, IntArray]:
        """Index of the strongest component at each probe for every k that was tried, -1 where none is."""
        known = {k: fit.component_labels() for k, fit in self.fits.items()}
        return dict(sorted({**self.swept_labels, **known}.items()))

    @property
    def factorization(self) -> Factorization:
        """The factorization that was chosen."""
        return self.fits[self.decision.k]
