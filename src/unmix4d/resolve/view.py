"""The low-rank form as it is looked at while crystals are purified, outside of the beam and in counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmix4d.quality.material import find_material
from unmix4d.quality.purity import alone_nowhere
from unmix4d.quality.turned import PUREST_GAIN, turned_apart
from unmix4d.records import BoolArray, FactoredMatrix, FloatArray, IntArray
from unmix4d.records.base import spread
from unmix4d.resolve.dictionary import (
    FEWEST_PURE,
    PURE,
    Dictionary,
    believed,
    clear_of_others,
    purest,
    take_out_others,
)
from unmix4d.resolve.spots import Rings, find_spots


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """What is believed of the crystals so far.

    ``bragg`` (n_rows, n_crystals), and ``spots`` (n_crystals, n_allowed) in any unit. Once probes were fitted, with
    what, and the weights (n_rows, m) of all entries.
    """

    bragg: FloatArray
    spots: FloatArray
    dictionary: Dictionary | None = None
    weights: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """The low-rank form in counts, outside of the beam: rows are ``scores @ basis``."""

    scores: FloatArray
    basis: FloatArray
    pixel: FloatArray
    background: FloatArray
    probe_mask: BoolArray
    fewest: int

    @classmethod
    def of(cls, factored: FactoredMatrix, rings: Rings) -> "View":
        """Undo the weights of the fit, and leave the beam out."""
        row, column = factored.row[:, None], factored.column
        kept = rings.allowed[factored.pixel_mask]
        scores = np.divide(factored.scores, row, out=np.zeros_like(factored.scores), where=row > 0)
        basis = np.divide(factored.basis, column, out=np.zeros_like(factored.basis), where=column > 0)
        return cls(
            scores=scores.astype(np.float64),
            basis=basis[:, kept].astype(np.float64),
            pixel=column[kept].astype(np.float64) ** 2,
            background=rings.entries(),
            probe_mask=factored.probe_mask,
            fewest=-(-FEWEST_PURE // factored.probes_per_row),
        )

    def improved(
        self, bragg: FloatArray, spots: FloatArray, rings: Rings, rounds: int, *, settled: bool, whole: bool = False
    ) -> Guess:
        """Improve Bragg counts (n_rows, n) and spots (n, pattern_y, pattern_x) several times."""
        found = Guess(bragg=bragg, spots=spots[:, rings.allowed])
        for _ in range(rounds):
            found = self.improve(found, rings, settled=settled, whole=whole)
        return found

    def purest(self, share: FloatArray, material: BoolArray) -> list[IntArray]:
        """Choose the rows that stand for each crystal."""
        return [purest(own, material, self.fewest) for own in share]

    def strongest(self, share: FloatArray, material: BoolArray) -> list[IntArray]:
        """Choose all rows on which a crystal is the strongest, and the purest ones."""
        first = np.where(material, share.argmax(axis=0), -1)
        return [np.union1d(rows, np.flatnonzero(first == i)) for i, rows in enumerate(self.purest(share, material))]

    def shown(self, probes: Sequence[IntArray], rings: Rings) -> FloatArray:
        """Find the spots of the means of rows, with all that is of others in them: (n, pattern_y, pattern_x)."""
        return find_spots(images_of(self._means(probes), rings), rings)

    def _means(self, probes: Sequence[IntArray]) -> FloatArray:
        return np.stack([self.scores[rows].mean(axis=0) @ self.basis for rows in probes])

    def shares(self, bragg: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Share of each crystal in the Bragg counts of every row, (n, n_rows), and where there is specimen."""
        total = bragg.sum(axis=1)
        material = find_material(spread(total, self.probe_mask, 0), self.probe_mask)[self.probe_mask]
        return np.divide(bragg.T, total, out=np.zeros(bragg.T.shape), where=total > 0), material

    def improve(self, guess: Guess, rings: Rings, *, settled: bool, whole: bool) -> Guess:
        """Take the spots of each crystal from its purest probes, and fit all probes with them.

        Or from the ``whole`` of the probes on which it is the strongest: the purest are those on which it looks
        least like the others, a part of a crystal that bends, and a smaller one in every round.

        If they are ``settled`` the spots of a crystal that is alone nowhere stay: what is left of others in them
        would grow from round to round. Not so those of a subgrain, which its neighbour may only seem to be in.
        """
        share, material = self.shares(guess.bragg)
        probes = self.strongest(share, material) if whole else self.purest(share, material)
        means = self._means(probes)
        apart = turned_apart(find_spots(images_of(means, rings), rings), rings.beam, gain=PUREST_GAIN)
        others = _others_in(guess, probes)
        images = spots_of(means - others @ guess.spots, guess.spots, rings)
        if whole and guess.weights is not None:
            spots = believed(images[:, rings.allowed], np.where(apart, 0, others) @ guess.spots)
        else:
            spots = take_out_others(images, count_pure(share, material), apart)[:, rings.allowed]
        if settled:
            mixed = alone_nowhere(guess.bragg, self.fewest) & ~apart.any(axis=1)
            spots[mixed] = guess.spots[mixed]
        return self.fitted(spots)

    def cleared(self, guess: Guess, rings: Rings) -> Guess:
        """Clear the spots of each crystal of those of others that lie there, and fit once more."""
        share, material = self.shares(guess.bragg)
        means = self.shown(self.purest(share, material), rings)
        apart = turned_apart(means, rings.beam, gain=PUREST_GAIN)
        spots = clear_of_others(images_of(guess.spots, rings), means, count_pure(share, material), apart)
        return self.fitted(spots[:, rings.allowed])

    def fitted(self, spots: FloatArray) -> Guess:
        """Fit all probes with these spots (n, n_allowed)."""
        dictionary = Dictionary.of(spots, self.background, self.pixel)
        weights = dictionary.solve(self.scores @ (self.basis @ dictionary.across.T))
        bragg = weights[:, : len(spots)] * dictionary.bragg
        return Guess(bragg=bragg, spots=spots, dictionary=dictionary, weights=weights)

    def unexplained(self, guess: Guess) -> float:
        """Sum of squares that a fit leaves of all rows, pixels weighted, in any unit."""
        left, frame = self.left_of(guess)
        return float(np.einsum("ri,ij,rj->", left, (frame * self.pixel) @ frame.T, left, optimize=True))

    def left_of(self, guess: Guess) -> tuple[FloatArray, FloatArray]:
        """Give what a fit leaves of every row as ``left @ frame``: (n_rows, r), (r, n_allowed)."""
        assert guess.dictionary is not None
        assert guess.weights is not None
        return np.hstack([self.scores, -guess.weights]), np.vstack([self.basis, guess.dictionary.entries])


