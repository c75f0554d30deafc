"""Held-out counts: how well components predict counts that neither they nor their weights have seen.

Bi-cross-validation: some probes are taken out of the components, and their weights are fitted to some of the
detector pixels; what is predicted are the other pixels of those probes. It asks only that noise of different
probes, and of different blocks of pixels, is independent, whatever the detector.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unmix4d.quality.background import outside_beam
from unmix4d.records import (
    Beam,
    Better,
    BoolArray,
    CriterionCurve,
    FactoredMatrix,
    Factorization,
    FloatArray,
    IntArray,
    PatternMatrix,
    Sweep,
)

FOLDS, PARTS = 8, 4
"""Groups of held-out probes, and parts of the detector, of which one is held out for each group."""

SHARE, MOST_ROWS, LEAST_ROWS = 4, 192, 2 * FOLDS
"""One probe in four is held out at most, and so many at most and at least."""

MOST_PIXELS = 8192
"""Of larger detectors so many pixels are looked at, drawn at random."""

BLOCKS_A_SIDE = 8
"""Pixels are held out in blocks, because a detector spreads an electron over neighbouring pixels."""

CHUNK_BYTES = 2**26
COMPONENT_SWEEPS, WEIGHT_SWEEPS = 3, 6
RIDGE = 1e-6
LOST = 1e-3
"""A component that keeps less than this share of its squared weights without the held-out probes is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Squared error of held-out counts, weighted as in the fit, as a share of their own squares.

    Attributes
    ----------
    beam : Beam or None
        Left out.
    """

    name: ClassVar[str] = "held_out"
    better: ClassVar[Better] = "lower"

    beam: Beam | None = None

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the error at every k, with its standard error over the folds.

        The choice is the smallest k within one standard error of the lowest value; none if that is the last k,
        where the curve still falls. Empty without a low-rank form, or if the scan is too small.
        """
        held = None if sweep.factored is None else hold_out(sweep.matrix, sweep.factored, self.beam)
        ks = () if held is None else tuple(k for k in sweep.ks if k <= held.most)
        if held is None or not ks:
            missing = "not measured: too few probes or pixels, or no low-rank form"
            return CriterionCurve(name=self.name, better=self.better, ks=(), values=(), note=missing)
        return _curve(ks, np.array([held.errors(sweep.fits[k]) for k in ks]))


def _curve(ks: tuple[int, ...], errors: FloatArray) -> CriterionCurve:
    """Put errors (n_ks, FOLDS) together to a curve."""
    chosen, scatter = within_one_error(errors)
    note = "± one standard error over the folds of the difference to the lowest"
    falling = chosen == len(ks) - 1 > 0
    return CriterionCurve(
        name=HeldOut.name,
        better=HeldOut.better,
        ks=ks,
        values=tuple(errors.mean(axis=1).tolist()),
        errors=tuple(scatter.tolist()),
        choice=None if falling else ks[chosen],
        note=f"still falling at k = {ks[-1]}; {note}" if falling else note,
    )


