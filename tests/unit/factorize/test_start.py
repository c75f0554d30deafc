"""Low-rank form and starting points."""

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.execute import Serial, Threads
from unmix4d.factorize.sketch import Sketch, prime, sketch_matrix
from unmix4d.factorize.start import nndsvda, start_components, successive_projection
from unmix4d.factorize.weighting import look_at_matrix
from unmix4d.records import Geometry, PatternMatrix


def matrix_of(data: np.ndarray, scan_shape: tuple[int, int], block: int = 7) -> PatternMatrix:
    bounds = (*range(0, len(data), block), len(data))
    side = int(np.sqrt(data.shape[1]))
    return PatternMatrix(
        read_block=lambda i: data[bounds[i] : bounds[i + 1]].astype(np.float32),
        bounds=bounds,
        probe_mask=np.ones(scan_shape, dtype=bool),
        pixel_mask=np.ones((side, side), dtype=bool),
        geometry=Geometry(scan_shape=scan_shape, pattern_shape=(side, side)),
    )


def low_rank(seed=0, rank=4, n=60, d=64):
    rng = np.random.default_rng(seed)
    return rng.random((n, rank)) @ rng.random((rank, d)) * 50


def sketch_of(data, executor=None, rank=16):
    matrix = matrix_of(data, (6, 10))
    weighting, sampled, sample = look_at_matrix(matrix, poisson=True, executor=Serial())
    weighted = sample * weighting.row[sampled, None] * weighting.column
    directions = prime(weighted, rank=rank, rng=np.random.default_rng(0))
    return sketch_matrix(matrix, weighting, directions, executor=executor or Serial()), weighting


def test_poisson_weights_are_inverse_roots_of_the_sums():
    data = low_rank()
    _, weighting = sketch_of(data)
    np.testing.assert_allclose(weighting.row, 1 / np.sqrt(data.sum(1)), rtol=1e-5)
    np.testing.assert_allclose(weighting.column, 1 / np.sqrt(data.sum(0)), rtol=1e-5)


def test_rows_and_columns_without_counts_get_weight_zero():
    data = low_rank()
    data[3] = 0
    data[:, 5] = 0
    _, weighting = sketch_of(data)
    assert weighting.row[3] == 0
    assert weighting.column[5] == 0
    assert np.isfinite(weighting.row).all()


def test_the_sketch_of_a_low_rank_matrix_is_exact():
    data = low_rank()
    sketch, weighting = sketch_of(data)
    expected = data * weighting.row[:, None] * weighting.column
    np.testing.assert_allclose(sketch.scores @ sketch.basis, expected, atol=1e-5)
    np.testing.assert_allclose(sketch.basis @ sketch.basis.T, np.eye(sketch.rank), atol=1e-4)
    assert sketch.norm2 == pytest.approx((expected**2).sum(), rel=1e-5)


def test_the_sketch_is_the_same_for_any_number_of_workers():
    data = np.random.default_rng(1).poisson(low_rank()).astype(float)
    one, _ = sketch_of(data)
    two, _ = sketch_of(data, Threads(3))
    np.testing.assert_array_equal(one.scores, two.scores)
    np.testing.assert_array_equal(one.basis, two.basis)


def test_successive_projection_finds_the_corners():
    corners = np.eye(4)[:3]
    rng = np.random.default_rng(0)
    mixed = rng.dirichlet(np.ones(3), 40) @ corners * 0.9
    scores = np.vstack([mixed, corners])
    assert sorted(successive_projection(scores, 3)) == [40, 41, 42]


def test_successive_projection_is_nested_and_stops_at_the_rank():
    scores = np.random.default_rng(0).random((30, 5)) @ np.random.default_rng(1).random((5, 8))
    assert successive_projection(scores, 4) == successive_projection(scores, 5)[:4]
    assert len(successive_projection(scores, 8)) == 5


@pytest.mark.parametrize("name", ["spa", "nndsvda", "random"])
def test_starts_are_non_negative_and_have_the_right_shape(name):
    sketch, _ = sketch_of(low_rank())
    components = start_components(name, sketch, 4, rng=np.random.default_rng(0))
    assert components.shape == (4, 64)
    assert components.min() >= 0
    assert (components.sum(axis=1) > 0).all()


def test_nndsvda_is_what_scikit_learn_does_up_to_scale():
    from sklearn.decomposition._nmf import _initialize_nmf

    data = low_rank()
    left, singular, right = np.linalg.svd(data, full_matrices=False)
    sketch = Sketch(
        scores=(left * singular)[:, :4].astype(np.float32), basis=right[:4].astype(np.float32), norm2=1.0
    )
    ours = nndsvda(sketch, 4)
    theirs = _initialize_nmf(data, 4, init="nndsvd", random_state=0)[1]
    for one, other in zip(ours, theirs, strict=True):
        support = other > 1e-6 * other.max()
        scale = np.linalg.norm(one[support]) / np.linalg.norm(other[support])
        np.testing.assert_allclose(one[support], scale * other[support], rtol=1e-2, atol=1e-3 * one.max())
    assert ours.min() > 0


def test_an_unknown_start_is_refused():
    sketch, _ = sketch_of(low_rank())
    with pytest.raises(UsageError, match="no start named 'kmeans'; known: spa, nndsvda, random"):
        start_components("kmeans", sketch, 2, rng=np.random.default_rng(0))
