"""What a run takes, decided before anything is read: memory, blocks, passes and about how long."""

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.config import Settings
from unmix4d.errors import ResourceError
from unmix4d.execute import one_blas_thread
from unmix4d.factorize import descent, kullback
from unmix4d.paper.count import KS
from unmix4d.paper.images import SWEEP_SIDE
from unmix4d.prepare.source import BLOCK_BYTES
from unmix4d.records import Scan

SHARE_OF_FREE = 0.6
BASE_BYTES = 450 * 2**20
"""The program with its libraries, drawing included."""

FLOAT = np.dtype(np.float32).itemsize
SMALLEST_BLOCK = 2**20
LEAST_ROWS = 256
TILE_BYTES = 2**24
SAMPLE_ROWS = 1024
SAMPLE_BYTES = 2**30
RANK, EXTRA_RANK, OVERSAMPLING, LANES = 48, 24, 16, 32
MANY_PROBES, SQUARE = 32768, 4
PASSES = 6
HALOS = {"mean": 1, "gated-mean": 1}
COPIES, MOST_COPIES = {"raw": 3, "mean": 5, "gated-mean": 4, "epattern": 3}, 6
"""Of a block as float32 while it is filtered, masked and used."""

SPOTS, SPOT_BYTES = 40, 21
KEPT_K = 9
DENSE_SOLVER = "mu-kl"

PAPER_K = 24
PAPER_SWEEP_STEPS, PAPER_MODEL_K = 130, 10
"""Of the paper's procedure: usual iterations of its sweep, and about how large its two models are."""

