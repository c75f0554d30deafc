"""The script of the explorer as one text, and its style sheet: for a page without a server, and for a server."""

import re
from functools import cache
from importlib.resources import files

MODULES = (
    *("arrays", "colors", "tiff", "pen", "panel", "picture", "chart", "model", "edits"),
    *("maps", "patterns", "sections", "controls", "editing", "page", "transport", "live", "explorer"),
)
"""Each after those that it imports."""

SCAN_MODULES = ("served", "runform", "scan")
"""What a scan without a run needs beside them; only a server hands it on."""

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./(\w+)\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


def source(module: str) -> str:
    """Give one module as it is written."""
    return files("unmix4d.report.viewer").joinpath("static", f"{module}.js").read_text(encoding="utf-8")


def imports(module: str) -> list[str]:
    """List the modules that a module imports."""
    return _IMPORT.findall(source(module))


@cache
def script(*, scan: bool = False) -> str:
    """Give all modules as one: ``explore``, and the transports ``Embedded``, ``Served`` and ``Messaged``.

    With ``scan``, also ``exploreScan`` and its transport ``ServedScan``.

    A page that was opened from a file may not import others, so the modules are put together in the order of their
    imports; names at their top level are unique.
    """
    bodies = [_EXPORT.sub("", _IMPORT.sub("", source(module))) for module in (*MODULES, *SCAN_MODULES * scan)]
    more = ", exploreScan, ServedScan" * scan
    return "".join(bodies) + f"\nexport {{ Embedded, explore, Messaged, Served{more} }};\n"


@cache
def style() -> str:
    """Give the style sheet."""
    return files("unmix4d.report.viewer").joinpath("static", "explorer.css").read_text(encoding="utf-8")
