"""unmix4d after a filter: at which dose each helps, and where it hurts."""

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.methods import ours
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "unmix4d after a filter"
WATCHED = ("accuracy/methods/ours", *ours.WATCHED)


def run(scan: SimulatedScan, name: str) -> Answer:
    """Unmix as ever, but after this filter."""
    return ours.run(scan, filter=name)
