"""Which cells there are, in the order in which they run, and where their results are kept."""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import measure, methods, scans

SWEEP = tuple(range(2, 21))
TIMED = (4, 12, 20)  # the k at which a program that fits one k at a time is timed
OTHERS = ("sklearn_cd", "sklearn_minibatch", "dense_hals", "hyperspy_eager")
SIDE_BY_SIDE = ("phantom-64", "phantom-128", scans.AG_TWINS)
# One component for each crystal, and one more for what beam and background have in common.
TRUE_K = {"tiny": 7, "phantom-64": 7, "phantom-128": 7, scans.AG_TWINS: 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One measurement in a process of its own."""

    method: str
    scan: str
    ks: tuple[int, ...] = ()
    repeat: int = 0
    measure: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name the cell in a line of progress."""
        ks = f"k={self.ks[0]}" if len(self.ks) == 1 else f"k={self.ks[0]}-{self.ks[-1]}" if self.ks else ""
        more = [f"{name}={value}" for name, value in self.options.items()]
        return " ".join(filter(None, [self.scan, self.method, ks, *more, f"#{self.repeat + 1}"]))

    @property
    def path(self) -> Path:
        """Where the result is kept: the name changes with all that decides the numbers."""
        decides = [
            self.ks,
            self.measure,
            sorted(self.options.items()),
            scans.files(self.scan).patterns.name,
            _code_version(self.method),
            measure.VERSION,
            processor(),
        ]
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:10]
        stem = self.title.replace(" #", "-r").replace(" ", "-")
        return scans.CACHE / "cells" / f"{stem}-{digest}.json"

    def result(self) -> dict[str, Any] | None:
        """Read what was measured, or None."""
        if not self.path.exists():
            return None
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return found


_code_version = cache(methods.code_version)


@cache
def processor() -> str:
    """Name the processor: numbers of another one are not reused."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def bench() -> list[Cell]:
    """Give the cells of ``make bench``: half an hour on two cores."""
    return [
        *_interleaved("phantom-64", OTHERS, n_ours=5, n_others=3),
        *_interleaved("phantom-128", OTHERS[:1], n_ours=3, n_others=1),
        *_interleaved(scans.AG_TWINS, OTHERS[:1], n_ours=3, n_others=1),
        *(Cell(method="pipeline", scan=scan) for scan in SIDE_BY_SIDE),
        Cell(method="hyperspy_lazy", scan="phantom-64", ks=(4,)),
        Cell(method="sklearn_cd", scan="phantom-64", ks=SWEEP),
    ]


def bench_large() -> list[Cell]:
    """Give the cells of ``make bench-large``: hours."""
    return [*_large_ours(), *_huge(), *_large_others()]


def _interleaved(scan: str, others: Sequence[str], *, n_ours: int, n_others: int) -> Iterator[Cell]:
    """One repeat of everything after the other, so that a slow minute of the machine spoils none of them alone."""
    for repeat in range(max(n_ours, n_others)):
        first = repeat == 0
        if repeat < n_ours:
            yield Cell(method="one_pass", scan=scan, repeat=repeat)
            yield Cell(method="ours", scan=scan, ks=SWEEP, repeat=repeat, measure=first)
        if repeat < n_others:
            for k in (*TIMED, TRUE_K[scan]) if first else TIMED:
                for method in others:
                    yield Cell(method=method, scan=scan, ks=(k,), repeat=repeat, measure=first)


def _large_ours() -> Iterator[Cell]:
    """Scans of 0.5, 2.1 and 8.6 GB: passes, memory, linearity, two threads against one."""
    for scan, cold, repeats in (("phantom-128", False, 1), ("phantom-2g", True, 3), ("phantom-8g", True, 1)):
        for repeat in range(repeats):
            yield Cell(method="one_pass", scan=scan, repeat=repeat, options={"cold": cold, "warm": 3})
            yield Cell(method="ours", scan=scan, ks=SWEEP, measure=False, repeat=repeat)
    for repeat in range(3):
        for threads in (1, 2):
            yield Cell(method="stream", scan="phantom-2g", repeat=repeat, options={"threads": threads})
    yield Cell(method="ours", scan="phantom-2g", ks=SWEEP, measure=False, options={"threads": 2})


def _large_others() -> Iterator[Cell]:
    """What is too slow for ``make bench``: other programs than scikit-learn, and its losses at every k."""
    for scan in SIDE_BY_SIDE[1:]:
        for k in (*TIMED, TRUE_K[scan]):
            for method in OTHERS[1:]:
                yield Cell(method=method, scan=scan, ks=(k,))
    yield Cell(method="hyperspy_lazy", scan="phantom-128", ks=(4,))
    for scan in SIDE_BY_SIDE[1:]:
        for k in SWEEP:
            if k not in (*TIMED, TRUE_K[scan]):
                yield Cell(method="sklearn_cd", scan=scan, ks=(k,))


def _huge() -> Iterator[Cell]:
    """100,000 patterns of 512 x 512, from the command to the report."""
    yield Cell(method="one_pass", scan="phantom-26g", options={"cold": True, "warm": 0})
    yield Cell(method="command", scan="phantom-26g", options={"threads": 2, "memory": "4GiB"})


def chosen(*, large: bool, only: Sequence[str] = ()) -> list[Cell]:
    """Give the cells of a run, those alone whose title holds all of the words."""
    cells = bench_large() if large else bench()
    return [cell for cell in cells if all(word in cell.title.split() for word in only)]
