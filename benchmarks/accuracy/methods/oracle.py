"""The limit: true mean patterns are given, and the weights of each probe are fitted to a scan without faults."""

import time

import numpy as np

from benchmarks.accuracy import scores
from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.factors import labels_of, open_masked
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "the oracle: true patterns given"
WATCHED = ("accuracy/factors", "accuracy/scores")
ITERATIONS = 300


def run(scan: SimulatedScan) -> Answer:
    """Fit by weighted non-negative least squares, all probes together, one coordinate after the other."""
    begun = time.perf_counter()
    data = open_masked(scan.clean(), scan)
    sources = scan.sources()[:, data.used]
    mean = data.values.mean(axis=0, dtype=np.float64)
    pixel = 1 / np.maximum(mean, 0.05 * mean.mean())  # Poisson: the variance is the mean
    gram = (sources * pixel) @ sources.T
    cross = data.values @ (sources * pixel).T.astype(np.float32)
    weights = np.maximum(cross / np.diag(gram), 0).astype(np.float64)
    for _ in range(ITERATIONS):
        for i in range(len(gram)):
            step = (cross[:, i] - weights @ gram[i]) / gram[i, i]
            weights[:, i] = np.maximum(weights[:, i] + step, 0)
    n = scan.truth.n_crystals
    counts = sources[:n].sum(axis=1)
    maps = (weights[:, :n] * counts).T.reshape(n, *data.scan_shape)
    return Answer(
        n_crystals=n,
        labels=labels_of(maps),
        patterns=scan.truth.patterns,
        weights=scores.shares(maps) * maps.sum(axis=0),
        seconds={"whole": time.perf_counter() - begun},
    )
