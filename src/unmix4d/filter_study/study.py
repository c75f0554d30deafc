"""The whole comparison: one survey, a run for each filter, one more pass for all of them, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unmix4d import registry
from unmix4d.checkpoint import Checkpoint
from unmix4d.errors import InputError, UsageError
from unmix4d.filter_study.match import Matched, agreements, match_clusters
from unmix4d.filter_study.overlap import count_overlaps, near_boundary
from unmix4d.filter_study.recommend import recommend
from unmix4d.filter_study.refit import Refit, refit
from unmix4d.filter_study.runs import Finished, Runs, may_be_held, plans_of
from unmix4d.filter_study.settings import StudySettings
from unmix4d.maps.overlap import overlap_map
from unmix4d.prepare.chain import Prepared
from unmix4d.provenance import versions
from unmix4d.read.identity import source_digest
from unmix4d.records import (
    BoolArray,
    FilterAdvice,
    FilterAnswer,
    FilterComparison,
    FloatArray,
    OverlapMap,
    RunResult,
    Scan,
)
from unmix4d.report.files import RUN_MARK
from unmix4d.report.folder import write_run_folder
from unmix4d.report.store import load_result
from unmix4d.report.tables import losses
from unmix4d.watch import Progress

MIB = 2**20
SAME_FOR_ALL = ("background", "crystals", "keep")
"""Settings with which a run may be resumed anew, but not a comparison: its finished runs have them already."""

NOISE = ("nsd_immerkaer_mean", "nsd_std_mean", "nsd_immerkaer_reconstruction", "nsd_std_reconstruction")


@dataclass(slots=True, kw_only=True, eq=False)
class FilterStudy:
    """A finished comparison of filters: what they change, and the run of each.

    Attributes
    ----------
    comparison : FilterComparison
    settings : StudySettings
    runs : mapping of filter to RunResult or Path
        A path is that of a run folder that is written already.
    """

    comparison: FilterComparison
    settings: StudySettings
    runs: dict[str, RunResult | Path]

    @property
    def advice(self) -> FilterAdvice:
        """Which filter is recommended, and why."""
        return self.comparison.advice

    def result(self, name: str) -> RunResult:
        """Give the result of the run with one filter."""
        known = self.runs[name]
        return load_result(known / RUN_MARK) if isinstance(known, Path) else known

    def report(self, path: str | Path) -> Path:
        """Write the self-contained page of the comparison and give its path."""
        from unmix4d.report.filters.page import write_page  # noqa: PLC0415 - loads the drawing libraries

        write_page(self.comparison, Path(path))
        return Path(path)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page, figures, tables and settings, and beside them the run folder of every filter.

        Raises
        ------
        UsageError
            If the folder exists, is not empty, and ``overwrite`` is False or it holds no earlier comparison.
        ResourceError
            If it cannot be written; nothing half-written is left.
        """
        from unmix4d.report.filters.folder import write_filters_folder  # noqa: PLC0415 - loads the drawing libraries

        out = Path(folder)
        write_filters_folder(
            self.comparison,
            out,
            settings_yaml=self.settings.to_yaml(),
            write_run=self._write_run,
            overwrite=overwrite,
        )
        self.runs |= {name: out / name for name, known in self.runs.items() if isinstance(known, Path)}
        return out

    def _write_run(self, name: str, place: Path) -> None:
        """Bring a run folder to its place; one that was kept between steps is moved there."""
        known = self.runs[name]
        if isinstance(known, Path):
            known.replace(place)
            return
        own = self.settings.of(name)
        write_run_folder(known, place, settings_yaml=own.to_yaml(), keep=own.keep)


def resumed_settings(kept: Checkpoint, **given: Any) -> StudySettings:  # noqa: ANN401 - settings by name
    """Give the settings of an interrupted comparison; only those of the machine may be given anew.

    Raises
    ------
    UsageError
        If there is none to resume, or a setting differs.
    """
    before = kept.settings_as(StudySettings)
    if not kept.compares_filters():
        raise UsageError(f"{kept.folder} is that of a single run: go on with unmix4d run --resume")
    wanted = kept.settings_as(StudySettings, **given)
    for name in SAME_FOR_ALL:
        if getattr(before, name) != getattr(wanted, name):
            raise UsageError(
                f"{name}: got {getattr(wanted, name)}, but the comparison to resume has {getattr(before, name)}; "
                "leave it out, or start anew without --resume"
            )
    return wanted


def plan_study(scan: Scan, settings: StudySettings) -> dict[str, Any]:
    """Tell what a comparison would take: the most bytes that any run needs, and the seconds of each and of all.

    ``held`` says whether the patterns would be read once and held in memory.
    """
    plans = plans_of(scan, settings, timed=True)
    held = may_be_held(scan, plans)
    most = max(plans.values(), key=lambda plan: plan.needed)
    return {
        "filters": list(plans),
        "budget": most.budget,
        "needed": most.needed + (scan.n_bytes if held else 0),
        "held": held,
        "n_blocks": max(plan.n_blocks for plan in plans.values()),
        "n_threads": most.n_threads,
        **{f"{name}_seconds": plan.seconds for name, plan in plans.items()},
        "seconds": sum(plan.seconds or 0.0 for plan in plans.values()),
    }


