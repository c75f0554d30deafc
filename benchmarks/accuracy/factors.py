"""What the other methods share: the scan as a matrix with the beam masked, and maps out of factors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import scores
from benchmarks.accuracy.scan import SimulatedScan

Floats = NDArray[np.floating]

LIT = 0.1  # probes with less than this share of the 90 % quantile of all Bragg counts get no label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masked:
    """The matrix (n_probes, n_used) float32, and which pixels it has."""

    values: NDArray[np.float32]
    used: NDArray[np.bool_]
    scan_shape: tuple[int, int]

    def images(self, rows: Floats) -> Floats:
        """Put rows (n, n_used) back on the detector."""
        images = np.zeros((len(rows), *self.used.shape))
        images[:, self.used] = rows
        return images


def open_masked(patterns: NDArray[np.integer], scan: SimulatedScan) -> Masked:
    """Mask the true beam, as a careful user would by hand, and pixels that never count."""
    side_y, side_x = patterns.shape[2:]
    y, x = np.mgrid[:side_y, :side_x]
    radius = np.hypot(y - scan.truth.centre[0], x - scan.truth.centre[1])
    used = (radius >= scan.truth.beam_radius) & (patterns.max(axis=(0, 1)) > 0)
    values = patterns[:, :, used].reshape(-1, int(used.sum())).astype(np.float32)
    return Masked(values=values, used=used, scan_shape=patterns.shape[:2])


def binned(data: Masked, factor: int) -> NDArray[np.float32]:
    """Add up squares of pixels, those that are masked being 0; (n_probes, n_pixels), empty pixels left out."""
    side_y, side_x = data.used.shape
    values = np.zeros((len(data.values), side_y, side_x), dtype=np.float32)
    values[:, data.used] = data.values
    small = values.reshape(-1, side_y // factor, factor, side_x // factor, factor).sum(axis=(2, 4))
    flat = small.reshape(len(small), -1)
    return np.asarray(flat[:, flat.any(axis=0)])


def poisson_weights(values: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Square roots of row and column sums (Keenan and Kotula); 1 where a sum is 0."""
    roots = [np.sqrt(values.sum(axis=axis, dtype=np.float64)) for axis in (1, 0)]
    row, column = (np.where(root > 0, root, 1).astype(np.float32) for root in roots)
    return row, column


def bragg_counts(images: Floats, scan: SimulatedScan) -> Floats:
    """Counts of each image above its radial median, outside the beam: what a component counts by."""
    spots = scores.bragg_only(images, centre=scan.truth.centre, beam_radius=scan.truth.beam_radius)
    return np.asarray(spots.sum(axis=(1, 2)))


def labels_of(weights: Floats) -> NDArray[np.int16]:
    """Strongest of weights (n, scan_y, scan_x); -1 where all are weak together."""
    total = weights.sum(axis=0)
    lit = total > LIT * np.quantile(total, 0.9)
    return np.where(lit, weights.argmax(axis=0), -1).astype(np.int16)
