"""The whole decision on a made-up scan, with scikit-learn's NMF in place of our solvers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from sklearn.decomposition import NMF

from unmix4d.decide.choose import decide
from unmix4d.decide.sweep import run_sweep
from unmix4d.read.phantom import Phantom, PhantomSpec, make_phantom
from unmix4d.records import Beam, Factorization, FloatArray, PatternMatrix


def matrix_of(phantom: Phantom) -> tuple[PatternMatrix, FloatArray]:
    patterns = np.asarray(phantom.scan.patterns, dtype=np.float32)
    rows = patterns.reshape(phantom.scan.geometry.n_probes, -1)
    seen = rows.any(axis=0)
    rows = rows[:, seen]
    matrix = PatternMatrix(
        read_block=lambda _: rows,
        bounds=(0, len(rows)),
        probe_mask=np.ones(phantom.scan.geometry.scan_shape, dtype=bool),
        pixel_mask=seen.reshape(phantom.scan.geometry.pattern_shape),
        geometry=phantom.scan.geometry,
    )
    return matrix, rows


class SklearnNmf:
    """NMF with Poisson weighting (method 4.4) and unit-sum components (4.3)."""

    def __init__(self, matrix: PatternMatrix, rows: FloatArray) -> None:
        self.matrix = matrix
        self.rows = rows

    def __call__(self, ks: Sequence[int]) -> Mapping[int, Factorization]:
        return {k: self.fit(k) for k in ks}

    def fit(self, k: int) -> Factorization:
        by_row, by_column = (np.sqrt(self.rows.sum(axis=a)) for a in (1, 0))
        model = NMF(k, init="nndsvda", max_iter=300, tol=1e-4, random_state=0)
        weights = model.fit_transform(self.rows / by_row[:, None] / by_column) * by_row[:, None]
        components = model.components_ * by_column
        sums = components.sum(axis=1)
        return Factorization(
            components=components / np.where(sums > 0, sums, 1)[:, None],
            weights=weights * sums,
            geometry=self.matrix.geometry,
            probe_mask=self.matrix.probe_mask,
            pixel_mask=self.matrix.pixel_mask,
            loss=float(np.abs(self.rows - weights @ components).mean(dtype=np.float64)),
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")  # 300 are enough for this question
@pytest.mark.parametrize("n_crystals", [1, 3, 6])
def test_crystals_of_a_phantom_are_counted(n_crystals: int) -> None:
    phantom = make_phantom(PhantomSpec(scan_shape=(28, 36), pattern_shape=(48, 48), n_crystals=n_crystals, seed=1))
    matrix, rows = matrix_of(phantom)
    sweep = run_sweep(matrix, fit=SklearnNmf(matrix, rows), k_max=10)
    _, decision = decide(sweep, beam=Beam(center=(23.8, 23.3), radius=4.0))
    assert decision.n_crystals == n_crystals
    assert decision.confidence == "medium"  # another solver offers no low-rank form, so there is no second count
