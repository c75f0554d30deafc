"""How well each cluster stands for the measured patterns, in one pass over them (method, section 7)."""

from dataclasses import replace
from functools import partial

import numpy as np

from unmix4d.compare import scores
from unmix4d.compare.passing import Sums, make_templates, measure
from unmix4d.execute import Executor
from unmix4d.quality.background import outside_beam
from unmix4d.records import (
    Beam,
    ClusterComparison,
    ClusterMap,
    ClusterMembers,
    Factorization,
    FloatArray,
    IntArray,
    PatternMatrix,
)
from unmix4d.records.base import require

QUARTILES = {"member_cosine_q1": 0.25, "member_cosine_median": 0.5, "member_cosine_q3": 0.75}


def compare_clusters(
    matrix: PatternMatrix,
    fit: Factorization,
    clusters: ClusterMap,
    *,
    data_range: float,
    compared_to: str,
    executor: Executor,
    other: tuple[PatternMatrix, str] | None = None,
    beam: Beam | None = None,
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
    other : (PatternMatrix, str), optional
        The same probes and pixels before or after the filter, and what they are; compared in the same pass.
    beam : Beam, optional
        Members are held against the reconstruction outside of it.

    Returns
    -------
    ClusterComparison
        Metrics take the measured mean as reference; nothing is rescaled. Masked pixels are 0 on both sides. The
        reconstruction is the sum of all components with their mean weights over the cluster's probes; beside it
        stands the part of it that the cluster's own crystal is. Null baselines put an empty image, the mean of all
        patterns, and the nearest reconstruction of another cluster (least squared error) in its place. Columns:
        ``intensity_ratio`` (reconstruction over mean) and ``cosine`` (between them), both also with ``crystal_``
        for the own crystal alone; ``within_cosine`` (mean cosine of the cluster's patterns with their mean; an
        empty pattern counts 0); ``member_cosine_q1``, ``_median`` and ``_q3`` (of members with the reconstruction,
        outside the beam); ``area_fraction`` (of all scan positions) and ``nsd_immerkaer_mean``, ``nsd_std_mean``,
        ``nsd_immerkaer_reconstruction``, ``nsd_std_reconstruction``. Rows of empty clusters are NaN but for
        ``area_fraction``.

    Raises
    ------
    ValueError
        If the matrices, ``fit`` and ``clusters`` do not belong together or ``data_range`` is not positive.

    Notes
    -----
    Warns, and gives NaN, where patterns are too small for a metric. Reads the patterns of the most typical and the
    most atypical members again. Source: paper, Fig. 4; method, sections 5.5, 7.
    """
    sources = [(matrix, compared_to), *([] if other is None else [other])]
    for each, _ in sources:
        _check(each, fit, clusters)
    labels = clusters.labels[matrix.probe_mask]
    counts = np.bincount(labels[labels >= 0], minlength=clusters.n_crystals)
    full, alone = _reconstruct(fit, clusters.roles.crystals, labels, counts)
    outside = outside_beam(matrix.geometry.pattern_shape, beam)[matrix.pixel_mask]
    # A camera that sees little beyond the beam has nothing else to tell members apart by.
    templates = make_templates(full, outside if outside.any() else np.ones_like(outside))
    every = measure([each for each, _ in sources], labels, templates, executor)
    usable = scores.usable_metrics(matrix.geometry.pattern_shape)
    compared = [
        _compare(
            each,
            sums,
            labels,
            counts,
            rebuilt=(_images(each, full, counts), _images(each, alone, counts)),
            data_range=data_range,
            usable=usable,
            compared_to=name,
        )
        for (each, name), sums in zip(sources, every, strict=True)
    ]
    return replace(compared[0], other=compared[1] if len(compared) > 1 else None)


def _compare(
    matrix: PatternMatrix,
    sums: Sums,
    labels: IntArray,
    counts: IntArray,
    *,
    rebuilt: tuple[FloatArray, FloatArray],
    data_range: float,
    usable: tuple[str, ...],
    compared_to: str,
) -> ClusterComparison:
    means = _per_probe(sums.patterns, counts)
    mean_patterns = _images(matrix, means, counts)
    full, alone = rebuilt
    global_mean = matrix.to_patterns(sums.total / matrix.n_probes)
    score = partial(scores.score, mean_patterns, counts=counts, data_range=data_range, usable=usable)
    typical, atypical = _members(matrix, sums.cosines, labels, counts)
    return ClusterComparison(
        counts=counts,
        mean_patterns=mean_patterns,
        reconstructed_patterns=full,
        crystal_patterns=alone,
        metrics=score(full),
        crystal_metrics=score(alone),
        null_zero=score(np.zeros_like(mean_patterns)),
        null_global=score(np.broadcast_to(global_mean, mean_patterns.shape)),
        null_other=score(scores.nearest_others(mean_patterns, full, counts)),
        columns={
            **scores.against(mean_patterns, full, alone, counts),
            "within_cosine": scores.rows(counts, lambda i: _within_cosine(sums.directions[i], means[i], counts[i])),
            **_quartiles(sums.cosines, labels, counts),
            "area_fraction": counts / matrix.probe_mask.size,
        },
        data_range=data_range,
        compared_to=compared_to,
        typical=typical,
        atypical=atypical,
    )


def _check(matrix: PatternMatrix, fit: Factorization, clusters: ClusterMap) -> None:
    same = np.array_equal(matrix.probe_mask, fit.probe_mask) and np.array_equal(matrix.pixel_mask, fit.pixel_mask)
    require(same, "the matrix must have the probe mask and the pixel mask of the factorization")
    require(clusters.labels.shape == matrix.geometry.scan_shape, "the cluster map must have the scan shape")
    require(len(clusters.roles.crystals) == fit.k, "the roles must be those of the factorization's components")


def _reconstruct(
    fit: Factorization, crystals: IntArray, labels: IntArray, counts: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Mean reconstruction of every cluster, its crystal's part: (n_crystals, n_pixels); NaN for an empty one."""
    weights = np.zeros((len(counts), fit.k))
    for crystal in np.flatnonzero(counts):
        weights[crystal] = fit.weights[labels == crystal].sum(axis=0, dtype=np.float64)
    own = np.where(crystals == np.arange(len(counts))[:, None], weights, 0)
    components = fit.components.astype(np.float64)
    return _per_probe(weights, counts) @ components, _per_probe(own, counts) @ components


def _members(
    matrix: PatternMatrix, cosines: FloatArray, labels: IntArray, counts: IntArray
) -> tuple[ClusterMembers, ClusterMembers]:
    """Find the member most and the member least like the reconstruction, and read their patterns."""
    chosen = np.full((2, len(counts)), -1)
    for i in np.flatnonzero(counts):
        members = np.flatnonzero(labels == i)
        chosen[:, i] = members[[cosines[members].argmax(), cosines[members].argmin()]]
    rows = np.unique(chosen[chosen >= 0])
    patterns = np.asarray(matrix.rows(rows), dtype=np.float64)
    places = np.argwhere(matrix.probe_mask)
    return tuple(  # type: ignore[return-value]
        ClusterMembers(
            places=np.where(which[:, None] >= 0, places[which], -1),
            patterns=_images(matrix, patterns[np.searchsorted(rows, which)], counts)
            if rows.size
            else np.full((len(counts), *matrix.geometry.pattern_shape), np.nan),
            cosines=np.where(which >= 0, cosines[which], np.nan),
        )
        for which in chosen
    )


def _quartiles(cosines: FloatArray, labels: IntArray, counts: IntArray) -> dict[str, FloatArray]:
    values = np.full((len(counts), len(QUARTILES)), np.nan)
    for i in np.flatnonzero(counts):
        values[i] = np.quantile(cosines[labels == i], list(QUARTILES.values()))
    return dict(zip(QUARTILES, values.T, strict=True))


def _per_probe(sums: FloatArray, counts: IntArray) -> FloatArray:
    """Divide sums (n_crystals, n) by the clusters' sizes; NaN for an empty one."""
    return np.asarray(np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.nan))


def _images(matrix: PatternMatrix, rows: FloatArray, counts: IntArray) -> FloatArray:
    """Spread rows (n_crystals, n_pixels) over the detector: 0 where masked, NaN for an empty cluster."""
    images = matrix.to_patterns(rows)
    images[counts == 0] = np.nan
    return np.asarray(images)


def _within_cosine(directions: FloatArray, mean: FloatArray, count: int) -> float:
    return scores.ratio(float(directions @ mean), float(np.linalg.norm(mean)) * count)
