"""How good factors are, computed in the same way for every method."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.matrix import Factors, weights_of
from unmix4d.decide.spots import spot_patterns
from unmix4d.prepare.chain import Prepared
from unmix4d.records import PatternMatrix

VERSION = 1  # raise it when the numbers of this file would change


def losses(matrix: PatternMatrix, fits: Mapping[int, Factors]) -> dict[int, dict[str, float]]:
    """Compare factors with every value of the scan.

    Returns
    -------
    mapping of k to ``weighted`` (sum of squares of the weighted residual over that of the weighted matrix: the
    objective of all methods) and ``counts`` (mean |V - V'|)
    """
    row, column = weights_of(matrix)
    squares, absolute, norm2 = dict.fromkeys(fits, 0.0), dict.fromkeys(fits, 0.0), 0.0
    ready = {k: (c.astype(np.float32), w.astype(np.float32)) for k, (c, w) in fits.items()}
    for span, block in matrix.blocks():
        norm2 += _squares(block * column, row[span])
        for k, (components, weights) in ready.items():
            residual = weights[span] @ components
            np.subtract(block, residual, out=residual)
            absolute[k] += float(np.abs(residual).sum(axis=1, dtype=np.float64).sum())
            residual *= column
            squares[k] += _squares(residual, row[span])
    size = matrix.n_probes * matrix.n_pixels
    return {k: {"weighted": squares[k] / norm2, "counts": absolute[k] / size} for k in fits}


def _squares(block: NDArray[np.float32], row: NDArray[np.float32]) -> float:
    return float(np.einsum("ij,ij->i", block, block, dtype=np.float64) @ row.astype(np.float64) ** 2)


def agreement(prepared: Prepared, matrix: PatternMatrix, factors: Factors, truth: NDArray[np.integer]) -> float:
    """Adjusted Rand index between the strongest component and the true crystal.

    Each component's weight counts with the counts of its spots, as unmix4d finds them (direct beam and smooth
    background do not vote), over the probes that are used and hold a crystal: the same for every method.
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - slow to load

    components, weights = factors
    patterns = matrix.to_patterns(np.asarray(components, dtype=np.float64))
    spots = spot_patterns(patterns, matrix.pixel_mask, prepared.survey.beam).sum(axis=(1, 2))
    true = truth[matrix.probe_mask]
    return float(adjusted_rand_score(true[true >= 0], (weights * spots).argmax(axis=1)[true >= 0]))
