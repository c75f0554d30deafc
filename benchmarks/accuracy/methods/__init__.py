"""The methods that are compared: ``TITLE``, ``WATCHED`` and ``run(scan) -> Answer`` of each.

``WATCHED`` names what the answer depends on besides the module itself: parts of this package, of ``src/unmix4d``,
and other packages, whose version counts.
"""

import importlib
from types import ModuleType

NAMES = ("ours", "oracle", "nmf", "clustering", "nmf_background", "nmfk", "paper_rule")
TOLD = ("oracle", "nmf", "nmf_background")  # need a true number of two or more
COSTLY = ("nmf_background", "nmfk", "paper_rule")  # run on some cells and seeds alone


def load(name: str) -> ModuleType:
    """Give the module of a method."""
    return importlib.import_module(f"benchmarks.accuracy.methods.{name}")
