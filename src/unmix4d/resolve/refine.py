"""From the components of a crystal to the crystal itself: its pattern alone, and the weights that follow."""

from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor, one_blas_thread
from unmix4d.quality.background import MIN_SIDE
from unmix4d.quality.material import QUANTILE, SHARE
from unmix4d.quality.purity import alone_nowhere
from unmix4d.records import (
    Beam,
    BoolArray,
    ComponentRoles,
    Crystals,
    FactoredMatrix,
    Factorization,
    FloatArray,
    PatternMatrix,
    Purified,
)
from unmix4d.resolve.dictionary import Dictionary
from unmix4d.resolve.spots import Rings
from unmix4d.resolve.view import Guess, View, images_of, others_of, spots_of

ROUNDS = 3
ROUNDS_TO_COUNT = 2
TOGETHER = 256
STRONGEST = 0.5

WORSE = 1.05
"""How much more may be left of all probes by patterns of whole areas than by the purest; see decision 0025."""


def refine_crystals(
    matrix: PatternMatrix,
    factored: FactoredMatrix | None,
    fit: Factorization,
    roles: ComponentRoles,
    *,
    beam: Beam | None,
    executor: Executor,
    purified: Purified | None = None,
    redrawn: bool = False,
) -> Crystals | None:
    """Find the spots of every crystal alone, and fit them with a background to every probe.

    The components of a factorization hold parts of their neighbours and of the background. Here the pattern of a
    crystal is the mean over the probes on which it is the strongest, or over the purest of them, without its
    background and without what other crystals left in it. All probes are fitted with these patterns and rings of
    background, and the probes are chosen again: three times, in the low-rank form. One pass fits the weights to the
    data, and gives the mean pattern of all probes on which a crystal has half of the Bragg counts.

    Parameters
    ----------
    matrix : PatternMatrix
    factored : FactoredMatrix or None
        Its low-rank form.
    fit : Factorization
    roles : ComponentRoles
        Which of its components belong to which crystal.
    beam : Beam or None
    executor : Executor
        For the pass over the data.
    purified : Purified or None
        To begin with; the components of each crystal if there is none.
    redrawn : bool
        Patterns were drawn from the spots that were found in each: those of the weaker crystal are often missing,
        so that means are no sums, and the purest probes alone are taken.

    Returns
    -------
    Crystals or None
        None where there is no crystal, no low-rank form, or where patterns are too small to tell spots from
        background: the components have to do then.
    """
    if not roles.n_crystals or factored is None or min(matrix.geometry.pattern_shape) < MIN_SIDE:
        return None
    rings = Rings.about(beam, matrix.pixel_mask)
    with one_blas_thread():
        view = View.of(factored, rings)
        if purified is None:
            bragg, spots = _merged(factored, fit, roles)
        else:
            bragg, spots = purified.bragg, purified.spots
        found = _improved(view, bragg, spots, rings, settled=purified is not None, redrawn=redrawn)
    assert found.dictionary is not None
    mixed = alone_nowhere(found.bragg, view.fewest)
    least = SHARE * float(np.quantile(found.bragg.sum(axis=1), QUANTILE)) / factored.probes_per_row
    return _fit_data(matrix, found.dictionary, rings, mixed=mixed, least=least, executor=executor)


def purify_crystals(
    factored: FactoredMatrix, bragg: FloatArray, spots: FloatArray, *, beam: Beam | None, settled: bool = False
) -> Purified:
    """Find crystals alone in the low-rank form, from a first idea of where they are.

    Parameters
    ----------
    factored : FactoredMatrix
        Of patterns of 16 pixels a side or more.
    bragg : (n_rows, n) float
        Bragg counts of each crystal in every row.
    spots : (n, pattern_y, pattern_x) float
        Their spots in any unit; kept for a crystal whose purest probes show none.
    beam : Beam or None
    settled : bool
        The spots have been purified before.

    Returns
    -------
    Purified
        In the order of ``bragg``.
    """
    rings = Rings.about(beam, factored.pixel_mask)
    with one_blas_thread():
        view = View.of(factored, rings)
        found = view.improved(bragg.astype(np.float64), spots, rings, ROUNDS_TO_COUNT, settled=settled)
        means = view.shown(view.purest(*view.shares(found.bragg)), rings)
        return Purified(bragg=found.bragg, spots=images_of(found.spots, rings), means=means)