def _others_in(guess: Guess, probes: Sequence[IntArray]) -> FloatArray:
    """How many times a fit finds the spots of each other crystal in the mean over some rows: (n, n); 0 unfitted."""
    if guess.weights is None:
        return np.zeros((len(probes), len(probes)))
    return others_of(np.stack([guess.weights[rows].mean(axis=0) for rows in probes]))


def count_pure(share: FloatArray, material: BoolArray) -> IntArray:
    """Count the rows on which each crystal is alone, (n,)."""
    return np.asarray((material & (share >= PURE)).sum(axis=1))


def others_of(weights: FloatArray) -> FloatArray:
    """Weights (n, m) of n crystals' means, of which the first are those of crystals: (n, n), but for their own."""
    others = weights[:, : len(weights)].copy()
    np.fill_diagonal(others, 0)
    return others


def spots_of(means: FloatArray, known: FloatArray, rings: Rings) -> FloatArray:
    """Find the spots of mean patterns (n, n_allowed); where there are none they stay what was ``known``."""
    spots = find_spots(images_of(means, rings), rings)
    empty = ~spots.any(axis=(1, 2))
    spots[empty] = images_of(known, rings)[empty]
    return spots


def images_of(rows: FloatArray, rings: Rings) -> FloatArray:
    """Spread rows (n, n_allowed) over the detector."""
    images = np.zeros((len(rows), *rings.allowed.shape))
    images[:, rings.allowed] = rows
    return images
