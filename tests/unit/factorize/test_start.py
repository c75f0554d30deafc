"""Low-rank form and starting points."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.execute import Serial, Threads
from unmix4d.factorize.factored import Candidate
from unmix4d.factorize.sketch import prime, sketch_matrix
from unmix4d.factorize.start import nndsvda, one_more, start_components, successive_projection
from unmix4d.factorize.weighting import find_weighting, take_sample
from unmix4d.records import FactoredMatrix, Factorization, Geometry, PatternMatrix


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


def sketch_of(data, executor=None, rank=16, scheme="poisson"):
    matrix = matrix_of(data, (6, 10))
    sample = take_sample(matrix, in_pairs=scheme == "measured")
    weighting = find_weighting(matrix, sample, scheme, executor=Serial())
    directions = prime(sample, weighting, rank=rank, rng=np.random.default_rng(0))
    return sketch_matrix(matrix, weighting, directions, executor=executor or Serial()).factored


def test_poisson_weights_are_inverse_roots_of_the_sums():
    data = low_rank()
    sketch = sketch_of(data)
    np.testing.assert_allclose(sketch.row, 1 / np.sqrt(data.sum(1)), rtol=1e-5)
    np.testing.assert_allclose(sketch.column, 1 / np.sqrt(data.mean(0)), rtol=1e-5)


def test_known_column_means_save_the_pass():
    data = low_rank().astype(np.float32)
    matrix = matrix_of(data, (6, 10))
    sample = take_sample(matrix, in_pairs=False)
    blind = replace(matrix, read_block=lambda _: pytest.fail("nothing needs to be read"), column_means=data.mean(0))
    weighting = find_weighting(blind, sample, "poisson", executor=Serial())
    np.testing.assert_allclose(weighting.column, 1 / np.sqrt(data.mean(0)), rtol=1e-6)


def test_measured_weights_follow_the_noise_and_not_the_signal():
    rng = np.random.default_rng(0)
    noise = np.where(np.arange(64) % 2, 1.0, 5.0)
    data = np.linspace(50, 500, 64) + noise * rng.standard_normal((60, 64))
    column = sketch_of(data, scheme="measured").column
    quiet, loud = column[1::2], column[::2]
    # variances of 1 and 25 and the means about them, 17 and 9, half and half: 9 and 17
    assert np.median(quiet) / np.median(loud) == pytest.approx(np.sqrt(17 / 9), rel=0.05)
    assert abs(np.corrcoef(column[1::2], np.arange(32))[0, 1]) < 0.6


def test_the_residual_is_what_a_factorization_leaves_over():
    data = low_rank()
    sketch = sketch_of(data)
    rng = np.random.default_rng(1)
    components, weights = rng.random((2, 64)).astype(np.float32), rng.random((60, 2)).astype(np.float32)
    fit = Factorization(
        components=components,
        weights=weights,
        geometry=sketch.geometry,
        probe_mask=sketch.probe_mask,
        pixel_mask=sketch.pixel_mask,
    )
    weighted = (data - weights @ components) * sketch.row[:, None] * sketch.column
    np.testing.assert_allclose(sketch.residual(fit), weighted @ sketch.basis.T, atol=1e-4)


def test_rows_and_columns_without_counts_get_weight_zero():
    data = low_rank()
    data[3] = 0
    data[:, 5] = 0
    sketch = sketch_of(data)
    assert sketch.row[3] == 0
    assert sketch.column[5] == 0
    assert np.isfinite(sketch.row).all()


def test_the_sketch_of_a_low_rank_matrix_is_exact():
    data = low_rank()
    sketch = sketch_of(data)
    expected = data * sketch.row[:, None] * sketch.column
    np.testing.assert_allclose(sketch.scores @ sketch.basis, expected, atol=1e-5)
    np.testing.assert_allclose(sketch.basis @ sketch.basis.T, np.eye(sketch.rank), atol=1e-4)
    assert sketch.norm2 == pytest.approx((expected**2).sum(), rel=1e-5)


def test_the_sketch_is_the_same_for_any_number_of_workers():
    data = np.random.default_rng(1).poisson(low_rank()).astype(float)
    one = sketch_of(data)
    two = sketch_of(data, Threads(3))
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


@pytest.mark.parametrize("name", ["spa", "kmeans", "nndsvda", "random"])
def test_starts_are_non_negative_and_have_the_right_shape(name):
    sketch = sketch_of(low_rank())
    components = start_components(name, sketch, 4, rng=np.random.default_rng(0))
    assert components.shape == (4, 64)
    assert components.min() >= 0
    assert (components.sum(axis=1) > 0).all()


def test_nndsvda_is_what_scikit_learn_does_up_to_scale():
    from sklearn.decomposition._nmf import _initialize_nmf

    data = low_rank()
    left, singular, right = np.linalg.svd(data, full_matrices=False)
    sketch = FactoredMatrix(
        scores=(left * singular)[:, :4].astype(np.float32),
        basis=right[:4].astype(np.float32),
        row=np.ones(60, np.float32),
        column=np.ones(64, np.float32),
        norm2=1.0,
        geometry=Geometry(scan_shape=(6, 10), pattern_shape=(8, 8)),
        probe_mask=np.ones((6, 10), dtype=bool),
        pixel_mask=np.ones((8, 8), dtype=bool),
    )
    ours = nndsvda(sketch, 4)
    theirs = _initialize_nmf(data, 4, init="nndsvd", random_state=0)[1]
    for one, other in zip(ours, theirs, strict=True):
        support = other > 1e-6 * other.max()
        scale = np.linalg.norm(one[support]) / np.linalg.norm(other[support])
        np.testing.assert_allclose(one[support], scale * other[support], rtol=1e-2, atol=1e-3 * one.max())
    assert ours.min() > 0


def test_cluster_means_of_separate_patterns_are_those_patterns():
    rng = np.random.default_rng(2)
    patterns = np.kron(np.eye(3), np.ones((1, 22)))[:, :64] + 0.1
    labels = rng.integers(0, 3, 60)
    data = patterns[labels] * rng.uniform(50, 100, (60, 1))
    sketch = sketch_of(data)
    means = start_components("kmeans", sketch, 3, rng=np.random.default_rng(0)) / sketch.column
    cosine = means @ patterns.T / np.outer(np.linalg.norm(means, axis=1), np.linalg.norm(patterns, axis=1))
    assert sorted(cosine.argmax(axis=1)) == [0, 1, 2]
    assert cosine.max(axis=1).min() > 0.999


def test_one_more_component_is_the_grain_that_was_missed():
    rng = np.random.default_rng(0)
    usual, missed = rng.random(64), np.zeros(64)
    missed[20:28] = 1
    clean = np.tile(200 * usual, (60, 1))
    corner = (np.arange(60) % 10 < 3) & (np.arange(60) // 10 < 3)
    clean[corner] += 40 * missed
    sketch = sketch_of(rng.poisson(clean))
    # the leading direction alone explains everything but the corner
    first = np.abs(sketch.basis[:1])
    smaller = Candidate(start="spa", components=first, weights=np.abs(sketch.scores[:, :1]), history=[1.0])
    grown = one_more(sketch, smaller)
    np.testing.assert_array_equal(grown[:1], first)
    added = grown[1] / sketch.column
    assert added[20:28].sum() > 0.5 * added.sum()


def test_an_unknown_start_is_refused():
    sketch = sketch_of(low_rank())
    with pytest.raises(UsageError, match="no start named 'best'; known: spa, kmeans, nndsvda, warm, random"):
        start_components("best", sketch, 2, rng=np.random.default_rng(0))
