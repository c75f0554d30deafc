"""What probes are sums of: the spots of each crystal, and background."""

from dataclasses import dataclass

import numpy as np

from unmix4d.measure.kernels import fit_allowed
from unmix4d.records import BoolArray, Crystals, FloatArray, IntArray

LEAST_MEAN = 0.05
"""Share of the mean of all pixels below which no pixel's variance is taken to be."""

ROUNDS = 300
EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """Patterns that probes are sums of: first the spots of each crystal, then the background.

    Attributes
    ----------
    entries : (m, q) float64
        Counts, on the pixels that are fitted.
    n_crystals : int
    fitted : (pattern_y, pattern_x) bool
    pixel : (q,) float64
        Weights of the pixels: one over a variance that is right up to a factor.
    across : (m, q) float64
        Entries times these.
    gram : (m, m) float64
        Products of entries with `across`.
    bragg : (n_crystals,) float64
        Counts of each crystal's entry.
    pieces : (n_crystals, q) int
        Number of the spot that each pixel of a crystal belongs to; 0 = none.
    """

    entries: FloatArray
    n_crystals: int
    fitted: BoolArray
    pixel: FloatArray
    across: FloatArray
    gram: FloatArray
    bragg: FloatArray
    pieces: IntArray

    @classmethod
    def of(cls, crystals: Crystals, used: BoolArray, mean_pattern: FloatArray) -> "Mixture":
        """Put spots and background together; pixels that are not used or without background are not fitted.

        ``mean_pattern`` (pattern_y, pattern_x) gives the weights: the variance of counts goes with their mean.
        """
        from scipy.ndimage import label  # noqa: PLC0415 - slow import

        spots, background = crystals.spots, crystals.background
        fitted = used & (background > 0).any(axis=0)
        own = spots[:, fitted].astype(np.float64)
        rest = background[:, fitted].astype(np.float64)
        entries = np.concatenate([own, rest[rest.any(axis=1)]])
        mean = mean_pattern[fitted].astype(np.float64)
        pixel = 1 / np.maximum(mean, max(LEAST_MEAN * float(mean.mean()), float(np.finfo(np.float32).tiny)))
        across = entries * pixel
        pieces = np.stack([label((one > 0) & fitted, EIGHT)[0][fitted] for one in spots])
        return cls(
            entries=entries,
            n_crystals=len(spots),
            fitted=fitted,
            pixel=pixel,
            across=across,
            gram=across @ entries.T,
            bragg=own.sum(axis=1),
            pieces=pieces,
        )

    @property
    def lengths(self) -> FloatArray:
        """Weighted length of each entry, (m,); 1 for an empty one."""
        squares = np.diag(self.gram)
        return np.asarray(np.sqrt(np.where(squares > 0, squares, 1)))

    def fit(
        self, cross: FloatArray, allowed: BoolArray | None = None, start: FloatArray | None = None
    ) -> FloatArray:
        """Fit probes by non-negative least squares.

        Parameters
        ----------
        cross : (p, m) float64
            Products of their counts with `across`.
        allowed : (p, m) bool, optional
            Entries that may have weight; all by default, but for empty ones.
        start : (p, m) float64, optional
            Weights to begin with.

        Returns
        -------
        (p, m) float64
        """
        lengths = self.lengths
        scaled = self.gram / lengths / lengths[:, None]
        some = np.broadcast_to(np.diag(scaled) > 0, cross.shape)
        some = some.copy() if allowed is None else some & allowed
        weights = np.zeros(cross.shape) if start is None else start * lengths
        fit_allowed(scaled, np.ascontiguousarray(cross / lengths), some, ROUNDS, weights)
        return np.asarray(weights / lengths)

    def spot_products(self, crystal: int) -> FloatArray:
        """Products of all entries with every spot of a crystal, (n_spots, m)."""
        return self.by_spot(crystal, self.across * self.entries[crystal]).T

    def by_spot(self, crystal: int, rows: FloatArray) -> FloatArray:
        """Add rows (p, q) up over the spots of a crystal: (p, n_spots)."""
        piece = self.pieces[crystal]
        n = int(piece.max(initial=0)) + 1
        return np.array([np.bincount(piece, row, n)[1:] for row in rows]).reshape(len(rows), n - 1)
