"""Where the result of each cell, seed and method is kept; its name changes with all that decides it."""

import ast
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import scans
from benchmarks.accuracy import methods
from benchmarks.accuracy.cells import DOSES, split_of
from benchmarks.accuracy.faults import cell_of

HERE = Path(__file__).resolve().parent
GENERATOR = ("spec", "crystals", "scene", "scattering", "detector", "scan")
COSTLY_SEEDS = 3  # of each split, for the methods that take minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One method on the scan of one cell and seed."""

    cell: str
    seed: int
    method: str

    @property
    def path(self) -> Path:
        """Where the result is kept."""
        spec = cell_of(self.cell).spec
        decides = [repr(spec), generator_version(), method_version(self.method), scores_version()]
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:10]
        folder = scans.CACHE / "accuracy" / split_of(self.seed)
        return folder / f"{self.cell}-{self.seed}-{self.method}-{digest}.json"

    def result(self) -> dict[str, Any] | None:
        """Read the result, or None."""
        if not self.path.exists():
            return None
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    def save(self, result: Mapping[str, Any]) -> None:
        """Keep the result; it is there as a whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(_plain(result), indent=1), encoding="utf-8")
        part.replace(self.path)


def jobs(cells: Iterable[str], seeds: Sequence[int], names: Iterable[str]) -> list[Job]:
    """Give the jobs of some cells: all cells with the first seed, then with the second and so on.

    A method that is told the true number is left out where there are no two crystals; those that take minutes run
    on the first seeds of some cells alone; unmix4d without a cleaning step on the cells of that fault alone, on
    which no other method runs; after a filter on some seeds of the cells of different dose.
    """
    chosen, wanted = list(cells), list(names)
    return [
        Job(cell=cell, seed=seed, method=method)
        for number, seed in enumerate(seeds)
        for cell in chosen
        for method in wanted
        if _runs(cell, number, method)
    ]


def _runs(name: str, number: int, method: str) -> bool:
    cell = cell_of(name)
    if method in methods.FILTERED:
        return name in DOSES and number < COSTLY_SEEDS
    if cell.without or method in methods.WITHOUT:
        return method in cell.without or (bool(cell.without) and method == "ours")
    if method in methods.COSTLY and not (cell.costly and number < COSTLY_SEEDS):
        return False
    return not (cell.negative and method in methods.TOLD)


@cache
def generator_version() -> str:
    """Digest of the code that makes scans."""
    return _code([HERE / f"{name}.py" for name in GENERATOR])


@cache
def scores_version() -> str:
    """Digest of the code that scores answers."""
    return _code([HERE / "scores.py"])


@cache
def method_version(name: str) -> str:
    """Digest of all that decides the answer of a method: its module, and the code and packages that it uses."""
    module = methods.load(name)
    texts = [_code([Path(str(module.__file__))])]
    for watched in module.WATCHED:
        roots = [scans.ROOT / "src" / "unmix4d" / watched, scans.ROOT / "benchmarks" / watched]
        paths = [p for root in roots for p in (*sorted(root.rglob("*.py")), root.with_suffix(".py")) if p.is_file()]
        texts.append(_code(paths) if paths else metadata.version(watched))
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]


def _code(paths: Iterable[Path]) -> str:
    """Digest of what files do: comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                del body[0]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Turn what JSON does not know into what it knows: NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