def within_one_error(errors: FloatArray) -> tuple[int, FloatArray]:
    """Give the first of several models whose mean error is within one standard error of the lowest.

    Parameters
    ----------
    errors : (n, n_folds) float
        Of each model in each fold. Folds differ in brightness, so that models are compared fold by fold.

    Returns
    -------
    int
        Index of the model.
    (n,) float
        Standard error, over the folds, of the difference of each to the lowest.
    """
    lowest = int(errors.mean(axis=1).argmin())
    apart = errors - errors[lowest]
    scatter = np.asarray(apart.std(axis=1, ddof=1) / np.sqrt(errors.shape[1]))
    return int(np.flatnonzero(apart.mean(axis=1) <= scatter)[0]), scatter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holding:
    """Counts that are held out, and what is known without them.

    Attributes
    ----------
    factored : FactoredMatrix
    rows : (n,) int
        Rows of the low-rank form that are held out, those of one part of the detector after the other.
    pixels : (m,) int
        Columns that are looked at, those of one part of the detector after the other.
    parts : tuple of (slice, slice)
        For each part of the detector, the ``rows`` for which it is held out and its ``pixels``.
    counts : (n, m) float32
        Weighted counts of rows and pixels.
    basis : (r, m) float32
        Of the low-rank form.
    power : float
        Sum of squares of all held-out counts.
    """

    factored: FactoredMatrix
    rows: IntArray
    pixels: IntArray
    parts: tuple[tuple[slice, slice], ...]
    counts: FloatArray
    basis: FloatArray
    power: float

    @property
    def most(self) -> int:
        """The largest k that the known pixels, and the probes left over, can tell."""
        largest = max(hidden.stop - hidden.start for _, hidden in self.parts)
        return int(min(len(self.pixels) - largest, len(self.factored.scores) - len(self.rows))) // 2

    def errors(self, fit: Factorization) -> FloatArray:
        """Squared error of each fold, (FOLDS,) float64, whose mean is a share of the power held out."""
        components = self.components(fit)
        error = np.zeros(len(self.rows))
        for (rows, hidden), weights in zip(self.parts, self._weights(components), strict=True):
            left = self.counts[rows, hidden] - weights.T @ components[:, hidden]
            error[rows] = np.einsum("ij,ij->i", left, left)
        # Rows of one part are neighbouring folds: FOLDS / PARTS of them, in turns.
        return np.asarray(error.reshape(PARTS, -1, FOLDS // PARTS).sum(axis=1).ravel() * FOLDS / self.power)

    def components(self, fit: Factorization) -> FloatArray:
        """Give the components (k, m) that the probes left over determine, weighted.

        Products of weights and data over all probes come from the low-rank form, which is nearly exact for them:
        what it leaves out is orthogonal to weights that no limit at zero has bent. Those of the held-out probes
        are subtracted as they were measured.
        """
        factored = self.factored
        components = (fit.components[:, self.pixels] * factored.column[self.pixels]).astype(np.float32)
        lengths = np.linalg.norm(components, axis=1)
        lengths = np.where(lengths > 0, lengths, 1).astype(np.float32)
        weights = np.ascontiguousarray((factored.gather(fit.weights) * factored.row[:, None]).T) * lengths[:, None]
        components /= lengths[:, None]
        out = weights[:, self.rows]
        gram = weights @ weights.T
        known = np.diagonal(gram).copy()
        gram -= out @ out.T
        cross = (weights @ factored.scores) @ self.basis - out @ self.counts
        components[np.diagonal(gram) <= LOST * known] = 0
        return _descended(components, gram, cross, COMPONENT_SWEEPS)

    def _weights(self, components: FloatArray) -> FloatArray:
        """Weights (PARTS, k, n / PARTS) of the held-out rows of each part, fitted to the other parts."""
        gram = np.array([components @ components.T] * PARTS)
        cross = np.ascontiguousarray(
            (components @ self.counts.T).reshape(len(components), PARTS, -1).transpose(1, 0, 2)
        )
        for i, (rows, hidden) in enumerate(self.parts):
            here = components[:, hidden]
            gram[i] -= here @ here.T
            cross[i] -= here @ self.counts[rows, hidden].T
        size = np.maximum(np.trace(gram, axis1=1, axis2=2), np.finfo(np.float32).tiny)
        ridge = RIDGE * size[:, None, None] * np.eye(len(components), dtype=np.float32)
        start = np.maximum(np.linalg.solve(gram + ridge, cross), 0)
        return _descended(start, gram, cross, WEIGHT_SWEEPS)


def _descended(factor: FloatArray, gram: FloatArray, cross: FloatArray, sweeps: int) -> FloatArray:
    """Improve a non-negative factor (..., k, n), row after row, for gram (..., k, k) and cross (..., k, n)."""
    for _ in range(sweeps):
        for i in range(factor.shape[-2]):
            size = gram[..., i, i, None]
            step = cross[..., i, :] - (gram[..., i : i + 1, :] @ factor)[..., 0, :]
            step /= np.where(size > 0, size, np.inf)
            step += factor[..., i, :]
            np.maximum(step, 0, out=factor[..., i, :])
    return factor


def hold_out(matrix: PatternMatrix, factored: FactoredMatrix, beam: Beam | None) -> Holding | None:
    """Draw what is held out and read it; None if there are too few probes or pixels.

    Parameters
    ----------
    matrix : PatternMatrix
    factored : FactoredMatrix
        Its low-rank form.
    beam : Beam or None
        Left out.

    Returns
    -------
    Holding or None
    """
    rng = np.random.default_rng(0)
    n_rows = len(factored.scores)
    n = min(MOST_ROWS, n_rows // SHARE) // FOLDS * FOLDS
    pixels, part = _draw_pixels(factored.pixel_mask, beam, rng)
    sizes = np.bincount(part, minlength=PARTS)
    if n < LEAST_ROWS or not sizes.all():
        return None
    pixels, ends = pixels[np.argsort(part, kind="stable")], np.cumsum(sizes).tolist()
    parts = tuple(
        (slice(i * n // PARTS, (i + 1) * n // PARTS), slice(ends[i] - int(sizes[i]), ends[i])) for i in range(PARTS)
    )
    rows = rng.choice(n_rows, n, replace=False)
    counts = _read(matrix, factored, rows, pixels)
    power = sum(float(np.sum(counts[held, hidden] ** 2, dtype=np.float64)) for held, hidden in parts)
    if power <= 0:
        return None
    basis = np.ascontiguousarray(factored.basis[:, pixels])
    return Holding(
        factored=factored, rows=rows, pixels=pixels, parts=parts, counts=counts, basis=basis, power=power
    )


def _draw_pixels(mask: BoolArray, beam: Beam | None, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Give the columns that are looked at, and the part of the detector that each belongs to."""
    height, width = mask.shape
    y, x = np.nonzero(mask)
    pixels = np.flatnonzero(outside_beam((height, width), beam)[mask])
    if len(pixels) > MOST_PIXELS:
        pixels = np.sort(rng.choice(pixels, MOST_PIXELS, replace=False))
    side = max(1, min(height, width) // BLOCKS_A_SIDE)
    across = -(-width // side)
    blocks = rng.permutation(-(-height // side) * across) % PARTS
    return pixels, blocks[y[pixels] // side * across + x[pixels] // side]


def _read(matrix: PatternMatrix, factored: FactoredMatrix, rows: IntArray, pixels: IntArray) -> FloatArray:
    """Read rows of the low-rank form as they were measured: (len(rows), len(pixels)) float32, weighted."""
    of = np.arange(matrix.n_probes) if factored.of is None else factored.of
    place = np.full(len(factored.scores), -1)
    place[rows] = np.arange(len(rows))
    probes = np.flatnonzero(place[of] >= 0)
    counts = np.zeros((len(rows), len(pixels)), dtype=np.float32)
    step = max(1, CHUNK_BYTES // (matrix.n_pixels * counts.itemsize))
    for first in range(0, len(probes), step):
        some = probes[first : first + step]
        for at, pattern in zip(place[of[some]].tolist(), matrix.rows(some), strict=True):
            counts[at] += pattern[pixels]
    counts *= factored.row[rows, None] * factored.column[pixels]
    return counts
