"""Block work on the workers of a dask cluster, by futures."""

import importlib
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

from unmix4d.errors import ResourceError, Unmix4dError, UsageError
from unmix4d.execute.interrupts import interrupts_later
from unmix4d.execute.local import Executor, Item, Partial, Serial, one_blas_thread

WORKER_WAIT_S = 60.0
TASKS_PER_THREAD = 2
RETRIES = 2  # of a block that fails with anything but a sentence of ours: a file system may hiccup
MAX_LOSSES = 3
PAUSE_S = 1.0
POLL_S, MAX_POLL_S = 2e-4, 5e-3
OUT_OF_MEMORY = "most often that is memory: use fewer workers on each machine, or --bin"


@dataclass(frozen=True, slots=True)
class Dask:
    """Blocks run on the workers of a ``distributed.Client``; results come in the order of the items.

    The function travels once to each worker, with all that it closes over, and reads its blocks there. About two
    blocks are under way for each thread of the workers, so results do not pile up. What a lost worker was doing is
    done again by the others. The function may only read what other items do not change meanwhile: it may travel
    again when workers were lost.
    """

    client: Any

    def __reduce__(self) -> tuple[Callable[[], Executor], tuple[()]]:
        return Serial, ()  # functions close over their executor; at a worker, a block is all there is to do

    def map_blocks(self, function: Callable[[Item], Partial], items: Iterable[Item], /) -> Iterator[Partial]:
        """Give ``function(item)`` for every item, in order.

        Raises
        ------
        Unmix4dError
            The one that the function raised; or one sentence about any other error of it.
        ResourceError
            If the scheduler or all workers are gone, or a block takes its workers down again and again.
        """
        with one_blas_thread(), _Errand(self.client, function) as errand:
            for item in items:
                errand.submit(item)
                if errand.is_full():
                    yield errand.next_result()
            while errand.waiting:
                yield errand.next_result()


def _dumps(what: object, **options: Any) -> bytes:  # noqa: ANN401 - those of pickle
    packed: bytes = importlib.import_module("cloudpickle").dumps(what, **options)
    return packed


