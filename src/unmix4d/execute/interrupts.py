"""Keeping Ctrl-C away from what must not be torn in the middle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Let a signal take effect when this is over.

    Within a library that talks to another thread, KeyboardInterrupt leaves things half done; within a destructor or
    a callback it is lost. Only for what takes moments: everything else waits meanwhile.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    swapped = [number for number, handler in handlers.items() if callable(handler)]
    if threading.current_thread() is not threading.main_thread():
        swapped = []  # signals reach the main thread alone
    came: list[int] = []
    try:
        for number in swapped:
            signal.signal(number, lambda which, _: came.append(which))
        yield
    finally:
        for number in swapped:
            signal.signal(number, handlers[number])
        for one in came:
            signal.raise_signal(one)


@contextmanager
def children_uninterrupted() -> Iterator[None]:
    """Start threads and processes that Ctrl-C does not reach: it is for this process, which ends them in order.

    They inherit the signals that the thread which starts them has blocked.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it starts, it unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
