"""How well each cluster stands for the measured patterns (method, section 7)."""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np

from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.execute import Executor
from unmix4d.quality.kernels import add_classes
from unmix4d.quality.noise import noise_std
from unmix4d.quality.similarity import METRICS, MIN_SIDE
from unmix4d.records import ClusterComparison, ClusterMap, Factorization, FloatArray, IntArray, PatternMatrix
from unmix4d.records.base import require, spread

MOST_TOGETHER = 8  # blocks: sums over patterns of many pixels are as large as a block, and slow to hand on
FEWEST_PARTS = 32  # so that many workers have something to do

ReconstructedPattern = Literal["max_component", "full"]


def compare_clusters(
    matrix: PatternMatrix,
    fit: Factorization,
    clusters: ClusterMap,
    *,
    data_range: float,
    compared_to: str,
    executor: Executor,
    pattern: ReconstructedPattern = "max_component",
) -> ClusterComparison:
    """Compare the measured mean pattern of every cluster with its reconstruction, in one pass over the blocks.

    Parameters
    ----------
    matrix : PatternMatrix
        The measured patterns, raw or filtered; its masks are those of ``fit``.
    fit : Factorization
    clusters : ClusterMap
        Made from ``fit``; its roles say which components belong to which crystal.
    data_range : float
        L of the metrics.
    compared_to : str
        What ``matrix`` holds: "raw" or the name of a filter.
    executor : Executor
    pattern : {"max_component", "full"}
        Reconstruct from the components of the cluster's own crystal alone, or from all components.

    Returns
    -------
    ClusterComparison
        Metrics take the measured mean as reference; nothing is rescaled. Masked pixels are 0 on both sides.
        Null baselines put an empty image and the mean of all patterns in place of the reconstruction. Columns:
        ``intensity_ratio`` (reconstruction over mean), ``cosine`` (between them), ``within_cosine`` (mean cosine
        of the cluster's patterns with their mean; an empty pattern counts 0), ``area_fraction`` (of all scan
        positions) and ``nsd_immerkaer_mean``, ``nsd_std_mean``, ``nsd_immerkaer_reconstruction``,
        ``nsd_std_reconstruction``. Rows of empty clusters are NaN but for ``area_fraction``.

    Raises
    ------
    UsageError
        If ``pattern`` is unknown.
    ValueError
        If ``matrix``, ``fit`` and ``clusters`` do not belong together or ``data_range`` is not positive.

    Notes
    -----
    Warns, and gives NaN, where patterns are too small for a metric. Source: paper, Fig. 4; method, sections 5.5, 7.
    """
    _check(matrix, fit, clusters, pattern)
    labels = clusters.labels[matrix.probe_mask]
    counts = np.bincount(labels[labels >= 0], minlength=clusters.n_crystals)
    sums = _measure(matrix, labels, clusters.n_crystals, executor)
    means = _per_probe(sums.patterns, counts)
    reconstructions = _reconstruct(fit, clusters.roles.crystals, labels, counts, pattern)
    mean_patterns = _images(matrix, means, counts)
    reconstructed_patterns = _images(matrix, reconstructions, counts)
    global_mean = matrix.to_patterns(sums.total / matrix.n_probes)
    score = partial(_score, mean_patterns, counts=counts, data_range=data_range, usable=_usable(matrix))
    return ClusterComparison(
        counts=counts,
        mean_patterns=mean_patterns,
        reconstructed_patterns=reconstructed_patterns,
        metrics=score(reconstructed_patterns),
        null_zero=score(np.zeros_like(mean_patterns)),
        null_global=score(np.broadcast_to(global_mean, mean_patterns.shape)),
        columns={
            "intensity_ratio": _rows(counts, lambda i: _ratio(reconstructions[i].sum(), means[i].sum())),
            "cosine": _rows(counts, lambda i: _cosine(means[i], reconstructions[i])),
            "within_cosine": _rows(counts, lambda i: _within_cosine(sums.directions[i], means[i], counts[i])),
            "area_fraction": counts / clusters.labels.size,
            **_noise("mean", mean_patterns, counts),
            **_noise("reconstruction", reconstructed_patterns, counts),
        },
        data_range=data_range,
        compared_to=compared_to,
    )


