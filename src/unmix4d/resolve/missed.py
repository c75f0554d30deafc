"""Crystals that no component stands for: where something with spots is left on neighbouring probes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unmix4d.execute import one_blas_thread
from unmix4d.quality.material import QUANTILE, find_material
from unmix4d.records import Beam, BoolArray, FactoredMatrix, FloatArray, IntArray, Purified
from unmix4d.records.base import spread
from unmix4d.resolve.spots import Rings, find_spots
from unmix4d.resolve.view import Guess, View, images_of

FEWEST_PROBES = 12
LEAST_SHARE = 0.4
LEAST_COUNTS = 0.25
"""Bragg counts over those of thick specimen; what the rings of a film leave in vacuum comes to 0.14."""

LIKE_THE_MIDDLE = 0.5
TRIES = 14
ROUNDS = 3
NEIGHBOURS = 9

FLOOR = 1e-3
"""Share of what crystals explain on average; keeps the places where they explain nothing finite."""


def find_missed(factored: FactoredMatrix, found: Purified, *, beam: Beam | None) -> Purified:
    """Look for crystals in what the ones that were found do not explain.

    A grain of few probes may have no component of its own, where others describe how a large grain bends or how the
    pattern jitters. All probes are fitted with the spots of the crystals and with rings. What is left is compared
    from probe to probe, so that noise counts nothing: where most is left, relative to what is explained, the
    probes around that have the same left are a piece.

    Parameters
    ----------
    factored : FactoredMatrix
    found : Purified
        One crystal or more.
    beam : Beam or None

    Returns
    -------
    Purified
        Connected pieces of 12 probes or more, with 40 % or more of their counts in the spots of what is left, and
        a quarter of the Bragg counts of thick specimen or more.
        ``spots`` are these, ``means`` those of the whole mean pattern there.
    """
    rings = Rings.about(beam, factored.pixel_mask)
    with one_blas_thread():
        view = View.of(factored, rings)
        guess = view.fitted(found.spots[:, rings.allowed])
        rest = _Rest.of(view, guess)
        pieces = list(rest.pieces(-(-FEWEST_PROBES // factored.probes_per_row)))
        bragg = np.zeros((len(view.scores), len(pieces)))
        means: FloatArray = np.zeros((len(pieces), *factored.geometry.pattern_shape))
        spots = means
        if pieces:
            means = view.shown(pieces, rings)
            spots = find_spots(images_of(np.stack([rest.mean(rows) for rows in pieces]), rings), rings)
        counts, seen = spots.sum(axis=(1, 2)), means.sum(axis=(1, 2))
        for own, rows, number in zip(bragg.T, pieces, counts, strict=True):
            own[rows] = rest.amount(rows)[rows] * number
    enough = LEAST_COUNTS * float(np.quantile(guess.bragg.sum(axis=1), QUANTILE))
    kept = (counts > LEAST_SHARE * seen) & (seen > enough)
    return Purified(bragg=bragg[:, kept], spots=spots[kept], means=means[kept])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rest:
    """What a fit leaves of every row, ``left @ frame``: (n_rows, r), (r, n_allowed). ``gram`` (r, r) is weighted.

    ``strength`` (scan_y, scan_x): how much of it neighbouring probes have in common, over what crystals explain.
    """

    left: FloatArray
    frame: FloatArray
    gram: FloatArray
    strength: FloatArray
    material: BoolArray
    probe_mask: BoolArray

    @classmethod
    def of(cls, view: View, guess: Guess) -> "_Rest":
        assert guess.weights is not None
        n, mask = len(guess.spots), view.probe_mask
        left, frame = view.left_of(guess)
        gram = (frame * view.pixel) @ frame.T
        common = np.einsum("ri,ri->r", left @ gram, _of_neighbours(left, mask))
        crystals = slice(view.scores.shape[1], view.scores.shape[1] + n)
        weights = guess.weights[:, :n]
        explained = np.einsum("ri,ri->r", weights @ gram[crystals, crystals], weights)
        # Where nothing is explained there may be specimen all the same.
        seen = spread(np.sqrt(explained + np.maximum(common, 0)), mask, 0)
        return cls(
            left=left,
            frame=frame,
            gram=gram,
            strength=_smooth(spread(common, mask, 0))
            / _smooth(spread(explained + FLOOR * explained.mean(), mask, 1)),
            material=find_material(seen, mask),
            probe_mask=mask,
        )

    def pieces(self, fewest: int) -> Iterator[IntArray]:
        """Give the rows of connected pieces that have the same left, from where most is left; none twice."""
        open_, row = self.material.copy(), spread(np.arange(len(self.left)), self.probe_mask, -1)
        for _ in range(TRIES):
            strength = np.where(open_, self.strength, -np.inf)
            y, x = np.unravel_index(int(strength.argmax()), strength.shape)
            if not strength[y, x] > 0:
                return
            around = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
            start = row[around][open_[around]]
            piece = self._grow(start, (int(y), int(x)), open_, row)
            open_[around] = False
            open_ &= ~piece
            if piece.sum() >= fewest:
                yield row[piece]

    def _grow(self, rows: IntArray, middle: tuple[int, int], where: BoolArray, row: IntArray) -> BoolArray:
        """Mark the probes connected with the middle that have the same left as these rows on average."""
        from scipy.ndimage import label  # noqa: PLC0415 - slow import

        piece = np.zeros(where.shape, dtype=bool)
        for _ in range(ROUNDS):
            alike = spread(self.amount(rows), self.probe_mask, 0) > LIKE_THE_MIDDLE
            pieces, _ = label(alike & where)
            if not pieces[middle]:
                break
            piece = pieces == pieces[middle]
            rows = row[piece]
        return piece

    def mean(self, rows: IntArray) -> FloatArray:
        """Mean of what is left of some rows, (n_allowed,)."""
        return np.asarray(self.left[rows].mean(axis=0) @ self.frame)

    def amount(self, rows: IntArray) -> FloatArray:
        """How many times the mean of what is left of some rows is left of every row, (n_rows,); at least 0."""
        mean = self.left[rows].mean(axis=0)
        square = max(float(mean @ self.gram @ mean), np.finfo(float).tiny)
        return np.asarray(np.maximum(self.left @ (self.gram @ mean) / square, 0))


def _of_neighbours(rows: FloatArray, mask: BoolArray) -> FloatArray:
    """Mean of the rows (n_rows, r) of the eight neighbours on the scan."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    number = NEIGHBOURS * uniform_filter(mask.astype(float), 3, mode="constant")[mask] - 1
    total = NEIGHBOURS * uniform_filter(spread(rows, mask, 0), (3, 3, 1), mode="constant")[mask]
    return np.asarray((total - rows) / np.maximum(number, 1)[:, None])


def _smooth(image: FloatArray) -> FloatArray:
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    return np.asarray(uniform_filter(image, 3, mode="constant"))
