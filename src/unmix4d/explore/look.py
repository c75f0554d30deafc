"""A first look at a scan before any run: some patterns at once, and sums over all of them as they are read."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from unmix4d.explore.source import Detector, PatternSource, masked_sums
from unmix4d.prepare.beam import find_beam
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, Beam, FloatArray

SAMPLE_BYTES = 64 * 2**20
SAMPLE_SECONDS = 0.7
"""After which no finer sample is begun: something is to be seen at once, from slow files too."""

FEWEST = 16
FARTHEST_BEAM = 0.5
"""The beam may be anywhere: nothing is masked by it, it only places the first detector."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Every ``stride``-th pattern along both axes of a scan, from (0, 0) on.

    Attributes
    ----------
    stride : int
    shape : (rows, columns)
        Of the sample.
    patterns : (rows * columns, pattern_y, pattern_x)
        As they are stored where they are unsigned, else counts.
    """

    stride: int
    shape: tuple[int, int]
    patterns: AnyArray

    def mean(self) -> FloatArray:
        """Mean pattern, (pattern_y, pattern_x) float64."""
        return np.asarray(self.patterns.mean(axis=0, dtype=np.float64))

    def maximum(self) -> AnyArray:
        """Largest value of each pixel, (pattern_y, pattern_x)."""
        return np.asarray(self.patterns.max(axis=0))

    def beam(self) -> Beam | None:
        """Find the direct beam in the mean pattern."""
        return find_beam(self.mean(), reach=FARTHEST_BEAM)

    def image(self, detector: Detector) -> FloatArray:
        """Sum the counts in a detector: (rows, columns) float32."""
        shape = (self.patterns.shape[1], self.patterns.shape[2])
        part, mask = detector.window(shape)
        return masked_sums(self.patterns[(slice(None), *part)], mask).reshape(self.shape)


@dataclass(slots=True, kw_only=True, eq=False)
class Look:
    """What is seen of a scan; the sample is read once, when it is first asked for."""

    source: PatternSource
    lock: Lock = field(default_factory=Lock)
    kept: Sample | None = None

    def sample(self) -> Sample:
        """Give the sample: the finest that a little memory and time allow."""
        with self.lock:
            if self.kept is None:
                self.kept = read_sample(self.source)
            return self.kept

    def sums(self) -> Iterator[tuple[int, FloatArray]]:
        """Read every pattern of the scan, block by block.

        Yields
        ------
        n, values : int, (0,) or (2 * n_pixels,) float
            Patterns read so far; the values come with the last block: the mean and the largest value of each pixel.
        """
        geometry = self.source.source.geometry
        total = np.zeros(geometry.pattern_shape, np.float64)
        largest = np.zeros(geometry.pattern_shape, np.float64)
        done, nothing = 0, np.zeros(0)
        for tile in self.source.source.tiles:
            patterns = self.source.counts(tile).reshape(-1, *geometry.pattern_shape)
            exact = np.uint64 if patterns.dtype.kind == "u" else np.float64
            total += patterns.sum(axis=0, dtype=exact)
            np.maximum(largest, patterns.max(axis=0), out=largest)
            done += len(patterns)
            if done < geometry.n_probes:
                yield done, nothing
        yield done, np.concatenate([(total / done).ravel(), largest.ravel()])


def read_sample(source: PatternSource, *, most_bytes: int = SAMPLE_BYTES) -> Sample:
    """Read every 2**n-th pattern along both axes, from coarse to fine, until memory or time are spent.

    Each finer sample holds the one before, so no pattern is read twice.
    """
    geometry = source.source.geometry
    sy, sx = geometry.scan_shape
    read: dict[tuple[int, int], AnyArray] = {}
    stride = 2 ** int(np.log2(max(1.0, (sy * sx / FEWEST) ** 0.5)))
    stride = min(stride, 2 ** int(np.log2(max(sy, sx))))
    start = time.perf_counter()
    while True:
        rows, columns = range(0, sy, stride), range(0, sx, stride)
        for y in rows:
            for x in columns:
                if (y, x) not in read:
                    read[y, x] = source.counts(Tile(rows=slice(y, y + 1), columns=slice(x, x + 1)))[0, 0]
        each = next(iter(read.values())).nbytes
        finer = len(range(0, sy, max(1, stride // 2))) * len(range(0, sx, max(1, stride // 2)))
        spent = (time.perf_counter() - start) * finer / len(read)
        if stride == 1 or finer * each > most_bytes or spent > SAMPLE_SECONDS:
            break
        stride //= 2
    patterns = np.stack([read[y, x] for y in rows for x in columns])
    return Sample(stride=stride, shape=(len(rows), len(columns)), patterns=patterns)
