"""What a cell costs: CPU and wall seconds of its parts, and the memory it held."""

import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

PERIOD = 0.02  # seconds between two looks at the memory


class Clock:
    """Times the parts of one process."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self.facts: dict[str, object] = {}
        self.said: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time one part: user and system seconds of all threads, and wall seconds."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.parts[name] = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def peak_bytes() -> int:
    """Peak resident size of this process so far; pages of mapped files count while they are mapped."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count what the parent held when it started this process
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class OwnMemory:
    """Watches the resident memory that is the process's own, without pages of mapped files (Linux)."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        statm = Path("/proc/self/statm")
        page = resource.getpagesize()
        while statm.exists() and not self._over.wait(PERIOD):
            _, resident, shared, *_ = statm.read_text(encoding="ascii").split()
            self.peak = max(self.peak, (int(resident) - int(shared)) * page)
