"""Update rules: improve one factor from two small products, never seeing the data.

With V = A B, improving A (n, k) needs gram = B Bᵀ (k, k) and cross = V Bᵀ (n, k); improving B is the same call on
the transposes.
"""

from collections.abc import Callable

import numpy as np

from unmix4d.records import FloatArray

Rule = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

GRAM_FLOOR = 1e-20
RATIO_FLOOR = 1e-12


def hals(factor: FloatArray, gram: FloatArray, cross: FloatArray) -> FloatArray:
    """Hierarchical alternating least squares: the exact non-negative optimum of one column after the other.

    Parameters
    ----------
    factor : (n, k) float
        Written to.
    gram : (k, k) float
    cross : (n, k) float

    Returns
    -------
    (n, k) float, the same array as ``factor``

    Notes
    -----
    Cichocki & Phan, IEICE Trans. Fundam. E92-A (2009) 708; method 4.1.
    """
    for i in range(factor.shape[1]):
        if gram[i, i] > GRAM_FLOOR:
            step = (cross[:, i] - factor @ gram[:, i]) / gram[i, i]
            np.maximum(factor[:, i] + step, 0, out=factor[:, i])
    return factor


def multiplicative(factor: FloatArray, gram: FloatArray, cross: FloatArray) -> FloatArray:
    """Multiplicative update; zeros stay zero.

    Parameters and result are those of :func:`hals`.

    Notes
    -----
    Lee & Seung, NIPS 13 (2001) 556; method 4.1.
    """
    denominator = factor @ gram
    denominator += RATIO_FLOOR * max(float(np.abs(cross).max(initial=0)), RATIO_FLOOR)
    factor *= np.maximum(cross, 0)
    factor /= denominator
    return factor
