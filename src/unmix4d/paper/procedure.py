"""The whole procedure, from 8-bit images to the comparison with our answer (method, section 11)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.execute import Executor
from unmix4d.factorize.descent import MAX_ITER, DescentFit
from unmix4d.factorize.kullback import MAX_ITER as SWEEP_ITER
from unmix4d.paper.agreement import agree
from unmix4d.paper.count import (
    KS,
    MARGIN,
    METRICS,
    fit_model,
    knee_of,
    loss_sweep,
    middle,
    rank_one_images,
    score_images,
)
from unmix4d.paper.images import Images, all_patterns, read_images, shrunk
from unmix4d.paper.reasons import Model, filter_change, fit_change, own_changes
from unmix4d.paper.rule import NO_BACKGROUND, label_probes, most_in_beam
from unmix4d.prepare.chain import Prepared
from unmix4d.quality.similarity import MIN_SIDE
from unmix4d.records import NO_CRYSTAL, AnyArray, ClusterMap, Factorization, FloatArray
from unmix4d.records.paper import Change, PaperAnswer, PaperMap
from unmix4d.registry import Filter, Keeper

SHARES = (0.5, 0.25, 0.25)
"""Of the progress: the sweep, the model that is judged, the model that is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What may be chosen: the sweep, k and background given by hand (None = by the procedure), and the seed."""

    ks: Sequence[int] = KS
    k: int | None = None
    background: Literal["auto", "none"] | int = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ours:
    """Our answer, which the paper's is compared with, and our fits by k."""

    clusters: ClusterMap
    fits: Mapping[int, Factorization]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """How the work is done: in threads, with kept steps, and who is told of progress."""

    executor: Executor
    keeper: Keeper
    progress: Callable[[float, float], None]


def follow(
    prepared: Prepared, *, filters: tuple[Filter, Filter], choices: Choices, ours: Ours, work: Work
) -> PaperAnswer:
    """Follow the paper's procedure.

    Parameters
    ----------
    prepared : Prepared
        Cropped and binned; what was cleaned is left as it was.
    filters : tuple of Filter
        The one that is used, and another, to see how many labels it changes.
    choices : Choices
    ours : Ours
    work : Work

    Returns
    -------
    PaperAnswer

    Raises
    ------
    UsageError
        If the background that was named is not a component.
    """
    matrix = all_patterns(prepared, filters[0])
    scan = prepared.source.scan
    images = read_images(matrix, is_eight_bit=scan.patterns.dtype == np.uint8 and prepared.source.window.bin == 1)
    small = shrunk(images)
    told = _Told(work.progress)
    limit = min(images.values.shape)
    ks = [k for k in choices.ks if k <= limit] or [limit]
    losses = loss_sweep(
        small,
        ks,
        seed=choices.seed,
        executor=work.executor,
        keeper=work.keeper,
        tick=told.part(0, SWEEP_ITER * sum(ks)),
    )
    knee = knee_of(losses)
    knee_used = ks[0] if knee is None else knee
    judged = _fit(images, min(knee_used + MARGIN, limit), choices, work, told, part=1)
    scores = score_images(rank_one_images(judged, images.shape), seed=choices.seed, executor=work.executor)
    k, k_how = _chosen(choices.k, {one.metric: one.reported for one in scores}, knee_used)
    found = judged if k == len(judged.components) else _fit(images, k, choices, work, told, part=2)
    patterns = rank_one_images(found, images.shape)
    background, background_how = _background(choices.background, patterns, prepared)
    scan_shape = matrix.geometry.scan_shape
    weights = found.weights.reshape(k, *scan_shape)
    mapped = label_probes(weights, background)
    means = _mean_images(images, mapped, k)
    model = Model(components=found.components, weights=weights, map=mapped)
    changes = [
        *own_changes(model),
        filter_change(model, all_patterns(prepared, filters[1]), images, filters[1].name),
    ]
    return PaperAnswer(
        losses={k: loss.value for k, loss in losses.items()},
        n_iterations={k: loss.n_iterations for k, loss in losses.items()},
        knee=knee,
        knee_used=knee_used,
        scores=scores,
        k=k,
        k_how=k_how,
        components=found.components.reshape(k, *images.shape),
        weights=weights,
        converged=found.converged,
        map=mapped,
        background_how=background_how,
        mean_patterns=means,
        component_patterns=patterns,
        metrics=_metrics(means, patterns, _counts(mapped, k)),
        counts=_counts(mapped, k),
        changes=(*changes, *_other_fit(model, ours.fits.get(k))),
        agreement=agree(ours.clusters.labels, without_background(mapped)),
        steps=(f"filter: {filters[0].name}", *images.steps, *small.steps),
    )


