"""One crystal against two at every probe, with errors that hold for the noise that was measured."""

from dataclasses import dataclass

import numpy as np

from unmix4d.measure.mixtures import Mixture
from unmix4d.records import BoolArray, FloatArray, IntArray, NoiseModel

TOGETHER = 256
RIDGE = 1e-10
LEAST = 1e-30
MOST_SHARE = 1e6
LEAST_SKEW, MOST_SKEW = 1e-3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tested:
    """What is found at p probes.

    Attributes
    ----------
    first, second, third, other : (p,) int
        The two crystals with the most Bragg counts, the one that improves their fit most, and any but the first.
    weights, pair_weights : (p, m) float64
        Of the fits with all entries, and with the first two crystals and background.
    fraction, counting, pattern : (p,) float64
        Share of the second in the Bragg counts of two, its standard deviations from counting and from patterns.
    share_second, share_other, share_third : (p,) float64
        Bragg counts that the second and the other would have beside the first, and the third beside two, over
        those of the first; negative ones too.
    z_second, z_other, z_third : (p,) float64
        The same in standard deviations.
    misfit : (p,) float64
        What two crystals leave over, in standard deviations.
    """

    first: IntArray
    second: IntArray
    third: IntArray
    other: IntArray
    weights: FloatArray
    pair_weights: FloatArray
    fraction: FloatArray
    counting: FloatArray
    pattern: FloatArray
    share_second: FloatArray
    share_other: FloatArray
    share_third: FloatArray
    z_second: FloatArray
    z_other: FloatArray
    z_third: FloatArray
    misfit: FloatArray

    @classmethod
    def joined(cls, parts: "list[Tested]") -> "Tested":
        """Put parts one after the other."""
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likelihood:
    """A mixture, and what the errors of its weights take: what depends on the noise but on no probe.

    Attributes
    ----------
    mixture : Mixture
    noise : NoiseModel
    thirds : (m, m, m) float64
        Covariance of the products of entries with counts, for one unit of each entry.
    spots : (n_crystals, m, m) float64
        The same for spots that are off, for one squared unit of each crystal.
    cubes : (m, n_crystals) float64
        Third moment of the product of each crystal's entry with counts, for one unit of each entry.
    """

    mixture: Mixture
    noise: NoiseModel
    thirds: FloatArray
    spots: FloatArray
    cubes: FloatArray

    @classmethod
    def of(cls, mixture: Mixture, noise: NoiseModel) -> "Likelihood":
        """Work out what the errors take."""
        m = len(mixture.entries)
        thirds = np.empty((m, m, m))
        for own, entry in zip(thirds, mixture.entries, strict=True):
            seen = entry > 0
            own[...] = (mixture.across[:, seen] * entry[seen]) @ mixture.across[:, seen].T
        spots = np.empty((mixture.n_crystals, m, m))
        for k, error in enumerate(noise.spot_error):
            products = error * mixture.spot_products(k)
            spots[k] = products.T @ products
        cubes = mixture.entries @ (mixture.across[: mixture.n_crystals] ** 3).T
        return cls(mixture=mixture, noise=noise, thirds=thirds, spots=spots, cubes=cubes)

    def test(self, counts: FloatArray) -> Tested:
        """Test probes, given their counts (p, q) on the fitted pixels."""
        parts = [counts[first : first + TOGETHER] for first in range(0, len(counts), TOGETHER)]
        return Tested.joined([self._test(part.astype(np.float32, copy=False)) for part in parts])

    def _test(self, counts: FloatArray) -> Tested:
        mixture, n = self.mixture, self.mixture.n_crystals
        cross = (counts @ mixture.across.T.astype(np.float32)).astype(np.float64)
        square = ((counts * counts) @ mixture.pixel.astype(np.float32)).astype(np.float64)
        weights = mixture.fit(cross)
        first, second = np.argsort(-weights[:, :n] * mixture.bragg, axis=1, kind="stable")[:, :2].T
        one = self._fit(cross, weights, first)
        share_one, z_one = self._scores(cross, one, first)
        two = self._fit(cross, weights, first, second)
        share_two, z_two = self._scores(cross, two, first, second)
        rows = np.arange(len(counts))
        other = (first + 1 + rows % (n - 1)) % n
        z_two[rows, first] = z_two[rows, second] = -np.inf
        third = z_two.argmax(axis=1)
        fraction, counting, pattern = self._fraction(weights, first, second)
        return Tested(
            first=first,
            second=second,
            third=third,
            other=other,
            weights=weights,
            pair_weights=two,
            fraction=fraction,
            counting=counting,
            pattern=pattern,
            share_second=share_one[rows, second],
            share_other=share_one[rows, other],
            share_third=share_two[rows, third],
            z_second=z_one[rows, second],
            z_other=z_one[rows, other],
            z_third=z_two[rows, third],
            misfit=self._misfit(cross, square, two),
        )

    def _fit(self, cross: FloatArray, start: FloatArray, *chosen: IntArray) -> FloatArray:
        """Fit with these crystals (p,) of each probe and background."""
        allowed = np.ones(cross.shape, dtype=bool)
        allowed[:, : self.mixture.n_crystals] = _marked(cross, *chosen)[:, : self.mixture.n_crystals]
        return self.mixture.fit(cross, allowed, np.where(allowed, start, 0))

    def _scores(self, cross: FloatArray, weights: FloatArray, *chosen: IntArray) -> tuple[FloatArray, FloatArray]:
        """Bragg counts of each crystal beside ``chosen``, over the first's; and in standard deviations: (p, n).

        Gaussian approximation of the likelihood ratio: its square is the ratio's logarithm doubled.
        """
        n, gram = self.mixture.n_crystals, self.mixture.gram
        inverse = self._inverse((weights > 0) | _marked(cross, *chosen))
        contrast = -(gram[:n] @ inverse)
        contrast[:, np.arange(n), np.arange(n)] += 1
        left = cross[:, :n] - weights @ gram[:, :n]
        covariance = self._counting(weights) + self._spots(weights)
        variance = ((contrast @ covariance) * contrast).sum(axis=2)
        z = np.divide(left, np.sqrt(variance), out=np.zeros_like(left), where=variance > LEAST)
        cubes = self.noise.gain**2 * weights @ self.cubes
        z = normal_of(z, np.divide(cubes, variance**1.5, out=np.zeros_like(z), where=variance > LEAST))
        room = (contrast * gram[:n]).sum(axis=2)
        own = weights[np.arange(len(cross)), chosen[0]] * self.mixture.bragg[chosen[0]]
        scale = room * own[:, None] / self.mixture.bragg
        share = np.divide(left, scale, out=np.zeros_like(left), where=scale > LEAST)
        return np.clip(share, -MOST_SHARE, MOST_SHARE), np.clip(z, -MOST_SHARE, MOST_SHARE)

    def _fraction(self, weights: FloatArray, first: IntArray, second: IntArray) -> tuple[FloatArray, ...]:
        """Give the share of the second crystal in the Bragg counts of two, and its two standard deviations."""
        rows, bragg = np.arange(len(weights)), self.mixture.bragg
        own, other = weights[rows, first] * bragg[first], weights[rows, second] * bragg[second]
        total = np.where(own + other > LEAST, own + other, 1)
        fraction = other / total
        direction = np.zeros_like(weights)
        direction[rows, first] = -fraction * bragg[first] / total
        direction[rows, second] = (1 - fraction) * bragg[second] / total
        contrast = self._solved((weights > 0) | _marked(weights, first, second), direction)
        counting, spots = (
            ((matrix @ contrast[:, :, None])[:, :, 0] * contrast).sum(axis=1)
            for matrix in (self._counting(weights), self._spots(weights))
        )
        errors = np.array(self.noise.scale_error)
        scale = fraction * (1 - fraction) * np.hypot(errors[first], errors[second])
        return fraction, np.sqrt(np.maximum(counting, 0)), np.sqrt(np.maximum(spots, 0) + scale**2)

    def _misfit(self, cross: FloatArray, square: FloatArray, weights: FloatArray) -> FloatArray:
        """Weighted sum of squared residuals beyond what noise and patterns make, in standard deviations."""
        mixture, read, gain = self.mixture, self.noise.read, self.noise.gain
        n, pixel = mixture.n_crystals, mixture.pixel
        left = square - ((2 * cross - weights @ mixture.gram) * weights).sum(axis=1)
        off = np.array(self.noise.spot_error) ** 2 * np.diag(mixture.gram)[:n]
        expected = read * pixel.sum() + gain * weights @ mixture.across.sum(axis=1) + weights[:, :n] ** 2 @ off
        squared = mixture.across @ mixture.across.T
        variance = 2 * read**2 * (pixel**2).sum() + 2 * gain**2 * ((weights @ squared) * weights).sum(axis=1)
        variance += (gain**3 + 4 * read * gain) * (weights @ (mixture.across @ pixel))
        z = (left - expected) / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
        return np.asarray(np.clip(z, -MOST_SHARE, MOST_SHARE))

    def _counting(self, weights: FloatArray) -> FloatArray:
        """Covariance of the products with counts of each probe from noise alone, (p, m, m)."""
        m = weights.shape[1]
        of_counts = (self.noise.gain * weights) @ self.thirds.reshape(m, -1)
        of_reading = self.noise.read * (self.mixture.across @ self.mixture.across.T)
        return np.asarray(of_counts.reshape(-1, m, m) + of_reading)

    def _spots(self, weights: FloatArray) -> FloatArray:
        """Covariance from spots that are off, (p, m, m)."""
        n, m = self.mixture.n_crystals, weights.shape[1]
        return np.asarray((weights[:, :n] ** 2 @ self.spots.reshape(n, -1)).reshape(-1, m, m))

    def _inverse(self, members: BoolArray) -> FloatArray:
        """Inverse of the part of gram that ``members`` (p, m) have, 0 elsewhere: (p, m, m)."""
        sets, of = np.unique(np.packbits(members, axis=1), axis=0, return_inverse=True)
        some = np.unpackbits(sets, axis=1, count=members.shape[1]).astype(bool)
        both = some[:, :, None] & some[:, None, :]
        return np.asarray(np.where(both, np.linalg.inv(self._scaled(both)) / self._products, 0)[of.ravel()])

    def _solved(self, members: BoolArray, right: FloatArray) -> FloatArray:
        """Solve the same part for one vector (p, m) of each probe."""
        both = members[:, :, None] & members[:, None, :]
        lengths = self.mixture.lengths
        return np.asarray(np.linalg.solve(self._scaled(both), (right / lengths)[:, :, None])[:, :, 0] / lengths)

    def _scaled(self, both: BoolArray) -> FloatArray:
        """Parts of gram with ones on the diagonal, and nothing beside it where entries are not used."""
        m = len(self.mixture.gram)
        scaled = np.where(both, self.mixture.gram / self._products, 0)
        scaled[:, np.arange(m), np.arange(m)] = 1 + RIDGE
        return np.asarray(scaled)

    @property
    def _products(self) -> FloatArray:
        lengths = self.mixture.lengths
        return lengths * lengths[:, None]


def normal_of(z: FloatArray, skewness: FloatArray) -> FloatArray:
    """Give the normal deviates that are as unlikely as deviates ``z`` of a sum of few counts.

    Counts are skewed: far above their mean are more of them than a normal distribution has, far below fewer. A
    gamma distribution of the same mean, variance and skewness stands for them, by the cube root (Wilson and
    Hilferty 1931), which holds in the far tail as well.
    """
    some = np.clip(skewness, LEAST_SKEW, MOST_SKEW)
    scaled = np.maximum(1 + some * z / 2, 0)
    shape = 4 / some**2
    return np.asarray(
        np.where(skewness < LEAST_SKEW, z, (np.cbrt(scaled) - 1 + 1 / (9 * shape)) * 3 * np.sqrt(shape))
    )


def _marked(like: FloatArray, *chosen: IntArray) -> BoolArray:
    """Mark the chosen entries of each probe, (p, m)."""
    marked = np.zeros(like.shape, dtype=bool)
    for one in chosen:
        marked[np.arange(len(like)), one] = True
    return marked