def study_filters(
    scan: Scan, settings: StudySettings, *, progress: Progress, kept: Checkpoint | None = None
) -> FilterStudy:
    """Analyse a scan with several filters and compare what comes of them.

    Parameters
    ----------
    scan : Scan
    settings : StudySettings
    progress : callable
        ``progress(stage, done, total)``; the run of each filter is one stage.
    kept : Checkpoint or None
        Already begun, or with what an interrupted comparison left; finished runs are kept in it as run folders.

    Returns
    -------
    FilterStudy

    Raises
    ------
    Unmix4dError
        One sentence. A filter that cannot be used on this scan is left out and named, unless none can.
    """
    started = datetime.now(tz=UTC).isoformat(timespec="seconds")
    runs = Runs.of(scan, settings, progress=progress, kept=kept)
    prepared, mask = runs.survey()
    done: dict[str, Finished] = {}
    refused: dict[str, str] = {}
    for name in settings.filters:
        try:
            done[name] = runs.run(name)
        except InputError as error:  # the scan itself was looked at before: it is the filter that does not fit
            refused[name] = str(error)
    if not done:
        raise InputError(f"no filter can be used on this scan: {'; '.join(refused.values())}")
    refits = _refits(runs, prepared, mask, done)
    comparison = _comparison(runs, done, refits)
    return FilterStudy(
        comparison=replace(comparison, started=started, refused=refused),
        settings=settings,
        runs={name: one.place or one.result for name, one in done.items()},
    )


def _refits(
    runs: Runs, prepared: Prepared, mask: BoolArray | None, done: Mapping[str, Finished]
) -> dict[str, Refit]:
    """Fit the crystals of all filters to the unfiltered counts, in one pass."""
    unfiltered = registry.load("filters", "raw")()
    matrix = prepared.matrix(filter=unfiltered, beam=runs.settings.beam, mask=mask)
    clusters = [one.result.clusters for one in done.values()]
    with runs.executor("refit", matrix.n_blocks) as pool:
        return dict(zip(done, refit(matrix, clusters, prepared.survey, executor=pool), strict=True))


def _comparison(runs: Runs, done: Mapping[str, Finished], refits: Mapping[str, Refit]) -> FilterComparison:
    wanted = runs.settings.chosen_reference
    reference = wanted if wanted in done else next(iter(done))
    matched = match_clusters(
        {name: one.result.clusters.labels for name, one in done.items()},
        {name: one.result.clusters.n_crystals for name, one in done.items()},
        reference,
    )
    answers = tuple(_answer(name, one, matched[name], refits[name]) for name, one in done.items())
    base = done[reference].result
    boundary = near_boundary(base.clusters.labels)
    overlaps = count_overlaps(answers, boundary)
    return FilterComparison(
        answers=answers,
        reference=reference,
        boundary=boundary,
        agreements=agreements({answer.name: answer.labels for answer in answers}),
        overlaps=overlaps,
        advice=recommend(answers, overlaps),
        geometry=base.geometry,
        survey=base.survey,
        pixel_mask=base.pixel_mask,
        source=str(runs.scan.metadata.get("path", "array")),
        source_digest=source_digest(runs.scan),
        started="",
        versions=versions(),
        settings=runs.settings.model_dump(mode="json"),
        shared=_shared(runs, done),
    )


def _answer(name: str, done: Finished, matched: Matched, refitted: Refit) -> FilterAnswer:
    result = done.result
    n = result.clusters.n_crystals
    columns = result.comparison.columns if n else {}
    return FilterAnswer(
        name=name,
        decision=result.decision,
        clusters=result.clusters,
        # That of the run itself is measured on the unfiltered counts: here it is what the filtered patterns show.
        overlap=_overlap_of(result, result.clusters.crystal_weights),
        refitted=_overlap_of(result, refitted.weights),
        classes=matched.classes,
        iou=matched.overlap,
        mean_patterns=result.comparison.mean_patterns,
        noise={column: columns[column] for column in NOISE if column in columns},
        losses=losses(result),
        start_losses=done.starts,
        explained=refitted.explained,
        seconds=sum(cost.seconds for cost in result.record.costs),
        warnings=result.record.warnings,
    )


def _shared(runs: Runs, done: Mapping[str, Finished]) -> tuple[str, ...]:
    """Say what the runs had in common, and what not."""
    size = f"{runs.scan.n_bytes / MIB:,.0f} MiB"
    drawn = [name for name, one in done.items() if one.result.spots is not None]
    again = [name for name in done if name not in drawn]
    reads = (
        f"all patterns were read once and held in memory ({size})"
        if runs.held
        else f"the patterns ({size}) were filtered anew, within every pass over the data, for {', '.join(again)}"
    )
    words = [
        "the scan was opened once and its digest taken once",
        "one survey of all patterns, with beam, vacuum, masks and cleaning, serves every filter",
        reads,
        "one more pass over the unfiltered counts fits the crystals of all filters",
    ]
    if drawn:
        words.insert(3, f"{', '.join(drawn)}: one pass finds the spots, and patterns are drawn from their table")
    return tuple(words)


def _overlap_of(result: RunResult, weights: FloatArray) -> OverlapMap:
    return overlap_map(weights, result.clusters.labels, thresholds=result.overlap.thresholds)
