"""Whether a crystal is anywhere seen alone, judged by its share of the Bragg counts."""

import numpy as np

from unmix4d.records import BoolArray, FloatArray

ALONE = 0.66
"""Mean share of the Bragg counts on its purest probes from which on a crystal counts as seen alone."""


def alone_nowhere(bragg: FloatArray, fewest: int) -> BoolArray:
    """Tell which crystals have less than 66 % of the Bragg counts of their purest probes.

    Parameters
    ----------
    bragg : (n_rows, n) float
        Bragg counts of each crystal.
    fewest : int
        How many of the purest rows are looked at; all if there are fewer.

    Returns
    -------
    (n,) bool
    """
    total = bragg.sum(axis=1, keepdims=True)
    share = np.divide(bragg, total, out=np.zeros(bragg.shape), where=total > 0)
    return np.asarray(np.sort(share, axis=0)[::-1][:fewest].mean(axis=0) < ALONE)
