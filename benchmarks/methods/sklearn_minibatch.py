"""scikit-learn's MiniBatchNMF on the weighted dense matrix, with its defaults."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from sklearn.decomposition import MiniBatchNMF
from sklearn.exceptions import ConvergenceWarning

from benchmarks.clock import Clock
from benchmarks.matrix import Factors, dense

WATCHED = ("prepare", "scikit-learn", "numpy", "scipy")
TITLE = "scikit-learn MiniBatchNMF"


def run(path: Path, ks: Sequence[int], clock: Clock, _options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit each k on its own."""
    matrix = dense(path)
    found = {}
    for k in ks:
        model = MiniBatchNMF(k, init="nndsvda", random_state=0)
        with warnings.catch_warnings(), clock.part(f"k={k}"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            weights = model.fit_transform(matrix.values)
        clock.said.append(f"k={k}: {model.n_iter_} passes")
        found[k] = matrix.in_counts(model.components_, weights)
    return found
