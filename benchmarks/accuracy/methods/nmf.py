"""What HyperSpy's NMF does: scikit-learn's on Poisson-weighted counts, beam masked, the true number given."""

import time
import warnings

import numpy as np

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.factors import bragg_counts, labels_of, open_masked, poisson_weights
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "NMF (HyperSpy, scikit-learn), true k given"
WATCHED = ("accuracy/factors", "accuracy/scores", "scikit-learn")
ITERATIONS = 200


def run(scan: SimulatedScan, *, more: int = 0) -> Answer:
    """Fit as many components as there are crystals, and ``more`` for what is none."""
    from sklearn.decomposition import NMF  # noqa: PLC0415 - slow to load
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    begun = time.perf_counter()
    data = open_masked(scan.patterns, scan)
    row, column = poisson_weights(data.values)
    weighted = data.values / row[:, None] / column
    k = scan.truth.n_crystals + more
    model = NMF(n_components=k, init="nndsvda", solver="cd", max_iter=ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        factor = model.fit_transform(weighted)
    images = data.images(model.components_ * column)
    counts = bragg_counts(images, scan)
    maps = ((factor * row[:, None]) * counts).T.reshape(k, *data.scan_shape)
    keep = np.sort(np.argsort(-maps.sum(axis=(1, 2)))[: scan.truth.n_crystals])
    return Answer(
        n_crystals=scan.truth.n_crystals,
        labels=labels_of(maps[keep]),
        patterns=images[keep],
        weights=maps[keep],
        seconds={"whole": time.perf_counter() - begun},
    )
