"""unmix4d as a user runs it, in memory: from the file to the decision and the maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.clock import Clock
from benchmarks.matrix import Factors
from benchmarks.scans import Files
from unmix4d import api

WATCHED = (
    "factorize",
    "prepare",
    "execute",
    "read",
    "decide",
    "maps",
    "quality",
    "pipeline",
    "compare",
    "numpy",
)
TITLE = "unmix4d, the whole analysis"


def run(path: Path, _ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Run with all defaults and compare the map of crystals with the truth."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - slow to load

    with clock.part("run"):
        run = api.unmix(path, threads=int(str(options.get("threads", 1))))
    truth = Files(patterns=path, truth=path.with_suffix(".npz")).labels()
    there = truth >= 0
    clock.facts["agreement"] = float(adjusted_rand_score(truth[there], run.clusters.labels[there]))
    clock.facts["n_crystals"] = run.decision.n_crystals
    clock.facts["k"] = run.decision.k
    clock.facts["stages"] = {cost.stage: cost.seconds for cost in run.result.record.costs}
    return {}
