"""Builders of small matrices, factorizations and sweeps."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from unmix4d.records import Factorization, FloatArray, Geometry, PatternMatrix, Sweep

MakeMatrix = Callable[..., PatternMatrix]
MakeFit = Callable[..., Factorization]
MakeSweep = Callable[..., Sweep]


@pytest.fixture(scope="session")
def make_matrix() -> MakeMatrix:
    """Rows (n_probes, n_pixels) as a matrix of a one-line scan, two rows a block."""

    def make(rows: FloatArray, pattern_shape: tuple[int, int] | None = None) -> PatternMatrix:
        n_probes, n_pixels = rows.shape
        bounds = (*range(0, n_probes, 2), n_probes)
        return PatternMatrix(
            read_block=lambda i: rows[bounds[i] : bounds[i + 1]].astype(np.float32),
            bounds=bounds,
            probe_mask=np.ones((1, n_probes), dtype=bool),
            pixel_mask=np.ones(pattern_shape or (1, n_pixels), dtype=bool),
            geometry=Geometry(scan_shape=(1, n_probes), pattern_shape=pattern_shape or (1, n_pixels)),
        )

    return make


@pytest.fixture(scope="session")
def make_fit() -> MakeFit:
    """Components (k, n_pixels) of any scale and weights (n_probes, k) as a Factorization."""

    def make(
        components: FloatArray, weights: FloatArray, matrix: PatternMatrix, loss: float = 1.0
    ) -> Factorization:
        sums = components.sum(axis=1)
        unit = np.divide(components, sums[:, None], out=np.zeros_like(components), where=sums[:, None] > 0)
        return Factorization(
            components=unit.astype(np.float32),
            weights=(weights * sums).astype(np.float32),
            geometry=matrix.geometry,
            probe_mask=matrix.probe_mask,
            pixel_mask=matrix.pixel_mask,
            loss=loss,
        )

    return make


@pytest.fixture(scope="session")
def make_sweep(make_matrix: MakeMatrix, make_fit: MakeFit) -> MakeSweep:
    """One probe for each pattern: fit k holds the patterns ``chosen[k]``, each alone at its own probe."""

    def make(
        patterns: FloatArray, chosen: Mapping[int, Sequence[int]], losses: Mapping[int, float] | None = None
    ) -> Sweep:
        rows = patterns.reshape(len(patterns), -1).astype(np.float64)
        matrix = make_matrix(rows, patterns.shape[1:])
        fits = {}
        for k, which in chosen.items():
            weights = np.zeros((len(patterns), k))
            weights[list(which), range(k)] = 1
            fits[k] = make_fit(rows[list(which)], weights, matrix, (losses or {}).get(k, 1.0))
        return Sweep(matrix=matrix, fits=fits)

    return make
