"""Scans whose number of patterns is known, factorised over k."""

import numpy as np

from unmix4d.factorize.alternate import Hals
from unmix4d.records import FloatArray, Geometry, IntArray, PatternMatrix, Sweep

SCAN, SIDE = (32, 32), 32


def mean_counts(k: int, seed: int, dose: float = 400.0) -> FloatArray:
    """Give k patterns of spots whose shares change smoothly over the scan, (n_probes, n_pixels)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SCAN[0], : SCAN[1]]
    centres = [((i + 0.5) * SCAN[0] / k, (i * 0.618 % 1) * SCAN[1]) for i in range(k)]
    shares = np.array([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 60) for a, b in centres]).reshape(k, -1).T + 1e-3
    shares *= rng.uniform(0.5, 1.5, (len(shares), 1)) / shares.sum(axis=1, keepdims=True)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    patterns = np.full((k, SIDE, SIDE), 0.05)
    for i in range(k):
        for a, b in rng.uniform(2, SIDE - 2, (8, 2)):
            patterns[i] += np.exp(-((rows - a) ** 2 + (columns - b) ** 2) / 2)
    flat = patterns.reshape(k, -1)
    return np.asarray(dose * shares @ (flat / flat.sum(axis=1, keepdims=True)))


def counts_of(k: int, seed: int) -> IntArray:
    """Draw Poisson counts of such a scan."""
    return np.random.default_rng(seed + 100).poisson(mean_counts(k, seed)).astype(np.uint16)


def sweep_of(counts: IntArray, k_max: int) -> Sweep:
    """Factorise for every k up to a largest."""
    bounds = (*range(0, len(counts), 4 * SCAN[1]), len(counts))
    matrix = PatternMatrix(
        read_block=lambda i: counts[bounds[i] : bounds[i + 1]],
        bounds=bounds,
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
    )
    solver = Hals()
    fits = solver.fit_many(matrix, range(1, k_max + 1), rng=np.random.default_rng(0))
    return Sweep(matrix=matrix, fits=fits, factored=solver.factor(matrix, k_max))
