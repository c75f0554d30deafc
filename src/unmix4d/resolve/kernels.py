"""Compiled inner loop: non-negative least squares of many probes with one dictionary."""

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.records import FloatArray

TOLERANCE = 1e-4


@inlined
def improve_once(gram: FloatArray, own: FloatArray, slope: FloatArray) -> float:
    """Minimise along one coordinate after the other; give the largest change as a share of the largest weight."""
    change, largest = 0.0, 0.0
    for i in range(own.size):
        step = max(own[i] - slope[i], 0.0) - own[i]
        if step != 0:
            own[i] += step
            for j in range(own.size):
                slope[j] += step * gram[i, j]
            change = max(change, abs(step))
        largest = max(largest, own[i])
    return change / largest if largest > 0 else 0.0


@compiled
def fit_non_negative(gram: FloatArray, cross: FloatArray, most: int) -> FloatArray:
    """Weights w (n, m), none below 0, of which each row minimises w G w - 2 c w.

    ``gram`` G is (m, m) with ones on its diagonal, ``cross`` (n, m) holds a row c for each w. A row is done when no
    weight changes by more than a ten-thousandth of the largest, or after ``most`` rounds. All float64.
    """
    weights = np.zeros(cross.shape)
    for p in range(len(cross)):
        slope = -cross[p]
        for _ in range(most):
            if improve_once(gram, weights[p], slope) <= TOLERANCE:
                break
    return weights
