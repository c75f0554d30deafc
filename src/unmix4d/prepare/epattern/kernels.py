"""Compiled inner loops of registration: smoothing, prominent maxima, places and intensities of spots."""

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.records import BoolArray, FloatArray, IntArray

STEPS = 10
STILL = 1e-3
CLIP = 3.0
COLUMNS = 6
"""y, x, intensity, its noise, prominence, whether it was left at its pixel."""


@compiled
def smooth(patterns: FloatArray, kernel: FloatArray, out: FloatArray) -> None:
    """Convolve patterns (n, y, x) with an odd kernel along both axes; edges are repeated."""
    n, ny, nx = patterns.shape
    reach = kernel.size // 2
    row, rows = np.empty(nx + 2 * reach, np.float32), np.empty((ny, nx), np.float32)
    for p in range(n):
        rows[:] = 0
        for y in range(ny):
            row[reach : reach + nx] = patterns[p, y]
            row[:reach], row[reach + nx :] = patterns[p, y, 0], patterns[p, y, nx - 1]
            into = rows[y]
            for j in range(kernel.size):
                for x in range(nx):
                    into[x] += kernel[j] * row[x + j]
        for y in range(ny):
            result = out[p, y]
            result[:] = 0
            for j in range(kernel.size):
                taken = rows[min(max(y + j - reach, 0), ny - 1)]
                for x in range(nx):
                    result[x] += kernel[j] * taken[x]


@compiled
def deviation(patterns: FloatArray, corners: IntArray) -> FloatArray:
    """Sample standard deviation of some pixels of patterns (n, n_pixels), (n,)."""
    found = np.zeros(len(patterns))
    for p in range(len(patterns)):
        total, squares = 0.0, 0.0
        for i in range(corners.size):
            total += patterns[p, corners[i]]
        mean = total / max(1, corners.size)
        for i in range(corners.size):
            squares += (patterns[p, corners[i]] - mean) ** 2
        found[p] = (squares / max(1, corners.size - 1)) ** 0.5
    return found


