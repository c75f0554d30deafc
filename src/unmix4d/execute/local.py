"""Block work in this process: one after the other, or in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Partial = TypeVar("Partial")


class Executor(Protocol):
    """Runs a function over items and gives the results in the order of the items."""

    def map_blocks(self, function: Callable[[Item], Partial], items: Iterable[Item], /) -> Iterator[Partial]:
        """Give ``function(item)`` for every item, in order, whatever the number of workers."""
        ...


def one_blas_thread() -> AbstractContextManager[Any]:
    """Limit BLAS to one thread, so that block workers do not fight over the cores."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - loads BLAS libraries

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


@dataclass(frozen=True, slots=True)
class Serial:
    """One block after the other in the calling thread."""

    def map_blocks(self, function: Callable[[Item], Partial], items: Iterable[Item], /) -> Iterator[Partial]:
        """Give ``function(item)`` for every item, in order."""
        with one_blas_thread():
            for item in items:
                yield function(item)


@dataclass(frozen=True, slots=True)
class Threads:
    """``n_threads`` blocks at a time, one BLAS thread each; results come in the order of the items.

    No more than ``n_threads + 1`` results are held at once, so memory does not grow with the scan.
    """

    n_threads: int

    def map_blocks(self, function: Callable[[Item], Partial], items: Iterable[Item], /) -> Iterator[Partial]:
        """Give ``function(item)`` for every item, in order."""
        with one_blas_thread(), ThreadPoolExecutor(self.n_threads) as pool:
            waiting: deque[Future[Partial]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) > self.n_threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


@dataclass(frozen=True, slots=True)
class Counted:
    """Another executor, and a call for every item that is done: for progress."""

    inner: Executor
    tick: Callable[[], None]

    def map_blocks(self, function: Callable[[Item], Partial], items: Iterable[Item], /) -> Iterator[Partial]:
        """Give ``function(item)`` for every item, in order."""
        for result in self.inner.map_blocks(function, items):
            yield result
            self.tick()


def executor(n_threads: int) -> Executor:
    """Give the executor for this number of threads."""
    return Serial() if n_threads <= 1 else Threads(n_threads)
