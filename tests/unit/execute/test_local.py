"""Block work: in order, bounded, and with one BLAS thread."""

import threading
import time

import pytest
from threadpoolctl import threadpool_info

from unmix4d.execute import Serial, Threads, executor


@pytest.mark.parametrize("pool", [Serial(), Threads(3)])
def test_results_come_in_the_order_of_the_items(pool):
    def slow_first(i):
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    assert list(pool.map_blocks(slow_first, range(8))) == [i * i for i in range(8)]
    assert list(pool.map_blocks(slow_first, [])) == []


@pytest.mark.parametrize("pool", [Serial(), Threads(2)])
def test_an_error_in_a_block_reaches_the_caller(pool):
    def fail(i):
        if i == 2:
            raise RuntimeError("block 2")
        return i

    with pytest.raises(RuntimeError, match="block 2"):
        list(pool.map_blocks(fail, range(5)))


def test_threads_do_not_run_ahead_of_the_reader():
    started, lock = [], threading.Lock()

    def note(i):
        with lock:
            started.append(i)
        return i

    results = Threads(2).map_blocks(note, range(100))
    next(results)
    time.sleep(0.05)
    assert len(started) <= 4
    results.close()


@pytest.mark.parametrize("pool", [Serial(), Threads(2)])
def test_workers_use_one_blas_thread(pool):
    import numpy as np

    np.ones((4, 4)) @ np.ones((4, 4))

    def blas_threads(_):
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    assert list(pool.map_blocks(blas_threads, range(2))) == [{1}, {1}]


def test_one_thread_is_serial():
    assert executor(1) == Serial()
    assert executor(4) == Threads(4)
