"""The spots of every crystal alone: from its purest probes, less what other crystals left in them."""

from dataclasses import dataclass

import numpy as np

from unmix4d.records import BoolArray, FloatArray, IntArray
from unmix4d.resolve.kernels import fit_non_negative

PURE = 0.8
"""Share of the Bragg counts from which on a probe is pure."""

FEWEST_PURE = 30
"""Probes that a pattern is the mean of; the purest are taken if there are not as many pure ones."""

LEAST_SHARE = 0.3
FEWEST = 8
OTHERS_QUANTILE = 0.3
LEAST_TAKEN = 0.01
LEAST_LEFT = 0.25
ALL_PRESENT = 0.95
LEAST_THERE = 0.12
FAINTEST = 0.003
OWN_TIMES = 4.0
MOST_CLEARED = 0.25
ROUNDS = 100

BELIEVED = 2.0
"""How many times what others have in a pixel there has to be left of a crystal; see decision 0025."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dictionary:
    """Patterns that probes are sums of: one of each crystal, then the rings of the background.

    Attributes
    ----------
    entries : (m, n_allowed) float64
        Of the pixels outside of the beam.
    n_crystals : int
    across : (m, n_allowed) float64
        What patterns are multiplied with: entries of unit length, times the weights of the pixels.
    gram : (m, m) float64
        Products of the entries of unit length.
    lengths : (m,) float64
        Weighted length of each entry; 1 for an empty one.
    bragg : (n_crystals,) float64
        Counts of each crystal's entry.
    """

    entries: FloatArray
    n_crystals: int
    across: FloatArray
    gram: FloatArray
    lengths: FloatArray
    bragg: FloatArray

    @classmethod
    def of(cls, spots: FloatArray, background: FloatArray, pixel: FloatArray) -> "Dictionary":
        """Put patterns of crystals and background together; ``pixel`` (n_allowed,) is one over the variance."""
        entries = np.concatenate([spots, background])
        squares = (entries**2 * pixel).sum(axis=1)
        lengths = np.sqrt(np.where(squares > 0, squares, 1))
        across = entries * pixel / lengths[:, None]
        gram = across @ (entries / lengths[:, None]).T
        np.fill_diagonal(gram, 1)
        return cls(
            entries=entries,
            n_crystals=len(spots),
            across=across,
            gram=gram,
            lengths=lengths,
            bragg=spots.sum(axis=1),
        )

    def solve(self, cross: FloatArray) -> FloatArray:
        """Fit probes, given their products with `across`, (n, m): weights of the entries, (n, m) float64."""
        weights = fit_non_negative(self.gram, np.ascontiguousarray(cross, dtype=np.float64), ROUNDS)
        return np.asarray(weights / self.lengths)


def purest(share: FloatArray, material: BoolArray, fewest: int) -> IntArray:
    """Choose the probes that stand for one crystal, ascending.

    Parameters
    ----------
    share : (n,) float
        Of the crystal in the Bragg counts of each probe.
    material : (n,) bool
        Where there is specimen.
    fewest : int
        Probes to take if fewer are pure, as far as they hold enough of the crystal.
    """
    held = np.where(material, share, -1.0)
    pure = np.flatnonzero(held >= PURE)
    if len(pure) >= fewest:
        return pure
    first = np.argsort(-held, kind="stable")[:fewest]
    enough = first[held[first] >= LEAST_SHARE]
    return np.sort(enough if len(enough) >= FEWEST else first[:FEWEST])


def take_out_others(spots: FloatArray, n_pure: IntArray, apart: BoolArray) -> FloatArray:
    """Take out of each crystal's spots what is there of crystals that have more pure probes.

    How much there is of another crystal shows at the spots of that one: the ratio of both patterns is taken in
    each, and the 30 % quantile believed, because some spots of two crystals fall together. A particle on a grain,
    alone nowhere, loses the grain in this way. A quarter of the counts is always left, so that of two crystals
    that are much alike none vanishes.

    Parameters
    ----------
    spots : (n, pattern_y, pattern_x) float
        Counts.
    n_pure : (n,) int
        Probes on which each crystal is alone.
    apart : (n, n) bool
        Crystals of one lattice that are turned against each other: their spots are nearly at the same places though
        nothing of the one is in the other.

    Returns
    -------
    (n, pattern_y, pattern_x) float64
    """
    alone = np.array(spots, dtype=np.float64)
    order = np.argsort(-n_pure, kind="stable")
    donors: dict[int, _Donor] = {}
    for i in order.tolist():
        own = alone[i].ravel()
        fewest_left = LEAST_LEFT * own.sum()
        left = {j: donors[j] for j in donors if n_pure[j] > n_pure[i] and not apart[i, j]}
        while left:
            taken = {j: donor.ratio(own) * donor.total for j, donor in left.items()}
            left = {j: donor for j, donor in left.items() if taken[j] > LEAST_TAKEN * own.sum()}
            if not left:
                break
            j = max(left, key=lambda j: taken[j])
            donor = left.pop(j)
            less = np.maximum(own - taken[j] / donor.total * donor.pattern, 0)
            if less.sum() >= fewest_left:
                own = less
        alone[i] = own.reshape(alone[i].shape)
        donors[i] = _Donor.of(alone[i])
    return alone


def believed(spots: FloatArray, taken: FloatArray) -> FloatArray:
    """Keep of spots (n, n_allowed) what is much more than what was taken off there of other crystals.

    A crystal's spots are not the same all over it: where many counts of another one were taken off, some are left.
    """
    kept = np.where(spots < BELIEVED * taken, 0, spots)
    enough = kept.sum(axis=1) >= LEAST_LEFT * spots.sum(axis=1)
    return np.where(enough[:, None], kept, spots)


def clear_of_others(spots: FloatArray, means: FloatArray, n_pure: IntArray, apart: BoolArray) -> FloatArray:
    """Clear each crystal's spots of those that are all another crystal's, of one with more pure probes.

    What there is of another crystal goes with its thickness and tilt, spot by spot: once one ratio has been taken
    out of all (`take_out_others`), its weak spots are still there where its strong ones are gone. Another crystal
    is there if nearly all of its spots are; of one that is not there some fall together, never all. A spot of it is
    cleared if in the mean it is less than four times what the ratio says: a spot of the crystal's own there would
    make it more. One that would take more than a quarter of the counts is left.

    Parameters
    ----------
    spots : (n, pattern_y, pattern_x) float
    means : (n, pattern_y, pattern_x) float
        Spots of the means of their purest probes, with all that is of others.
    n_pure : (n,) int
        Probes on which each crystal is alone.
    apart : (n, n) bool
        As for `take_out_others`.

    Returns
    -------
    (n, pattern_y, pattern_x) float64
    """
    donors = [_Donor.of(image) for image in spots]
    cleared = np.array(spots, dtype=np.float64)
    for i, image in enumerate(means):
        mean, own = image.ravel(), cleared[i].ravel()
        usual = {
            j: donor.ratio(mean) for j, donor in enumerate(donors) if n_pure[j] > n_pure[i] and not apart[i, j]
        }
        for j in sorted(usual, key=lambda j: -usual[j] * donors[j].total):
            donor = donors[j]
            if usual[j] * donor.total < LEAST_THERE * mean.sum():
                break
            if donor.present(mean) < ALL_PRESENT:
                continue
            foreign = np.concatenate([[False], donor.ratios(mean) < OWN_TIMES * usual[j]])
            left = np.where(foreign[donor.piece], 0, own)
            if left.sum() >= (1 - MOST_CLEARED) * own.sum():
                own = left
        cleared[i] = own.reshape(image.shape)
    return cleared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Donor:
    """A pattern whose share in another is asked for, spot by spot."""

    pattern: FloatArray
    piece: IntArray
    squares: FloatArray
    importance: FloatArray

    @classmethod
    def of(cls, image: FloatArray) -> "_Donor":
        from scipy.ndimage import label  # noqa: PLC0415 - slow import

        pieces, n = label(image > 0)
        pattern, piece = image.ravel(), pieces.ravel()
        sums = [np.bincount(piece, pattern**power, n + 1)[1:].astype(np.float64) for power in (2, 1.5)]
        return cls(pattern=pattern, piece=piece, squares=sums[0], importance=sums[1])

    @property
    def total(self) -> float:
        return float(self.pattern.sum())

    def ratios(self, other: FloatArray) -> FloatArray:
        """How many times each spot of this pattern is in another, (n_pixels,): (n_spots,)."""
        products = np.bincount(self.piece, other * self.pattern, len(self.squares) + 1)[1:]
        return np.asarray(products / self.squares)

    def present(self, other: FloatArray) -> float:
        """How many of the spots are in another pattern, (n_pixels,), at half of the usual ratio or more: 0 to 1.

        They count by the roots of their intensities; the faintest do not.
        """
        if not len(self.squares):
            return 0.0
        visible = self.importance >= FAINTEST * self.importance.max()
        weight = np.where(visible, np.sqrt(self.squares), 0)
        return float(weight @ (self.ratios(other) >= self.ratio(other) / 2) / weight.sum())

    def ratio(self, other: FloatArray) -> float:
        """How many times this pattern is in another, (n_pixels,)."""
        if not len(self.squares):
            return 0.0
        ratios = self.ratios(other)
        order = np.argsort(ratios, kind="stable")
        heaped = np.cumsum(self.importance[order])
        return float(ratios[order][np.searchsorted(heaped, OTHERS_QUANTILE * heaped[-1])])
