"""Crystals of one lattice that are turned against each other in the plane of the detector."""

from typing import TYPE_CHECKING

import numpy as np

from unmix4d.quality.background import MIN_SIDE, shrink, shrink_beam, squares
from unmix4d.records import Beam, BoolArray, FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TURNED = 1.0
"""Degrees from which on two patterns are two crystals; pieces of one crystal come to 0.75, see decision 0024."""

ALIKE = 0.6
"""Cosine from which on what is turned is the same crystal."""

PERHAPS = 0.4
"""The same while they are not moved."""

PUREST_GAIN = 0.005
"""By how much the means of purest probes have to be more alike once one is turned."""

FARTHEST = 5.0
STEP = 0.5
DIRECTIONS = 360
NEAREST = 3.0

MOVED = np.arange(-4, 5) / 4
"""Pixels along either axis that two patterns may be moved against each other."""


def turned_apart(spots: FloatArray, beam: Beam | None, *, gain: float) -> BoolArray:
    """Tell which of two spot patterns are more alike once one is turned about the beam.

    A crystal that bends or changes its thickness lights up other spots, but none of them moves about the beam. A
    subgrain that is turned by a degree or two has most of its spots nearly where its neighbour has them: places and
    lattice alone call the two one crystal. Patterns may be moved against each other by a pixel, as imperfect descan
    leaves them: spots on one side of the beam would seem to be turned.

    Parameters
    ----------
    spots : (k, pattern_y, pattern_x) float
    beam : Beam or None
        The middle of the detector if None.
    gain : float
        By how much the cosine between the square roots of both has to grow.

    Returns
    -------
    (k, k) bool
        Symmetric; nowhere true for patterns under 16 pixels a side.
    """
    apart = np.zeros((len(spots), len(spots)), dtype=bool)
    if min(spots.shape[1:]) < MIN_SIDE:
        return apart
    roots = np.sqrt(np.maximum(shrink(spots), 0)).astype(np.float32)
    roots /= np.maximum(np.sqrt((roots**2).sum(axis=(1, 2), keepdims=True)), np.finfo(np.float32).tiny)
    small = shrink_beam(beam, squares(spots.shape[1:]))
    shape = roots.shape[1:]
    centre = ((shape[0] - 1) / 2, (shape[1] - 1) / 2) if small is None else small.center
    gains, best = _gains_by_turning(roots, centre)
    for i, j in np.argwhere(gains > gain):
        angles = np.copysign(np.arange(0, FARTHEST + STEP, STEP), best[i, j])
        alike = _alike_if_moved(roots[i], np.stack([_turned(roots[j], angle, centre) for angle in angles]))
        far = np.abs(angles[alike.argmax()]) >= TURNED
        least = alike[np.abs(angles) < TURNED].max() + gain
        apart[i, j] = apart[j, i] = far and alike.max() > max(least, ALIKE)
    return apart


def _gains_by_turning(roots: FloatArray, centre: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """How much more alike two become without being moved, (k, k) above the diagonal, and at which angle, degrees.

    0 unless the angle is large, and both are somewhat alike there.
    """
    circles = np.fft.rfft(_on_circles(roots, centre), axis=2).transpose(2, 0, 1)
    angles = np.arange(-FARTHEST, FARTHEST + STEP, STEP)
    frequency = np.arange(len(circles))
    # Each frequency but 0 stands for two; those of a real signal cancel to its real part.
    waves = np.exp(1j * np.outer(frequency, np.deg2rad(angles))) * np.where(frequency > 0, 2, 1)[:, None]
    alike = np.tensordot(circles.conj() @ circles.transpose(0, 2, 1), waves, axes=(0, 0)).real
    most, best = alike.max(axis=2), angles[alike.argmax(axis=2)]
    turned = (np.abs(best) >= TURNED) & (most >= PERHAPS)
    return np.triu(np.where(turned, most - alike[:, :, angles == 0][:, :, 0], 0), 1), best


def _on_circles(roots: FloatArray, centre: tuple[float, float]) -> FloatArray:
    """Patterns along circles about the beam, (k, n_radii, DIRECTIONS), of a length that Fourier makes 1."""
    shape = (roots.shape[1], roots.shape[2])
    radius = np.arange(NEAREST, np.hypot(*shape) / 2)[:, None]
    angle = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    places = np.stack([centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)])
    found = _between_pixels(shape, places.reshape(2, -1)) @ roots.reshape(len(roots), -1).T
    found = found.T.reshape(len(roots), len(radius), DIRECTIONS) * np.sqrt(radius)
    lengths = np.sqrt((found**2).sum(axis=(1, 2), keepdims=True) * DIRECTIONS)
    return np.asarray(found / np.where(lengths > 0, lengths, 1))


def _between_pixels(shape: tuple[int, int], places: FloatArray) -> "csr_array":
    """Weights (n, n_pixels) that are linear between pixels, for places (2, n); nothing outside of the detector."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow import

    n = places.shape[1]
    first = np.floor(places).astype(np.intp)
    part = places - first
    rows, columns, weights = [], [], []
    for down in (0, 1):
        for right in (0, 1):
            y, x = first[0] + down, first[1] + right
            inside = np.flatnonzero((y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1]))
            weight = np.abs(1 - down - part[0]) * np.abs(1 - right - part[1])
            rows.append(inside)
            columns.append((y * shape[1] + x)[inside])
            weights.append(weight[inside])
    index = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.concatenate(weights), index), shape=(n, shape[0] * shape[1]))


def _turned(root: FloatArray, degrees: float, centre: tuple[float, float]) -> FloatArray:
    """Turn a pattern (y, x) back about the beam, to unit length."""
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow import

    y, x = (place - middle for place, middle in zip(np.indices(root.shape), centre, strict=True))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    found = map_coordinates(root, [centre[0] + y * cos + x * sin, centre[1] + x * cos - y * sin], order=1)
    return np.asarray(found / max(float(np.linalg.norm(found)), np.finfo(np.float32).tiny))


def _alike_if_moved(first: FloatArray, others: FloatArray) -> FloatArray:
    """Cosine of a pattern (y, x) with others (n, y, x), of unit length, each moved so that it is largest: (n,)."""
    across = np.fft.fft2(first).conj() * np.fft.fft2(others) / first.size
    down, right = (np.exp(2j * np.pi * np.outer(MOVED, np.fft.fftfreq(size))) for size in first.shape)
    return np.asarray((down @ across @ right.T).real.max(axis=(1, 2)))
