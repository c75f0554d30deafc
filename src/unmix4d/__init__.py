"""unmix4d: how many crystals a 4D-STEM scan holds, where they are and where they overlap."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from unmix4d.api import Run, make_demo_scan, open_scan, unmix
    from unmix4d.astar import export_astar
    from unmix4d.comparing import compare_filters
    from unmix4d.config import Settings
    from unmix4d.conversion import convert
    from unmix4d.estimator import NMF

__all__ = [
    "NMF",
    "Run",
    "Settings",
    "__version__",
    "compare_filters",
    "convert",
    "export_astar",
    "make_demo_scan",
    "open_scan",
    "unmix",
]

ELSEWHERE = {
    "NMF": "unmix4d.estimator",
    "compare_filters": "unmix4d.comparing",
    "convert": "unmix4d.conversion",
    "export_astar": "unmix4d.astar",
}
"""Public names that do not live in `unmix4d.api`."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Load public names when they are used, so that importing the package costs nothing."""
    if name in __all__:
        return getattr(import_module(ELSEWHERE.get(name, "unmix4d.api")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
