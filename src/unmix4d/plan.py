"""How much memory a run takes, decided before anything is read."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.config import Settings
from unmix4d.errors import ResourceError
from unmix4d.prepare.chain import BLOCK_BYTES
from unmix4d.records import Scan

SHARE_OF_FREE = 0.6
BASE_BYTES = 250 * 2**20
SMALLEST_BLOCK = 2**20
COPIES_PER_BLOCK = 4
SKETCH_COLUMNS = 100
PASSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Memory and blocks of one run, in bytes.

    Attributes
    ----------
    budget : int
        What the run may take.
    needed : int
        What it takes besides cached patterns.
    cache : int
        What may be used to keep patterns between passes; they are kept only if all of them fit.
    matrix : int
        All patterns as float32.
    block : int
        One block of patterns as float32.
    n_blocks : int
    n_threads : int
    cached : bool
        Whether the patterns are kept, or read again in every pass.
    passes : int
        How often the data is looked at, about.
    """

    budget: int
    needed: int
    cache: int
    matrix: int
    block: int
    n_blocks: int
    n_threads: int
    cached: bool
    passes: int

    def as_dict(self) -> dict[str, Any]:
        """Give the plan as a plain mapping."""
        return asdict(self)


def make_plan(scan: Scan, settings: Settings) -> Plan:
    """Plan the memory of a run.

    Parameters
    ----------
    scan : Scan
    settings : Settings

    Returns
    -------
    Plan

    Raises
    ------
    ResourceError
        If even the smallest blocks do not fit; the message gives the number that is needed.
    """
    threads = settings.threads or available_threads()
    budget = settings.memory or int(SHARE_OF_FREE * free_memory())
    n_probes, pattern_bytes = _size(scan, settings)
    item = np.dtype(np.float32).itemsize
    k_max = max(settings.k_max, 0 if settings.k == "auto" else settings.k)
    n_columns = sum(range(settings.k_min, k_max + 1)) * (len(settings.starts) + 2) + 2 * SKETCH_COLUMNS
    factors = n_columns * (n_probes * item + pattern_bytes)
    workers = COPIES_PER_BLOCK * (threads + 1)
    smallest = BASE_BYTES + factors + workers * max(SMALLEST_BLOCK, pattern_bytes)
    if smallest > budget:
        raise ResourceError(
            f"this run needs at least {smallest / 2**20:.0f} MiB and may use {budget / 2**20:.0f} MiB; "
            "raise --memory, lower --k-max, or reduce the data with --bin or --crop"
        )
    block = int(
        min(BLOCK_BYTES, max(SMALLEST_BLOCK, pattern_bytes, (budget - BASE_BYTES - factors) // (2 * workers)))
    )
    needed = BASE_BYTES + factors + workers * block
    matrix = n_probes * pattern_bytes
    cache = max(0, budget - needed)
    return Plan(
        budget=budget,
        needed=needed,
        cache=cache,
        matrix=matrix,
        block=block,
        n_blocks=-(-matrix // block),
        n_threads=threads,
        cached=matrix <= cache,
        passes=PASSES,
    )


def _size(scan: Scan, settings: Settings) -> tuple[int, int]:
    """Give the number of probes after cropping, and the bytes of one binned pattern as float32."""
    top, bottom, left, right = settings.crop or (0, scan.geometry.scan_shape[0], 0, scan.geometry.scan_shape[1])
    py, px = (side // settings.bin for side in scan.geometry.pattern_shape)
    return (bottom - top) * (right - left), py * px * np.dtype(np.float32).itemsize


def available_threads() -> int:
    """Give the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Bytes that a new program could use now: what the system says, and no more than the control group allows."""
    limits = [_system_memory()]
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no control group, or no limit in it
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(limits))


def _system_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return kib * 1024