def without_background(mapped: PaperMap) -> AnyArray:
    """Labels with -1 where they say background, as ours have it: (scan_y, scan_x) int16."""
    return np.where(mapped.labels == mapped.background, NO_CRYSTAL, mapped.labels).astype(np.int16)


class _Told:
    """Progress of one part after the other; a part that ends early is told as done when the next one begins."""

    def __init__(self, report: Callable[[float, float], None]) -> None:
        self.report = report
        self.lock = Lock()
        self.done = 0.0

    def part(self, number: int, total: float) -> Callable[[int], None]:
        """Count iterations of one part, each as much as its k."""
        before, share = sum(SHARES[:number]), SHARES[number]
        self.report(before, 1.0)
        self.done = 0.0

        def tick(k: int) -> None:
            with self.lock:
                self.done += k
                self.report(before + share * min(1.0, self.done / total), 1.0)

        return tick


def _fit(images: Images, k: int, choices: Choices, work: Work, told: _Told, *, part: int) -> DescentFit:
    tick = told.part(part, MAX_ITER * k)
    return fit_model(images, k, seed=choices.seed, executor=work.executor, keeper=work.keeper, tick=tick)


def _chosen(given: int | None, reported: Mapping[str, int], knee: int) -> tuple[int, str]:
    """Give k, and say where it comes from."""
    if given is not None:
        return given, "given by --k"
    if not reported:
        return knee, "the knee, because the patterns are too small for image metrics"
    words = ", ".join(f"{name.upper()} {k}" for name, k in reported.items())
    return middle(list(reported.values())), f"median of what the metrics report: {words}"


def _background(wanted: Literal["auto", "none"] | int, patterns: AnyArray, prepared: Prepared) -> tuple[int, str]:
    """Give the index of the background component, and say where it comes from."""
    if wanted == "none":
        return NO_BACKGROUND, "none, as --background says"
    if wanted == "auto":
        return most_in_beam(
            patterns, prepared.survey.beam
        ), "the least share of its intensity outside the direct beam"
    if not 0 <= wanted < len(patterns):
        raise UsageError(
            f"--background {wanted} is not a component of the paper's model; k = {len(patterns)} has 0 to "
            f"{len(patterns) - 1}"
        )
    return wanted, "named by --background"


def _counts(mapped: PaperMap, k: int) -> AnyArray:
    return np.bincount(mapped.labels.ravel().astype(np.int64), minlength=k)


def _mean_images(images: Images, mapped: PaperMap, k: int) -> AnyArray:
    """Measured mean of every cluster as 8-bit image, cut off below the point: (k, pattern_y, pattern_x) uint8."""
    means = np.zeros((k, *images.shape), dtype=np.uint8)
    flat = mapped.labels.ravel()
    for i in range(k):
        own = flat == i
        if own.any():
            means[i] = images.values[own].mean(axis=0, dtype=np.float64).reshape(images.shape)
    return means


def _metrics(means: AnyArray, patterns: AnyArray, counts: AnyArray) -> dict[str, FloatArray]:
    """Compare every cluster's mean with its component; NaN for components without a probe."""
    usable = [name for name in METRICS if min(means.shape[1:]) >= MIN_SIDE[name]]
    return {
        name: np.array(
            [METRICS[name](means[i], patterns[i]) if n else np.nan for i, n in enumerate(counts.tolist())]
        )
        for name in usable
    }


def _other_fit(model: Model, ours: Factorization | None) -> list[Change]:
    return [] if ours is None else [fit_change(model, ours)]
