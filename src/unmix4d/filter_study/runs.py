"""The runs of a comparison: what they share, and what of each is needed afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np

from unmix4d.checkpoint import Checkpoint
from unmix4d.execute import Counted, Executor, open_executor
from unmix4d.filter_study.keeping import OfFilter, Starts, SurveyKept, step_of
from unmix4d.filter_study.settings import StudySettings
from unmix4d.pipeline import run, survey_once
from unmix4d.plan import Plan, make_plan
from unmix4d.prepare.chain import Prepared
from unmix4d.read.identity import identified
from unmix4d.records import AnyArray, BoolArray, RunResult, Scan
from unmix4d.report.files import RUN_MARK
from unmix4d.report.folder import write_run_folder
from unmix4d.report.store import kept as kept_ks
from unmix4d.report.store import load_result
from unmix4d.watch import Progress

STARTS = "starts"
HELD_SHARE = 0.5
"""Of the memory that a run has left: a scan that fits into it is read once, and held for all runs."""

STAGE_ENDS: Mapping[str, tuple[float, float]] = {
    "prepare": (0.0, 0.1),
    "factorize": (0.1, 0.7),
    "decide": (0.7, 0.85),
    "resolve": (0.85, 0.9),
    "map": (0.9, 0.91),
    "compare": (0.91, 0.97),
    "write": (0.97, 1.0),
}
"""Of the progress of one filter: about where each stage of its run begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """The run of one filter: its result, every start of every k, and where it lies if it was written."""

    result: RunResult
    starts: Starts
    place: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """One comparison under way.

    Attributes
    ----------
    scan : Scan
        Identified; its patterns in memory if ``held``.
    settings : StudySettings
    plans : mapping of filter to Plan
    progress : callable
    kept : Checkpoint or None
        Where finished steps and runs are kept.
    held : bool
    """

    scan: Scan
    settings: StudySettings
    plans: Mapping[str, Plan]
    progress: Progress
    kept: Checkpoint | None
    held: bool
    shared: SurveyKept = field(default_factory=SurveyKept)

    @classmethod
    def of(cls, scan: Scan, settings: StudySettings, *, progress: Progress, kept: Checkpoint | None) -> "Runs":
        """Plan the runs, take the digest of the scan, and read it into memory if it fits there beside a run."""
        plans = plans_of(scan, settings)
        held = may_be_held(scan, plans)
        known = identified(scan)
        if held:
            known = replace(known, patterns=_read_whole(known, progress))
        return cls(scan=known, settings=settings, plans=plans, progress=progress, kept=kept, held=held)

    def survey(self) -> tuple[Prepared, BoolArray | None]:
        """Look at the scan once for all runs, or take what an interrupted comparison saw; and the detector mask."""
        plan = min(self.plans.values(), key=lambda plan: plan.block)  # its blocks must do for every run
        own = self.settings.of(self.settings.filters[0])
        with self.executor("survey", plan.n_blocks) as pool:
            return survey_once(self.scan, own, plan, pool, self._keeper(own.filter))

    @contextmanager
    def executor(self, stage: str, n_blocks: int) -> Iterator[Executor]:
        """Open what block work runs on, with its blocks as the progress of a stage."""
        settings, plan = self.settings, next(iter(self.plans.values()))
        done = count(1)
        self.progress(stage, 0, n_blocks)
        with open_executor(
            threads=plan.n_threads, workers=settings.workers, scheduler=settings.scheduler, memory=plan.budget
        ) as pool:
            yield Counted(pool, lambda: self.progress(stage, min(next(done), n_blocks), n_blocks))
        self.progress(stage, n_blocks, n_blocks)

    def run(self, name: str) -> Finished:
        """Do the run with one filter, or give the one that is finished already.

        Raises
        ------
        InputError
            If the filter cannot be used on this scan, which was looked at before.
        """
        place = None if self.kept is None else self.kept.folder / name
        if place is not None:
            starts = self._keeper(name).load(STARTS)
            if starts is not None and (place / RUN_MARK).is_file():
                self.progress(name, 1, 1)
                return Finished(result=load_result(place / RUN_MARK), starts=unpack_starts(starts), place=place)
        result = self._run(name)
        starts_of_all = {k: dict(fit.start_losses) for k, fit in sorted(result.fits.items())}
        keep = kept_ks(result.decision, result.fits, self.settings.keep)
        if self.kept is not None and place is not None:
            result = self._written(name, result, starts_of_all, place)
        else:
            fits = {k: result.fits[k] for k in keep}  # those of every k and filter together may be too many
            result = replace(result, fits=fits, swept_labels=result.component_labels)
        self.progress(name, 1, 1)
        return Finished(result=result, starts=starts_of_all, place=place)

    def _run(self, name: str) -> RunResult:
        asked = self.settings.of(name)
        given = asked
        if self.held and asked.memory is not None:
            given = asked.updated(memory=asked.memory - self.scan.n_bytes)
        result = run(self.scan, given, progress=self._inside(name), keeper=self._keeper(name))
        return replace(result, record=replace(result.record, settings=asked.model_dump(mode="json")))

    def _written(self, name: str, result: RunResult, starts: Starts, place: Path) -> RunResult:
        """Write the run folder into what is kept, in place of the steps; give it as it is read back.

        So a comparison that was interrupted goes on with the same numbers.
        """
        assert self.kept is not None
        own = self.settings.of(name)
        self._inside(name)("write", 0, 1)
        self._keeper(name).save(STARTS, pack_starts(starts))
        write_run_folder(result, place, settings_yaml=own.to_yaml(), keep=own.keep, overwrite=True)
        mine = step_of(name, "")
        self.kept.forget(
            step for step in self.kept.steps() if step.startswith(mine) and step != step_of(name, STARTS)
        )
        return load_result(place / RUN_MARK)

    def _inside(self, name: str) -> Progress:
        """Give the progress of one run as that of one stage."""

        def tell(stage: str, done: float, total: float) -> None:
            first, last = STAGE_ENDS.get(stage, (0.0, 1.0))
            self.progress(name, first + (last - first) * (done / total if total else 1.0), 1.0)

        return tell

    def _keeper(self, name: str) -> OfFilter:
        return OfFilter(self.kept or self.shared, name)


