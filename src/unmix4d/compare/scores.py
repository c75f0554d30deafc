"""Figures of merit of clusters: one value for each, NaN for an empty one."""

import math
import warnings
from collections.abc import Callable, Mapping

import numpy as np

from unmix4d.errors import Unmix4dWarning
from unmix4d.quality.noise import noise_std
from unmix4d.quality.similarity import METRICS, MIN_SIDE
from unmix4d.records import FloatArray, IntArray


def usable_metrics(pattern_shape: tuple[int, int]) -> tuple[str, ...]:
    """Names of the metrics for which the patterns are large enough; warn about the others."""
    side = min(pattern_shape)
    small = [name for name in METRICS if side < MIN_SIDE[name]]
    if small:
        needs = ", ".join(f"{name} ({MIN_SIDE[name]} px)" for name in small)
        message = f"patterns of {side} px a side are too small for {needs}: reported as NaN"
        warnings.warn(message, Unmix4dWarning, stacklevel=3)
    return tuple(name for name in METRICS if name not in small)


def score(
    references: FloatArray, tests: FloatArray, *, counts: IntArray, data_range: float, usable: tuple[str, ...]
) -> Mapping[str, FloatArray]:
    """Every metric of every cluster; NaN where there is no image to test."""
    scores = {name: np.full(len(counts), np.nan) for name in METRICS}
    for name in usable:
        metric, _ = METRICS[name]
        for i in np.flatnonzero((counts > 0) & np.isfinite(tests).all(axis=(1, 2))):
            scores[name][i] = metric(references[i], tests[i], data_range=data_range)
    return scores


def nearest_others(references: FloatArray, rebuilt: FloatArray, counts: IntArray) -> FloatArray:
    """Give the other cluster's reconstruction that has the least squared error; NaN where there is no other."""
    nearest = np.full_like(references, np.nan)
    known = np.flatnonzero(np.isfinite(rebuilt).all(axis=(1, 2)))
    for i in np.flatnonzero(counts):
        errors = {j: float(np.square(references[i] - rebuilt[j]).sum()) for j in known if j != i}
        if errors:
            nearest[i] = rebuilt[min(errors, key=errors.__getitem__)]
    return nearest


def noise(which: str, patterns: FloatArray, counts: IntArray) -> Mapping[str, FloatArray]:
    """Noise standard deviation of every cluster's pattern by both definitions, as columns."""
    return {
        f"nsd_immerkaer_{which}": rows(counts, lambda i: noise_std(patterns[i], method="immerkaer")),
        f"nsd_std_{which}": rows(counts, lambda i: noise_std(patterns[i], method="std")),
    }


def against(
    means: FloatArray, rebuilt: FloatArray, alone: FloatArray, counts: IntArray
) -> Mapping[str, FloatArray]:
    """Columns of what is worked out from the patterns alone; all three are (n_crystals, pattern_y, pattern_x)."""
    return {
        "intensity_ratio": rows(counts, lambda i: ratio(rebuilt[i].sum(), means[i].sum())),
        "cosine": rows(counts, lambda i: cosine(means[i].ravel(), rebuilt[i].ravel())),
        "crystal_intensity_ratio": rows(counts, lambda i: ratio(alone[i].sum(), means[i].sum())),
        "crystal_cosine": rows(counts, lambda i: cosine(means[i].ravel(), alone[i].ravel())),
        **noise("mean", means, counts),
        **noise("reconstruction", rebuilt, counts),
    }


def rows(counts: IntArray, value: Callable[[int], float]) -> FloatArray:
    """``value`` of every cluster, (n_crystals,) float64; NaN for an empty one."""
    return np.array([value(i) if count else math.nan for i, count in enumerate(counts)], dtype=np.float64)


def ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN where there is nothing to divide by."""
    return float(numerator / denominator) if denominator > 0 else math.nan


def cosine(a: FloatArray, b: FloatArray) -> float:
    """Cosine of two vectors; NaN where one is 0."""
    return ratio(float(a @ b), float(np.linalg.norm(a) * np.linalg.norm(b)))
