"""A whole run: what was asked, what it cost, what came out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

from unmix4d.records.answers import ClusterComparison, ClusterMap, Decision, OverlapMap
from unmix4d.records.base import BoolArray, IntArray, empty
from unmix4d.records.edits import Edits
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

    ``edits`` are those that a person made and that the crystals here follow; ``found`` is the result without them.
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
    edits: Edits | None = None
    found: "RunResult | None" = None

    @property
    def as_found(self) -> "RunResult":
        """The result as the run gave it, without edits."""
        return self if self.found is None else self.found

    @property
    def identity(self) -> Mapping[str, Any]:
        """What edits name to say which run they belong to: its source, and its cluster map as a digest."""
        found = self.as_found
        labels = np.ascontiguousarray(found.clusters.labels, dtype="<i2")
        source = PurePath(found.record.source).name
        return {
            "source": "".join(letter if letter.isprintable() else "?" for letter in source),
            "source_digest": found.record.source_digest,
            "k": found.decision.k,
            "n_crystals": found.clusters.n_crystals,
            "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        }

    @property
    def component_labels(self) -> Mapping[int, IntArray]:
        """Index of the strongest component at each probe for every k that was tried, -1 where none is."""
        known = {k: fit.component_labels() for k, fit in self.fits.items()}
        return dict(sorted({**self.swept_labels, **known}.items()))

    @property
    def factorization(self) -> Factorization:
        """The factorization that was chosen."""
        return self.fits[self.decision.k]
