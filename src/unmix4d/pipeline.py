"""The one place that knows every stage: from a scan to the whole answer."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np

from unmix4d import registry
from unmix4d.checkpoint import SURVEY, pack_survey, unpack_survey
from unmix4d.compare import compare_clusters
from unmix4d.config import Settings
from unmix4d.decide.choose import decide
from unmix4d.decide.roles import SAME_CRYSTAL
from unmix4d.decide.sweep import run_sweep
from unmix4d.errors import UsageError
from unmix4d.execute import Executor, executor, open_executor
from unmix4d.maps.clusters import cluster_map
from unmix4d.maps.overlap import overlap_map
from unmix4d.measure.lines import check_line
from unmix4d.measure.overlap import measure_overlap
from unmix4d.measure.patterns import from_components
from unmix4d.plan import Plan, make_plan
from unmix4d.prepare.chain import Prepared, prepare
from unmix4d.prepare.cleaning import Cleaning
from unmix4d.prepare.filtering import Filtered, apply_filter
from unmix4d.provenance import versions
from unmix4d.read.identity import source_digest
from unmix4d.read.masks import read_mask
from unmix4d.records import (
    BoolArray,
    ClusterComparison,
    ClusterMap,
    Crystals,
    Decision,
    FactoredMatrix,
    Factorization,
    OverlapMap,
    PaperAnswer,
    PatternMatrix,
    RunRecord,
    RunResult,
    Scan,
    Survey,
    Sweep,
)
from unmix4d.registry import Keeper, NothingKept, Solver
from unmix4d.resolve.missed import find_missed
from unmix4d.resolve.refine import purify_crystals, refine_crystals
from unmix4d.watch import Progress, Watch, silent

BEAM_SHARE_WARNING = 0.5
FREE_K_MAX = 20
QUICK_START = "spa"
NOTHING_KEPT = NothingKept()
CLEANING = ("hot_pixels", "offset", "descan", "saturation", "vacuum")


def run(scan: Scan, settings: Settings, *, progress: Progress = silent, keeper: Keeper = NOTHING_KEPT) -> RunResult:
    """Analyse a scan: prepare, factorise for every k, decide, map and compare.

    Parameters
    ----------
    scan : Scan
    settings : Settings
    progress : callable
        ``progress(stage, done, total)``.
    keeper : Keeper
        Keeps the survey and what the solver offers, and gives back what an interrupted run has kept. The answer
        is then the same, bit for bit.

    Returns
    -------
    RunResult

    Raises
    ------
    Unmix4dError
        One sentence that says what was found, what was expected and what to do.
    """
    started = datetime.now(tz=UTC).isoformat(timespec="seconds")
    plan = make_plan(scan, settings)
    watch = Watch(progress)
    with open_executor(
        threads=plan.n_threads, workers=settings.workers, scheduler=settings.scheduler, memory=plan.budget
    ) as pool:
        with watch.stage("prepare"):
            counted = watch.counting("prepare", pool, plan.n_blocks)
            prepared, mask = survey_once(scan, settings, plan, counted, keeper)
            filtered = apply_filter(
                prepared, settings.filter, settings.model_dump(), executor=counted, keeper=keeper
            )
            prepared = filtered.prepared
            matrix = _matrix(filtered, mask, settings, plan, watch)
            check_line(settings.trajectory, matrix.geometry.scan_shape)
        with watch.stage("factorize"):
            sweep = _sweep(matrix, settings, pool, watch, keeper, local=executor(plan.n_threads))
        with watch.stage("decide"):
            sweep, decision = _decide(sweep, settings, prepared.survey, executor(plan.n_threads))
            for message in (*decision.warnings, *_shared_places(decision)):
                watch.warn(message)
        fit = sweep.fits[decision.k]
        with watch.stage("resolve"):
            counted = watch.counting("resolve", pool, matrix.n_blocks)
            crystals = _resolve(sweep, decision, settings, filtered, counted)
        with watch.stage("map"):
            clusters = cluster_map(fit, decision.roles[decision.k], crystals)
        raw = _unfiltered(filtered, matrix, mask, settings)
        with watch.stage("overlap"):
            counted = watch.counting("overlap", pool, matrix.n_blocks)
            parts = crystals or from_components(fit, clusters.roles)
            overlap = _overlap(raw, matrix, filtered, clusters, parts, settings=settings, pool=counted)
        with watch.stage("compare"):
            counted = watch.counting("compare", pool, matrix.n_blocks)
            comparison = _compare(
                raw, matrix, fit, clusters, survey=prepared.survey, settings=settings, pool=counted
            )
    paper = None
    if settings.mode == "paper":
        with watch.stage("paper"):
            paper = _paper(filtered, clusters, sweep, settings=settings, plan=plan, watch=watch, keeper=keeper)
    return RunResult(
        record=_record(scan, settings, watch, started),
        geometry=matrix.geometry,
        survey=prepared.survey,
        steps=matrix.steps,
        pixel_mask=matrix.pixel_mask,
        probe_mask=matrix.probe_mask,
        fits=sweep.fits,
        decision=decision,
        clusters=clusters,
        overlap=overlap,
        comparison=comparison,
        paper=paper,
        spots=filtered.spots,
    )


def _record(scan: Scan, settings: Settings, watch: Watch, started: str) -> RunRecord:
    return RunRecord(
        settings=settings.model_dump(mode="json"),
        seed=settings.seed,
        versions=versions(),
        source=str(scan.metadata.get("path", "array")),
        source_digest=source_digest(scan),
        started=started,
        costs=tuple(watch.costs),
        warnings=tuple(watch.said),
    )


def survey_once(
    scan: Scan, settings: Settings, plan: Plan, pool: Executor, keeper: Keeper
) -> tuple[Prepared, BoolArray | None]:
    """Look at the scan, or take what an interrupted run saw; and read the detector mask."""
    kept = keeper.load(SURVEY)
    if kept is not None:
        return unpack_survey(kept, scan, settings)
    mask = None if settings.mask is None else read_mask(settings.mask)
    prepared = prepare(
        scan,
        executor=pool,
        crop=settings.crop,
        bin=settings.bin,
        nan=settings.nan,
        negative=settings.negative,
        cleaning=Cleaning(**{name: getattr(settings, name) for name in CLEANING}),
        block_bytes=plan.block,
    )
    keeper.save(SURVEY, pack_survey(prepared, mask=mask, block_bytes=plan.block))
    return prepared, mask


def _matrix(
    filtered: Filtered, mask: BoolArray | None, settings: Settings, plan: Plan, watch: Watch
) -> PatternMatrix:
    prepared = filtered.prepared
    for message in prepared.survey.warnings:
        watch.warn(message)
    if settings.weighting == "none" and settings.beam == "none" and prepared.beam_share() > BEAM_SHARE_WARNING:
        watch.warn(
            f"the direct beam holds {prepared.beam_share():.0%} of all counts and is neither weighted nor masked: "
            "the factors will mostly describe its noise; use --weighting poisson or --beam auto"
        )
    return prepared.matrix(
        filter=filtered.filter,
        beam=settings.beam,
        mask=mask,
        cache_bytes=plan.cache,
        spots=filtered.spots,
    )


def _sweep(
    matrix: PatternMatrix, settings: Settings, pool: Executor, watch: Watch, keeper: Keeper, *, local: Executor
) -> Sweep:
    limit = min(matrix.n_probes, matrix.n_pixels)
    if settings.k != "auto" and settings.k > limit:
        raise UsageError(
            f"--k {settings.k} is more than this scan allows: {matrix.n_probes} probes of {matrix.n_pixels} pixels "
            f"are used, so k can be at most {limit}"
        )
    solver = _solver(settings, pool, watch, {"keeper": keeper, "local": local})
    calls = count()

    def fit(ks: Sequence[int]) -> Mapping[int, Factorization]:
        # Random numbers of its own for every call: a call that is found finished must not change the next.
        rng = np.random.default_rng([settings.seed, next(calls)])
        fits: Mapping[int, Factorization] = solver.fit_many(matrix, ks, rng=rng)
        return {k: replace(found, seed=settings.seed) for k, found in fits.items()}

    k_min, k_max = settings.k_min, settings.k_max
    if settings.k != "auto":
        k_min, k_max = min(k_min, settings.k), max(k_max, settings.k)
    sweep = run_sweep(matrix, fit=fit, k_min=k_min, k_max=k_max, extend=settings.k_max >= FREE_K_MAX)
    return _with_low_rank_form(sweep, solver, settings.seed)


def _with_low_rank_form(sweep: Sweep, solver: Solver, seed: int) -> Sweep:
    """Hand on the low-rank form that a solver of ours has worked on, and the right to fit it from one start."""
    from unmix4d.factorize.alternate import Alternating  # noqa: PLC0415 - slow import

    if not isinstance(solver, Alternating):
        return sweep
    quick = replace(solver, starts=(QUICK_START,), progress=lambda _done, _total: None)

    def fit_factored(factored: FactoredMatrix, ks: Sequence[int]) -> Mapping[int, Factorization]:
        return quick.fit_factored(factored, ks, rng=np.random.default_rng(seed))

    factored = solver.factor(sweep.matrix, sweep.ks[-1])
    return replace(
        sweep, factored=factored, fit_factored=fit_factored, purify=purify_crystals, find_missed=find_missed
    )


def _solver(settings: Settings, pool: Executor, watch: Watch, if_known: Mapping[str, Any]) -> Solver:
    """Make the solver; one of another package may know no keeper, and then starts anew when resumed."""
    kind = registry.load("solvers", settings.solver)
    known = inspect.signature(kind).parameters
    solver: Solver = kind(
        starts=settings.starts,
        weighting=settings.weighting,
        l1=settings.l1,
        max_iter=settings.max_iter,
        tol=settings.tol,
        executor=pool,
        progress=watch.inside("factorize"),
        **{name: value for name, value in if_known.items() if name in known},
    )
    return solver


def _decide(sweep: Sweep, settings: Settings, survey: Survey, pool: Executor) -> tuple[Sweep, Decision]:
    named = settings.background
    # An index counts the components of one model: with the paper's beside ours, it is one of the paper's.
    background = "auto" if settings.mode == "paper" and isinstance(named, int) else named
    sweep, decision = decide(
        sweep,
        k=None if settings.k == "auto" else settings.k,
        beam=survey.beam,
        background=background,
        executor=pool,
    )
    if isinstance(background, int) and background >= decision.k:
        raise UsageError(
            f"--background {background} is not a component; k = {decision.k} has 0 to {decision.k - 1}"
        )
    return sweep, decision


def _resolve(
    sweep: Sweep, decision: Decision, settings: Settings, filtered: Filtered, pool: Executor
) -> Crystals | None:
    if settings.crystals == "merged":
        return None
    return refine_crystals(
        sweep.matrix,
        sweep.factored,
        sweep.fits[decision.k],
        decision.roles[decision.k],
        beam=filtered.prepared.survey.beam,
        executor=pool,
        purified=decision.purified,
        redrawn=filtered.redrawn,
    )


def _shared_places(decision: Decision) -> list[str]:
    """Name the crystals whose spots sit at the same places, which only a k set by the user keeps apart."""
    roles = decision.roles[decision.k]
    first, second = np.nonzero(np.triu(roles.similarity >= SAME_CRYSTAL.limit, 1))
    pairs = [
        f"{roles.crystals[i]} and {roles.crystals[j]} ({roles.similarity[i, j]:.2f})"
        for i, j in zip(first, second, strict=True)
        if roles.crystals[i] >= 0 and roles.crystals[j] >= 0 and roles.crystals[i] != roles.crystals[j]
    ]
    if not pairs:
        return []
    return [f"perhaps one crystal each, because their spots sit at the same places: {', '.join(pairs)}"]


def _compare(
    raw: PatternMatrix,
    matrix: PatternMatrix,
    fit: Factorization,
    clusters: ClusterMap,
    *,
    survey: Survey,
    settings: Settings,
    pool: Executor,
) -> ClusterComparison:
    """Compare with the patterns as they were factorised and, if a filter changed them, with those before it."""
    sources = [(matrix, settings.filter)] if raw is matrix else [(matrix, settings.filter), (raw, "raw")]
    if settings.compare_to == "raw":
        sources.reverse()
    reference, compared_to = sources[0]
    return compare_clusters(
        reference,
        fit,
        clusters,
        data_range=survey.data_range,
        compared_to=compared_to,
        executor=pool,
        other=sources[1] if len(sources) > 1 else None,
        beam=survey.beam,
    )


def _unfiltered(
    filtered: Filtered, matrix: PatternMatrix, mask: BoolArray | None, settings: Settings
) -> PatternMatrix:
    """Give the counts as they were before the filter, of the same probes and pixels."""
    if settings.filter == "raw":
        return matrix
    return filtered.prepared.matrix(filter=registry.load("filters", "raw")(), beam=settings.beam, mask=mask)


def _overlap(
    raw: PatternMatrix,
    matrix: PatternMatrix,
    filtered: Filtered,
    clusters: ClusterMap,
    crystals: Crystals,
    *,
    settings: Settings,
    pool: Executor,
) -> OverlapMap:
    """Measure overlap on unfiltered counts; the map of levels follows from the weights that this finds."""
    mixing = measure_overlap(
        raw,
        crystals,
        clusters.labels,
        mean_pattern=filtered.prepared.survey.mean_pattern,
        executor=pool,
        filtered=matrix,
        redrawn=filtered.redrawn,
        line=settings.trajectory,
    )
    weights = clusters.crystal_weights if mixing is None else mixing.weights
    return replace(overlap_map(weights, clusters.labels), measured=mixing)


def _paper(
    filtered: Filtered,
    clusters: ClusterMap,
    sweep: Sweep,
    *,
    settings: Settings,
    plan: Plan,
    watch: Watch,
    keeper: Keeper,
) -> PaperAnswer:
    """Follow the paper's procedure too, on the same probes and after the same filter."""
    from unmix4d.paper import count as counting  # noqa: PLC0415 - only when it is asked for
    from unmix4d.paper import procedure  # noqa: PLC0415

    other = "mean" if settings.filter == "raw" else "raw"
    answer = procedure.follow(
        filtered.prepared,
        filters=(filtered.filter, registry.load("filters", other)()),
        choices=procedure.Choices(
            ks=[k for k in counting.KS if settings.k_min <= k <= settings.k_max] or [settings.k_max],
            k=None if settings.k == "auto" else settings.k,
            background=settings.background,
            seed=settings.seed,
        ),
        ours=procedure.Ours(clusters=clusters, fits=sweep.fits),
        work=procedure.Work(executor=executor(plan.n_threads), keeper=keeper, progress=watch.inside("paper")),
    )
    if answer.knee is None:
        watch.warn(f"the losses of the paper's sweep have no knee; its first k, {answer.knee_used}, stands for it")
    return answer
