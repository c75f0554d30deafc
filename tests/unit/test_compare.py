"""Cluster comparison: by hand, reconstruction, own crystal, members, baselines, masks, empty clusters."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from unmix4d.compare import compare_clusters
from unmix4d.errors import Unmix4dWarning
from unmix4d.execute import Serial, Threads
from unmix4d.quality.background import outside_beam
from unmix4d.quality.noise import noise_std
from unmix4d.quality.similarity import METRICS, gmsd, mdsi, psnr, ssim
from unmix4d.records import (
    AnyArray,
    Beam,
    BoolArray,
    ClusterComparison,
    ClusterMap,
    ComponentRoles,
    Factorization,
    FloatArray,
    Geometry,
    PatternMatrix,
)


def matrix_of(patterns: FloatArray, *, n_blocks: int = 2, pixel_mask: BoolArray | None = None) -> PatternMatrix:
    """Patterns (scan_y, scan_x, pattern_y, pattern_x) as a matrix of a few blocks; all-zero patterns are masked."""
    probe_mask = patterns.any(axis=(2, 3))
    pixel_mask = np.ones(patterns.shape[2:], dtype=bool) if pixel_mask is None else pixel_mask
    rows = patterns[probe_mask][:, pixel_mask].astype(np.float32)
    bounds = tuple(np.linspace(0, len(rows), n_blocks + 1).astype(int).tolist())
    return PatternMatrix(
        read_block=lambda i: rows[bounds[i] : bounds[i + 1]],
        bounds=bounds,
        probe_mask=probe_mask,
        pixel_mask=pixel_mask,
        geometry=Geometry(scan_shape=patterns.shape[:2], pattern_shape=patterns.shape[2:]),
    )


def fit_of(matrix: PatternMatrix, components: AnyArray, weights: AnyArray) -> Factorization:
    return Factorization(
        components=np.asarray(components, dtype=np.float32),
        weights=np.asarray(weights, dtype=np.float32),
        geometry=matrix.geometry,
        probe_mask=matrix.probe_mask,
        pixel_mask=matrix.pixel_mask,
    )


def clusters_of(labels: AnyArray, crystals: Sequence[int], n_pixels: tuple[int, int]) -> ClusterMap:
    n, k = max(crystals) + 1, len(crystals)
    return ClusterMap(
        labels=np.asarray(labels, dtype=np.int16),
        roles=ComponentRoles(
            roles=tuple("crystal" if c >= 0 else "background" for c in crystals),
            crystals=np.array(crystals, dtype=np.int16),
            spot_patterns=np.zeros((k, *n_pixels), dtype=np.float32),
            similarity=np.eye(k),
        ),
        crystal_patterns=np.zeros((n, *n_pixels), dtype=np.float32),
        crystal_weights=np.zeros((n, *np.shape(labels)), dtype=np.float32),
    )


def compare(
    matrix: PatternMatrix, fit: Factorization, clusters: ClusterMap, **options: object
) -> ClusterComparison:
    usual = {"data_range": 10.0, "compared_to": "raw", "executor": Serial()}
    return compare_clusters(matrix, fit, clusters, **(usual | options))  # type: ignore[arg-type]


TINY = np.array([[[[2.0, 0]], [[4, 0]], [[3, 4]]], [[[0, 6]], [[0, 0]], [[1, 1]]]])  # scan 2 x 3, pattern 1 x 2


@pytest.fixture
def tiny() -> tuple[PatternMatrix, Factorization, ClusterMap]:
    """Five probes with counts; crystal 0 owns components 0 and 2, crystal 1 owns 1; crystal 2 has no probe."""
    matrix = matrix_of(TINY)
    components = [[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5], [0, 1]]
    weights = [[1, 0, 2, 1, 0], [3, 1, 0, 1, 0], [2, 2, 2, 1, 0], [1, 5, 0, 0, 0], [0, 0, 0, 2, 0]]
    clusters = clusters_of([[0, 0, 0], [1, -1, -1]], [0, 1, 0, -1, 2], (1, 2))
    return matrix, fit_of(matrix, components, weights), clusters


@pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")
def test_sums_by_hand(tiny: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    result = compare(*tiny)
    assert_array_equal(result.counts, [3, 1, 0])
    # Cluster 0: (2, 0), (4, 0), (3, 4); cluster 1: (0, 6).
    assert_allclose(result.mean_patterns[:, 0], [[3, 4 / 3], [0, 6], [np.nan, np.nan]])
    # All components. Cluster 0: mean weights (2, 1, 4/3, 1, 0); cluster 1: (1, 5, 0, 0, 0).
    assert_allclose(result.reconstructed_patterns[:, 0], [[19 / 6, 13 / 6], [1, 5], [np.nan, np.nan]], rtol=1e-6)
    # Own crystal. Cluster 0: mean weights 2 of (1, 0) and 4/3 of (1/2, 1/2). Cluster 1: 5 of (0, 1).
    assert_allclose(result.crystal_patterns[:, 0], [[8 / 3, 2 / 3], [0, 5], [np.nan, np.nan]], rtol=1e-6)
    assert_allclose(result.columns["intensity_ratio"], [(32 / 6) / (13 / 3), 1, np.nan], rtol=1e-6)
    assert_allclose(result.columns["crystal_intensity_ratio"], [(10 / 3) / (13 / 3), 5 / 6, np.nan], rtol=1e-6)
    assert_allclose(result.columns["area_fraction"], [1 / 2, 1 / 6, 0])
    mean = np.array([3, 4 / 3])
    for name, other in (("cosine", np.array([19, 13]) / 6), ("crystal_cosine", np.array([8, 2]) / 3)):
        cosine = mean @ other / np.linalg.norm(mean) / np.linalg.norm(other)
        assert result.columns[name][0] == pytest.approx(cosine, rel=1e-6)
    assert_allclose(result.columns["crystal_cosine"][1:], [1, np.nan], rtol=1e-6)
    within = (np.array([1 + 1 + 0.6, 0.8]) / 3) @ mean / np.linalg.norm(mean)
    assert_allclose(result.columns["within_cosine"], [within, 1, np.nan], rtol=1e-6)
    # PSNR with L = 10: the squared errors are (1/36, 25/36) and (1, 1); of the own crystal (1/9, 4/9) and (0, 1).
    assert_allclose(result.metrics["psnr"], [10 * math.log10(100 / (13 / 36)), 20, np.nan], rtol=1e-6)
    assert_allclose(result.crystal_metrics["psnr"], [10 * math.log10(100 / (5 / 18)), 10 * math.log10(200), np.nan])
    # An empty image: mean squares (9 + 16/9) / 2 and 18. The mean of all five probes is (10/5, 11/5).
    assert_allclose(result.null_zero["psnr"], [10 * math.log10(100 / (97 / 18)), 10 * math.log10(100 / 18), np.nan])
    square = ((3 - 2) ** 2 + (4 / 3 - 11 / 5) ** 2) / 2
    assert result.null_global["psnr"][0] == pytest.approx(10 * math.log10(100 / square))
    # The reconstruction of the other cluster: squared errors (2, 11/3)^2 and (19/6, 23/6)^2.
    wrong = [(4 + 121 / 9) / 2, (361 + 529) / 72]
    assert_allclose(result.null_other["psnr"], [*(10 * np.log10(100 / np.array(wrong))), np.nan], rtol=1e-6)
    assert (result.data_range, result.compared_to, result.other) == (10.0, "raw", None)


@pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")
def test_members_by_hand(tiny: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    result = compare(*tiny)
    # Cluster 0 is (2, 0), (4, 0), (3, 4), held against (19, 13).
    norm = math.hypot(19, 13)
    cosines = sorted([19 / norm, 19 / norm, (57 + 52) / 5 / norm])
    assert_array_equal(result.typical.places, [[0, 2], [1, 0], [-1, -1]])
    assert_array_equal(result.typical.patterns[:2, 0], [[3, 4], [0, 6]])
    assert_array_equal(result.atypical.places, [[0, 0], [1, 0], [-1, -1]])
    assert_array_equal(result.atypical.patterns[:2, 0], [[2, 0], [0, 6]])
    assert_allclose(result.typical.cosines[[0, 2]], [cosines[2], np.nan], rtol=1e-6)
    assert_allclose(result.atypical.cosines[[0, 2]], [cosines[0], np.nan], rtol=1e-6)
    for name, share in (("q1", 0.25), ("median", 0.5), ("q3", 0.75)):
        column = result.columns[f"member_cosine_{name}"]
        assert_allclose(column[[0, 2]], [np.quantile(cosines, share), np.nan], rtol=1e-6)


def test_small_patterns_give_nan_and_one_warning() -> None:
    matrix = matrix_of(np.arange(1.0, 109).reshape(2, 2, 3, 9))
    fit = fit_of(matrix, np.full((1, 27), 1 / 27), np.ones((4, 1)))
    with pytest.warns(
        Unmix4dWarning, match=r"3 px a side are too small for ssim \(11 px\), gmsd \(4 px\)"
    ) as caught:
        result = compare(matrix, fit, clusters_of(np.zeros((2, 2)), [0], (3, 9)), data_range=200.0)
    assert len(caught) == 1
    for table in (result.metrics, result.null_zero, result.null_global):
        assert np.isnan(table["ssim"]).all()
        assert np.isnan(table["gmsd"]).all()
        assert np.isfinite(table["mdsi"]).all()
    assert np.isfinite(result.columns["nsd_immerkaer_mean"]).all()


@pytest.fixture
def larger() -> tuple[PatternMatrix, Factorization, ClusterMap]:
    """Four noisy crystals of 16 x 18 pixels on 8 x 9 probes, a masked beam, one probe without counts."""
    rng = np.random.default_rng(5)
    sources = rng.gamma(0.3, size=(4, 16, 18))
    sources /= sources.sum(axis=(1, 2), keepdims=True)
    labels = np.repeat(np.arange(4), 18).reshape(8, 9)
    labels[3, 3] = -1
    patterns = rng.poisson(5000 * sources[np.maximum(labels, 0)]).astype(float)
    patterns[7, 8], labels[7, 8] = 0, -1
    pixel_mask = np.ones((16, 18), dtype=bool)
    pixel_mask[7:9, 8:10] = False
    matrix = matrix_of(patterns, n_blocks=5, pixel_mask=pixel_mask)
    weights = rng.gamma(1.0, 100, size=(matrix.n_probes, 4))
    own = labels[matrix.probe_mask]
    weights[np.arange(len(own)), np.maximum(own, 0)] += 4000
    fit = fit_of(matrix, sources[:, pixel_mask], weights)
    return matrix, fit, clusters_of(labels, [0, 1, 2, 3], (16, 18))


def test_against_a_direct_computation(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    result = compare(matrix, fit, clusters, data_range=300.0, compared_to="mean")
    rows = np.concatenate([block for _, block in matrix.blocks()]).astype(float)
    images = np.zeros((len(rows), 16, 18))
    images[:, matrix.pixel_mask] = rows
    own = clusters.labels[matrix.probe_mask]
    assert_array_equal(result.counts, clusters.counts)
    for i in range(4):
        mean = images[own == i].mean(axis=0)
        weights, components = (
            fit.weights[own == i].astype(float).mean(axis=0),
            fit.component_patterns().astype(float),
        )
        reconstruction, alone = np.tensordot(weights, components, 1), weights[i] * components[i]
        assert_allclose(result.mean_patterns[i], mean)
        assert_allclose(result.reconstructed_patterns[i], reconstruction, rtol=1e-6)
        assert_allclose(result.crystal_patterns[i], alone, rtol=1e-6)
        assert result.mean_patterns[i][~matrix.pixel_mask].sum() == 0
        for name, metric in (("psnr", psnr), ("ssim", ssim), ("gmsd", gmsd), ("mdsi", mdsi)):
            assert result.metrics[name][i] == pytest.approx(metric(mean, reconstruction, data_range=300), rel=1e-6)
            assert result.crystal_metrics[name][i] == pytest.approx(metric(mean, alone, data_range=300), rel=1e-6)
            zero, overall = np.zeros_like(mean), images.mean(axis=0)
            assert result.null_zero[name][i] == pytest.approx(metric(mean, zero, data_range=300))
            assert result.null_global[name][i] == pytest.approx(metric(mean, overall, data_range=300))
        cosines = [image.ravel() @ mean.ravel() / np.linalg.norm(image) for image in images[own == i]]
        assert result.columns["within_cosine"][i] == pytest.approx(np.mean(cosines) / np.linalg.norm(mean))
        assert result.columns["nsd_immerkaer_mean"][i] == pytest.approx(noise_std(mean))
        assert result.columns["nsd_std_mean"][i] == pytest.approx(noise_std(mean, method="std"))
        assert result.columns["nsd_immerkaer_reconstruction"][i] == pytest.approx(noise_std(reconstruction))
        assert result.columns["nsd_std_reconstruction"][i] == pytest.approx(noise_std(reconstruction, method="std"))
    assert result.compared_to == "mean"


def test_the_other_patterns_are_compared_in_the_same_pass(
    larger: tuple[PatternMatrix, Factorization, ClusterMap],
) -> None:
    matrix, fit, clusters = larger
    read = []
    rows = np.concatenate([block for _, block in matrix.blocks()])

    def block(i: int) -> FloatArray:
        read.append(i)
        return 2 * rows[24 * i : 24 * (i + 1)]

    bounds = (*range(0, len(rows), 24), len(rows))
    doubled = replace(matrix, read_block=block, bounds=bounds, read_rows=lambda indices: 2 * rows[indices])
    both = compare(matrix, fit, clusters, data_range=9e5, compared_to="mean", other=(doubled, "raw"))
    assert sorted(read) == list(range(len(bounds) - 1)), "every block once"
    alone, other = compare(matrix, fit, clusters, data_range=9e5), both.other
    assert (both.compared_to, other.compared_to) == ("mean", "raw")
    assert_array_equal(both.mean_patterns, alone.mean_patterns)
    assert_allclose(other.mean_patterns, 2 * alone.mean_patterns)
    assert_array_equal(other.reconstructed_patterns, both.reconstructed_patterns)
    for name, (metric, _) in METRICS.items():
        assert_array_equal(both.metrics[name], alone.metrics[name])
        expected = metric(other.mean_patterns[1], both.reconstructed_patterns[1], data_range=9e5)
        assert other.metrics[name][1] == pytest.approx(expected)
    assert_array_equal(other.typical.places, both.typical.places)
    assert_allclose(other.atypical.patterns, 2 * both.atypical.patterns)


def test_members_are_told_apart_outside_the_beam(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    beam = Beam(center=(8, 9), radius=4)
    outside = outside_beam((16, 18), beam)[matrix.pixel_mask]
    rows = np.concatenate([block for _, block in matrix.blocks()]).astype(float)
    bright = rows + 1e5 * ~outside
    bounds = matrix.bounds
    lit = replace(matrix, read_block=lambda i: bright[bounds[i] : bounds[i + 1]])
    result = compare(lit, fit, clusters, data_range=9e5, beam=beam)
    own = clusters.labels[matrix.probe_mask]
    places = np.argwhere(matrix.probe_mask)
    for i in range(4):
        model = result.reconstructed_patterns[i][matrix.pixel_mask] * outside
        members = np.flatnonzero(own == i)
        held = rows[members] * outside
        cosines = held @ model / np.linalg.norm(held, axis=1) / np.linalg.norm(model)
        best, worst = cosines.argmax(), cosines.argmin()
        assert_array_equal(result.typical.places[i], places[members[best]])
        assert_array_equal(result.atypical.places[i], places[members[worst]])
        assert_allclose(result.atypical.patterns[i][matrix.pixel_mask], bright[members[worst]])
        assert result.typical.cosines[i] == pytest.approx(cosines[best], rel=1e-5)
        assert result.columns["member_cosine_median"][i] == pytest.approx(np.median(cosines), rel=1e-5)


def test_a_good_reconstruction_beats_all_baselines(
    larger: tuple[PatternMatrix, Factorization, ClusterMap],
) -> None:
    result = compare(*larger, data_range=300.0)
    for name, (_, better) in METRICS.items():
        sign = 1 if better == "higher" else -1
        assert (sign * result.metrics[name] > sign * result.null_zero[name]).all()
        assert (sign * result.metrics[name] > sign * result.null_global[name]).all()
        assert (sign * result.metrics[name] > sign * result.null_other[name]).all()


def test_blocks_and_workers_do_not_matter(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    serial = compare(*larger, data_range=300.0)
    threads = compare(*larger, data_range=300.0, executor=Threads(3))
    assert_array_equal(serial.mean_patterns, threads.mean_patterns)
    for name in serial.columns:
        assert_array_equal(serial.columns[name], threads.columns[name])


def test_an_empty_cluster_is_a_row_of_nan(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    labels = np.where(clusters.labels == 2, -1, clusters.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = compare(matrix, fit, clusters_of(labels, [0, 1, 2, 3], (16, 18)), data_range=300.0)
    columns = {name: column for name, column in result.columns.items() if name != "area_fraction"}
    tables = (result.metrics, result.crystal_metrics, result.null_zero, result.null_global, result.null_other)
    for table in (*tables, columns):
        assert table
        for values in table.values():
            assert_array_equal(np.isnan(values), [False, False, True, False])
    assert np.isnan(result.mean_patterns[2]).all()
    assert np.isnan(result.reconstructed_patterns[2]).all()
    assert result.columns["area_fraction"][2] == 0


def test_no_crystal_at_all(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    nothing = clusters_of(np.full_like(clusters.labels, -1), [-1, -1, -1, -1], (16, 18))
    result = compare(matrix, fit, nothing)
    assert result.mean_patterns.shape == (0, 16, 18)
    assert all(values.shape == (0,) for values in (*result.metrics.values(), *result.columns.values()))


def test_a_dead_reconstruction_has_no_direction(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    dead = fit_of(matrix, fit.components * 0, fit.weights)
    result = compare(matrix, dead, clusters, data_range=300.0)
    assert not result.columns["intensity_ratio"].any()
    assert np.isnan(result.columns["cosine"]).all()
    assert_array_equal(result.metrics["ssim"], result.null_zero["ssim"])


def test_what_does_not_belong_together_is_refused(larger: tuple[PatternMatrix, Factorization, ClusterMap]) -> None:
    matrix, fit, clusters = larger
    with pytest.raises(ValueError, match="roles"):
        compare(matrix, fit, clusters_of(clusters.labels, [0, 1], (16, 18)))
    with pytest.raises(ValueError, match="scan shape"):
        compare(matrix, fit, clusters_of(clusters.labels[:4], [0, 1, 2, 3], (16, 18)))
    with pytest.raises(ValueError, match="mask"):
        compare(matrix_of(np.ones((8, 9, 16, 18))), fit, clusters)
    with pytest.raises(ValueError, match="mask"):
        compare(matrix, fit, clusters, other=(matrix_of(np.ones((8, 9, 16, 18))), "raw"))
    with pytest.raises(ValueError, match="data_range"):
        compare(matrix, fit, clusters, data_range=0.0)
