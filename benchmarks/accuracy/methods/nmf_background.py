"""The same NMF with one component more, which the background may take."""

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.methods import nmf
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "the same with k + 1"
WATCHED = ("accuracy/methods/nmf", *nmf.WATCHED)


def run(scan: SimulatedScan) -> Answer:
    """Fit; of the components that with the fewest Bragg counts is left out."""
    return nmf.run(scan, more=1)
