"""From standard deviations to intervals and levels: what of the errors shows only over the whole scan."""

from dataclasses import dataclass

import numpy as np

from unmix4d.measure.likelihood import Tested
from unmix4d.measure.noise import inflation_of
from unmix4d.records import BoolArray, FloatArray

LEVEL = 0.001
"""Of the test of one crystal against two: share of probes of one crystal that it may call overlap."""

MISSED = 0.05
"""Share of intervals that may miss the truth."""

FEWEST = 8
FEWEST_NEGATIVE = 20
MOST_LEAK = 0.05
LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """The errors of every probe, and the levels of its tests.

    Attributes
    ----------
    n_crystals : int
    inflation : float
        Over the whole scan.
    fraction, counting, pattern : (p,) float64
        Share of the second crystal, its standard deviations by counting and by patterns.
    p_value, p_third : (p,) float64
        Of one crystal being enough, and of two.
    """

    n_crystals: int
    inflation: float
    fraction: FloatArray
    counting: FloatArray
    pattern: FloatArray
    p_value: FloatArray
    p_third: FloatArray

    @classmethod
    def of(cls, tested: Tested, n_crystals: int) -> "Errors":
        """Measure how weights of absent crystals scatter, pair by pair, and take that as the null distribution.

        Beside one crystal every other has a weight that is 0 but for errors over most of its area, if anything is
        wrong with the patterns it is so there too: the scatter of negative weights tells by how much deviations are
        too small, and the median how much of the first crystal's counts looks like the other everywhere.
        """
        inflation = inflation_of(tested.z_other.astype(np.float64))
        by_pair = np.full((n_crystals, n_crystals), inflation)
        leak = np.zeros((n_crystals, n_crystals))
        for i in range(n_crystals):
            for k in range(n_crystals):
                own = (tested.first == i) & (tested.other == k)
                below = tested.z_other[own & (tested.z_other < 0)].astype(np.float64)
                if len(below) >= FEWEST_NEGATIVE:
                    by_pair[i, k] = max(inflation, float(np.sqrt(np.mean(below**2))))
                if own.sum() >= FEWEST:
                    leak[i, k] = min(abs(float(np.median(tested.share_other[own]))), MOST_LEAK)
        second, third = (tested.first, tested.second), (tested.first, tested.third)
        fraction = tested.fraction.astype(np.float64)
        return cls(
            n_crystals=n_crystals,
            inflation=inflation,
            fraction=fraction,
            counting=tested.counting * by_pair[second],
            pattern=np.hypot(tested.pattern * by_pair[second], leak[second] * (1 - fraction) ** 2),
            p_value=_level(tested.share_second, tested.z_second, by_pair[second], leak[second], n_crystals - 1),
            p_third=_level(tested.share_third, tested.z_third, by_pair[third], leak[third], n_crystals - 2),
        )

    def interval(self, significant: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Give 95 % intervals of the fraction, (p,) each, within 0 and 1.

        Where overlap is not significant it is not known which crystal would be the second: the interval is from 0
        to a limit that holds for all of them.
        """
        from scipy.stats import norm  # noqa: PLC0415 - slow import

        sigma = np.hypot(self.counting, self.pattern)
        two_sided, for_all = norm.isf(MISSED / 2), norm.isf(MISSED / (self.n_crystals - 1))
        low = np.where(significant, self.fraction - two_sided * sigma, 0)
        high = self.fraction + np.where(significant, two_sided, for_all) * sigma
        return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _level(share: FloatArray, z: FloatArray, inflation: FloatArray, leak: FloatArray, n: int) -> FloatArray:
    """Give the p-value of the largest of ``n`` standardised weights, (p,) float64; 1 where there are none."""
    from scipy.stats import norm  # noqa: PLC0415 - slow import

    there = (z > LEAST) & (share > LEAST) & np.isfinite(z)
    tail = np.ones(len(z))
    noise = inflation[there] / z[there].astype(np.float64)
    tail[there] = norm.sf(1 / np.hypot(noise, leak[there] / share[there]))
    return np.where(there, -np.expm1(n * np.log1p(-np.minimum(tail, 1 - 1e-12))), 1.0)
