"""The four extension points, and the list of what exists for each.

Built-ins are named by dotted path and imported when asked for; other packages add theirs through the
entry-point groups ``unmix4d.filters``, ``unmix4d.solvers``, ``unmix4d.criteria`` and ``unmix4d.exporters``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import (
    AnyArray,
    Better,
    CriterionCurve,
    Factorization,
    FloatArray,
    IntArray,
    PatternMatrix,
    RunResult,
    SpotTable,
    Survey,
    Sweep,
)


@runtime_checkable
class Filter(Protocol):
    """Preprocessing of patterns; options are the dataclass's fields.

    ``halo`` is the number of scan neighbours that it needs on each side; 0 = pattern by pattern.
    """

    name: ClassVar[str]

    @property
    def halo(self) -> int: ...  # noqa: D102

    def __call__(self, patterns: FloatArray, /) -> FloatArray:
        """Filter (y, x, pattern_y, pattern_x), float32, and return the same shape."""
        ...


@runtime_checkable
class Fitting(Protocol):
    """A filter that looks at the scan before it is used."""

    def fit(self, patches: Iterable[FloatArray], survey: Survey, /) -> Filter:
        """Give the filter that is used, from rectangles (y, x, pattern_y, pattern_x) spread over the scan."""
        ...


@runtime_checkable
class Registering(Protocol):
    """A filter that goes by way of a table of spots: that is kept, and patterns are drawn from it."""

    def register(self, patterns: FloatArray, /) -> SpotTable:
        """Find the spots of (y, x, pattern_y, pattern_x); pattern by pattern, without a halo."""
        ...

    def draw(self, table: SpotTable, probes: IntArray, /) -> FloatArray:
        """Draw the patterns of some probes, (n, n_pixels) float32."""
        ...


@runtime_checkable
class Solver(Protocol):
    """Factorises a matrix for many k at once, so that one pass over the data serves every k."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def fit_many(
        self, matrix: PatternMatrix, ks: Sequence[int], /, *, rng: np.random.Generator
    ) -> Mapping[int, Factorization]:
        """Give one Factorization for each k."""
        ...


@runtime_checkable
class Criterion(Protocol):
    """One curve over the whole sweep, with the right to ask for refits; declares which direction is better."""

    name: ClassVar[str]
    better: ClassVar[Better]

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Evaluate the criterion at every k of the sweep."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """Writes one result as files for another program."""

    name: ClassVar[str]

    def write(self, result: RunResult, folder: Path, /) -> Sequence[Path]:
        """Write ``result`` into ``folder`` and give the paths of the files."""
        ...


class Keeper(Protocol):
    """Keeps what a finished step made, so that an interrupted run can go on from there.

    A solver with a field ``keeper`` is given the one of the run. One name stands for one result: a step that draws
    random numbers has them, or what they were drawn from, in its name. Arrays come back as they were saved, C or
    Fortran order too.
    """

    def load(self, step: str, /) -> Mapping[str, AnyArray] | None:
        """Give what was saved under this name, exactly; None if nothing was, or if it is damaged."""
        ...

    def save(self, step: str, arrays: Mapping[str, AnyArray], /) -> None:
        """Keep named arrays of numbers, flags or text, whole or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class NothingKept:
    """The keeper of a run that cannot be resumed."""

    def load(self, step: str, /) -> None:
        """Nothing was saved."""

    def save(self, step: str, arrays: Mapping[str, AnyArray], /) -> None:
        """Save nothing."""


BUILT_IN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "filters": {
            "raw": "unmix4d.prepare.filters:Raw",
            "mean": "unmix4d.prepare.filters:ScanMean",
            "gated-mean": "unmix4d.prepare.gating:GatedMean",
            "epattern": "unmix4d.prepare.epattern.filter:EPattern",
        },
        "solvers": {
            "hals": "unmix4d.factorize.alternate:Hals",
            "multiplicative": "unmix4d.factorize.alternate:Multiplicative",
            "mu-kl": "unmix4d.factorize.kullback:MuKl",
        },
        "criteria": {
            "loss": "unmix4d.decide.criteria:Loss",
            "stability": "unmix4d.decide.criteria:Stability",
            "ssim": "unmix4d.decide.criteria:NearestSsim",
            "gmsd": "unmix4d.decide.criteria:NearestGmsd",
            "mdsi": "unmix4d.decide.criteria:NearestMdsi",
            "unexplained": "unmix4d.decide.criteria:Unexplained",
            "coherence": "unmix4d.decide.criteria:Coherence",
            "held_out": "unmix4d.decide.held_out:HeldOut",
            "signal_to_noise": "unmix4d.decide.rank:SignalToNoise",
        },
        "exporters": {
            "hspy": "unmix4d.report.export:Hspy",
            "tiff": "unmix4d.report.export:ImageJTiff",
            "csv": "unmix4d.report.export:Csv",
            "spots": "unmix4d.report.spots:Spots",
        },
    }
)


def names(group: str) -> tuple[str, ...]:
    """Every known name of one group, built-in and from other packages, sorted."""
    return tuple(sorted({*BUILT_IN[group], *(e.name for e in entry_points(group=f"unmix4d.{group}"))}))


def load(group: str, name: str) -> Any:  # noqa: ANN401 - the class or callable behind the name
    """Import what is registered as ``name`` in ``group``.

    Raises
    ------
    UsageError
        If there is no such name; the message lists those that exist.
    """
    path = BUILT_IN[group].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=f"unmix4d.{group}"):
        if entry.name == name:
            return entry.load()
    msg = f"no unmix4d.{group} named {name!r}; known: {', '.join(names(group))}"
    raise UsageError(msg)
