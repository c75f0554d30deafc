"""One pattern that stands for each component: its exemplar (method, section 6.3)."""

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np

from unmix4d.records import Factorization, FloatArray, IntArray, PatternMatrix
from unmix4d.records.base import require

Exemplar = Literal["reconstruction", "component", "data"]
EXEMPLARS: tuple[Exemplar, ...] = ("reconstruction", "component", "data")

FULL_SCALE = 255.0
"""The brightest pixel of every exemplar: metrics compare forms, not doses."""


def peak_probes(fit: Factorization) -> IntArray:
    """Give the row in which each component weighs most, (k,); the first on ties, row 0 for a dead component.

    The paper's pattern "selected by the most intense value".
    """
    return np.asarray(fit.weights.argmax(axis=0))


def exemplar_patterns(
    fit: Factorization, rows: Mapping[int, FloatArray], kind: Exemplar = "reconstruction"
) -> FloatArray:
    """Give the exemplar of each component, scaled to a maximum of 255.

    Parameters
    ----------
    fit : Factorization
    rows : mapping of row to (n_pixels,)
        The measured patterns at `peak_probes`, needed by "data" alone.
    kind : {"reconstruction", "component", "data"}
        At the probe where the component weighs most: everything that was reconstructed there, the component alone,
        or what was measured.

    Returns
    -------
    (k, n_pixels) float64
        Zero for dead components.

    Raises
    ------
    ValueError
        If ``kind`` is unknown.

    Notes
    -----
    Method, section 6.3. "component" counts a shared background as one more distinct pattern.
    """
    require(kind in EXEMPLARS, f"no exemplar named {kind!r}; known: {', '.join(EXEMPLARS)}")
    probes = peak_probes(fit)
    if kind == "reconstruction":
        patterns = fit.weights[probes].astype(np.float64) @ fit.components.astype(np.float64)
    elif kind == "component":
        patterns = fit.components.astype(np.float64)
    else:
        patterns = np.zeros(fit.components.shape)
        for i in np.flatnonzero(~fit.dead):
            patterns[i] = rows[int(probes[i])]
    brightest = np.where(fit.dead, 0, patterns.max(axis=1))[:, None]
    return np.divide(FULL_SCALE * patterns, brightest, out=np.zeros_like(patterns), where=brightest > 0)


def read_rows(matrix: PatternMatrix, indices: Collection[int]) -> Mapping[int, FloatArray]:
    """Read single rows of the matrix, each block that holds any of them once.

    Parameters
    ----------
    matrix : PatternMatrix
    indices : collection of int

    Returns
    -------
    mapping of row to (n_pixels,) float32
    """
    wanted = np.unique(np.fromiter(indices, dtype=np.int64, count=len(indices)))
    block_of = np.searchsorted(matrix.bounds, wanted, side="right") - 1
    rows: dict[int, FloatArray] = {}
    for i in np.unique(block_of):
        block, first = matrix.read_block(int(i)), matrix.bounds[i]
        # A copy, because a view would keep the whole block in memory.
        rows |= {int(p): block[p - first].copy() for p in wanted[block_of == i]}
    return rows