def regroup_comparison(
    comparison: ClusterComparison, fit: Factorization, found: ClusterMap, edited: ClusterMap
) -> ClusterComparison:
    """Compare clusters that were changed by hand, as far as that needs no look at the data.

    Parameters
    ----------
    comparison : ClusterComparison
        Of ``found``.
    fit : Factorization
    found, edited : ClusterMap
        The clusters of the run, and those that stand for them now.

    Returns
    -------
    ClusterComparison
        A cluster that has the same probes and components keeps its row. One that several whole clusters make up has
        their measured mean, weighted by probes, and the metrics of its own reconstruction; what else would need
        the data (``null_global``, ``within_cosine``) is NaN. All of any other is NaN but for ``area_fraction``.
    """
    whole = [_sources(found, edited, i) for i in range(edited.n_crystals)]
    counts = edited.counts
    means = np.full((len(counts), *fit.geometry.pattern_shape), np.nan)
    rebuilt = means.copy()
    for i, sources in enumerate(whole):
        if sources:
            means[i] = np.average(comparison.mean_patterns[sources], axis=0, weights=comparison.counts[sources])
            members = edited.members(i)
            sums = fit.weights[edited.labels[fit.probe_mask] == i][:, members].sum(axis=0, dtype=np.float64)
            rows = (sums / counts[i]) @ fit.components[members].astype(np.float64)
            rebuilt[i] = spread(rows, fit.pixel_mask, 0)
    known = np.where([bool(sources) for sources in whole], counts, 0)
    score = partial(_score, means, counts=known, data_range=comparison.data_range, usable=tuple(comparison.metrics))
    columns = {
        "intensity_ratio": _rows(known, lambda i: _ratio(rebuilt[i].sum(), means[i].sum())),
        "cosine": _rows(known, lambda i: _cosine(means[i].ravel(), rebuilt[i].ravel())),
        **_noise("mean", means, known),
        **_noise("reconstruction", rebuilt, known),
    }
    same = {
        i: sources[0]
        for i, sources in enumerate(whole)
        if len(sources) == 1 and found.members(sources[0]) == edited.members(i)
    }
    none = np.full(len(counts), np.nan)

    def kept(old: Mapping[str, FloatArray], new: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
        return {name: _carried(values, new.get(name, none), same) for name, values in old.items()}

    return ClusterComparison(
        counts=counts,
        mean_patterns=means,
        reconstructed_patterns=_carried(comparison.reconstructed_patterns, rebuilt, same),
        metrics=kept(comparison.metrics, score(rebuilt)),
        null_zero=kept(comparison.null_zero, score(np.zeros_like(means))),
        null_global=kept(comparison.null_global, {}),
        columns={**kept(comparison.columns, columns), "area_fraction": counts / edited.labels.size},
        data_range=comparison.data_range,
        compared_to=comparison.compared_to,
    )


def _sources(found: ClusterMap, edited: ClusterMap, crystal: int) -> list[int]:
    """List the clusters of the run that together have the same probes as a new one; none if no such set has."""
    inside = found.labels[edited.labels == crystal]
    sources = [int(label) for label in np.unique(inside)]
    whole = bool(sources) and sources[0] >= 0 and len(inside) == int(found.counts[sources].sum())
    return sources if whole else []


def _carried(old: FloatArray, new: FloatArray, same: Mapping[int, int]) -> FloatArray:
    """Give the new rows, but those of clusters that stayed the same as they were."""
    rows = np.array(new, dtype=np.float64)
    for i, source in same.items():
        rows[i] = old[source]
    return rows


def _check(matrix: PatternMatrix, fit: Factorization, clusters: ClusterMap, pattern: str) -> None:
    known = get_args(ReconstructedPattern)
    if pattern not in known:
        raise UsageError(f"no cluster pattern named {pattern!r}; known: {', '.join(known)}")
    same = np.array_equal(matrix.probe_mask, fit.probe_mask) and np.array_equal(matrix.pixel_mask, fit.pixel_mask)
    require(same, "the matrix must have the probe mask and the pixel mask of the factorization")
    require(clusters.labels.shape == matrix.geometry.scan_shape, "the cluster map must have the scan shape")
    require(len(clusters.roles.crystals) == fit.k, "the roles must be those of the factorization's components")


class _Sums(NamedTuple):
    """Float64 sums over probes: of patterns and of unit patterns (n_crystals, n_pixels), of all (n_pixels,)."""

    patterns: FloatArray
    directions: FloatArray
    total: FloatArray


def _measure(matrix: PatternMatrix, labels: IntArray, n_crystals: int, executor: Executor) -> _Sums:
    """Sum the patterns of every cluster, some blocks at a time, in the order of the blocks."""
    shape = (n_crystals, matrix.n_pixels)
    sums = _Sums(np.zeros(shape), np.zeros(shape), np.zeros(matrix.n_pixels))
    together = max(1, min(MOST_TOGETHER, matrix.n_blocks // FEWEST_PARTS))
    parts = [range(first, min(first + together, matrix.n_blocks)) for first in range(0, matrix.n_blocks, together)]
    for part in executor.map_blocks(partial(_part_sums, matrix, labels, n_crystals), parts):
        for whole, piece in zip(sums, part, strict=True):
            np.add(whole, piece, out=whole)
    return sums


def _part_sums(matrix: PatternMatrix, labels: IntArray, n_crystals: int, blocks: range) -> _Sums:
    sums, directions = np.zeros((2, n_crystals + 1, matrix.n_pixels))
    for block in blocks:
        of_block = labels[matrix.rows_of(block)].astype(np.int64)
        of_block[of_block < 0] = n_crystals  # no cluster: counts in the total only
        order = np.argsort(of_block, kind="stable")
        add_classes(matrix.read_block(block), of_block, order, sums, directions)
    return _Sums(sums[:-1], directions[:-1], sums.sum(axis=0))


def _reconstruct(
    fit: Factorization, crystals: IntArray, labels: IntArray, counts: IntArray, pattern: ReconstructedPattern
) -> FloatArray:
    """Mean reconstruction of every cluster, (n_crystals, n_pixels); NaN for an empty one."""
    weights = np.zeros((len(counts), fit.k))
    for crystal in np.flatnonzero(counts):
        chosen = crystals == crystal if pattern == "max_component" else np.ones(fit.k, dtype=bool)
        weights[crystal, chosen] = fit.weights[labels == crystal][:, chosen].sum(axis=0, dtype=np.float64)
    return _per_probe(weights, counts) @ fit.components.astype(np.float64)


def _per_probe(sums: FloatArray, counts: IntArray) -> FloatArray:
    """Divide sums (n_crystals, n) by the clusters' sizes; NaN for an empty one."""
    return np.asarray(np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.nan))


def _images(matrix: PatternMatrix, rows: FloatArray, counts: IntArray) -> FloatArray:
    """Spread rows (n_crystals, n_pixels) over the detector: 0 where masked, NaN for an empty cluster."""
    images = matrix.to_patterns(rows)
    images[counts == 0] = np.nan
    return np.asarray(images)


def _usable(matrix: PatternMatrix) -> tuple[str, ...]:
    """Names of the metrics for which the patterns are large enough; warn about the others."""
    side = min(matrix.geometry.pattern_shape)
    small = [name for name in METRICS if side < MIN_SIDE[name]]
    if small:
        needs = ", ".join(f"{name} ({MIN_SIDE[name]} px)" for name in small)
        message = f"patterns of {side} px a side are too small for {needs}: reported as NaN"
        warnings.warn(message, Unmix4dWarning, stacklevel=3)
    return tuple(name for name in METRICS if name not in small)


def _score(
    references: FloatArray, tests: FloatArray, *, counts: IntArray, data_range: float, usable: tuple[str, ...]
) -> Mapping[str, FloatArray]:
    """Every metric of every cluster."""
    scores = {name: np.full(len(counts), np.nan) for name in METRICS}
    for name in usable:
        metric, _ = METRICS[name]
        for i in np.flatnonzero(counts):
            scores[name][i] = metric(references[i], tests[i], data_range=data_range)
    return scores


def _noise(which: str, patterns: FloatArray, counts: IntArray) -> Mapping[str, FloatArray]:
    return {
        f"nsd_immerkaer_{which}": _rows(counts, lambda i: noise_std(patterns[i], method="immerkaer")),
        f"nsd_std_{which}": _rows(counts, lambda i: noise_std(patterns[i], method="std")),
    }


def _rows(counts: IntArray, value: Callable[[int], float]) -> FloatArray:
    """``value`` of every cluster, (n_crystals,) float64; NaN for an empty one."""
    return np.array([value(i) if count else math.nan for i, count in enumerate(counts)], dtype=np.float64)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else math.nan


def _cosine(a: FloatArray, b: FloatArray) -> float:
    return _ratio(float(a @ b), float(np.linalg.norm(a) * np.linalg.norm(b)))


def _within_cosine(directions: FloatArray, mean: FloatArray, count: int) -> float:
    return _ratio(float(directions @ mean), float(np.linalg.norm(mean)) * count)
