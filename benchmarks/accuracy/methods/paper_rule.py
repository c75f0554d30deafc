"""The number that the paper's published scripts report, step by step (Cao et al. 2025).

Kullback-Leibler NMF by multiplicative updates from a random start, 200 iterations, one fit for each k = 3...20;
knee of the mean absolute difference by kneed; one model of knee + 4 components (Frobenius, coordinate descent,
nndsvd, 1,500 iterations); its rank-1 images as 8-bit; SSIM, GMSD, MDSI and PSNR of all pairs; of the last nine rows
and columns the index of the column with the smallest mean SSIM and the largest of the others. Counted from 1 the
last nine are knee - 4 to knee + 4, the range that the paper looks at. The scripts leave four numbers, whose median
is taken here. To be affordable patterns are 32 x 32 instead of 128 x 128.
"""

import time
import warnings

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.scan import SimulatedScan
from unmix4d.quality.similarity import pairwise

TITLE = "the paper's rule"
WATCHED = ("quality", "scikit-learn", "kneed")

KS = range(3, 21)
SIDE = 32
ITERATIONS = 200  # of each fit of the sweep
MODEL_ITERATIONS = 1500
MARGIN = 4
LAST = 9
SAME_PSNR = 80.0  # dB that piq gives two equal images

Floats = NDArray[np.floating]


def run(scan: SimulatedScan) -> Answer:
    """Sweep, find the knee, judge the images."""
    from kneed import KneeLocator  # noqa: PLC0415 - slow to load

    begun = time.perf_counter()
    values = _as_scripts_read(scan.patterns)
    rng = np.random.default_rng(0)
    losses = [_loss(values, k, rng) for k in KS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        knee = KneeLocator(list(KS), losses, curve="convex", direction="decreasing").knee
    knee = KS[0] if knee is None else int(knee)
    votes = _by_images(values, knee + MARGIN)
    chosen = int(np.median(list(votes.values())))
    return Answer(
        n_crystals=chosen,
        votes={"paper": chosen, "paper knee": knee},
        seconds={"whole": time.perf_counter() - begun},
    )


def _as_scripts_read(patterns: NDArray[np.integer]) -> NDArray[np.float32]:
    """8-bit images at the 99.9 % grey level of the scan, resized, between 0 and 1: (n_probes, n_pixels)."""
    factor = patterns.shape[-1] // SIDE
    top = max(float(np.quantile(patterns[::4, ::4], 0.999)), 1.0)
    grey = np.rint(np.clip(patterns / np.float32(top), 0, 1) * 255)
    small = grey.reshape(*patterns.shape[:2], SIDE, factor, SIDE, factor).mean(axis=(3, 5))
    return (small.reshape(-1, SIDE * SIDE) / 255).astype(np.float32)


def _loss(values: NDArray[np.float32], k: int, rng: np.random.Generator) -> float:
    """Mean absolute difference after multiplicative updates for the Kullback-Leibler divergence."""
    weights = rng.random((len(values), k), dtype=np.float32)
    components = rng.random((k, values.shape[1]), dtype=np.float32)
    tiny = np.float32(1e-8)
    model = weights @ components
    for _ in range(ITERATIONS):
        np.divide(values, model + tiny, out=model)
        weights *= (model @ components.T) / (components.sum(axis=1) + tiny)
        np.dot(weights, components, out=model)
        np.divide(values, model + tiny, out=model)
        components *= (weights.T @ model) / (weights.sum(axis=0)[:, None] + tiny)
        np.dot(weights, components, out=model)
    return float(np.abs(values - model).mean(dtype=np.float64))


def _by_images(values: NDArray[np.float32], k: int) -> dict[str, int]:
    """Index of the column that each metric would report, among all columns of the model, counted from 1."""
    from sklearn.decomposition import NMF  # noqa: PLC0415 - slow to load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = NMF(n_components=k, init="nndsvd", solver="cd", max_iter=MODEL_ITERATIONS, random_state=0)
        weights = model.fit_transform(values)
        images = (weights.max(axis=0)[:, None] * model.components_).reshape(-1, SIDE, SIDE)
        grey = np.rint(np.clip(images, 0, 1) * 255)
        return {metric: _column(grey, metric) for metric in ("ssim", "gmsd", "mdsi", "psnr")}


def _column(images: Floats, metric: str) -> int:
    """Of the last nine columns the one with the smallest mean SSIM, or the largest of another metric, from 1."""
    first = max(0, len(images) - LAST)
    scores = pairwise(images, metric, data_range=255.0)[first:, first:]
    means = np.nanmean(np.where(np.isinf(scores), SAME_PSNR, scores), axis=0)
    return first + 1 + int(np.nanargmin(means) if metric == "ssim" else np.nanargmax(means))
