"""unmix4d, from file to answer with its defaults; one thread, because two scans are worked on at once."""

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import unmix4d
from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.scan import SimulatedScan
from unmix4d.decide.elbow import find_elbow
from unmix4d.errors import Unmix4dWarning

TITLE = "unmix4d"
PARTS = ("read", "prepare", "factorize", "decide", "resolve", "maps", "quality", "execute", "records")
WATCHED = (*PARTS, "api", "compiled", "config", "pipeline", "plan", "registry", "numpy", "scipy", "scikit-image")


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
    seconds |= {cost.stage: cost.seconds for cost in found.result.record.costs}
    losses = next((curve for curve in found.decision.curves if curve.name == "loss"), None)
    knee = None if losses is None else find_elbow(losses.ks, losses.values)
    return Answer(
        votes={} if knee is None else {"knee": knee},
        n_crystals=found.decision.n_crystals,
        confidence=found.decision.confidence,
        faults=tuple(step.name for step in found.result.survey.cleaning if step.found),
        labels=found.clusters.labels,
        patterns=found.clusters.crystal_patterns.astype(np.float64),
        weights=found.clusters.crystal_weights.astype(np.float64),
        seconds=seconds,
    )