def _improved(
    view: View, bragg: FloatArray, spots: FloatArray, rings: Rings, *, settled: bool, redrawn: bool
) -> Guess:
    """Take the patterns of all that a crystal is the strongest on, unless the purest probes explain more.

    Where crystals lie over each other nearly everywhere only the purest tell one from the other. Where they bend
    the purest are those that look least like a neighbour, and fewer with every round.
    """

    def patterns(*, whole: bool) -> Guess:
        return view.cleared(view.improved(bragg, spots, rings, ROUNDS, settled=settled, whole=whole), rings)

    purest = patterns(whole=False)
    if redrawn:
        return purest
    whole = patterns(whole=True)
    return whole if view.unexplained(whole) <= WORSE * view.unexplained(purest) else purest


def _merged(factored: FactoredMatrix, fit: Factorization, roles: ComponentRoles) -> tuple[FloatArray, FloatArray]:
    """Bragg counts (n_rows, n_crystals) and spots of each crystal as its components give them."""
    counts = roles.spot_patterns.sum(axis=(1, 2), dtype=np.float64)
    weights = factored.gather(fit.weights).astype(np.float64)
    members = np.array([roles.crystals == i for i in range(roles.n_crystals)], dtype=np.float64)
    totals = members * weights.sum(axis=0)
    return (weights * counts) @ members.T, np.tensordot(totals, roles.spot_patterns, axes=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one block gives: Bragg counts, and sums over the probes on which each crystal is the strongest."""

    rows: slice
    bragg: FloatArray
    numbers: FloatArray
    weights: FloatArray
    patterns: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """Fits one block of the data; small enough to travel. ``across`` is (n_pixels, m)."""

    matrix: PatternMatrix
    dictionary: Dictionary
    across: FloatArray
    least: float

    def __call__(self, block: int) -> _Part:
        patterns, n = self.matrix.read_block(block), self.dictionary.n_crystals
        m, n_pixels = len(self.dictionary.entries), self.matrix.n_pixels
        bragg = np.empty((len(patterns), n), dtype=np.float32)
        numbers, sums, means = np.zeros(n), np.zeros((n, m)), np.zeros((n, n_pixels))
        for first in range(0, len(patterns), TOGETHER):
            own = slice(first, first + TOGETHER)
            counts = patterns[own].astype(np.float32)
            weights = self.dictionary.solve(counts @ self.across)
            bragg[own] = weights[:, :n] * self.dictionary.bragg
            chosen = self._strongest(bragg[own])
            numbers += chosen.sum(axis=0)
            sums += chosen.T @ weights
            means += chosen.T.astype(np.float32) @ counts
        return _Part(rows=self.matrix.rows_of(block), bragg=bragg, numbers=numbers, weights=sums, patterns=means)

    def _strongest(self, bragg: FloatArray) -> FloatArray:
        """1 where a crystal has half of the Bragg counts or more, and they are enough: (n, n_crystals) float64."""
        total = bragg.sum(axis=1, dtype=np.float64)[:, None]
        return np.asarray(((bragg >= STRONGEST * total) & (total > self.least)).astype(np.float64))


def _fit_data(
    matrix: PatternMatrix,
    dictionary: Dictionary,
    rings: Rings,
    *,
    mixed: BoolArray,
    least: float,
    executor: Executor,
) -> Crystals:
    """Fit the weights to the data, and take the patterns over all probes on which a crystal is the strongest.

    Those of ``mixed`` ones, which are alone nowhere, stay as they were fitted.
    """
    n, kept = dictionary.n_crystals, rings.allowed[matrix.pixel_mask]
    across = np.zeros((matrix.n_pixels, len(dictionary.entries)), dtype=np.float32)
    across[kept] = dictionary.across.T
    bragg = np.empty((matrix.n_probes, n), dtype=np.float32)
    numbers, weights = np.zeros(n), np.zeros((n, across.shape[1]))
    means = np.zeros((n, matrix.n_pixels))
    work = _Fit(matrix=matrix, dictionary=dictionary, across=across, least=least)
    for part in executor.map_blocks(work, range(matrix.n_blocks)):
        bragg[part.rows] = part.bragg
        numbers += part.numbers
        weights += part.weights
        means += part.patterns
    numbers = np.maximum(numbers, 1)[:, None]
    alone = means[:, kept] / numbers - others_of(weights / numbers) @ dictionary.entries[:n]
    spots = spots_of(alone, dictionary.entries[:n], rings)
    spots[mixed] = images_of(dictionary.entries[:n][mixed], rings)
    counts = spots.sum(axis=(1, 2), keepdims=True)
    return Crystals(
        patterns=(spots / np.where(counts > 0, counts, 1)).astype(np.float32),
        bragg=bragg,
        spots=images_of(dictionary.entries[:n], rings).astype(np.float32),
        background=images_of(dictionary.entries[n:], rings).astype(np.float32),
    )
