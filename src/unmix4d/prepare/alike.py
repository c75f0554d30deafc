"""Whether two patterns are the same within noise, and what noise there is."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.records import BoolArray, FloatArray, IntArray

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours (y, x): each pair of probes once."""

FEW_PAIRS = 16
STEPS, NEAR = 8, 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Squares of detector pixels whose counts are added up before patterns are compared.

    Attributes
    ----------
    side : int
        Of a square, pixels.
    bad : (pattern_y, pattern_x) bool or None
        Pixels that are not looked at.
    """

    side: int = 1
    bad: BoolArray | None = None

    def of(self, patterns: FloatArray) -> FloatArray:
        """Add up patterns (y, x, pattern_y, pattern_x): (y, x, n_cells) float32."""
        y, x, ny, nx = patterns.shape
        use = np.ones((ny, nx), dtype=np.float32)
        if self.bad is not None:
            use[self.bad] = 0
        out = np.zeros((y * x, -(-ny // self.side), -(-nx // self.side)), dtype=np.float32)
        add_up(np.ascontiguousarray(patterns, dtype=np.float32).reshape(y * x, ny, nx), use, self.side, out)
        return out.reshape(y, x, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How much patterns of one place differ.

    Attributes
    ----------
    gain : float
        Variance over mean of what the detector gives; 1 = single counts.
    spread : float
        Standard deviation of `excess` for pairs that are the same; 1 = pixels are independent.
    """

    gain: float = 1.0
    spread: float = 1.0

    def excess(self, sums: FloatArray) -> FloatArray:
        """How far pairs differ beyond noise, in standard deviations of independent counts; from `difference`."""
        chi2, cells, variance = sums[:, 0] / self.gain, sums[:, 1], self._variance(sums)
        return np.asarray(np.where(variance > 0, (chi2 - cells) / np.sqrt(np.maximum(variance, 1e-9)), 0))

    def are_same(self, sums: FloatArray, false_rejection: float) -> BoolArray:
        """Whether pairs are the same, wrongly not for about this share of those that are; from `difference`."""
        usual = NormalDist().inv_cdf(1 - false_rejection)
        # Sums of squares have a longer upper tail than a normal variable: the first term of Cornish and Fisher.
        tail = np.sqrt(8 / np.maximum(self._variance(sums) / 2, 1)) / 6 * (usual**2 - 1)
        return np.asarray(self.excess(sums) <= self.spread * (usual + tail))

    def _variance(self, sums: FloatArray) -> FloatArray:
        return np.asarray(2 * sums[:, 1] - 2 * self.gain * sums[:, 2])


def measure_noise(patches: Iterable[FloatArray], cells: Cells) -> Noise:
    """Measure noise from neighbouring probes, of which most are taken to see the same.

    What a pair differs by, per cell, is the gain where both see the same, and more elsewhere: the gain is found
    where pairs lie closest together. What lies below it tells how far pairs scatter that see the same.

    Parameters
    ----------
    patches : iterable of (y, x, pattern_y, pattern_x) float32
        Rectangles of the scan.
    cells : Cells

    Returns
    -------
    Noise
    """
    found: list[FloatArray] = [np.zeros((0, 3))]
    for patch in patches:
        pooled = cells.of(patch)
        found += [pair_sums(pooled, step)[1] for step in NEIGHBOURS[:2]]
    sums = np.concatenate(found)
    sums = sums[sums[:, 1] > 0]
    if len(sums) == 0:
        return Noise()
    per_cell = sums[:, 0] / sums[:, 1]
    gain = _densest(np.sort(per_cell)) if len(sums) >= FEW_PAIRS else float(np.median(per_cell))
    if gain <= 0:
        return Noise()
    noise = Noise(gain=gain)
    for _ in range(STEPS if len(sums) >= FEW_PAIRS else 0):
        excess = noise.excess(sums)
        below = excess[excess < 0]
        spread = max(1.0, float(np.sqrt(np.mean(below**2)))) if len(below) >= FEW_PAIRS else 1.0
        near = np.abs(excess) <= NEAR * spread
        noise = Noise(gain=float(per_cell[near].mean()) if near.any() else noise.gain, spread=spread)
    return noise


def _densest(ordered: FloatArray) -> float:
    """Where ordered values lie closest together: the shortest interval with half of them, its half, and so on."""
    while len(ordered) > FEW_PAIRS:
        half = (len(ordered) + 1) // 2
        start = int(np.argmin(ordered[half - 1 :] - ordered[: len(ordered) - half + 1]))
        ordered = ordered[start : start + half]
    return float(ordered.mean())


def pair_sums(pooled: FloatArray, step: tuple[int, int]) -> tuple[IntArray, FloatArray]:
    """Compare each probe of (y, x, n_cells) with its neighbour at ``step``.

    Gives the pairs (n, 2) as probes in C order, and what `difference` gives.
    """
    y, x, n_cells = pooled.shape
    number = np.arange(y * x).reshape(y, x)
    dy, dx = step
    first = number[: y - dy, max(0, -dx) : x - max(0, dx)]
    second = number[dy:, max(0, dx) : x + min(0, dx)]
    pairs = np.stack([first.ravel(), second.ravel()], axis=1)
    return pairs, difference(pooled.reshape(y * x, n_cells), pairs)


@compiled
def add_up(patterns: FloatArray, use: FloatArray, side: int, out: FloatArray) -> None:
    """Add up squares of ``side`` pixels of patterns (n, y, x) times ``use`` (y, x) in ``out`` (n, cells...)."""
    n, ny, nx = patterns.shape
    for p in range(n):
        for y in range(ny):
            into, row, times = out[p, y // side], patterns[p, y], use[y]
            if side == 1:
                for x in range(nx):
                    into[x] = row[x] * times[x]
            else:
                for x in range(nx):
                    into[x // side] += row[x] * times[x]


@compiled
def difference(pooled: FloatArray, pairs: IntArray) -> FloatArray:
    """Compare pairs (n, 2) of patterns (n_probes, n_cells).

    Gives (n, 3): the sum of (a - b)^2 / (a + b) over the cells in which a count was seen, their number, and the
    sum of 1 / (a + b). For counts that see the same, and given the sums a + b, a is binomial: the first has the
    second as mean, and twice the second less twice the third as variance.
    """
    out = np.zeros((len(pairs), 3))
    for i in range(len(pairs)):
        one, other = pooled[pairs[i, 0]], pooled[pairs[i, 1]]
        chi2, count, inverse = np.float32(0), np.float32(0), np.float32(0)
        for d in range(one.size):
            both = one[d] + other[d]
            seen = np.float32(1) if both > 0 else np.float32(0)
            part = seen / max(both, np.float32(1e-30))
            chi2 += (one[d] - other[d]) ** 2 * part
            count += seen
            inverse += part
        out[i, 0], out[i, 1], out[i, 2] = chi2, count, inverse
    return out


@compiled
def mean_of(patterns: FloatArray, partners: IntArray, out: FloatArray) -> None:
    """Average patterns (n, n_pixels) with their partners (n, 8), of which -1 is none."""
    for p in range(len(partners)):
        into = out[p]
        into[:] = patterns[p]
        count = np.float32(1)
        for j in range(partners.shape[1]):
            if partners[p, j] >= 0:
                count += np.float32(1)
                other = patterns[partners[p, j]]
                for d in range(into.size):
                    into[d] += other[d]
        for d in range(into.size):
            into[d] /= count
