"""NMFk alone: the largest number of components that come back when the counts are disturbed a little.

Alexandrov et al. 2013; as pyNMFk does: every value times a random number, components of all fits clustered
(one of each fit to a cluster), and the largest k whose clusters have a least silhouette of 0.8 or more. To be
affordable it takes patterns binned to 32 x 32, 2048 probes, 40 iterations and 5 disturbed scans.
"""

import time
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.factors import binned, open_masked, poisson_weights
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "NMFk stability"
WATCHED = ("accuracy/factors", "scikit-learn")

KS = range(2, 25)
N_FITS = 5
ITERATIONS = 40
NOISE = 0.03  # half the range of the factor that values are multiplied by
STABLE = 0.8
N_PROBES = 2048

Floats = NDArray[np.floating]


def run(scan: SimulatedScan) -> Answer:
    """Fit every k several times."""
    begun = time.perf_counter()
    rng = np.random.default_rng(0)
    values = binned(open_masked(scan.patterns, scan), 2)
    values = values[rng.permutation(len(values))[:N_PROBES]]
    row, column = poisson_weights(values)
    weighted = values / row[:, None] / column
    stable = [k for k in KS if _least_silhouette(weighted, k, rng) >= STABLE]
    chosen = max(stable, default=1)
    return Answer(n_crystals=chosen, votes={"nmfk": chosen}, seconds={"whole": time.perf_counter() - begun})


def _least_silhouette(weighted: Floats, k: int, rng: np.random.Generator) -> float:
    """Least mean silhouette of the clusters of components, over k."""
    from sklearn.metrics import silhouette_samples  # noqa: PLC0415 - slow to load

    fits = [_fit(weighted * rng.uniform(1 - NOISE, 1 + NOISE, weighted.shape), k, rng) for _ in range(N_FITS)]
    aligned = [fits[0]]
    for fit in fits[1:]:
        order = linear_sum_assignment(fits[0] @ fit.T, maximize=True)[1]
        aligned.append(fit[order])
    labels = np.tile(np.arange(k), N_FITS)
    values = silhouette_samples(np.concatenate(aligned), labels, metric="cosine")
    return float(min(values[labels == i].mean() for i in range(k)))


def _fit(weighted: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Components of one fit from a random start, unit length: (k, n_pixels)."""
    from sklearn.decomposition import NMF  # noqa: PLC0415 - slow to load
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    seed = int(rng.integers(2**31))
    model = NMF(n_components=k, init="random", solver="cd", max_iter=ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(weighted.astype(np.float32))
    norm = np.linalg.norm(model.components_, axis=1, keepdims=True)
    return np.asarray(model.components_ / np.maximum(norm, 1e-12))
