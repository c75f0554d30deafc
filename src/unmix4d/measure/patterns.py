"""What probes are sums of where the crystals' own patterns do not do: drawn ones, or components."""

import numpy as np

from unmix4d.execute import Executor
from unmix4d.records import ComponentRoles, Crystals, Factorization, FloatArray, PatternMatrix
from unmix4d.records.base import spread

GROWN = 2
"""Pixels about a drawn spot in which the measured one is looked for."""


def from_components(fit: Factorization, roles: ComponentRoles) -> Crystals:
    """Take the spots of each crystal's components together, and what is left of components as background.

    Parameters
    ----------
    fit : Factorization
    roles : ComponentRoles

    Returns
    -------
    Crystals
        Bragg counts as the components give them.
    """
    members = np.array([roles.crystals == i for i in range(roles.n_crystals)], dtype=np.float64)
    totals = fit.weights.sum(axis=0, dtype=np.float64)
    counts = roles.spot_patterns.sum(axis=(1, 2), dtype=np.float64)
    spots = np.tensordot(members.reshape(-1, fit.k) * totals, roles.spot_patterns, axes=1)
    background = np.maximum(fit.component_patterns() - roles.spot_patterns, 0)
    sums = spots.sum(axis=(1, 2), keepdims=True)
    unit = spots / np.where(sums > 0, sums, 1)
    return Crystals(
        patterns=unit.astype(np.float32),
        bragg=((fit.weights * counts) @ members.reshape(-1, fit.k).T).astype(np.float32),
        spots=unit.astype(np.float32),
        background=background.astype(np.float32),
    )


def measured(matrix: PatternMatrix, crystals: Crystals, executor: Executor) -> Crystals:
    """Find the measured spots of crystals that are known from drawn patterns, in one pass over the data.

    The mean of all measured patterns is a sum over crystals: their spots times their weights. Weights are known, so
    least squares over all probes gives the spots, and what goes with all weights alike, the background. It is
    taken off by the rings that describe background, and only pixels near drawn spots are kept.

    Parameters
    ----------
    matrix : PatternMatrix
        Unfiltered.
    crystals : Crystals
        Of the same probes.
    executor : Executor

    Returns
    -------
    Crystals
        With the spots as measured; all else as it was.
    """
    bragg = crystals.bragg.astype(np.float64)
    known = np.concatenate([bragg, np.ones((len(bragg), 1))], axis=1)
    sums = np.zeros((known.shape[1], matrix.n_pixels))
    work = _Sums(matrix=matrix, known=known.astype(np.float32))
    for part in executor.map_blocks(work, range(matrix.n_blocks)):
        sums += part
    gram = known.T @ known
    gram += 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram))
    rows = np.linalg.solve(gram, sums)[:-1]
    images = np.moveaxis(spread(rows.T, matrix.pixel_mask, 0), -1, 0)
    return Crystals(
        patterns=crystals.patterns,
        bragg=crystals.bragg,
        spots=_near(images, crystals.spots, crystals.background).astype(np.float32),
        background=crystals.background,
    )


class _Sums:
    """Sums of the counts of one block, times what is known of its probes: (n + 1, n_pixels) float64."""

    def __init__(self, *, matrix: PatternMatrix, known: FloatArray) -> None:
        self.matrix, self.known = matrix, known

    def __call__(self, block: int) -> FloatArray:
        counts = self.matrix.read_block(block).astype(np.float32)
        return np.asarray((self.known[self.matrix.rows_of(block)].T @ counts).astype(np.float64))


def _near(images: FloatArray, drawn: FloatArray, background: FloatArray) -> FloatArray:
    """Take background off, fitted where no spot of the crystal is drawn; keep what is near its spots."""
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - slow import

    eight = np.ones((3, 3), dtype=bool)
    kept = np.zeros(images.shape)
    covered = (background > 0).any(axis=0)
    for own, image, spots in zip(kept, images, drawn, strict=True):
        near = binary_dilation(spots > 0, eight, iterations=GROWN) & covered
        free = covered & ~near
        level, *_ = np.linalg.lstsq(background[:, free].T.astype(np.float64), image[free], rcond=None)
        smooth = np.tensordot(level, background, axes=1)
        own[near] = np.maximum(image - smooth, 0)[near]
    return kept
