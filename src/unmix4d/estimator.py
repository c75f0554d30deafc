"""The engine as an estimator of scikit-learn, for two-dimensional arrays."""

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np

from unmix4d import registry
from unmix4d.errors import UsageError
from unmix4d.records import BoolArray, Factorization, FloatArray, Geometry, PatternMatrix

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise UsageError("unmix4d.NMF needs scikit-learn: pip install 'unmix4d[sklearn]'") from error

BLOCK_BYTES = 16 << 20
SEEDS = 2**31 - 1


class NMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """Non-negative matrix factorisation by the engine of unmix4d: X is about weights times components.

    Parameters
    ----------
    n_components : int
        At most the smaller side of X.
    solver : str
        Name of a solver: "hals", "multiplicative", "mu-kl" or one of another package.
    weighting : {"poisson", "none"}
        "poisson" gives every entry of X the weight that counting noise has, as for patterns in counts.
    starts : tuple of str
        Ways to begin; the best result is kept.
    l1 : float
        Penalty on large weights.
    max_iter : int or None
    tol : float
    random_state : int, RandomState or None

    Attributes
    ----------
    components_ : (n_components, n_features) float64
        Each of sum 1; features that are 0 in all samples are 0.
    n_components_ : int
    loss_ : float
        Mean of abs(X - weights times components), over the entries that are not in empty rows or columns.
    n_iter_ : int
        Steps of the best start.
    n_features_in_ : int
    feature_names_in_ : (n_features,)
        If X had names.

    Notes
    -----
    `transform` gives the non-negative least squares solution for each row, under the weights of the columns that
    `fit` used. The result is in the unit of X, and that of a row times a number is times that number.
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        solver: str = "hals",
        weighting: str = "poisson",
        starts: tuple[str, ...] = ("spa", "kmeans", "nndsvda", "warm"),
        l1: float = 0.0,
        max_iter: int | None = None,
        tol: float = 1e-4,
        random_state: Any = None,  # noqa: ANN401 - as scikit-learn takes it
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.weighting = weighting
        self.starts = starts
        self.l1 = l1
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "NMF":  # noqa: ANN401, ARG002, N803 - scikit-learn's names
        """Find the components of X (n_samples, n_features), non-negative.

        Raises
        ------
        ValueError
            If X is not two-dimensional, finite and non-negative, or too small for ``n_components``.
        """
        counts = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2, ensure_min_features=2)
        _require_positive(counts)
        rows, columns = counts.any(axis=1), counts.any(axis=0)
        limit = min(int(rows.sum()), int(columns.sum()))
        if not isinstance(self.n_components, int | np.integer) or not 1 <= self.n_components <= limit:
            raise ValueError(
                f"n_components={self.n_components} must be a whole number from 1 to {limit}, the smaller side of X "
                "without empty rows and columns"
            )
        fit = self._factorize(counts, rows, columns)
        self.n_components_ = int(self.n_components)
        self._column_weights = np.zeros(counts.shape[1])
        self._column_weights[columns] = self._weights(counts[:, columns])
        self.components_ = np.zeros((self.n_components_, counts.shape[1]))
        self.components_[:, columns] = fit.components
        self.loss_ = float(fit.loss)
        self.n_iter_ = max(1, len(fit.loss_history))
        return self

    def _factorize(self, counts: FloatArray, rows: BoolArray, columns: BoolArray) -> Factorization:
        """Let a solver of ours factorise what is not empty, in blocks."""
        data = np.ascontiguousarray(counts[rows][:, columns], dtype=np.float32)
        scale = float(data.mean(dtype=np.float64))  # the engine expects counts, which are not tiny
        data /= np.float32(scale)
        lines = max(1, BLOCK_BYTES // (data.shape[1] * data.itemsize))
        n_blocks = ceil(len(data) / lines)
        bounds = (*(i * lines for i in range(n_blocks)), len(data))
        matrix = PatternMatrix(
            read_block=lambda i: data[bounds[i] : bounds[i + 1]],
            bounds=bounds,
            probe_mask=np.ones((1, len(data)), bool),
            pixel_mask=np.ones((1, data.shape[1]), bool),
            geometry=Geometry(scan_shape=(1, len(data)), pattern_shape=(1, data.shape[1])),
        )
        solver = registry.load("solvers", self.solver)(
            starts=tuple(self.starts), weighting=self.weighting, l1=self.l1, max_iter=self.max_iter, tol=self.tol
        )
        seed = int(check_random_state(self.random_state).randint(SEEDS))
        k = int(self.n_components)
        fit: Factorization = solver.fit_many(matrix, [k], rng=np.random.default_rng(seed))[k]
        return replace(fit, loss=fit.loss * scale)

    def _weights(self, counts: FloatArray) -> FloatArray:
        """Give the weight of each column: that of counting noise, or 1."""
        if self.weighting == "none":
            return np.ones(counts.shape[1])
        return np.asarray(1 / np.sqrt(counts.mean(axis=0, dtype=np.float64)))

    def transform(self, X: Any) -> FloatArray:  # noqa: ANN401, N803 - scikit-learn's names
        """Give the weights of each row of X: (n_samples, n_components) float64."""
        from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

        check_is_fitted(self)
        counts = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        _require_positive(counts)
        basis, triangle = np.linalg.qr((self.components_ * self._column_weights).T)
        targets = (counts * self._column_weights) @ basis
        rows = [nnls(triangle, target)[0] for target in targets]
        return np.asarray(rows, dtype=np.float64)

    def fit_transform(self, X: Any, y: Any = None) -> FloatArray:  # noqa: ANN401, N803 - scikit-learn's names
        """Find the components of X and give the weights of its rows."""
        return self.fit(X, y).transform(X)

    def inverse_transform(self, X: Any) -> FloatArray:  # noqa: ANN401, N803 - scikit-learn's names
        """Put samples together again from weights (n_samples, n_components): (n_samples, n_features)."""
        check_is_fitted(self)
        weights = np.asarray(X, dtype=np.float64)
        if weights.ndim != 2 or weights.shape[1] != self.n_components_:  # noqa: PLR2004 - samples and components
            raise ValueError(f"weights of shape {weights.shape} do not have {self.n_components_} columns")
        return np.asarray(weights @ self.components_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's protocol
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


def _require_positive(counts: FloatArray) -> None:
    if counts.size and counts.min() < 0:
        raise ValueError("Negative values in data passed to NMF: X must be non-negative")
