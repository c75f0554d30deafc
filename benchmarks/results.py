"""Numbers out of cells: medians, interpolation over k, and losses relative to the best of all."""

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import median
from typing import Any

import numpy as np

from benchmarks import plan
from benchmarks.plan import OTHERS, SWEEP, TIMED, Cell

Result = dict[str, Any]


@cache
def all_cells() -> tuple[tuple[Cell, Result], ...]:
    """Give every cell of both suites that has a result."""
    found = {}
    for cell in [*plan.bench(), *plan.bench_large()]:
        result = cell.result()
        if result is not None:
            found[cell.path] = (cell, result)
    return tuple(found.values())


def of(method: str, scan: str, *, ks: Sequence[int] | None = None, **options: object) -> list[Result]:
    """Give the results of all repeats of a method on a scan, of these k alone, with these options."""
    return [
        result
        for cell, result in all_cells()
        if (cell.method, cell.scan) == (method, scan)
        and (ks is None or cell.ks == tuple(ks))
        and all(cell.options.get(name, _DEFAULTS.get(name)) == value for name, value in options.items())
    ]


_DEFAULTS = {"threads": 1}


def median_of(results: Sequence[Result], parts: Sequence[str], kind: str) -> float | None:
    """Median over repeats of the seconds of some parts together; None where nothing was measured."""
    sums = [
        sum(result["parts"][part][kind] for part in parts)
        for result in results
        if all(part in result["parts"] for part in parts)
    ]
    return median(sums) if sums else None


def ours(scan: str, kind: str, parts: Sequence[str] = ("sweep",), threads: int = 1) -> float | None:
    """Seconds of our sweep over all k."""
    return median_of(of("ours", scan, ks=SWEEP, threads=threads), parts, kind)


def at_k(method: str, scan: str, k: int, kind: str = "cpu") -> float | None:
    """Seconds of a method that fits one k at a time."""
    return median_of(of(method, scan, ks=(k,)), (f"k={k}",), kind)


def over_sweep(method: str, scan: str, kind: str = "cpu") -> float | None:
    """Seconds over all k of the sweep, straight lines between the timed ones, the first line also below it."""
    timed = [at_k(method, scan, k, kind) for k in TIMED]
    if None in timed:
        return None
    return interpolated(TIMED, [float(value) for value in timed if value is not None])


def interpolated(ks: Sequence[int], seconds: Sequence[float]) -> float:
    """Sum over the sweep of what was measured at some k."""
    slope = (seconds[1] - seconds[0]) / (ks[1] - ks[0])
    below = [max(0.0, seconds[0] + slope * (k - ks[0])) for k in SWEEP if k < ks[0]]
    return float(sum(below) + np.interp([k for k in SWEEP if k >= ks[0]], ks, seconds).sum())


def one_pass(scan: str, kind: str = "warm") -> float | None:
    """Wall seconds of one pass over a file: "warm" from memory, in "large blocks" too, or "cold" from disk."""
    times = [
        part["wall"]
        for result in of("one_pass", scan)
        for name, part in result["parts"].items()
        if name.startswith(kind)
    ]
    return median(times) if times else None


def losses(scan: str, kind: str = "weighted") -> dict[str, dict[int, float]]:
    """Give the loss of every method at every k where it was taken."""
    found: dict[str, dict[int, float]] = {}
    for cell, result in all_cells():
        if cell.scan == scan and "losses" in result:
            for k, values in result["losses"].items():
                found.setdefault(cell.method, {})[int(k)] = values[kind]
    return found


def above_best(scan: str, kind: str = "weighted") -> dict[str, dict[int, float]]:
    """Give the loss relative to the best of all methods at that k, minus 1; where another method was measured."""
    all_losses = losses(scan, kind)
    best: dict[int, list[float]] = {}
    for values in all_losses.values():
        for k, value in values.items():
            best.setdefault(k, []).append(value)
    return {
        method: {k: value / min(best[k]) - 1 for k, value in sorted(values.items()) if len(best[k]) > 1}
        for method, values in all_losses.items()
    }


def agreement(method: str, scan: str, k: int) -> float | None:
    """Adjusted Rand index at one k."""
    values = [result["agreement"].get(str(k)) for result in of(method, scan) if "agreement" in result]
    known = [float(value) for value in values if value is not None]
    return known[0] if known else None


def peak(method: str, scan: str, kind: str = "peak", **options: object) -> float | None:
    """Largest memory of all repeats and k, in bytes."""
    found = [result[kind] for result in of(method, scan, ks=None, **options)]
    return max(found) if found else None


def fact(method: str, scan: str, name: str, **options: object) -> Any:  # noqa: ANN401 - JSON
    """Give what a method said about itself, or None."""
    for result in of(method, scan, ks=None, **options):
        if name in result["facts"]:
            return result["facts"][name]
    return None


def ratio(above: float | None, below: float | None) -> float | None:
    """Give a quotient, None where a side is missing."""
    return None if above is None or not below else above / below


def said(method: str, scan: str) -> Mapping[str, None]:
    """Give what a method had to say, each sentence once."""
    return dict.fromkeys(line for result in of(method, scan) for line in result["said"])


METHODS = ("ours", *OTHERS, "hyperspy_lazy")
