"""PCA and k-means: labels at the true number, and the numbers that silhouette and gap choose alone."""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.factors import bragg_counts, open_masked, poisson_weights
from benchmarks.accuracy.scan import SimulatedScan

TITLE = "PCA and k-means, true k given"
WATCHED = ("accuracy/factors", "accuracy/scores", "scikit-learn")

N_DIMENSIONS = 20
KS = range(1, 25)
N_REFERENCES = 3  # uniform samples that the gap is taken from
N_JUDGED = 1000  # probes whose silhouette is looked at

Floats = NDArray[np.floating]


def run(scan: SimulatedScan) -> Answer:
    """Cluster the probes; those in vacuum are left out as if they were known."""
    begun = time.perf_counter()
    data = open_masked(scan.patterns, scan)
    row, column = poisson_weights(data.values)
    lit = (scan.truth.labels >= 0).ravel()
    if not lit.any():
        lit[:] = True
    scores = _principal(data.values / row[:, None] / column, lit)
    found = np.full(lit.size, -1, dtype=np.int16)
    n = scan.truth.n_crystals
    found[lit] = _clusters(scores, max(n, 1), n_starts=10)[0]
    seconds = {"whole": time.perf_counter() - begun}
    images = data.images(np.array([data.values[found == i].mean(axis=0) for i in range(max(n, 1))]))
    weights = (found == np.arange(max(n, 1))[:, None]) * bragg_counts(images, scan)[:, None]
    begun = time.perf_counter()
    votes = _votes(scores)
    seconds["votes"] = time.perf_counter() - begun
    return Answer(
        n_crystals=n,
        labels=found.reshape(data.scan_shape),
        patterns=images,
        weights=weights.reshape(-1, *data.scan_shape),
        votes=votes,
        seconds=seconds,
    )


def _principal(values: Floats, lit: NDArray[np.bool_]) -> Floats:
    """Scores of the first components, (n_lit, N_DIMENSIONS)."""
    from sklearn.decomposition import PCA  # noqa: PLC0415 - slow to load

    model = PCA(N_DIMENSIONS, svd_solver="randomized", random_state=0)
    return np.asarray(model.fit_transform(values[lit]), dtype=np.float64)


def _clusters(scores: Floats, k: int, *, n_starts: int) -> tuple[NDArray[np.integer], float]:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to load

    model = KMeans(k, n_init=n_starts, random_state=0).fit(scores)
    return model.labels_, float(model.inertia_)


def _votes(scores: Floats) -> dict[str, int]:
    """Choose by silhouette (highest) and by gap (Tibshirani 2001: the first within one error of the next)."""
    from sklearn.metrics import silhouette_score  # noqa: PLC0415 - slow to load

    rng = np.random.default_rng(0)
    low, high = scores.min(axis=0), scores.max(axis=0)
    references = [rng.uniform(low, high, scores.shape) for _ in range(N_REFERENCES)]
    judged = rng.permutation(len(scores))[:N_JUDGED]
    silhouettes, gaps, errors = {}, {}, {}
    for k in KS:
        labels, inertia = _clusters(scores, k, n_starts=2)
        if k > 1:
            some = labels[judged]
            silhouettes[k] = silhouette_score(scores[judged], some) if len(np.unique(some)) > 1 else -1.0
        logs = np.log([_clusters(reference, k, n_starts=1)[1] for reference in references])
        gaps[k], errors[k] = logs.mean() - np.log(inertia), logs.std() * np.sqrt(1 + 1 / N_REFERENCES)
    by_gap = next((k for k in KS[:-1] if gaps[k] >= gaps[k + 1] - errors[k + 1]), KS[-1])
    return {"silhouette": max(silhouettes, key=silhouettes.__getitem__), "gap": by_gap}
