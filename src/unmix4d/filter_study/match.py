"""Clusters of several label maps as common classes, and how far the maps agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from unmix4d.paper.agreement import adjusted_rand
from unmix4d.records import NO_CRYSTAL, FilterAgreement, FloatArray, IntArray

LEAST_IOU = 0.1
"""Below this share of common probes two clusters are not taken for the same crystal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """Clusters of one filter as classes that all filters share.

    Attributes
    ----------
    classes : (n_crystals,) int16
        Class of each crystal.
    overlap : (n_crystals,) float64
        Intersection over union with the cluster of the reference; NaN for a class that the reference does not have.
    """

    classes: IntArray
    overlap: FloatArray


def match_clusters(labels: Mapping[str, IntArray], sizes: Mapping[str, int], reference: str) -> dict[str, Matched]:
    """Match the clusters of every filter to those of one of them.

    Parameters
    ----------
    labels : mapping of filter to (scan_y, scan_x) int
        -1 where there is no crystal.
    sizes : mapping of filter to int
        Number of crystals.
    reference : str
        Its crystals are the first classes, in their order.

    Returns
    -------
    mapping of filter to Matched
        One to one, so that the sum of the intersections over unions is largest; pairs below 0.1 are not matched. A
        crystal without a partner in the reference begins a class, to which the filters after it are matched in
        turn: two filters that both split a grain of the reference share the class of the new part.

    Notes
    -----
    Method, section 3.
    """
    found = {
        reference: Matched(classes=np.arange(sizes[reference], dtype=np.int16), overlap=np.ones(sizes[reference]))
    }
    n_classes = sizes[reference]
    masks = [labels[reference] == i for i in range(n_classes)]
    for name in labels:
        if name == reference:
            continue
        own = [labels[name] == i for i in range(sizes[name])]
        classes, overlap = np.full(sizes[name], NO_CRYSTAL, dtype=np.int16), np.full(sizes[name], np.nan)
        table = np.array([[_iou(a, b) for b in masks] for a in own]).reshape(len(own), len(masks))
        for crystal, group in zip(*linear_sum_assignment(table, maximize=True), strict=True):
            if table[crystal, group] >= LEAST_IOU:
                classes[crystal] = group
                overlap[crystal] = table[crystal, group] if group < sizes[reference] else np.nan
        for crystal in np.flatnonzero(classes == NO_CRYSTAL):
            classes[crystal] = len(masks)
            masks.append(own[crystal])
        found[name] = Matched(classes=classes, overlap=overlap)
    return found


def agreements(maps: Mapping[str, IntArray]) -> tuple[FilterAgreement, ...]:
    """Compare every two maps of classes, over the probes on which at least one of the two sees a crystal.

    "No crystal" counts as a class where only one of them sees one; where neither does there is nothing to agree on.
    """
    return tuple(_agreement(one, other, maps) for one, other in combinations(maps, 2))


def _agreement(one: str, other: str, maps: Mapping[str, IntArray]) -> FilterAgreement:
    either = (maps[one] != NO_CRYSTAL) | (maps[other] != NO_CRYSTAL)
    first, second = maps[one][either].astype(np.int64) + 1, maps[other][either].astype(np.int64) + 1
    n = int(either.sum())
    return FilterAgreement(
        first=one,
        second=other,
        n_probes=n,
        adjusted_rand=adjusted_rand(_contingency(first, second)) if n else np.nan,
        share=float((first == second).mean()) if n else np.nan,
    )


def _contingency(first: IntArray, second: IntArray) -> IntArray:
    width = int(second.max()) + 1
    counts = np.bincount(first * width + second, minlength=(int(first.max()) + 1) * width)
    return np.asarray(counts.reshape(-1, width))


def _iou(one: IntArray, other: IntArray) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0
