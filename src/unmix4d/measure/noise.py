"""How counts scatter about a fit: measured at some probes, not assumed."""

import numpy as np

from unmix4d.measure.mixtures import Mixture
from unmix4d.records import FloatArray, IntArray, NoiseModel

MOST_VALUES = 2_000_000
FEWEST_PROBES, MOST_PROBES = 64, 512
ALONE = 0.8
"""Share of the Bragg counts at which a crystal's own spots can be judged."""

FEWEST_ALONE = 8
ENOUGH_ALONE = 30
"""Probes that a pattern is the mean of, if a crystal is alone on as many."""

SCALE_NEVER_ALONE = 0.05
"""Relative error of the Bragg counts of a crystal that is alone nowhere: what lies under it stays in it."""

SCALE_PER_PIXEL = 0.05
"""The same for all crystals, relative to what single pixels of patterns are off by."""

EVERY = 4
"""Of so many pixels one is looked at for the law of the variance."""

N_BINS = 32
FEWEST_IN_BIN = 50
MOST_IN_BIN = 2000
TOP = (0.98, 0.99, 0.995, 0.998, 0.999)


def sample(shares: FloatArray, n_pixels: int) -> IntArray:
    """Choose probes to judge noise by: of every crystal some on which it is alone, evenly over the scan.

    Parameters
    ----------
    shares : (n_probes, n_crystals) float
        Of each crystal in the Bragg counts.
    n_pixels : int

    Returns
    -------
    (n,) int, ascending
    """
    n_probes, n_crystals = shares.shape
    most = min(max(MOST_VALUES // max(n_pixels, 1), FEWEST_PROBES), MOST_PROBES, n_probes)
    each = most // (2 * max(n_crystals, 1))
    found = [_evenly(np.flatnonzero(own >= ALONE), each) for own in shares.T]
    found.append(_evenly(np.arange(n_probes), most - sum(map(len, found))))
    return np.unique(np.concatenate(found))


def _evenly(indices: IntArray, n: int) -> IntArray:
    return indices[np.linspace(0, len(indices) - 1, min(n, len(indices))).astype(np.intp)]


def measure_noise(mixture: Mixture, counts: FloatArray, whole_shares: FloatArray) -> NoiseModel:
    """Measure the variance of counts, and how far spots are from where a crystal's pattern has them.

    Variance is read variance, plus gain times mean, plus a share of the squared mean, by which patterns are wrong;
    the last is taken spot by spot from probes on which a crystal is alone, less what the first two explain.

    Parameters
    ----------
    mixture : Mixture
    counts : (p, q) float32
        Of the sample, on the fitted pixels.
    whole_shares : (n_probes, n_crystals) float
        Of each crystal in the Bragg counts, all over the scan.

    Returns
    -------
    NoiseModel
        With an inflation of 1.
    """
    weights = mixture.fit((counts @ mixture.across.T.astype(np.float32)).astype(np.float64))
    mean = weights @ mixture.entries
    residual = counts - mean
    read, gain, off = _variance_law(mean[:, ::EVERY], residual[:, ::EVERY])
    n = mixture.n_crystals
    bragg = weights[:, :n] * mixture.bragg
    total = bragg.sum(axis=1)
    shares = np.divide(bragg.T, total, out=np.zeros((n, len(counts))), where=total > 0)
    errors = np.full(n, np.nan)
    for k in range(n):
        alone = shares[k] >= ALONE
        if alone.sum() >= FEWEST_ALONE:
            errors[k] = _spot_error(
                mixture,
                k,
                mean=mean[alone],
                residual=residual[alone],
                weights=weights[alone, k],
                noise=(read, gain),
            )
    usual = float(np.nanmedian(errors)) if np.isfinite(errors).any() else 0.0
    errors[~np.isfinite(errors)] = usual
    n_alone = (whole_shares >= ALONE).sum(axis=0)
    scale = np.hypot(SCALE_PER_PIXEL * off, SCALE_NEVER_ALONE * np.maximum(1 - n_alone / ENOUGH_ALONE, 0))
    return NoiseModel(
        read=read,
        gain=gain,
        spot_error=tuple(errors.tolist()),
        scale_error=tuple(scale.tolist()),
        inflation=1.0,
    )


def _variance_law(mean: FloatArray, residual: FloatArray) -> tuple[float, float, float]:
    """Fit read variance, gain and relative error of patterns to squared residuals; give all three."""
    from scipy.optimize import nnls  # noqa: PLC0415 - slow import

    edges = np.unique(np.quantile(mean, [*np.linspace(0, 1, N_BINS)[1:-1], *TOP]))
    bins = np.searchsorted(edges, mean.ravel())
    number = np.bincount(bins)
    enough = number >= FEWEST_IN_BIN
    values = [mean.ravel(), mean.ravel() ** 2, residual.ravel() ** 2]
    first, second, variance = (np.bincount(bins, own)[enough] / number[enough] for own in values)
    if not enough.any() or variance.max() <= 0:
        return 0.0, 1.0, 0.0
    terms = np.stack([np.ones_like(first), first, second], axis=1)
    sure = np.sqrt(np.minimum(number[enough], MOST_IN_BIN))
    weight = sure / np.maximum(variance, 1e-9 * variance.max())
    for _ in range(3):
        law, _ = nnls(terms * weight[:, None], variance * weight)
        known = terms @ law
        weight = sure / np.maximum(known, 1e-9 * known.max())
    return float(law[0]), float(law[1]), float(np.sqrt(law[2]))


def _spot_error(
    mixture: Mixture,
    crystal: int,
    *,
    mean: FloatArray,
    residual: FloatArray,
    weights: FloatArray,
    noise: tuple[float, float],
) -> float:
    """Relative standard deviation of spots about the crystal's pattern, strong spots counting most."""
    read, gain = noise
    expected = weights[:, None] * mixture.by_spot(crystal, mixture.entries[crystal][None])
    beyond = mixture.by_spot(crystal, residual) ** 2
    beyond -= read * mixture.by_spot(crystal, np.ones_like(residual[:1])) + gain * mixture.by_spot(crystal, mean)
    total = float((expected**2).sum())
    return float(np.sqrt(max(float(beyond.sum()), 0.0) / total)) if total > 0 else np.nan


def inflation_of(others: FloatArray) -> float:
    """By how much standardised weights of crystals that are hardly anywhere scatter more than they should.

    Only negative ones are looked at: no overlap makes them.

    Parameters
    ----------
    others : (n_probes,) float64

    Returns
    -------
    float
        1 or more.
    """
    below = others[others < 0]
    return max(1.0, float(np.sqrt(np.mean(below**2)))) if len(below) >= FEWEST_ALONE else 1.0
