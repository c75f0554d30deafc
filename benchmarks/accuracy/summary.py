"""Numbers out of results: means, worst tenths, how often a number of crystals is right. Reporting seeds alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.accuracy import methods
from benchmarks.accuracy.cells import CELLS, REPORTING, Cell
from benchmarks.accuracy.faults import FAULTS, cell_of
from benchmarks.accuracy.store import jobs

Result = dict[str, Any]
MANY = 12  # crystals; with more the number is allowed to be less exact
ENOUGH = 400.0  # Bragg electrons a pattern


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class One:
    """The result of one method on one scan."""

    cell: Cell
    seed: int
    method: str
    result: Result

    @property
    def error(self) -> int:
        """Found minus true number of crystals."""
        return int(self.result["scores"]["error"])

    def score(self, name: str) -> float | None:
        """Give a score; the mean over crystals where it has one for each."""
        value = self.result["scores"].get(name)
        if isinstance(value, list):
            return float(np.mean(value)) if value else None
        return None if value is None else float(value)


@cache
def everything() -> tuple[One, ...]:
    """Give all results of reporting seeds that belong to the present code, but for scans with one fault."""
    return _kept(CELLS, (*methods.NAMES, *methods.FILTERED))


@cache
def faulty() -> tuple[One, ...]:
    """Give those of scans with one fault or none, with and without cleaning steps."""
    return _kept(FAULTS, ("ours", *methods.WITHOUT))


def _kept(cells: Iterable[str], names: Iterable[str]) -> tuple[One, ...]:
    found = []
    for job in jobs(cells, REPORTING, names):
        result = job.result()
        if result is not None:
            found.append(One(cell=cell_of(job.cell), seed=job.seed, method=job.method, result=result))
    return tuple(found)


def pairs(cell: str, method: str) -> list[tuple[One, One]]:
    """Give what unmix4d and ``method`` find on each scan of a cell of one fault."""
    both: dict[str, dict[int, One]] = {"ours": {}, method: {}}
    for one in faulty():
        if one.cell.name == cell and one.method in both:
            both[one.method][one.seed] = one
    return [(one, both[method][seed]) for seed, one in both["ours"].items() if seed in both[method]]


def gains(found: Iterable[tuple[One, One]]) -> list[float]:
    """Give the ARI with a cleaning step less that without it, scan by scan."""
    both = [(one.score("ari"), other.score("ari")) for one, other in found]
    return [ari - other for ari, other in both if ari is not None and other is not None]


def worst_cost(found: Iterable[tuple[One, One]]) -> float | None:
    """Give the most that a step costs on one scan, in ARI; 0 if it costs nothing on any."""
    return max((max(0.0, -gain) for gain in gains(found)), default=None)


def of(method: str, chosen: Callable[[Cell], bool] = lambda _: True) -> list[One]:
    """Give the results of a method on some cells."""
    return [one for one in everything() if one.method == method and chosen(one.cell)]


def ordinary(cell: Cell) -> bool:
    """Tell whether a cell has two to twelve crystals and enough electrons."""
    return not cell.negative and cell.spec.n_crystals <= MANY and cell.spec.bragg_electrons >= ENOUGH


def crowded(cell: Cell) -> bool:
    """Tell whether a cell has more crystals than that."""
    return cell.spec.n_crystals > MANY


def dim(cell: Cell) -> bool:
    """Tell whether a cell has fewer electrons than that."""
    return not cell.negative and cell.spec.bragg_electrons < ENOUGH


def scores(found: Iterable[One], name: str) -> list[float]:
    """Give a score of results, those left out that do not have it."""
    return [value for one in found if (value := one.score(name)) is not None]


def mean(values: Sequence[float]) -> float | None:
    """Mean, or None without values."""
    return float(np.mean(values)) if values else None


def worst_tenth(values: Sequence[float]) -> float | None:
    """Give the value below which a tenth lies."""
    return float(np.quantile(values, 0.1)) if values else None


def relative(found: Iterable[One], name: str = "ari") -> list[float]:
    """Give a score over the oracle's on the same scan."""
    return [value / best for value, best in _with_oracle(found, name) if best]


def beyond(found: Iterable[One], name: str) -> list[float]:
    """Give a score less the oracle's on the same scan."""
    return [value - best for value, best in _with_oracle(found, name)]


def _with_oracle(found: Iterable[One], name: str) -> list[tuple[float, float]]:
    limit = {(one.cell.name, one.seed): one.score(name) for one in of("oracle")}
    both = [(one.score(name), limit.get((one.cell.name, one.seed))) for one in found]
    return [(value, best) for value, best in both if value is not None and best is not None]


def errors(method: str, vote: str | None, chosen: Callable[[Cell], bool], *, less: int = 0) -> list[int]:
    """Give errors of the number of crystals: a method's own, or that of a criterion minus ``less``."""
    found = of(method, chosen)
    if vote is None:
        return [one.error for one in found]
    voted = [(one, one.result["votes"].get(vote)) for one in found]
    return [max(1, k - less) - one.cell.spec.n_crystals for one, k in voted if k is not None]


def share(flags: Sequence[bool]) -> float | None:
    """Give the share that is true."""
    return sum(flags) / len(flags) if flags else None