def plans_of(scan: Scan, settings: StudySettings, *, timed: bool = False) -> dict[str, Plan]:
    """Plan the run of every filter."""
    return {name: make_plan(scan, settings.of(name), timed=timed) for name in settings.filters}


def may_be_held(scan: Scan, plans: Mapping[str, Plan]) -> bool:
    """Tell whether all patterns fit in memory beside a run, and are neither there nor mapped already."""
    if isinstance(scan.patterns, np.ndarray):
        return False
    return scan.n_bytes <= HELD_SHARE * min(plan.cache for plan in plans.values())


def pack_starts(starts: Starts) -> dict[str, AnyArray]:
    """Give what every start of every k came to as arrays."""
    rows = [(k, start, loss) for k, of_k in starts.items() for start, loss in of_k.items()]
    return {
        "ks": np.array([k for k, _, _ in rows], dtype=np.int64),
        "starts": np.array([start for _, start, _ in rows], dtype=str),
        "losses": np.array([loss for _, _, loss in rows], dtype=np.float64),
    }


def unpack_starts(arrays: Mapping[str, AnyArray]) -> Starts:
    """Give back what `pack_starts` was given, without k that had no start."""
    starts: dict[int, dict[str, float]] = {}
    for k, start, loss in zip(*(arrays[name].tolist() for name in ("ks", "starts", "losses")), strict=True):
        starts.setdefault(k, {})[start] = loss
    return starts


def _read_whole(scan: Scan, progress: Progress) -> AnyArray:
    """Read all patterns, line by line."""
    n_lines = scan.geometry.scan_shape[0]
    patterns = np.empty(scan.patterns.shape, scan.patterns.dtype)
    for y in range(n_lines):
        progress("read", y, n_lines)
        patterns[y] = scan.rows(y, y + 1)[0]
    progress("read", n_lines, n_lines)
    return patterns