SAMPLED_SECONDS = 0.2
WRITE_SECONDS = 8.0
SECONDS_PER_VALUE = 1.2e-9
SECONDS_TO_REGISTER, SECONDS_TO_AVERAGE = 4e-8, 4e-9
STARTS_STEPS, FINISH_STEPS = 45, 35
SLOWER_THAN_PRODUCTS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Memory, blocks and time of one run.

    Attributes
    ----------
    budget : int
        What the run may take, bytes.
    needed : int
        What it takes besides cached patterns, bytes.
    cache : int
        What may be used to keep patterns between passes, bytes; they are kept only if all of them fit and reading
        them again would cost more.
    matrix : int
        All patterns as they are worked on, bytes.
    block : int
        One block of patterns as stored, bytes.
    n_blocks : int
    n_threads : int
    dense : int
        What is held because all patterns must be in memory, bytes; part of ``needed``. 0 for most runs.
    cached : bool
        Whether the patterns would fit into the cache.
    passes : int
        How often the data is looked at, if no fit has to be refined.
    seconds : float or None
        About how long the run takes, from the speed of this machine; None if it was not asked for.
    """

    budget: int
    needed: int
    cache: int
    matrix: int
    block: int
    n_blocks: int
    n_threads: int
    cached: bool
    dense: int = 0
    passes: int = PASSES
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the plan as a plain mapping."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Numbers that a run's memory and time follow from."""

    n_probes: int
    n_pixels: int
    stored_pattern: int
    item: int
    rank: int
    n_components: int
    n_kept: int
    n_starts: int
    filter: str
    scan_x: int

    @property
    def factors(self) -> int:
        """Bytes of what is held at once when the most is held: every k before and after it is brought to counts."""
        sides = self.n_probes + self.n_pixels
        low_rank = self.rank * (2 * self.n_probes * FLOAT + self.n_pixels * (3 * FLOAT + 8))
        every_k = self.n_components * FLOAT * (2 * sides + 2 * self.n_pixels) + self.across
        kept = self.n_kept * FLOAT * 2 * sides
        return low_rank + max(every_k, kept + self.n_components * FLOAT * sides)

    @property
    def spots(self) -> int:
        """Bytes of a table of spots while its parts are put together."""
        return 2 * self.n_probes * SPOTS * SPOT_BYTES if self.filter == "epattern" else 0

    @property
    def in_sweep(self) -> int:
        """Pixels of the images that the paper's sweep works on."""
        return min(self.n_pixels, SWEEP_SIDE**2)

    def paper(self, threads: int) -> int:
        """Bytes of the paper's procedure: all patterns 8-bit in two sizes, and factors of one k a thread."""
        sides, small = self.n_probes + self.n_pixels, self.n_probes + self.in_sweep
        images = self.n_probes * (self.n_pixels + (self.in_sweep if self.in_sweep < self.n_pixels else 0))
        one_k = FLOAT * (2 * kullback.ROWS * self.in_sweep + 2 * PAPER_K * small) + 2 * 8 * PAPER_K * self.in_sweep
        piece = max(descent.PIECE_BYTES, kullback.ROWS * self.n_pixels * FLOAT) + 8 * PAPER_K * self.n_pixels
        model = PAPER_K * sides * (4 * FLOAT + 3 * 8)
        return images + max(threads * one_k, model + (threads + 1) * piece)

    @property
    def across(self) -> int:
        """Bytes of all components as they are laid out for products."""
        return (self.n_components + LANES) * self.n_pixels * FLOAT

    @property
    def sample(self) -> int:
        """Bytes of the rows that are looked at first."""
        rows = min(self.n_probes, SAMPLE_ROWS, max(2, SAMPLE_BYTES // (self.n_pixels * FLOAT)))
        return rows * self.n_pixels * self.item + TILE_BYTES

    def worker(self, block: int) -> int:
        """Bytes of one block while it is worked on: as stored, repaired, masked or filtered, and sums."""
        rows = max(1, block // self.stored_pattern)
        sums = max(self.rank, 4 * 21) * self.n_pixels * FLOAT
        return self._patterns(block, rows) + 2 * TILE_BYTES + sums + 7 * rows * self.n_components * FLOAT

    def _patterns(self, block: int, rows: int) -> int:
        """Bytes of the patterns of a block on their way: as stored, as counts of 4 bytes, and filtered."""
        if self.item < FLOAT:
            return 3 * block
        reach = HALOS.get(self.filter, 0)
        lines, width = divmod(rows, self.scan_x)
        around = (lines + 2 * reach) / lines if lines else (1 + 2 * reach) * (width + 2 * reach) / width
        floats = rows * self.n_pixels * FLOAT
        return int(around * (2 * block + COPIES.get(self.filter, MOST_COPIES) * floats))


def make_plan(scan: Scan, settings: Settings, *, timed: bool = False) -> Plan:
    """Plan a run.

    Parameters
    ----------
    scan : Scan
    settings : Settings
    timed : bool
        Whether to look how fast this machine reads and computes, which takes some tenths of a second.

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
    sizes = _sizes(scan, settings)
    dense = _dense(sizes, settings, threads)
    if BASE_BYTES + dense > budget:
        least = -(-(BASE_BYTES + dense) // 2**20)
        raise ResourceError(
            f"{_why_dense(settings)} holds all patterns in memory: this run needs at least {least} MiB "
            f"and may use {budget / 2**20:.0f} MiB; raise --memory, or reduce the data with --bin or --crop"
        )
    held = BASE_BYTES + sizes.factors + sizes.sample + sizes.spots + dense
    smallest = held + (threads + 1) * sizes.worker(max(SMALLEST_BLOCK, sizes.stored_pattern))
    if smallest > budget:
        raise ResourceError(
            f"this run needs at least {-(-smallest // 2**20)} MiB and may use {budget / 2**20:.0f} MiB; "
            "raise --memory, lower --k-max or --threads, or reduce the data with --bin or --crop"
        )
    block = _largest_block(sizes, threads, budget - held)
    needed = held + (threads + 1) * sizes.worker(block)
    matrix = sizes.n_probes * sizes.n_pixels * sizes.item
    cache = max(0, budget - needed)
    return Plan(
        budget=budget,
        needed=needed,
        cache=cache,
        matrix=matrix,
        block=block,
        n_blocks=-(-sizes.n_probes * sizes.stored_pattern // block),
        n_threads=threads,
        cached=matrix <= cache,
        dense=dense,
        seconds=_seconds(scan, sizes, threads, paper=settings.mode == "paper") if timed else None,
    )


def _sizes(scan: Scan, settings: Settings) -> _Sizes:
    top, bottom, left, right = settings.crop or (0, scan.geometry.scan_shape[0], 0, scan.geometry.scan_shape[1])
    py, px = (side // settings.bin for side in scan.geometry.pattern_shape)
    plain = settings.filter == "raw" and settings.bin == 1 and scan.patterns.dtype.kind == "u"
    k_max = max(settings.k_max, 0 if settings.k == "auto" else settings.k)
    return _Sizes(
        n_probes=(bottom - top) * (right - left),
        n_pixels=py * px,
        stored_pattern=scan.geometry.n_pixels * scan.patterns.dtype.itemsize,
        item=scan.patterns.dtype.itemsize if plain else FLOAT,
        rank=max(RANK, k_max + EXTRA_RANK) + OVERSAMPLING,
        n_components=sum(range(settings.k_min, k_max + 1)),
        n_kept=sum(range(max(settings.k_min, k_max - KEPT_K), k_max + 1)),
        n_starts=len(settings.starts),
        filter=settings.filter,
        scan_x=right - left,
    )


def _dense(sizes: _Sizes, settings: Settings, threads: int) -> int:
    """Bytes that are held because a part of the run needs all patterns in memory."""
    paper = sizes.paper(threads) if settings.mode == "paper" else 0
    solver = sizes.n_probes * sizes.n_pixels * sizes.item if settings.solver == DENSE_SOLVER else 0
    return paper + solver


def _why_dense(settings: Settings) -> str:
    return "--mode paper" if settings.mode == "paper" else f"--solver {settings.solver}"


def _largest_block(sizes: _Sizes, threads: int, room: int) -> int:
    """Give a block of the usual size, at least some hundred patterns, if there is room for it; else a smaller one.

    The usual size does not depend on the number of threads, so that sums are taken in the same parts.
    """
    block = max(BLOCK_BYTES, LEAST_ROWS * sizes.stored_pattern)
    while block > max(SMALLEST_BLOCK, sizes.stored_pattern) and (threads + 1) * sizes.worker(block) > room:
        block //= 2
    return max(block, SMALLEST_BLOCK, sizes.stored_pattern)


def _seconds(scan: Scan, sizes: _Sizes, threads: int, *, paper: bool) -> float:
    """Estimate the time of a run from how fast a sample of the scan is read and a product is taken here."""
    read = _reading_rate(scan)
    rate = _product_rate()
    values = sizes.n_probes * sizes.n_pixels
    stored = sizes.n_probes * sizes.stored_pattern
    squares = SQUARE if sizes.n_probes > MANY_PROBES else 1
    per_value = 4 * sizes.rank / squares + 2 * sizes.n_components * (1 + SLOWER_THAN_PRODUCTS)
    streaming = PASSES * values * SECONDS_PER_VALUE + values * per_value / rate
    small = sizes.n_probes / 4 + min(sizes.n_pixels, 2048)
    per_step = 4 * sizes.rank * sizes.n_components * SLOWER_THAN_PRODUCTS / rate
    fits = per_step * (
        sizes.n_starts * STARTS_STEPS * small + FINISH_STEPS * (sizes.n_probes / squares + sizes.n_pixels)
    )
    more = _paper_seconds(sizes, rate) if paper else 0.0
    filtering = SECONDS_TO_REGISTER * values if sizes.filter == "epattern" else 0.0
    filtering += PASSES * SECONDS_TO_AVERAGE * values if sizes.filter in HALOS else 0.0
    return PASSES * stored / read / threads + (streaming + fits + filtering + more) / threads + WRITE_SECONDS


def _paper_seconds(sizes: _Sizes, rate: float) -> float:
    """Estimate the time of the paper's procedure on one core."""
    all_k, n_k = sum(KS), len(KS)
    per_value = SLOWER_THAN_PRODUCTS * 8 * all_k / rate + n_k * SECONDS_PER_VALUE
    sweep = PAPER_SWEEP_STEPS * sizes.n_probes * sizes.in_sweep * per_value
    models = (
        2 * descent.MAX_ITER * sizes.n_probes * sizes.n_pixels * 4 * PAPER_MODEL_K / rate * SLOWER_THAN_PRODUCTS
    )
    return sweep + models


def _reading_rate(scan: Scan) -> float:
    """Bytes a second, from scan lines spread over the scan."""
    begun, n_bytes = time.perf_counter(), 0
    for y in np.linspace(0, scan.geometry.scan_shape[0] - 1, 64).astype(int):
        n_bytes += np.array(scan.patterns[int(y) : int(y) + 1]).nbytes
        if time.perf_counter() - begun > SAMPLED_SECONDS:
            break
    return n_bytes / max(time.perf_counter() - begun, 1e-6)


def _product_rate() -> float:
    """Operations a second of a matrix product on one core."""
    a, b = np.ones((512, 2048), dtype=np.float32), np.ones((2048, 80), dtype=np.float32)
    with one_blas_thread():
        a @ b
        begun = time.perf_counter()
        for _ in range(5):
            a @ b
    return 5 * 2 * a.size * b.shape[1] / (time.perf_counter() - begun)


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