@compiled
def find_peaks(smoothed: FloatArray, least: float, bad: BoolArray, out: IntArray) -> int:
    """Find maxima of a pattern (y, x) that rise by more than ``least``, the highest first; give how many.

    From a maximum one walks over all connected pixels above its height less ``least``. It is kept if that never
    reaches the edge, nor a place that was reached from a higher one.

    Parameters
    ----------
    smoothed : (y, x) float32
    least : float
    bad : (y, x) bool
        Pixels at which no spot can be.
    out : (most, 2) int64
        Gets the pixels.
    """
    ny, nx = smoothed.shape
    tops = np.empty(max(1, ny * nx // 4), np.int64)
    count = 0
    for y in range(1, ny - 1):
        for x in range(1, nx - 1):
            if smoothed[y, x] > least and not bad[y, x] and _is_top(smoothed, y, x):
                tops[count] = y * nx + x
                count += 1
    heights = np.empty(count, np.float32)
    for i in range(count):
        heights[i] = -smoothed[tops[i] // nx, tops[i] % nx]
    order = np.argsort(heights, kind="mergesort")
    seen = np.zeros((ny, nx), np.int32)
    stack = np.empty(ny * nx, np.int64)
    kept = 0
    for i in range(count):
        if kept < len(out):
            top = tops[order[i]]
            if _stands_out(smoothed, (top, i + 1), -heights[order[i]] - least, seen, stack):
                out[kept, 0], out[kept, 1] = top // nx, top % nx
                kept += 1
    return kept


@inlined
def _is_top(image: FloatArray, y: int, x: int) -> bool:
    """Whether no neighbour is higher; of equal ones the first counts."""
    value = image[y, x]
    before = max(image[y - 1, x - 1], image[y - 1, x], image[y - 1, x + 1], image[y, x - 1])
    after = max(image[y, x + 1], image[y + 1, x - 1], image[y + 1, x], image[y + 1, x + 1])
    return bool(value > before and value >= after)


@inlined
def _stands_out(image: FloatArray, top: tuple[int, int], level: float, seen: IntArray, stack: IntArray) -> bool:
    """Walk from a top (pixel, number) over what is connected and as high as ``level``; whether it is the highest.

    It is not if the walk reaches the edge, a higher pixel, or one that was seen from a top before.
    """
    ny, nx = image.shape
    start, number = top
    height = image[start // nx, start % nx]
    alone = bool(seen[start // nx, start % nx] == 0)
    seen[start // nx, start % nx] = number
    stack[0], n_left = start, 1
    while n_left > 0 and alone:
        n_left -= 1
        y, x = stack[n_left] // nx, stack[n_left] % nx
        if y == 0 or x == 0 or y == ny - 1 or x == nx - 1:
            alone = False
        else:
            for v in range(y - 1, y + 2):
                for u in range(x - 1, x + 2):
                    if image[v, u] >= level and seen[v, u] != number:
                        alone = alone and seen[v, u] == 0 and image[v, u] <= height
                        seen[v, u] = number
                        stack[n_left] = v * nx + u
                        n_left += 1
    return alone


@compiled
def measure(  # noqa: PLR0917 - compiled functions take no keywords
    pattern: FloatArray,
    smoothed: FloatArray,
    peaks: IntArray,
    ring: IntArray,
    spot: tuple[float, float, float],
    out: FloatArray,
) -> None:
    """Measure spots of a pattern (y, x) less its background.

    Parameters
    ----------
    pattern, smoothed : (y, x) float32
    peaks : (n, 2) int64
        Pixels to begin at.
    ring : (m, 2) int64
        Pixels about a spot, relative to it, that show the slope it stands on.
    spot : (width, share, gain)
        Standard deviation of a spot, pixels; share of its counts that a Gaussian weight of that width takes, above
        what the ring takes for the ground; variance over mean of counts.
    out : (n, `COLUMNS`) float32
    """
    ny, nx = pattern.shape
    width, share, gain = spot
    around, where = np.empty(len(ring), np.float32), np.empty((len(ring), 2), np.float32)
    for i in range(len(peaks)):
        y0, x0 = peaks[i]
        count, lowest = 0, smoothed[y0, x0]
        for r in range(len(ring)):
            v, u = y0 + ring[r, 0], x0 + ring[r, 1]
            if 0 <= v < ny and 0 <= u < nx:
                around[count] = pattern[v, u]
                where[count, 0], where[count, 1] = ring[r, 0], ring[r, 1]
                lowest = min(lowest, smoothed[v, u])
                count += 1
        level, slope_y, slope_x, noise = _ground(around[:count], where)
        y, x, mass, stayed = _center(pattern, (y0, x0), (level, slope_y, slope_x), width)
        intensity = mass / share
        # A Gaussian weight sums up to 2 pi width^2, its square to half of that, and that over a spot to a third.
        area = 2 * np.pi * width**2
        variance = (area * noise**2 * (0.5 + area / max(1, count)) + gain * max(intensity, 0.0) / 3) / share**2
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = y, x, intensity, variance**0.5
        out[i, 4], out[i, 5] = smoothed[y0, x0] - lowest, stayed


@inlined
def _ground(values: FloatArray, where: FloatArray) -> tuple[float, float, float, float]:
    """Level, slopes along y and x, and standard deviation of what a spot stands on, without what stands out there.

    The limit is taken from the lower half: neighbouring spots are only in the upper one.
    """
    n = values.size
    ordered = np.sort(values)
    middle = ordered[n // 2] if n > 0 else 0.0
    below, n_below, squares = 0.0, 0, 0.0
    for i in range(n):
        squares += (ordered[i] - middle) ** 2
        if ordered[i] < middle:
            below, n_below = squares, i + 1
    limit = CLIP * (below / n_below if n_below > 0 else squares / max(1, n)) ** 0.5
    total, total2, count = 0.0, 0.0, 0
    along_y, along_x, square_y, square_x = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        value = values[i] - middle
        if abs(value) <= limit:
            total += value
            total2 += value**2
            count += 1
    mean = total / max(1, count)
    for i in range(n):
        value = values[i] - middle
        if abs(value) <= limit:
            along_y += (value - mean) * where[i, 0]
            along_x += (value - mean) * where[i, 1]
            square_y += where[i, 0] ** 2
            square_x += where[i, 1] ** 2
    slope_y, slope_x = along_y / max(1.0, square_y), along_x / max(1.0, square_x)
    variance = (total2 - along_y * slope_y - along_x * slope_x) / max(1, count) - mean**2
    return middle + mean, slope_y, slope_x, max(0.0, variance) ** 0.5


@inlined
def _center(
    pattern: FloatArray, start: tuple[int, int], ground: tuple[float, float, float], width: float
) -> tuple[float, float, float, float]:
    """Place at which a Gaussian of this width fits best, by weighted centres of mass; the weighted sum there.

    And 1 if it wandered off, so that it was put back to the start.
    """
    ny, nx = pattern.shape
    y, x = float(start[0]), float(start[1])
    level, slope_y, slope_x = ground
    reach = int(np.ceil(3 * width))
    limit = max(1.0, width)
    across = np.empty(2 * reach + 1, np.float32)
    step, turn, lost, mass = 1.0, 0, False, 0.0
    while turn < STEPS and step > STILL:
        turn += 1
        cy, cx = int(np.rint(y)), int(np.rint(x))
        for j in range(2 * reach + 1):
            across[j] = np.exp(-0.5 * ((cx + j - reach - x) / width) ** 2)
        mass, moment_y, moment_x = 0.0, 0.0, 0.0
        for v in range(max(0, cy - reach), min(ny, cy + reach + 1)):
            weight, line, line_x = np.exp(-0.5 * ((v - y) / width) ** 2), 0.0, 0.0
            lower = level + slope_y * (v - start[0])
            for u in range(max(0, cx - reach), min(nx, cx + reach + 1)):
                value = across[u - cx + reach] * (pattern[v, u] - lower - slope_x * (u - start[1]))
                line += value
                line_x += value * (u - x)
            mass += weight * line
            moment_y += weight * line * (v - y)
            moment_x += weight * line_x
        # Under a weight of its own width a Gaussian's centre of mass is half way to its middle.
        move_y, move_x = (2 * moment_y / mass, 2 * moment_x / mass) if mass > 0 else (2 * limit, 0.0)
        far = max(abs(y + move_y - start[0]), abs(x + move_x - start[1])) > limit
        step = 0.0 if lost else max(abs(move_y), abs(move_x))
        if far and not lost:
            lost = True
            y, x = float(start[0]), float(start[1])
        elif not lost:
            y, x = y + move_y, x + move_x
    return y, x, mass, 1.0 if lost else 0.0


@compiled
def draw(
    spots: tuple[FloatArray, FloatArray, FloatArray],
    first: IntArray,
    probes: IntArray,
    radius: float,
    out: FloatArray,
) -> None:
    """Draw the spots of some probes as discs whose counts are the intensities.

    Parameters
    ----------
    spots : (y, x, intensity), (n_spots,) float32 each
    first : (n_all_probes + 1,) int64
    probes : (n,) int64
    radius : float
    out : (n, y, x) float32
        Zeros, to which they are added.
    """
    _, ny, nx = out.shape
    places_y, places_x, intensity = spots
    for i in range(len(probes)):
        for s in range(first[probes[i]], first[probes[i] + 1]):
            y, x = places_y[s], places_x[s]
            top, left = int(np.floor(y - radius)), int(np.floor(x - radius))
            bottom, right = int(y + radius) + 2, int(x + radius) + 2
            area = 0.0
            for v in range(top, bottom):
                for u in range(left, right):
                    area += min(1.0, max(0.0, radius + 0.5 - ((v - y) ** 2 + (u - x) ** 2) ** 0.5))
            value = intensity[s] / area
            for v in range(max(0, top), min(ny, bottom)):
                for u in range(max(0, left), min(nx, right)):
                    share = min(1.0, max(0.0, radius + 0.5 - ((v - y) ** 2 + (u - x) ** 2) ** 0.5))
                    out[i, v, u] += value * share
