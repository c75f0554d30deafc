"""Watches a run: what each stage costs, what it warns of, how far it is."""

import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from unmix4d.errors import Unmix4dWarning
from unmix4d.execute import Counted, Executor
from unmix4d.records import StageCost

Progress = Callable[[str, float, float], None]


def silent(_stage: str, _done: float, _total: float) -> None:
    """Report progress to nobody."""


@dataclass(slots=True)
class Watch:
    """Collects what each stage costs and what it warns of."""

    progress: Progress
    costs: list[StageCost] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; its warnings are kept for the report and given out again."""
        self.progress(name, 0.0, 1.0)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", Unmix4dWarning)
                yield
        finally:
            for warning in caught:
                if issubclass(warning.category, Unmix4dWarning):
                    self.note(str(warning.message))
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        self.costs.append(StageCost(stage=name, seconds=time.perf_counter() - start, peak_bytes=peak_memory()))
        self.progress(name, 1.0, 1.0)

    def warn(self, message: str) -> None:
        """Give out a warning, and keep it for the report."""
        warnings.warn(message, Unmix4dWarning, stacklevel=3)

    def note(self, message: str) -> None:
        """Keep a warning for the report, once."""
        if message not in self.said:
            self.said.append(message)

    def counting(self, name: str, pool: Executor, total: int) -> Executor:
        """Give an executor whose blocks show as progress of a stage."""
        done = count(1)
        return Counted(pool, lambda: self.progress(name, float(min(next(done), total)), float(total)))

    def inside(self, name: str) -> Callable[[float, float], None]:
        """Progress within one stage."""
        return lambda done, total: self.progress(name, done, total)


def peak_memory() -> int:
    """Peak resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
