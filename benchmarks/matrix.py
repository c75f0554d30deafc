"""The scan as every method gets it: the same probes and pixels, and the same weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmix4d import api
from unmix4d.execute import executor
from unmix4d.prepare.chain import Prepared, prepare
from unmix4d.prepare.filters import Raw
from unmix4d.records import PatternMatrix

Floats = NDArray[np.float32]
Factors = tuple[
    NDArray[np.floating], NDArray[np.floating]
]  # components (k, n_pixels), weights (n_probes, k); counts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighted:
    """All patterns as a dense matrix with Keenan-Kotula weights.

    Attributes
    ----------
    values : (n_probes, n_pixels) float32
    row, column : (n_probes,), (n_pixels,) float32
        What rows and columns were multiplied by.
    """

    values: Floats
    row: Floats
    column: Floats

    def in_counts(self, components: Floats, weights: Floats) -> Factors:
        """Take the weights out of factors of ``values``."""
        return components / self.column, weights / self.row[:, None]


def open_matrix(path: Path) -> tuple[Prepared, PatternMatrix]:
    """Open a scan as unmix4d does by default: empty pixels, empty probes and vacuum left out."""
    prepared = prepare(api.open_scan(path), executor=executor(1))
    return prepared, prepared.matrix(filter=Raw())


def weights_of(matrix: PatternMatrix) -> tuple[Floats, Floats]:
    """Give 1/sqrt of the sums of rows and columns, scaled so that the weighted values are of order 1."""
    rows, columns = np.zeros(matrix.n_probes), np.zeros(matrix.n_pixels)
    for span, block in matrix.blocks():
        rows[span] = block.sum(axis=1, dtype=np.float64)
        columns += block.sum(axis=0, dtype=np.float64)
    scale = rows.sum() ** 0.25  # so that the weighted matrix is V / sqrt(its expectation without structure)
    return (scale / np.sqrt(rows)).astype(np.float32), (scale / np.sqrt(columns)).astype(np.float32)


def dense(path: Path) -> Weighted:
    """Load a scan as one weighted matrix in memory, which is what the other programs ask for."""
    _, matrix = open_matrix(path)
    row, column = weights_of(matrix)
    values = np.empty((matrix.n_probes, matrix.n_pixels), dtype=np.float32)
    for span, block in matrix.blocks():
        np.multiply(block, column, out=values[span])
        values[span] *= row[span, None]
    return Weighted(values=values, row=row, column=column)
