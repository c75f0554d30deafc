"""The sliding paraboloid: what lies under a pattern and is nowhere more curved than a paraboloid."""

import numpy as np

from unmix4d.compiled import compiled, inlined
from unmix4d.records import FloatArray, IntArray


@compiled
def shrink(patterns: FloatArray, side: int, out: FloatArray) -> None:
    """Average squares of ``side`` pixels of patterns (n, y, x); the last ones take what is left over."""
    n, ny, nx = patterns.shape
    _, my, mx = out.shape
    for p in range(n):
        for i in range(my):
            bottom = ny if i == my - 1 else (i + 1) * side
            for j in range(mx):
                right = nx if j == mx - 1 else (j + 1) * side
                total = np.float32(0)
                for y in range(i * side, bottom):
                    for x in range(j * side, right):
                        total += patterns[p, y, x]
                out[p, i, j] = total / ((bottom - i * side) * (right - j * side))


@compiled
def raise_and_smooth(images: FloatArray, raised: FloatArray, out: FloatArray) -> FloatArray:
    """Give the mean of 3 x 3 pixels of their largest of 3 x 3; and by how much that raised each image, (n,)."""
    n, my, mx = images.shape
    shift = np.zeros(n)
    for p in range(n):
        for y in range(my):
            for x in range(mx):
                best = images[p, y, x]
                for v in range(max(0, y - 1), min(my, y + 2)):
                    for u in range(max(0, x - 1), min(mx, x + 2)):
                        best = max(best, images[p, v, u])
                raised[p, y, x] = best
        for y in range(my):
            for x in range(mx):
                total, count = np.float32(0), 0
                for v in range(max(0, y - 1), min(my, y + 2)):
                    for u in range(max(0, x - 1), min(mx, x + 2)):
                        total += raised[p, v, u]
                        count += 1
                out[p, y, x] = total / count
                shift[p] += out[p, y, x] - images[p, y, x]
        shift[p] /= my * mx
    return shift


@compiled
def slide(images: FloatArray, curvature: float) -> None:
    """Replace images (n, y, x) by the paraboloids ``a - curvature * r**2`` that fit under them.

    Along x, y and x, then along both diagonals and the first again. Under one line, what parabolas reach from below
    is the lower convex hull of the line plus ``curvature * i**2``, less that again.
    """
    n, my, mx = images.shape
    room = np.empty(max(my, mx))
    stack = np.empty(max(my, mx), np.int64)
    for p in range(n):
        flat = images[p].ravel()
        corners = np.array([0, mx - 1, (my - 1) * mx, my * mx - 1])
        aside = np.array([min(1, mx - 1), max(0, mx - 2), (my - 1) * mx + min(1, mx - 1), my * mx - min(2, mx)])
        inward = np.array([min(1, my - 1), min(1, my - 1), max(0, my - 2), max(0, my - 2)]) * mx
        inward[1::2] += mx - 1
        for i in range(4):  # a corner alone would hold a paraboloid up that lies mostly outside
            flat[corners[i]] = min(flat[corners[i]], max(flat[aside[i]], flat[inward[i]]))
        for turn in range(3):
            if turn == 1:
                for x in range(mx):
                    _lower(flat, (x, mx, my), curvature, room, stack)
            else:
                for y in range(my):
                    _lower(flat, (y * mx, 1, mx), curvature, room, stack)
        for turn in range(3):
            for d in range(1 - my, mx):
                y, x = max(0, -d), max(0, d)
                length = min(my - y, mx - x)
                if turn == 1:
                    _lower(flat, (y * mx + mx - 1 - x, mx - 1, length), 2 * curvature, room, stack)
                else:
                    _lower(flat, (y * mx + x, mx + 1, length), 2 * curvature, room, stack)


@inlined
def _lower(
    flat: FloatArray, line: tuple[int, int, int], curvature: float, room: FloatArray, stack: IntArray
) -> None:
    """Lower the values of one line (start, step, length)."""
    start, step, length = line
    top = 0
    for i in range(length):
        room[i] = flat[start + i * step] + curvature * i * i
        while top > 1 and (room[stack[top - 1]] - room[stack[top - 2]]) * (i - stack[top - 2]) >= (
            room[i] - room[stack[top - 2]]
        ) * (stack[top - 1] - stack[top - 2]):
            top -= 1
        stack[top] = i
        top += 1
    for s in range(top - 1):
        left, right = stack[s], stack[s + 1]
        slope = (room[right] - room[left]) / (right - left)
        for i in range(left + 1, right):
            flat[start + i * step] = room[left] + slope * (i - left) - curvature * i * i


@compiled
def subtract(patterns: FloatArray, small: FloatArray, shift: FloatArray, side: int, out: FloatArray) -> None:
    """Take shrunk backgrounds (n, y / side, x / side), less a shift of each, from patterns (n, y, x)."""
    n, ny, nx = patterns.shape
    _, my, mx = small.shape
    line = np.empty(mx, np.float32)
    left, part = np.empty(nx, np.int64), np.empty(nx, np.float32)
    for x in range(nx):
        place = min(max((x + 0.5) / side - 0.5, 0.0), mx - 1.0)
        left[x] = min(int(place), max(0, mx - 2))
        part[x] = place - left[x]
    for p in range(n):
        for y in range(ny):
            place = min(max((y + 0.5) / side - 0.5, 0.0), my - 1.0)
            top = min(int(place), max(0, my - 2))
            share, bottom = np.float32(place - top), min(top + 1, my - 1)
            for j in range(mx):
                line[j] = small[p, top, j] * (1 - share) + small[p, bottom, j] * share - shift[p]
            for x in range(nx):
                j = left[x]
                out[p, y, x] = patterns[p, y, x] - line[j] - part[x] * (line[min(j + 1, mx - 1)] - line[j])
