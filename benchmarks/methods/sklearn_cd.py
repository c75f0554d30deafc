"""scikit-learn's NMF by coordinate descent on the weighted dense matrix."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from benchmarks.clock import Clock
from benchmarks.matrix import Factors, dense

WATCHED = ("prepare", "scikit-learn", "numpy", "scipy")
TITLE = "scikit-learn NMF, coordinate descent, 200 iterations"


def run(path: Path, ks: Sequence[int], clock: Clock, _options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit each k on its own."""
    matrix = dense(path)
    found = {}
    for k in ks:
        model = NMF(k, solver="cd", init="nndsvda", max_iter=200, tol=1e-4, random_state=0)
        with warnings.catch_warnings(), clock.part(f"k={k}"):
            warnings.simplefilter("ignore", ConvergenceWarning)  # 200 iterations are what was asked for
            weights = model.fit_transform(matrix.values)
        clock.said.append(f"k={k}: {model.n_iter_} iterations")
        found[k] = matrix.in_counts(model.components_, weights)
    return found
