"""Every filter keeps what the page about extending promises, before and after it has looked at a scan."""

import pickle

import numpy as np
import pytest

from unmix4d import registry
from unmix4d.execute import Serial, Threads
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filtering import apply_filter
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.registry import NothingKept

FILTERS = sorted(registry.BUILT_IN["filters"])


@pytest.fixture(scope="module")
def scan():
    return make_phantom(PhantomSpec(scan_shape=(11, 13), pattern_shape=(32, 32), n_crystals=2)).scan


def filtered(scan, name, executor=None, block_bytes=16 * 2**20):
    executor = executor or Serial()
    prepared = prepare(scan, executor=executor, block_bytes=block_bytes)
    return apply_filter(prepared, name, {}, executor=executor, keeper=NothingKept())


def rows_of(found):
    matrix = found.prepared.matrix(filter=found.filter, spots=found.spots)
    return matrix, np.concatenate([block for _, block in matrix.blocks()])


@pytest.fixture(params=FILTERS)
def name(request):
    return request.param


@pytest.fixture(params=["as made", "fitted"])
def used(request, name, scan):
    return registry.load("filters", name)() if request.param == "as made" else filtered(scan, name).filter


def test_the_shape_stays_values_are_counts_and_the_input_is_untouched(used, scan):
    patterns = np.asarray(scan.patterns[:4, :5], dtype=np.float32)
    before = patterns.copy()
    out = used(patterns)
    np.testing.assert_array_equal(patterns, before)
    assert out.shape == patterns.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert out.min() >= 0
    np.testing.assert_array_equal(used(patterns), out)


def test_a_filter_travels_to_another_process(used, scan):
    patterns = np.asarray(scan.patterns[:3, :3], dtype=np.float32)
    again = pickle.loads(pickle.dumps(used))  # noqa: S301 - our own
    np.testing.assert_array_equal(again(patterns), used(patterns))


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 1, 1, 6), (1, 3, 3, 2)])
def test_tiny_patterns_without_counts_pass(name, shape):
    empty = np.zeros(shape, dtype=np.float32)
    np.testing.assert_array_equal(registry.load("filters", name)()(empty), empty)


def test_blocks_and_threads_do_not_change_the_matrix(name, scan):
    _, whole = rows_of(filtered(scan, name))
    pattern = 32 * 32 * 2
    for executor, block_bytes in ((Serial(), 3 * pattern), (Threads(3), 13 * pattern), (Threads(2), 30 * pattern)):
        _, parts = rows_of(filtered(scan, name, executor, block_bytes))
        np.testing.assert_array_equal(parts, whole)


def test_single_rows_are_those_of_the_blocks(name, scan):
    matrix, whole = rows_of(filtered(scan, name))
    some = np.array([0, 1, 5, 40, 41, matrix.n_probes - 1])
    np.testing.assert_array_equal(matrix.rows(some), whole[some])
