"""The comparison of clusters that were changed by hand, as far as that needs no look at the data."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from unmix4d.compare import scores
from unmix4d.records import ClusterComparison, ClusterMap, ClusterMembers, Factorization, FloatArray, IntArray
from unmix4d.records.base import spread


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
        A cluster that has the same probes and components keeps its row, but the nearest other may differ.
        One that several whole clusters make up has their measured mean, weighted by probes, and the metrics of its
        own reconstruction; what else would need the data (``null_global``, ``within_cosine``, the spread of the
        members, the typical and atypical ones) is NaN. All of any other is NaN but for ``area_fraction``.
    """
    whole = [_sources(found, edited, i) for i in range(edited.n_crystals)]
    same = {
        i: sources[0]
        for i, sources in enumerate(whole)
        if len(sources) == 1 and found.members(sources[0]) == edited.members(i)
    }
    rebuilt = _rebuilt(fit, edited)
    parts = [_regroup(each, whole, same, rebuilt, edited) for each in comparison.sources]
    if len(same) < edited.n_crystals or found.n_crystals != edited.n_crystals:
        parts = [_other_clusters(part, rebuilt[0], _known(whole, edited)) for part in parts]
    return replace(parts[0], other=parts[1] if len(parts) > 1 else None)


def _regroup(
    comparison: ClusterComparison,
    whole: list[list[int]],
    same: Mapping[int, int],
    rebuilt: tuple[FloatArray, FloatArray],
    edited: ClusterMap,
) -> ClusterComparison:
    known = _known(whole, edited)
    means = np.full((len(known), *comparison.mean_patterns.shape[1:]), np.nan)
    for i, sources in enumerate(whole):
        if sources:
            means[i] = np.average(comparison.mean_patterns[sources], axis=0, weights=comparison.counts[sources])
    full, alone = (np.where(known[:, None, None] > 0, patterns, np.nan) for patterns in rebuilt)
    usable = tuple(comparison.metrics)
    score = partial(scores.score, means, counts=known, data_range=comparison.data_range, usable=usable)
    none = np.full(len(known), np.nan)

    def kept(old: Mapping[str, FloatArray], new: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
        return {name: _carried(values, new.get(name, none), same) for name, values in old.items()}

    columns = kept(comparison.columns, scores.against(means, full, alone, known))
    crystal = comparison.crystal_patterns
    return replace(
        comparison,
        counts=edited.counts,
        mean_patterns=means,
        reconstructed_patterns=_carried(comparison.reconstructed_patterns, full, same),
        crystal_patterns=None if crystal is None else _carried(crystal, alone, same),
        metrics=kept(comparison.metrics, score(full)),
        crystal_metrics=kept(comparison.crystal_metrics, score(alone)),
        null_zero=kept(comparison.null_zero, score(np.zeros_like(means))),
        null_global=kept(comparison.null_global, {}),
        null_other=kept(comparison.null_other, {}),
        columns={**columns, "area_fraction": edited.counts / edited.labels.size},
        typical=_same_members(comparison.typical, same, len(known)),
        atypical=_same_members(comparison.atypical, same, len(known)),
    )


def _other_clusters(comparison: ClusterComparison, rebuilt: FloatArray, known: IntArray) -> ClusterComparison:
    """Find the nearest other cluster anew, because there are others now."""
    if not comparison.null_other:
        return comparison
    means = comparison.mean_patterns
    others = scores.nearest_others(means, rebuilt, known)
    usable, data_range = tuple(comparison.null_other), comparison.data_range
    null_other = scores.score(means, others, counts=known, data_range=data_range, usable=usable)
    return replace(comparison, null_other=null_other)


def _known(whole: list[list[int]], edited: ClusterMap) -> IntArray:
    """Give the number of probes of the clusters whose mean is known, 0 for others."""
    return np.where([bool(sources) for sources in whole], edited.counts, 0).astype(np.int64)


def _rebuilt(fit: Factorization, edited: ClusterMap) -> tuple[FloatArray, FloatArray]:
    """Reconstruction of every cluster from all components, and from those of its crystal; NaN for an empty one."""
    labels = edited.labels[fit.probe_mask]
    full = np.full((edited.n_crystals, fit.components.shape[1]), np.nan)
    alone = full.copy()
    components = fit.components.astype(np.float64)
    for i, count in enumerate(edited.counts.tolist()):
        if count:
            weights = fit.weights[labels == i].sum(axis=0, dtype=np.float64) / count
            members = edited.members(i)
            full[i], alone[i] = weights @ components, weights[members] @ components[members]
    shown = [np.moveaxis(spread(rows.T, fit.pixel_mask, 0), -1, 0) for rows in (full, alone)]
    return shown[0], shown[1]


def _same_members(members: ClusterMembers | None, same: Mapping[int, int], n: int) -> ClusterMembers | None:
    """Carry the members of clusters that stayed the same; those of others are not known."""
    if members is None:
        return None
    places = np.full((n, 2), -1, dtype=members.places.dtype)
    for i, source in same.items():
        places[i] = members.places[source]
    unknown = np.full((n, *members.patterns.shape[1:]), np.nan)
    return ClusterMembers(
        places=places,
        patterns=_carried(members.patterns, unknown, same),
        cosines=_carried(members.cosines, np.full(n, np.nan), same),
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
