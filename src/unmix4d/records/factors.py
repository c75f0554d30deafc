"""Factorizations, and everything that was tried over k."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unmix4d.records.answers import Purified
from unmix4d.records.base import BoolArray, FloatArray, IntArray, empty, require, spread
from unmix4d.records.measured import Geometry, PatternMatrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Factorization:
    """k component patterns and their weights at every probe.

    Attributes
    ----------
    components : (k, n_pixels) float32
        Each sums to 1, so that weights are counts; a dead component is 0 everywhere.
    weights : (n_probes, k) float32, counts
    geometry, probe_mask, pixel_mask
        As in the PatternMatrix that was factorised.
    loss : float
        Exact mean of abs(V - V') over all rows and columns, in counts; NaN if not measured.
    loss_history : tuple of float
        The solver's own objective after each iteration, as a share of its value for V' = 0.
    converged : bool
    solver, start : str
    seed : int
    start_losses : mapping
        The objective that every start came to, as a share of its value for V' = 0, in the matrix it was tried on.
    stability : float
        How well the starts that fit about equally well agree on the components: their mean cosine after matching,
        0 to 1; NaN if no two were tried.
    """

    components: FloatArray
    weights: FloatArray
    geometry: Geometry
    probe_mask: BoolArray
    pixel_mask: BoolArray
    loss: float = float("nan")
    loss_history: tuple[float, ...] = ()
    converged: bool = False
    solver: str = ""
    start: str = ""
    seed: int = 0
    start_losses: Mapping[str, float] = field(default_factory=empty)
    stability: float = float("nan")

    def __post_init__(self) -> None:
        k = self.components.shape[0]
        require(self.components.shape == (k, int(self.pixel_mask.sum())), "components must be (k, n_pixels)")
        require(self.weights.shape == (int(self.probe_mask.sum()), k), "weights must be (n_probes, k)")

    @property
    def k(self) -> int:
        """Number of components."""
        return int(self.components.shape[0])

    @property
    def dead(self) -> BoolArray:
        """(k,) True for components that carry nothing."""
        return np.asarray((self.components.sum(axis=1) <= 0) | (self.weights.sum(axis=0) <= 0))

    def weight_maps(self) -> FloatArray:
        """Weights as maps, shape (k, scan_y, scan_x), counts; 0 where the probe is masked."""
        return np.moveaxis(spread(self.weights, self.probe_mask, 0), -1, 0)

    def component_labels(self) -> IntArray:
        """Strongest component of each probe, -1 where it is masked or empty: (scan_y, scan_x) int16."""
        labels = np.full(self.geometry.scan_shape, -1, dtype=np.int16)
        best = self.weights.argmax(axis=1).astype(np.int16)
        labels[self.probe_mask] = np.where(self.weights.any(axis=1), best, -1)
        return labels

    def component_patterns(self) -> FloatArray:
        """Components as images, shape (k, pattern_y, pattern_x); 0 where the pixel is masked."""
        return np.moveaxis(spread(self.components.T, self.pixel_mask, 0), -1, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FactoredMatrix:
    """A weighted matrix in low-rank form: row and column weights times V is about ``scores @ basis``.

    Factorizations of many k can be fitted to it, and their residuals taken, without reading the data again.

    Attributes
    ----------
    scores : (n_probes, r) float32
        In descending order of what they carry, zero rows for empty probes.
    basis : (r, n_pixels) float32
        Orthonormal rows.
    row, column : (n_probes,), (n_pixels,) float32
        By which the counts were multiplied.
    norm2 : float
        Sum of squares of the weighted matrix itself, exact.
    geometry, probe_mask, pixel_mask
        As in the PatternMatrix; of the squares, where probes were added up.
    of : (n probes of the PatternMatrix,) int or None
        Row that holds each of its probes, where squares of them were added up; None = one row for each.
    """

    scores: FloatArray
    basis: FloatArray
    row: FloatArray
    column: FloatArray
    norm2: float
    geometry: Geometry
    probe_mask: BoolArray
    pixel_mask: BoolArray
    of: IntArray | None = None

    def __post_init__(self) -> None:
        n_probes, n_pixels = int(self.probe_mask.sum()), int(self.pixel_mask.sum())
        require(self.scores.shape == (n_probes, self.rank), "scores must be (n_probes, r)")
        require(self.basis.shape == (self.rank, n_pixels), "basis must be (r, n_pixels)")

    @property
    def rank(self) -> int:
        """Number of directions kept."""
        return int(self.basis.shape[0])

    @property
    def probes_per_row(self) -> int:
        """Number of probes that most rows hold."""
        return 1 if self.of is None else max(1, round(len(self.of) / len(self.scores)))

    def gather(self, weights: FloatArray) -> FloatArray:
        """Add weights (n, k) in counts up by the rows that hold their probes; weights of rows stay as they are."""
        if self.of is None or len(weights) == len(self.scores):
            return weights
        sums = [np.bincount(self.of, column, minlength=len(self.scores)) for column in weights.T]
        return np.stack(sums, axis=1).astype(np.float32)

    def residual(self, fit: Factorization) -> FloatArray:
        """Give what a factorization leaves over in the directions of ``basis``: (n_probes, r) float32, weighted.

        Multiplied by ``basis`` it is the residual of every pattern; noise of different probes is independent in it.
        The factorization may be one of these rows or of all probes.
        """
        weighted = self.gather(fit.weights) * self.row[:, None]
        return np.asarray(self.scores - weighted @ ((fit.components * self.column) @ self.basis.T))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """Factorizations for every k that was tried, and the right to ask for more.

    Attributes
    ----------
    matrix : PatternMatrix
    fits : mapping of k to Factorization
    refit : callable or None
        ``refit(ks)`` factorises the matrix for some k again.
    factored : FactoredMatrix or None
        The low-rank form that the solver worked on, if it offers one.
    fit_factored : callable or None
        ``fit_factored(factored, ks)`` factorises a low-rank form, without reading data.
    purify : callable or None
        ``purify(factored, bragg, spots, beam=..., settled=...)`` finds crystals alone in a low-rank form, from what
        is believed of their Bragg counts (n_rows, n) and spots (n, pattern_y, pattern_x), purified before if
        settled.
    find_missed : callable or None
        ``find_missed(factored, found, beam=...)`` gives pieces of the scan that no crystal found so far explains.
    """

    matrix: PatternMatrix
    fits: Mapping[int, Factorization]
    refit: Callable[[Sequence[int]], Mapping[int, Factorization]] | None = None
    factored: FactoredMatrix | None = None
    fit_factored: Callable[[FactoredMatrix, Sequence[int]], Mapping[int, Factorization]] | None = None
    purify: Callable[..., Purified] | None = None
    find_missed: Callable[..., Purified] | None = None

    @property
    def ks(self) -> tuple[int, ...]:
        """Every k that was fitted, ascending."""
        return tuple(sorted(self.fits))

    @property
    def losses(self) -> FloatArray:
        """Exact K-component loss at each k, in counts."""
        return np.array([self.fits[k].loss for k in self.ks])
