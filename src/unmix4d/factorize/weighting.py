"""Weights of rows and columns that give every entry about the same noise (method 4.4)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.kernels import add_up, unpack
from unmix4d.records import AnyArray, FloatArray, IntArray, PatternMatrix

Scheme = Literal["poisson", "measured", "none"]

SAMPLE_SHARE = 8
LEAST_ROWS = 256
SAMPLE_ROWS = 1024
SAMPLE_BYTES = 2**30
QUIET_SHARE = 0.7
FAINT_ROW = 0.1
FAINT_PIXEL = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighting:
    """How rows and columns are multiplied before the fit.

    Attributes
    ----------
    column : (n_pixels,) float32
    measure : (n_pixels,) float32 or None
        A row weighs one over the root of its sum with these factors; None = every row weighs 1.
    floor : float
        The least such sum that is believed; 0 = rows that sum to 0 weigh 0.
    """

    column: FloatArray
    measure: FloatArray | None
    floor: float = 0.0

    def of_rows(self, sums: FloatArray) -> FloatArray:
        """Weights of rows from their sums, (n,) float32."""
        if self.measure is None:
            return np.ones(len(sums), dtype=np.float32)
        return inverse_root(np.maximum(sums, self.floor))

    @cached_property
    def _factors(self) -> tuple[FloatArray, FloatArray]:
        return self.column if self.measure is None else self.measure, self.column**2

    def unpack(self, patterns: AnyArray, left: int, out: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Write columns of patterns from ``left`` on into ``out``; give what they add to rows' sums and squares."""
        return unpack(patterns, left, *self._factors, out)

    def add_up(self, patterns: AnyArray, of: IntArray, out: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Add patterns up in the rows ``of`` of ``out``; give the sums and squares of each pattern."""
        return add_up(patterns, of, *self._factors, out)


def inverse_root(sums: FloatArray) -> FloatArray:
    """Give 1/sqrt of positive sums, 0 where the sum is 0."""
    safe = np.where(sums > 0, sums, 1.0)
    return np.where(sums > 0, 1.0 / np.sqrt(safe), 0.0).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Scattered rows of a matrix: their indices, and counts (n, n_pixels) as stored."""

    rows: IntArray
    counts: AnyArray


def take_sample(matrix: PatternMatrix, *, in_pairs: bool) -> Sample:
    """Read rows that are spread evenly over the scan, in pairs of neighbours if asked."""
    fit = SAMPLE_BYTES // (matrix.n_pixels * np.dtype(np.float32).itemsize)
    most = max(2, min(max(LEAST_ROWS, matrix.n_probes // SAMPLE_SHARE), SAMPLE_ROWS, fit))
    stride = max(1, matrix.n_probes // most)
    if not in_pairs:
        rows = np.arange(stride // 2, matrix.n_probes, stride)
    else:
        first = np.arange(stride // 2, matrix.n_probes - 1, 2 * stride)
        rows = np.unique(np.concatenate([first, first + 1]))
    return Sample(rows=rows, counts=matrix.rows(rows))


def find_weighting(matrix: PatternMatrix, sample: Sample, scheme: Scheme, *, executor: Executor) -> Weighting:
    """Weigh a matrix.

    Parameters
    ----------
    matrix : PatternMatrix
    sample : Sample
        In pairs of neighbours for "measured".
    scheme : {"poisson", "measured", "none"}
        One over the roots of row and column sums (Keenan & Kotula, Surf. Interface Anal. 36 (2004) 203); one over
        the noise of each pixel as it shows between neighbouring probes, whatever the detector; or ones.
    executor : Executor
        For a pass over the data, if the column sums are not known.

    Returns
    -------
    Weighting
    """
    ones = np.ones(matrix.n_pixels, dtype=np.float32)
    if scheme == "none":
        return Weighting(column=ones, measure=None)
    if scheme == "poisson":
        means = matrix.column_means
        return Weighting(
            column=inverse_root(_column_means(matrix, executor) if means is None else means), measure=ones
        )
    column = inverse_root(_neighbour_variance(matrix, sample))
    usual = float(np.median(sample.counts @ column))
    scale = np.float32(1 / usual) if usual > 0 else np.float32(1)
    return Weighting(column=column, measure=column * scale, floor=FAINT_ROW)


@dataclass(frozen=True, slots=True, eq=False)
class _ColumnSums:
    matrix: PatternMatrix

    def __call__(self, block: int) -> FloatArray:
        return np.asarray(self.matrix.read_block(block).sum(axis=0, dtype=np.float64))


def _column_means(matrix: PatternMatrix, executor: Executor) -> FloatArray:
    """Mean of every column, (n_pixels,) float64, in one pass."""
    total = np.zeros(matrix.n_pixels)
    for sums in executor.map_blocks(_ColumnSums(matrix), range(matrix.n_blocks)):
        total += sums
    return total / matrix.n_probes


def _neighbour_variance(matrix: PatternMatrix, sample: Sample) -> FloatArray:
    """Variance of the noise of each pixel, (n_pixels,) float64, from neighbours that differ least."""
    beside = np.flatnonzero(np.diff(sample.rows) == 1)
    if not len(beside):
        beside = np.arange(len(sample.rows) - 1)
    variance = np.zeros(matrix.n_pixels)
    mean = np.maximum(sample.counts.mean(axis=0, dtype=np.float64), np.finfo(np.float32).tiny)
    apart = np.array([float((_difference(sample, i) ** 2 / mean).sum()) for i in beside.tolist()])
    quiet = beside[np.argsort(apart, kind="stable")[: max(1, int(QUIET_SHARE * len(beside)))]]
    for i in quiet.tolist():
        variance += _difference(sample, i) ** 2
    variance /= 2 * len(quiet)
    return _smoothed(matrix, variance)


def _difference(sample: Sample, i: int) -> FloatArray:
    return np.asarray(sample.counts[i + 1].astype(np.float64) - sample.counts[i])


def _smoothed(matrix: PatternMatrix, variance: FloatArray) -> FloatArray:
    """Average half and half with the mean over 3 x 3 unmasked pixels, and keep it from vanishing."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    used = uniform_filter(matrix.pixel_mask.astype(np.float64), 3, mode="constant")
    around = uniform_filter(matrix.to_patterns(variance), 3, mode="constant")[matrix.pixel_mask]
    smooth = 0.5 * (variance + around / used[matrix.pixel_mask])
    positive = smooth[smooth > 0]
    if not positive.size:
        return np.ones_like(smooth)
    floor = max(0.5 * float(np.quantile(positive, 0.02)), FAINT_PIXEL * float(np.median(positive)))
    return np.asarray(np.maximum(smooth, floor))
