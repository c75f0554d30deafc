"""Structure that noise cannot have: what is the same at neighbouring probes.

Noise of different probes is independent. A product of neighbouring patterns therefore holds signal alone, whatever
the detector, and needs no model of the noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from unmix4d.quality.background import outside_beam, shrink, squares
from unmix4d.records import Beam, BoolArray, FactoredMatrix, Factorization, FloatArray
from unmix4d.records.base import spread

SPOT_SIGMAS = (0.7, 3.0)
"""Pixels: spots are what a difference of Gaussians of these widths leaves, on detectors of up to 96 pixels."""

FAINT = 0.1
"""Probes whose own signal is below this share of its 90 % quantile do not count."""

WORST_PROBES = 16
"""Size of the patch of probes by which the residual is judged."""

EXPLAINED = 0.45
"""A factorization suffices if it leaves less than this share of the Bragg signal in the worst patch."""

SIGNAL_AUTOCORRELATION = 0.25
"""Least correlation between neighbours of the map of a direction that carries signal; noise has 0.00 +- 0.05."""

_QUANTILE = 0.9
_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def without_beam(factored: FactoredMatrix, beam: Beam | None) -> FactoredMatrix:
    """Leave the direct beam out of a low-rank form, without reading data again.

    Parameters
    ----------
    factored : FactoredMatrix
    beam : Beam or None
        Its disc and a margin are left out.

    Returns
    -------
    FactoredMatrix
        Of the same pixels; those of the beam are 0 in its basis, whose directions are in descending order again.
    """
    shape = factored.pixel_mask.shape
    kept = outside_beam((shape[0], shape[1]), beam)[factored.pixel_mask]
    if kept.all():
        return factored
    basis, triangle = np.linalg.qr((factored.basis * kept).T.astype(np.float64))
    scores = factored.scores @ triangle.T
    _, turn = np.linalg.eigh(scores.T @ scores)
    scores = np.ascontiguousarray(scores @ turn[:, ::-1], dtype=np.float32)
    outside = max(0.0, factored.norm2 - _squares(factored.scores)) * float(kept.mean())
    return replace(
        factored,
        scores=scores,
        basis=np.ascontiguousarray((basis @ turn[:, ::-1]).T, dtype=np.float32),
        norm2=_squares(scores) + outside,
    )


def signal_rank(factored: FactoredMatrix) -> int:
    """Count the directions of a low-rank form whose maps are alike at neighbouring probes.

    An upper bound of the number of different patterns, background included, less one because the mean of each map
    is left out: bending and changes of thickness take directions too.

    Parameters
    ----------
    factored : FactoredMatrix

    Returns
    -------
    int
    """
    found = autocorrelation(factored.scores, factored.probe_mask)
    return int((found > SIGNAL_AUTOCORRELATION).sum())


def autocorrelation(values: FloatArray, probe_mask: BoolArray, *, centred: bool = True) -> FloatArray:
    """Correlation of maps with themselves one probe further, mean of both scan directions: (r,) for (n_probes, r).

    0 for a map of single probes, and for one that is the same everywhere unless means are kept (not ``centred``).
    """
    maps = spread(values - values.mean(axis=0) if centred else values, probe_mask, 0).astype(np.float64)
    found = []
    for axis in (0, 1):
        one, other = _shifted(maps, axis)
        both = np.logical_and(*_shifted(probe_mask, axis))
        here, there = one[both], other[both]
        size = np.sqrt((here**2).sum(axis=0) * (there**2).sum(axis=0))
        found.append((here * there).sum(axis=0) / np.maximum(size, np.finfo(float).tiny))
    return np.asarray(np.mean(found, axis=0))


def _shifted(values: FloatArray | BoolArray, axis: int) -> tuple[FloatArray, FloatArray]:
    last = values.shape[axis] - 1
    return np.take(values, range(last), axis=axis), np.take(values, range(1, last + 1), axis=axis)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """Measures what factorizations leave of the Bragg signal.

    Attributes
    ----------
    factored : FactoredMatrix
    metric : (r, r) float64
        Products of the directions of ``factored`` after the spot filter.
    signal : (scan_y, scan_x) float64
        Coherent Bragg signal of the data.
    counted : (scan_y, scan_x) bool
        Where there is enough of it.
    coherence : float
        Share of the power of the data, after the spot filter, that neighbours have in common: 0 = noise alone.
    """

    factored: FactoredMatrix
    metric: FloatArray
    signal: FloatArray
    counted: BoolArray
    coherence: float

    @classmethod
    def of(cls, factored: FactoredMatrix, beam: Beam | None) -> "Residuals":
        """Filter the directions of a low-rank form, the beam left out, and measure the signal of the data."""
        metric = _spot_metric(factored, beam)
        signal = _coherent(factored.scores, metric, factored.probe_mask)
        limit = FAINT * float(np.quantile(signal[factored.probe_mask], _QUANTILE))
        counted = factored.probe_mask & (signal > max(limit, 0.0))
        power = float(np.einsum("pi,ij,pj->", factored.scores, metric, factored.scores)) / len(factored.scores)
        common = float(signal[factored.probe_mask].mean())
        coherence = common / power if power > 0 else 0.0
        return cls(factored=factored, metric=metric, signal=signal, counted=counted, coherence=coherence)

    def share(self, fit: Factorization) -> float:
        """Share of the local Bragg signal that a factorization leaves unexplained in the worst patch of probes."""
        if not self.counted.any():
            return 0.0
        left = _coherent(self.factored.residual(fit), self.metric, self.factored.probe_mask)
        shares = np.sort(left[self.counted] / self.signal[self.counted])[::-1]
        worst = max(1, WORST_PROBES // self.factored.probes_per_row)
        return float(shares[min(worst, len(shares)) - 1])

    def shares(self, fits: Mapping[int, Factorization]) -> dict[int, float]:
        """Give the share for every k."""
        return {k: self.share(fit) for k, fit in sorted(fits.items())}


def _spot_metric(factored: FactoredMatrix, beam: Beam | None) -> FloatArray:
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow import

    shape = factored.pixel_mask.shape
    images = np.moveaxis(spread(factored.basis.T, factored.pixel_mask, 0), -1, 0)
    images = shrink(images * outside_beam((shape[0], shape[1]), beam)) * squares(shape)
    narrow, wide = (gaussian_filter(images, (0, sigma, sigma)) for sigma in SPOT_SIGMAS)
    sharp = (narrow - wide).reshape(len(images), -1).astype(np.float64)
    return np.asarray(sharp @ sharp.T)


def _coherent(values: FloatArray, metric: FloatArray, probe_mask: BoolArray) -> FloatArray:
    """Mean product of each row of values (n_probes, r) with its neighbours, averaged over 3 x 3 probes."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    maps = spread(values, probe_mask, 0).astype(np.float64)
    turned = maps @ metric
    inside = probe_mask.astype(np.float64)
    around, n_around = np.zeros(maps.shape), np.zeros(inside.shape)
    for step in _NEIGHBOURS:
        around += _moved(maps, step)
        n_around += _moved(inside, step)
    products = np.einsum("yxr,yxr->yx", turned, around) / np.maximum(n_around, 1)
    smooth = uniform_filter(products * inside, 3, mode="constant")
    return np.asarray(smooth / np.maximum(uniform_filter(inside, 3, mode="constant"), np.finfo(float).eps))


def _moved(values: FloatArray, step: tuple[int, int]) -> FloatArray:
    """Move maps (y, x, ...) by whole probes; 0 comes in from outside."""
    moved = np.zeros_like(values)
    source, target = (
        tuple(
            slice(max(0, sign * by), size + min(0, sign * by)) for by, size in zip(step, values.shape, strict=False)
        )
        for sign in (-1, 1)
    )
    moved[target] = values[source]
    return moved


def _squares(values: FloatArray) -> float:
    return float(np.einsum("ij,ij->", values, values, dtype=np.float64))
