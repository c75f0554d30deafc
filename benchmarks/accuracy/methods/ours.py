"""unmix4d, from file to answer with its defaults; one thread, because two scans are worked on at once."""

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import unmix4d
from benchmarks.accuracy.answer import Answer, Overlap
from benchmarks.accuracy.scan import SimulatedScan
from unmix4d.decide.elbow import find_elbow
from unmix4d.errors import Unmix4dWarning
from unmix4d.records import CriterionCurve, Mixing

TITLE = "unmix4d"
PARTS = ("read", "prepare", "factorize", "decide", "resolve", "measure", "maps", "quality", "execute", "records")
SCORES = ("accuracy/pairs", "accuracy/answer")
WATCHED = (
    *PARTS,
    *SCORES,
    "api",
    "compiled",
    "config",
    "pipeline",
    "plan",
    "registry",
    "numpy",
    "scipy",
)


def run(scan: SimulatedScan, **options: object) -> Answer:
    """Write the scan to a file, open it and unmix it; options as in `answer`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.npy"
        np.save(path, scan.patterns)
        return answer(path, **options)


def answer(path: Path, **options: object) -> Answer:
    """Unmix a file; options are settings of unmix4d by name."""
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        found = unmix4d.unmix(unmix4d.open_scan(path), threads=1, **options)
    seconds = {"whole": time.perf_counter() - begun}
    measured = found.overlap.measured
    weights = found.clusters.crystal_weights if measured is None else measured.weights
    seconds |= {cost.stage: cost.seconds for cost in found.result.record.costs}
    return Answer(
        votes=_alone(found.decision.curves),
        n_crystals=found.decision.n_crystals,
        confidence=found.decision.confidence,
        faults=tuple(step.name for step in found.result.survey.cleaning if step.found),
        labels=found.clusters.labels,
        patterns=found.clusters.crystal_patterns.astype(np.float64),
        weights=weights.astype(np.float64),
        seconds=seconds,
        overlap=None if measured is None else _overlap(measured),
    )


def _overlap(measured: Mixing) -> Overlap:
    return Overlap(
        first=measured.first,
        second=measured.second,
        low=measured.low,
        high=measured.high,
        reported=measured.significant,
    )


def _alone(curves: Sequence[CriterionCurve]) -> Mapping[str, int]:
    """Give the number of components by single criteria; the last k where the held-out error still falls."""
    known = {curve.name: curve for curve in curves if curve.ks}
    votes: dict[str, int | None] = {}
    if "loss" in known:
        votes["knee"] = find_elbow(known["loss"].ks, known["loss"].values)
    if "held_out" in known:
        votes["held-out"] = known["held_out"].choice or known["held_out"].ks[-1]
    if "signal_to_noise" in known:
        votes["rank"] = known["signal_to_noise"].choice
    return {name: k for name, k in votes.items() if k is not None}
