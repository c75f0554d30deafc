"""The methods that are compared: ``TITLE``, ``WATCHED`` and ``run(scan) -> Answer`` of each.

``WATCHED`` names what the answer depends on besides the module itself: parts of this package, of ``src/unmix4d``,
and other packages, whose version counts.
"""

import importlib
from types import ModuleType

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.scan import SimulatedScan

NAMES = ("ours", "oracle", "nmf", "clustering", "nmf_background", "nmfk", "paper_rule")
TOLD = ("oracle", "nmf", "nmf_background")  # need a true number of two or more
COSTLY = ("nmf_background", "nmfk", "paper_rule")  # run on some cells and seeds alone
STEPS = ("hot_pixels", "offset", "descan", "saturation", "vacuum")  # switches of the cleaning
EVERY = "all"


def without(step: str) -> str:
    """Name unmix4d with one cleaning step switched off, or with every step."""
    return f"without_{step}"


# Which switches are off; these run on scans with one fault and no other.
WITHOUT = {without(step): (step,) for step in STEPS} | {without(EVERY): STEPS}

# By the filter that is used; these run on the cells of different dose.
FILTERED = {"filter_mean": "mean", "filter_gated_mean": "gated-mean", "filter_epattern": "epattern"}
VARIANTS = (*WITHOUT, *FILTERED)


def load(name: str) -> ModuleType:
    """Give the module of a method."""
    module = "uncleaned" if name in WITHOUT else "filtered" if name in FILTERED else name
    return importlib.import_module(f"benchmarks.accuracy.methods.{module}")


def run(name: str, scan: SimulatedScan) -> Answer:
    """Run a method on a scan."""
    how = WITHOUT.get(name, FILTERED.get(name))
    answer: Answer = load(name).run(scan) if how is None else load(name).run(scan, how)
    return answer
