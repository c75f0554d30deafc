"""Seconds of the parts that cost most, on one made scan; run with `make bench`."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.decomposition import NMF
from threadpoolctl import threadpool_limits

from unmix4d import api
from unmix4d.execute import executor
from unmix4d.factorize.alternate import Hals
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import Raw, ScanMean
from unmix4d.quality.similarity import mdsi, ssim
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import PatternMatrix, Scan

Benchmark = Callable[..., object]
SPEC = PhantomSpec(scan_shape=(64, 64), pattern_shape=(64, 64), n_crystals=8)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return make_phantom(SPEC).scan


@pytest.fixture(scope="module")
def matrix(scan: Scan) -> PatternMatrix:
    return prepare(scan, executor=executor(1)).matrix(filter=Raw(), cache_bytes=2**30)


def test_survey(benchmark: Benchmark, scan: Scan) -> None:
    benchmark(lambda: prepare(scan, executor=executor(1)))


def test_scan_mean(benchmark: Benchmark, scan: Scan) -> None:
    patterns = np.asarray(scan.patterns, dtype=np.float32)
    benchmark(lambda: ScanMean()(patterns))


@pytest.mark.parametrize("start", ["spa", "nndsvda"])
def test_sweep_of_19_k_from_one_start(benchmark: Benchmark, matrix: PatternMatrix, start: str) -> None:
    solver = Hals(starts=(start,))
    benchmark.pedantic(lambda: solver.fit_many(matrix, range(2, 21), rng=np.random.default_rng(0)), rounds=2)


@pytest.mark.benchmark(group="one factorisation, k = 8")
@pytest.mark.parametrize("solver", ["ours, 3 starts", "scikit-learn, 1 start"])
def test_one_factorisation(benchmark: Benchmark, matrix: PatternMatrix, solver: str) -> None:
    data = np.concatenate([block for _, block in matrix.blocks()])

    def ours() -> object:
        return Hals().fit_many(matrix, (8,), rng=np.random.default_rng(0))

    def theirs() -> object:
        root = np.sqrt(np.outer(data.sum(1), data.sum(0))).astype(np.float32)
        weighted = np.divide(data, root, out=np.zeros_like(data), where=root > 0)
        return NMF(8, init="nndsvda", max_iter=200).fit_transform(weighted)

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        benchmark.pedantic(ours if solver.startswith("ours") else theirs, rounds=3)


@pytest.mark.parametrize("metric", [ssim, mdsi])
@pytest.mark.parametrize("side", [64, 256])
def test_metric(benchmark: Benchmark, metric: Callable[..., float], side: int) -> None:
    first, second = np.random.default_rng(0).uniform(0, 255, (2, side, side))
    benchmark(lambda: metric(first, second, data_range=255.0))


def test_whole_run(benchmark: Benchmark, scan: Scan) -> None:
    benchmark.pedantic(lambda: api.unmix(scan, threads=1), rounds=1)
