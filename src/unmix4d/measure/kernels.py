"""Compiled inner loop: non-negative least squares of many probes, each with entries of its own."""

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.records import BoolArray, FloatArray

TOLERANCE = 1e-6


@compiled
def fit_allowed(  # noqa: C901 - one loop over probes, that it may be compiled as a whole
    gram: FloatArray, cross: FloatArray, allowed: BoolArray, most: int, weights: FloatArray
) -> None:
    """Improve weights w (p, m), none below 0, of which each row minimises w G w - 2 c w with allowed entries alone.

    ``gram`` G is (m, m) with ones on its diagonal, ``cross`` (p, m) holds a row c for each w.
    A row is done when no weight changes by more than a millionth of the largest, or after ``most`` rounds.
    """
    m = len(gram)
    slope = np.empty(m)
    for p in range(len(cross)):
        own = weights[p]
        for i in range(m):
            own[i] = own[i] if allowed[p, i] else 0.0
            slope[i] = -cross[p, i]
        for i in range(m):
            if own[i] > 0:
                for j in range(m):
                    slope[j] += own[i] * gram[i, j]
        for _ in range(most):
            change, largest = 0.0, 0.0
            for i in range(m):
                if not allowed[p, i]:
                    continue
                step = max(own[i] - slope[i], 0.0) - own[i]
                if step != 0:
                    own[i] += step
                    for j in range(m):
                        slope[j] += step * gram[i, j]
                    change = max(change, abs(step))
                largest = max(largest, own[i])
            if change <= TOLERANCE * largest:
                break
