"""Exact HALS in plain NumPy on the weighted dense matrix: what this algorithm costs without a low-rank form."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.utils.extmath import randomized_svd

from benchmarks.clock import Clock
from benchmarks.matrix import Factors, Floats, dense

WATCHED = ("prepare", "numpy", "scikit-learn")
TITLE = "dense exact HALS, NumPy, 200 iterations"
ITERATIONS = 200
FLOOR = np.float32(1e-20)


def run(path: Path, ks: Sequence[int], clock: Clock, _options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit each k on its own."""
    matrix = dense(path)
    found = {}
    for k in ks:
        with clock.part(f"k={k}"):
            components, weights = fit(matrix.values, k)
        found[k] = matrix.in_counts(components, weights)
    return found


def fit(values: Floats, k: int, iterations: int = ITERATIONS) -> tuple[Floats, Floats]:
    """Give components (k, n_pixels) and weights (n_probes, k)."""
    components, weights = start(values, k)
    weights = np.asfortranarray(weights)  # columns are updated one by one
    for _ in range(iterations):
        update(weights.T, components @ components.T, components @ values.T)
        update(components, weights.T @ weights, weights.T @ values)
    return components, weights


def update(factor: Floats, gram: Floats, cross: Floats) -> None:
    """Set each row of ``factor`` (k, n) to its non-negative optimum, one after the other."""
    for i in range(len(factor)):
        if gram[i, i] > FLOOR:
            better = factor[i] + (cross[i] - gram[i] @ factor) / gram[i, i]
            np.maximum(better, 0, out=factor[i])


def start(values: Floats, k: int) -> tuple[Floats, Floats]:
    """Start from NNDSVDa (Boutsidis & Gallopoulos 2008), as scikit-learn does."""
    left, singular, right = randomized_svd(values, k, random_state=0)
    components = np.empty((k, values.shape[1]), dtype=np.float32)
    weights = np.empty((values.shape[0], k), dtype=np.float32)
    for i in range(k):
        halves = [(np.maximum(sign * left[:, i], 0), np.maximum(sign * right[i], 0)) for sign in (1, -1)]
        lengths = [(float(np.linalg.norm(a)), float(np.linalg.norm(b))) for a, b in halves]
        side = int(np.argmax([a * b for a, b in lengths]))
        (a, b), (length_a, length_b) = halves[side], lengths[side]
        scale = np.sqrt(singular[i] * length_a * length_b)
        weights[:, i], components[i] = scale * a / max(length_a, FLOOR), scale * b / max(length_b, FLOOR)
    mean = values.mean(dtype=np.float64)
    components[components < FLOOR] = mean
    weights[weights < FLOOR] = mean
    return components, weights
