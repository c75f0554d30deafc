"""The physical limit: every value read once, converted to float32 and added to its column's sum."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clock import Clock
from benchmarks.matrix import Factors

WATCHED = ("numpy",)
TITLE = "one pass"
BLOCK_BYTES = 2**20  # fits in a core's own cache
LARGE_BLOCK_BYTES = 2**24  # what unmix4d reads at once
WARM_PASSES = 5


def run(path: Path, _ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Read the file from disk, then as often as asked from memory."""
    if options.get("cold") and forget(path):
        with clock.part("cold"):
            one_pass(path)
    n_warm = int(str(options.get("warm", WARM_PASSES)))
    if n_warm:
        one_pass(path)
    for i in range(n_warm):
        with clock.part(f"warm {i}"):
            one_pass(path)
        with clock.part(f"large blocks {i}"):
            one_pass(path, LARGE_BLOCK_BYTES)
    return {}


def one_pass(path: Path, block_bytes: int = BLOCK_BYTES) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Give the sum of all patterns, flat."""
    header = np.load(path, mmap_mode="r")
    n_probes, n_pixels, dtype = header[..., 0, 0].size, header[0, 0].size, header.dtype
    step = max(1, block_bytes // (n_pixels * dtype.itemsize))
    block, counts = np.empty((step, n_pixels), dtype), np.empty((step, n_pixels), np.float32)
    total = np.zeros(n_pixels)
    with path.open("rb", buffering=0) as stream:
        stream.seek(path.stat().st_size - header.nbytes)
        for start in range(0, n_probes, step):
            n = min(step, n_probes - start)
            _fill(stream, block[:n])
            np.copyto(counts[:n], block[:n])
            total += counts[:n].sum(axis=0)
    return total


def _fill(stream: object, block: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    view = memoryview(block).cast("B")
    while view:
        read = stream.readinto(view)  # type: ignore[attr-defined]
        if not read:
            raise EOFError("the file of the scan is cut short")
        view = view[read:]


def forget(path: Path) -> bool:
    """Ask the system to drop a file from its cache; False where it cannot."""
    if not hasattr(os, "posix_fadvise"):
        return False
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True
