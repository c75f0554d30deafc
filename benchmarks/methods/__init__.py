"""One module for each method: ``run(path, ks, clock, options)`` gives factors in counts, and times itself.

``WATCHED`` names what a method's numbers depend on besides its own module: parts of ``src/unmix4d``, and packages.
"""

import hashlib
import importlib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.scans import ROOT

Method = Callable[..., Mapping[int, Any]]


def load(name: str) -> Method:
    """Give the function of a method."""
    method: Method = importlib.import_module(f"benchmarks.methods.{name}").run
    return method


def code_version(name: str) -> str:
    """Digest of all that decides the cost of a method: its module, and the code and packages that it uses."""
    module = importlib.import_module(f"benchmarks.methods.{name}")
    digest = hashlib.sha256(Path(str(module.__file__)).read_bytes())
    for watched in module.WATCHED:
        for text in _texts(watched):
            digest.update(text)
    return digest.hexdigest()[:12]


def _texts(watched: str) -> list[bytes]:
    """Give all files of a part of unmix4d, or the version of a package."""
    place = ROOT / "src" / "unmix4d" / watched
    paths = [*sorted(place.rglob("*.py")), place.with_suffix(".py")]
    found = [path.read_bytes() for path in paths if path.is_file()]
    return found or [metadata.version(watched).encode()]