class _Parcel:
    """A function on its way: pickled once, and unpickled where it arrives, when its first block runs.

    Arrays stay outside the pickle, so they are not copied on the way. Unpickling waits for a block, because an
    error in it (a missing file) then reaches the caller as that of a block. It is done once in each process, or
    twice where dask sends a worker the same parcel from two sides.
    """

    def __init__(self, head: bytes, buffers: list[Any], function: Callable[[Any], Any] | None = None) -> None:
        self.head, self.buffers, self.function = head, buffers, function
        self.lock = Lock()

    @classmethod
    def pack(cls, function: Callable[[Any], Any]) -> Self:
        buffers: list[pickle.PickleBuffer] = []
        try:
            head = _dumps(function, protocol=5, buffer_callback=buffers.append)
        except (TypeError, pickle.PicklingError) as error:
            raise UsageError(
                f"this scan cannot be sent to worker processes ({error}): open it by the path of its file, or work "
                "without --workers and --scheduler"
            ) from error
        return cls(head, buffers, function)

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, list[pickle.PickleBuffer]]]:
        return type(self), (self.head, [pickle.PickleBuffer(buffer) for buffer in self.buffers])

    def open(self) -> Callable[[Any], Any]:
        with self.lock:
            if self.function is None:
                self.function = pickle.loads(self.head, buffers=self.buffers)  # noqa: S301 - our own client's
            return self.function


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An error of ours, on its way back as a result: it is final, so the block is not tried again."""

    error: Unmix4dError


class _SharedLimit:
    """One BLAS thread as long as any block of this process runs.

    The limit of threadpoolctl alone ends with the first of several blocks that run side by side. Only the thread
    that set it can lift it; if another comes out last, one thread it stays.
    """

    def __init__(self) -> None:
        self.lock, self.users = Lock(), 0
        self.limit: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.limit = one_blas_thread()
                self.limit.__enter__()
            self.users += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.limit is not None:
                self.limit.__exit__(None, None, None)


_BLOCK_LIMIT = _SharedLimit()


def _run(parcel: _Parcel, item: bytes) -> object:
    """Do one block, at a worker."""
    try:
        function = parcel.open()  # first, as it may load another BLAS
        with _BLOCK_LIMIT:
            return function(pickle.loads(item))  # noqa: S301 - our own client's
    except Unmix4dError as error:
        return _Refusal(error)


@dataclass(slots=True)
class _Task:
    item: bytes
    future: Any


class _Errand:
    """One map over a client: the function at its workers, and the blocks under way."""

    def __init__(self, client: Any, function: Callable[[Any], Any]) -> None:  # noqa: ANN401 - a distributed.Client
        self.distributed = importlib.import_module("distributed")
        self.client, self.parcel = client, _Parcel.pack(function)
        self.where = getattr(client.scheduler, "address", "an unknown address")
        self.sent: Any = None
        self.waiting: deque[_Task] = deque()
        self.limit = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        left = [task.future for task in self.waiting]
        with interrupts_later(), suppress(Exception):  # the client may be gone, and with it what there is to cancel
            if left:
                self.client.cancel(left, force=True)
            if self.sent is not None:
                self.sent.release()
            self.waiting.clear()

    def is_full(self) -> bool:
        return len(self.waiting) >= self.limit

    def submit(self, item: object) -> None:
        packed = _dumps(item)
        with self._sentences():
            if self.sent is None:
                self._send()
            with interrupts_later():
                self.waiting.append(_Task(packed, self._start(packed)))

    def next_result(self) -> Any:  # noqa: ANN401 - whatever the function gives
        with self._sentences():
            answer = self._answer()
            with interrupts_later():
                self.waiting.popleft()
        if isinstance(answer, _Refusal):
            raise answer.error
        return answer

    def _send(self) -> None:
        """Bring the function to every worker; those that come later fetch it from the others."""
        for attempt in range(MAX_LOSSES):
            self._wait_for_workers()
            try:
                with interrupts_later():
                    self.sent = self.client.scatter(self.parcel, broadcast=True, hash=False)
                break
            except OSError:  # a worker went while it was being served
                if attempt == MAX_LOSSES - 1 or self.client.status != "running":
                    raise
                time.sleep(PAUSE_S)
        with interrupts_later():
            self.limit = TASKS_PER_THREAD * sum(self.client.nthreads().values())

    def _wait_for_workers(self) -> None:
        end = time.monotonic() + WORKER_WAIT_S
        while True:
            with interrupts_later():
                if self.client.nthreads():
                    return
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(PAUSE_S / 10)

    def _start(self, item: bytes) -> Any:  # noqa: ANN401 - a distributed.Future
        return self.client.submit(_run, self.sent, item, pure=False, retries=RETRIES)

    def _answer(self) -> object:
        """Wait for the first block; send everything again if all workers that had the function were lost."""
        for _ in range(MAX_LOSSES):
            try:
                return self._wait(self.waiting[0].future)
            except self.distributed.CancelledError as error:
                if getattr(error, "reason", "") == "scheduler-connection-lost" or self.client.status != "running":
                    raise
            self._wait_for_workers()
            time.sleep(PAUSE_S)  # what guards a new worker must be ready before a block may take it down
            self._send()
            with interrupts_later():
                for task in self.waiting:
                    if task.future.cancelled():
                        task.future = self._start(task.item)
        raise ResourceError(f"all workers were lost {MAX_LOSSES} times over one block; {OUT_OF_MEMORY}")

    def _wait(self, future: Any) -> object:  # noqa: ANN401 - a distributed.Future
        """Wait here, not within the library, where an interrupt would leave things half done."""
        looked, pause = time.monotonic(), POLL_S
        while not future.done():
            time.sleep(pause)
            pause = min(2 * pause, MAX_POLL_S)
            if time.monotonic() - looked > WORKER_WAIT_S:  # a long block, or nobody there to do it
                self._wait_for_workers()
                looked = time.monotonic()
        with interrupts_later():
            error = future.exception()
            if error is None:
                return future.result()
        raise error if isinstance(error, self.distributed.CancelledError) else self._failure(error)

    def _failure(self, error: BaseException) -> Unmix4dError:
        """Say in one sentence what went wrong in a block."""
        said: Unmix4dError
        if isinstance(error, self.distributed.KilledWorker):
            said = ResourceError(f"{error.allowed_failures + 1} workers were lost over one block; {OUT_OF_MEMORY}")
        elif isinstance(error, MemoryError):
            said = ResourceError("a worker ran out of memory: use fewer workers on each machine, or --bin")
        else:
            said = Unmix4dError(
                f"a block failed at a worker ({type(error).__name__}: {' '.join(str(error).split())})"
            )
        said.__cause__ = error
        return said

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Say in one sentence what went wrong between here and the workers."""
        try:
            yield
        except Unmix4dError:
            raise
        except TimeoutError as error:
            raise ResourceError(
                f"there have been no workers at {self.where} for {WORKER_WAIT_S:.0f} s: start some and try again"
            ) from error
        except Exception as error:
            raise ResourceError(
                f"the scheduler at {self.where} was lost ({type(error).__name__}): look there for the reason and "
                "start again"
            ) from error
