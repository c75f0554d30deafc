"""An installation without extras brings what the package imports, and nothing that was kept out on purpose."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOR_USERS = {"ui", "hyperspy", "xarray", "sklearn", "formats", "distributed"}
LARGE = {
    "torch",
    "zarr",
    "scikit-image",
    "networkx",
    "pandas",
    "hyperspy",
    "pyxem",
    "scikit-learn",
    "distributed",
    "hdf5plugin",
}


def declared(*extras: str) -> set[str]:
    lines = PROJECT["dependencies"] + [one for extra in extras for one in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def brought_by(requirements: list[Requirement]) -> set[str]:
    """Give the names of all distributions that these need here, directly or not."""
    seen: set[tuple[str, str]] = set()
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in ("", *one.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            needs = [Requirement(line) for line in metadata.requires(name) or ()]
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def imported() -> set[str]:
    """Give the top-level modules of others that any line of the package imports."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - {"unmix4d"}


OF_MODULE = metadata.packages_distributions()


def distributions(module: str) -> set[str]:
    return {canonicalize_name(name) for name in OF_MODULE[module]}


def test_whatever_is_imported_is_required() -> None:
    modules = imported()
    assert {"numpy", "scipy", "PIL", "yaml"} <= modules
    unnamed = {module for module in modules if not distributions(module) & declared(*FOR_USERS)}
    assert not unnamed


def test_whatever_is_required_is_used() -> None:
    used = set().union(*(distributions(module) for module in imported()))
    assert not declared() - used


def test_the_core_brings_no_torch_no_zarr_and_no_other_large_package() -> None:
    core = brought_by([Requirement(line) for line in PROJECT["dependencies"]])
    assert {"numpy", "dask", "fonttools", "pint", "python-box"} <= core, "of others, too"
    assert not core & LARGE
    assert "distributed" in brought_by([Requirement("dask-jobqueue")]), "what is left out is seen where it is"


def test_the_pythons_that_are_claimed_are_those_that_the_page_about_installing_says_were_tried() -> None:
    claimed = {
        line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.fullmatch(r".*Python :: 3\.\d+", line)
    }
    tried = (ROOT / "docs" / "learn" / "install.md").read_text().partition("## What was tried")[2]
    assert claimed == set(re.findall(r"\b3\.\d\d\b(?!\.)", tried))
