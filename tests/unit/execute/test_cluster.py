"""Block work on dask workers: the same results as here, whatever happens to the workers.

Functions are defined within the tests: workers cannot import a test module.
"""

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from unmix4d.errors import InputError, ResourceError, Unmix4dError, UsageError
from unmix4d.execute import Serial, Threads, open_executor
from unmix4d.execute import cluster as cluster_module
from unmix4d.execute.cluster import _SharedLimit


class Notes:
    """Writes a line to a file whenever it is pickled and whenever it is unpickled, and arrives as a number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        with self.path.open("a") as file:
            file.write("pickled\n")
        return eval, (f"open({str(self.path)!r}, 'a').write('unpickled\\n')",)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_results_are_those_of_serial_to_the_last_bit(cluster):
    rng = np.random.default_rng(0)
    data, basis = rng.random((12, 200, 300), np.float32), rng.random((300, 40), np.float32)

    def block(i):
        time.sleep(0.05 if i == 0 else 0)  # the first comes last
        product = data[i] @ basis
        return i, product, product.T @ data[i]

    expected = list(Serial().map_blocks(block, range(12)))
    for pool in (Threads(2), cluster):
        found = list(pool.map_blocks(block, range(12)))
        assert [i for i, *_ in found] == list(range(12))
        for ours, theirs in zip(found, expected, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours[1:], theirs[1:], strict=True))


@pytest.mark.parametrize("items", [[], [slice(0, 3)], [("a", [1]), {"b": (2,)}, "key", None]])
def test_items_of_any_kind_arrive_as_they_are(cluster, items):
    assert list(cluster.map_blocks(lambda item: (item,), items)) == [(item,) for item in items]


def test_the_function_is_pickled_once_and_opened_for_a_process_not_for_a_block(cluster, tmp_path):
    notes = Notes(tmp_path / "notes")

    def block(i):
        return i if notes else None

    assert list(cluster.map_blocks(block, range(1, 20))) == list(range(1, 20))
    written = lines(notes.path)
    assert written.count("pickled") == 1
    assert 1 <= written.count("unpickled") <= 4  # two processes, which dask sometimes serves twice


def test_arrays_arrive_as_writable_as_they_are_here(cluster):
    free, fixed = np.ones(9), np.ones(9)
    fixed.flags.writeable = False
    found = list(cluster.map_blocks(lambda _: (free.flags.writeable, fixed.flags.writeable), range(2)))
    assert found == [(True, False)] * 2


def test_a_function_may_close_over_its_own_executor(cluster):
    pool = pickle.loads(pickle.dumps(cluster))  # noqa: S301 - our own
    assert pool == Serial()
    assert list(cluster.map_blocks(lambda i: list(cluster.map_blocks(abs, [-i])), [3])) == [[3]]


def test_workers_use_one_blas_thread(cluster):
    def blas_threads(_):
        import numpy as np

        np.ones((4, 4)) @ np.ones((4, 4))
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    assert list(cluster.map_blocks(blas_threads, range(4))) == [{1}] * 4


def test_blocks_that_run_side_by_side_share_the_limit_of_blas():
    def blas_threads():
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    limit, inside, left = _SharedLimit(), threading.Barrier(2), threading.Event()
    seen = []

    def short():
        with limit:
            inside.wait(10)
        left.set()
        seen.append("short")

    def long():
        with limit:
            inside.wait(10)
            left.wait(10)
            seen.append(blas_threads())

    before = blas_threads()
    in_threads(lambda: threadpool_limits(limits=2, user_api="blas"))
    try:
        in_threads(short, long)
    finally:
        in_threads(lambda: threadpool_limits(limits=max(before), user_api="blas"))
    assert {1} in seen
    assert len(seen) == 2


def in_threads(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_an_error_of_ours_comes_unchanged_and_is_final(cluster, tmp_path):
    tries = tmp_path / "tries"

    def fail(i):
        if i == 2:
            with tries.open("a") as file:
                file.write("try\n")
            raise InputError("scan.npy is damaged")
        return i

    with pytest.raises(InputError, match=r"^scan.npy is damaged$"):
        list(cluster.map_blocks(fail, range(5)))
    assert len(lines(tries)) == 1


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ValueError("no\nluck"), Unmix4dError, r"^a block failed at a worker \(ValueError: no luck\)$"),
        (TimeoutError("slow"), Unmix4dError, r"^a block failed at a worker \(TimeoutError: slow\)$"),
        (MemoryError(), ResourceError, r"^a worker ran out of memory: use fewer workers"),
    ],
)
def test_any_other_error_becomes_one_sentence(cluster, error, kind, words):
    def fail(_):
        raise error

    with pytest.raises(kind, match=words) as caught:
        list(cluster.map_blocks(fail, range(3)))
    assert type(caught.value.__cause__) is type(error)


def test_a_block_that_fails_once_is_done_again(cluster, tmp_path):
    mark = tmp_path / "mark"

    def hiccup(i):
        if i == 1 and not mark.exists():
            mark.touch()
            raise OSError("stale file handle")
        return i

    assert list(cluster.map_blocks(hiccup, range(4))) == list(range(4))


def test_what_cannot_be_pickled_is_refused_in_one_sentence(cluster):
    lock = threading.Lock()
    with pytest.raises(UsageError, match=r"cannot be sent to worker processes .*open it by the path of its file"):
        list(cluster.map_blocks(lambda _: lock, range(2)))


def test_workers_do_not_run_ahead_of_the_reader_and_stop_with_it(cluster, tmp_path):
    started = tmp_path / "started"

    def note(i):
        with started.open("a") as file:
            file.write(f"{i}\n")
        return i

    taken = []
    results = cluster.map_blocks(note, (taken.append(i) or i for i in range(100)))
    assert next(results) == 0
    assert len(taken) == 4  # two for each of two threads
    results.close()
    assert len(lines(started)) <= 4
    assert list(cluster.map_blocks(abs, [-1])) == [1]


@pytest.mark.parametrize("victims", [1, 2])
def test_a_killed_worker_costs_a_retry_and_not_the_run(cluster, victims):
    pids = list(cluster.client.run(os.getpid).values())
    assert len(pids) == 2
    data = np.arange(16.0)

    def block(i):
        time.sleep(0.05)
        return float(data[i]), os.getpid()

    found = []
    for value, pid in cluster.map_blocks(block, range(16)):
        found.append((value, pid))
        if len(found) == 3:
            for victim in pids[:victims]:
                os.kill(victim, signal.SIGKILL)
    assert [value for value, _ in found] == list(data)
    assert {pid for _, pid in found} - set(pids) or victims == 1
    cluster.client.wait_for_workers(2, timeout=60)


def test_a_block_that_takes_its_workers_down_ends_the_run(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "WORKER_WAIT_S", 20.0)

    def die(i):
        if i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    with (
        open_executor(threads=1, workers=2) as pool,
        pytest.raises(ResourceError, match=r"lost .*over one block|no workers at"),
    ):
        list(pool.map_blocks(die, range(3)))


def test_a_lost_scheduler_ends_the_run_in_one_sentence():
    pytest.importorskip("distributed")
    with (
        open_executor(threads=1, workers=1) as pool,
        pytest.raises(ResourceError, match=r"the scheduler at tcp://127\.0\.0\.1:\d+ was lost"),
    ):
        for i in pool.map_blocks(abs, range(50)):
            if i == 2:
                pool.client.cluster.close()
