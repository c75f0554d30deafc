"""Update rules: improve one factor from two small products, never seeing the data.

With V = A B, improving A (n, k) needs gram = B Bᵀ (k, k) and cross = V Bᵀ (n, k); improving B is the same call on
the transposes.
"""

from collections.abc import Callable

import numpy as np

from unmix4d.factorize.kernels import hals_sweep
from unmix4d.records import FloatArray

Rule = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

RATIO_FLOOR = 1e-12


def hals(factor: FloatArray, gram: FloatArray, cross: FloatArray) -> FloatArray:
    """Hierarchical alternating least squares: the exact non-negative optimum of one column after the other.

    Parameters
    ----------
    factor : (n, k) float
        Written to if it is float32 and column-major.
    gram : (k, k) float
    cross : (n, k) float

    Returns
    -------
    (n, k) float32, column-major

    Notes
    -----
    Cichocki & Phan, IEICE Trans. Fundam. E92-A (2009) 708; method 4.1.
    """
    improved = np.asfortranarray(factor, dtype=np.float32)
    small = np.ascontiguousarray(gram, dtype=np.float32)
    hals_sweep(improved.T, small, np.asfortranarray(cross, dtype=np.float32).T)
    return improved


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
