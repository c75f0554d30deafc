"""unmix4d with cleaning steps switched off: what each of them is worth."""

from collections.abc import Sequence

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.methods import ours
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "unmix4d without a cleaning step"
WATCHED = ("accuracy/methods/ours", *ours.WATCHED)


def run(scan: SimulatedScan, switched_off: Sequence[str]) -> Answer:
    """Unmix as ever, but for these switches."""
    return ours.run(scan, **dict.fromkeys(switched_off, "none"))
