"""What a run was made with."""

import platform
from importlib import metadata
from typing import Any

PACKAGES = ("unmix4d", "numpy", "scipy", "numba", "h5py", "rosettasciio")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    known: dict[str, Any] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            known[name] = "not installed as a package"
    return known
