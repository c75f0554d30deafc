"""Weights of rows and columns that give every entry about the same noise (method 4.4)."""

from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.records import AnyArray, FloatArray, PatternMatrix

SAMPLE_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighting:
    """Factors by which rows (n_probes,) and columns (n_pixels,) are multiplied before the fit, float32."""

    row: FloatArray
    column: FloatArray

    def apply(self, block: FloatArray, rows: slice) -> FloatArray:
        """Weight a block (n, n_pixels) that holds these rows."""
        return np.asarray(block * self.row[rows, None] * self.column)


def inverse_root(sums: FloatArray) -> FloatArray:
    """Give 1/sqrt of positive sums, 0 where the sum is 0."""
    safe = np.where(sums > 0, sums, 1.0)
    return np.where(sums > 0, 1.0 / np.sqrt(safe), 0.0).astype(np.float32)


def look_at_matrix(
    matrix: PatternMatrix, *, poisson: bool, executor: Executor
) -> tuple[Weighting, AnyArray, FloatArray]:
    """Take row and column sums and a scattered sample of rows, in one pass.

    Parameters
    ----------
    matrix : PatternMatrix
    poisson : bool
        Keenan-Kotula weights from the sums (method 4.4), or ones.
    executor : Executor

    Returns
    -------
    weighting : Weighting
    sampled : (n,) int
        Rows of the sample, evenly spread.
    sample : (n, n_pixels) float32
        Those rows, in counts.
    """
    stride = max(1, matrix.n_probes // SAMPLE_ROWS)
    sampled = np.arange(stride // 2, matrix.n_probes, stride)
    row_sums = np.zeros(matrix.n_probes)
    column_sums = np.zeros(matrix.n_pixels)

    def look(block: int) -> tuple[slice, FloatArray, FloatArray, FloatArray]:
        rows, patterns = matrix.rows_of(block), matrix.read_block(block)
        mine = sampled[(sampled >= rows.start) & (sampled < rows.stop)] - rows.start
        return rows, patterns.sum(1, dtype=np.float64), patterns.sum(0, dtype=np.float64), patterns[mine]

    parts = []
    for rows, of_rows, of_columns, some in executor.map_blocks(look, range(matrix.n_blocks)):
        row_sums[rows] = of_rows
        column_sums += of_columns
        parts.append(some)
    if poisson:
        weighting = Weighting(row=inverse_root(row_sums), column=inverse_root(column_sums))
    else:
        ones = np.ones(1, dtype=np.float32)
        weighting = Weighting(row=np.repeat(ones, matrix.n_probes), column=np.repeat(ones, matrix.n_pixels))
    return weighting, sampled, np.concatenate(parts)
