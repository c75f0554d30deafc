"""What speaks for one k or another: the loss, and how distinct the components are (method, section 6.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from unmix4d.decide.coherence import EXPLAINED, Residuals, autocorrelation
from unmix4d.decide.elbow import find_elbow
from unmix4d.decide.exemplars import FULL_SCALE, Exemplar, exemplar_patterns, peak_probes, read_rows
from unmix4d.decide.sweep import MIN_DISTINCT_K, range_of_interest
from unmix4d.execute import Executor, Serial
from unmix4d.quality.similarity import METRICS, MIN_SIDE, pairwise
from unmix4d.records import (
    Beam,
    Better,
    BoolArray,
    CriterionCurve,
    Factorization,
    FloatArray,
    PairwiseScores,
    Sweep,
)
from unmix4d.records.base import require

Aggregate = Literal["nearest_sum", "mean"]
DISTINCTNESS = ("ssim", "gmsd", "mdsi")
REDUNDANT: Mapping[str, float] = MappingProxyType({"ssim": 0.9, "gmsd": 0.05, "mdsi": 0.2})
"""Two exemplars are redundant if every metric finds them more alike than this."""

PSNR_CAP_DB = 100.0
"""What an infinite PSNR counts in a mean (method, section 5.1)."""

TIE = 1e-9
"""Two values closer than this are the same: the smaller k wins."""

_FIDELITY_NOTE = "PSNR of each reconstructed exemplar against the one pattern measured there, noise included"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExemplarScores:
    """How alike the exemplars of one factorization are.

    Attributes
    ----------
    k : int
    alive : (k,) bool
        False for components that are dead or whose exemplar is empty.
    scores : mapping of metric name to PairwiseScores
        SSIM, GMSD, MDSI (mean of both directions) and PSNR on exemplars scaled to 0...255.
    fidelity : float
        Mean PSNR in dB between the reconstruction and the measured pattern at the probe of each exemplar, the
        largest value of the measured pattern being white; NaN without any.
    """

    k: int
    alive: BoolArray
    scores: Mapping[str, PairwiseScores]
    fidelity: float

    def nearest_sum(self, metric: str) -> float:
        """Sum over the components of the dissimilarity to the most similar other one: T of the method.

        SSIM counts as 1 - SSIM, GMSD as it is, MDSI as its fourth power. Dead components add nothing.
        """
        apart = self._others(_dissimilarity(metric, self.scores[metric].values))
        return float(np.nanmin(apart, axis=1).sum()) if apart.size else 0.0

    def mean(self, metric: str) -> float:
        """Mean of the metric over all pairs, which the paper quotes: A of the method; NaN without pairs."""
        values = self._others(self.scores[metric].values)
        cap = PSNR_CAP_DB if metric == "psnr" else np.inf
        return float(np.nanmean(np.minimum(values, cap))) if values.size else float("nan")

    @property
    def n_redundant(self) -> int:
        """Number of pairs that every metric finds nearly identical."""
        alike = np.triu(np.outer(self.alive, self.alive), 1)
        for metric, limit in REDUNDANT.items():
            if metric in self.scores:
                values = self.scores[metric].values
                alike &= values > limit if self.scores[metric].better == "higher" else values < limit
        return int(alike.sum())

    def _others(self, values: FloatArray) -> FloatArray:
        """Living components only, NaN on the diagonal; empty unless there are two."""
        n_alive = int(self.alive.sum())
        if n_alive < MIN_DISTINCT_K:
            return np.empty((0, 0))
        values = values[np.ix_(self.alive, self.alive)].copy()
        np.fill_diagonal(values, np.nan)
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distinctness:
    """How distinct the components are at each k: measured once, shared by all criteria that ask.

    Attributes
    ----------
    at : mapping of k to ExemplarScores
    metrics : tuple of str
        Those that the patterns are large enough for.
    note : str
        In words, what could not be measured.
    """

    at: Mapping[int, ExemplarScores]
    metrics: tuple[str, ...]
    note: str = ""

    def curve(self, metric: str, aggregate: Aggregate = "nearest_sum", ks: Sequence[int] = ()) -> CriterionCurve:
        """Put one metric together to a curve over ``ks`` (all measured k by default), with the k that it prefers.

        The curve of a metric that could not be measured is empty and chooses nothing.
        """
        require(metric in METRICS, f"no metric named {metric!r}; known: {', '.join(METRICS)}")
        ks = tuple(ks or self.at)
        better: Better = "higher"
        if aggregate == "mean" and METRICS[metric][1] == "higher":
            better = "lower"  # the less alike, the more distinct
        name = f"nearest_{metric}" if aggregate == "nearest_sum" else f"mean_{metric}"
        if metric not in self.metrics:
            return CriterionCurve(name=name, better=better, ks=(), values=(), note=self.note)
        scores = [self.at[k] for k in ks]
        values = [s.nearest_sum(metric) if aggregate == "nearest_sum" else s.mean(metric) for s in scores]
        return CriterionCurve(
            name=name, better=better, ks=ks, values=tuple(values), choice=best_k(ks, values, better=better)
        )

    def joined(self, other: "Distinctness") -> "Distinctness":
        """Give both measurements together."""
        return replace(self, at=MappingProxyType(dict(sorted({**self.at, **other.at}.items()))))

    def fidelity_curve(self, ks: Sequence[int] = ()) -> CriterionCurve:
        """How well the exemplars are reconstructed, in dB: a guard, which prefers no k."""
        ks = tuple(ks or self.at)
        values = tuple(self.at[k].fidelity for k in ks)
        return CriterionCurve(name="psnr_fidelity", better="higher", ks=ks, values=values, note=_FIDELITY_NOTE)


def best_k(ks: Sequence[int], values: Sequence[float] | FloatArray, *, better: Better = "higher") -> int | None:
    """Give the smallest k among those with the best value; None if the curve is flat and so prefers no k."""
    known = np.asarray(values, dtype=np.float64) * (1 if better == "higher" else -1)
    if not np.isfinite(known).any() or (len(known) > 1 and np.nanmax(known) - np.nanmin(known) <= TIE):
        return None
    return int(ks[int(np.flatnonzero(known >= np.nanmax(known) - TIE * np.ptp(known[np.isfinite(known)]))[0])])


def measure_distinctness(
    sweep: Sweep,
    ks: Sequence[int],
    *,
    exemplar: Exemplar = "reconstruction",
    metrics: Sequence[str] = (*DISTINCTNESS, "psnr"),
    executor: Executor | None = None,
) -> Distinctness:
    """Compare the exemplars of all components with each other, for each k.

    Parameters
    ----------
    sweep : Sweep
    ks : sequence of int
        Those of the sweep to look at.
    exemplar : {"reconstruction", "component", "data"}
        What stands for a component, see `exemplar_patterns`.
    metrics : sequence of str
        Names in `unmix4d.quality.similarity.METRICS`.
    executor : Executor or None
        Works on several k at a time; None = one after the other.

    Returns
    -------
    Distinctness

    Notes
    -----
    Paper, level two of the decision; method, section 6.3. Reads each block of the matrix that holds the brightest
    probe of some component once. Costs about 0.1 s for each pair of 512 x 512 patterns.
    """
    fits = [sweep.fits[k] for k in ks]
    rows = read_rows(sweep.matrix, {int(p) for fit in fits for p in peak_probes(fit)[~fit.dead]})
    side = min(sweep.matrix.geometry.pattern_shape)
    usable = tuple(metric for metric in metrics if side >= MIN_SIDE[metric])
    skipped = [f"{m} needs {MIN_SIDE[m]}" for m in metrics if m not in usable]
    note = f"patterns of {side} px a side are too small: {', '.join(skipped)}" if skipped else ""
    score = partial(_score, sweep, exemplar=exemplar, metrics=usable, rows=rows)
    scored = (executor or Serial()).map_blocks(score, ks)
    return Distinctness(at=MappingProxyType({s.k: s for s in scored}), metrics=usable, note=note)


def _score(
    sweep: Sweep, k: int, *, exemplar: Exemplar, metrics: Sequence[str], rows: Mapping[int, FloatArray]
) -> ExemplarScores:
    fit = sweep.fits[k]
    patterns = exemplar_patterns(fit, rows, exemplar)
    images = sweep.matrix.to_patterns(patterns)
    scores = {
        m: PairwiseScores(metric=m, better=METRICS[m][1], values=pairwise(images, m, data_range=FULL_SCALE))
        for m in metrics
    }
    alive = np.asarray(patterns.any(axis=1))
    fidelity = [_fidelity(fit, int(p), rows) for p in peak_probes(fit)[alive]]
    return ExemplarScores(k=k, alive=alive, scores=MappingProxyType(scores), fidelity=_mean(fidelity))


def _fidelity(fit: Factorization, probe: int, rows: Mapping[int, FloatArray]) -> float:
    """PSNR in dB of the reconstruction of one measured pattern, whose maximum is white; NaN if that is empty."""
    measured = rows[probe].astype(np.float64)
    white = float(measured.max(initial=0))
    if white <= 0:
        return float("nan")
    # Not `psnr`, which would warn of every reconstruction that is brighter than the measured pattern.
    error = float(np.mean((fit.weights[probe].astype(np.float64) @ fit.components - measured) ** 2))
    return min(10 * math.log10(white**2 / error), PSNR_CAP_DB) if error > 0 else PSNR_CAP_DB


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else float("nan")


def _dissimilarity(metric: str, values: FloatArray) -> FloatArray:
    """Turn a metric into 0 = identical, larger = more different; the power undoes the fourth root of MDSI."""
    require(
        metric in DISTINCTNESS, f"{metric!r} is no measure of distinctness; those are {', '.join(DISTINCTNESS)}"
    )
    if metric == "ssim":
        return 1 - values
    return values**4 if metric == "mdsi" else values


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Level one: the mean absolute difference between data and model, in counts (paper; method, section 6.2)."""

    name: ClassVar[str] = "loss"
    better: ClassVar[Better] = "lower"

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the loss of every k of the sweep; the choice is its elbow."""
        knee = find_elbow(sweep.ks, sweep.losses)
        note = "" if knee is not None else "no elbow"
        values = tuple(map(float, sweep.losses))
        return CriterionCurve(
            name=self.name, better=self.better, ks=sweep.ks, values=values, choice=knee, note=note
        )


@dataclass(frozen=True, slots=True)
class Stability:
    """How well the starts of each k agree on its components; it falls where there are more than the data hold."""

    name: ClassVar[str] = "stability"
    better: ClassVar[Better] = "higher"

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the agreement at every k that was fitted from several starts; it chooses none."""
        known = {k: sweep.fits[k].stability for k in sweep.ks if np.isfinite(sweep.fits[k].stability)}
        note = "mean cosine of matched components between the starts that fit best; 1 = the same"
        return CriterionCurve(
            name=self.name, better=self.better, ks=tuple(known), values=tuple(known.values()), note=note
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexplained:
    """Structure left in the residual: share of the coherent Bragg signal that stays unexplained in the worst patch.

    Attributes
    ----------
    beam : Beam or None
        Left out.
    """

    name: ClassVar[str] = "unexplained"
    better: ClassVar[Better] = "lower"

    beam: Beam | None = None

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the share at every k; empty without a low-rank form. The choice is the smallest k that suffices."""
        if sweep.factored is None:
            return unexplained_curve({})
        return unexplained_curve(Residuals.of(sweep.factored, self.beam).shares(sweep.fits))


def unexplained_curve(shares: Mapping[int, float]) -> CriterionCurve:
    """Put measured shares together to a curve; the choice is the smallest k below the limit."""
    return CriterionCurve(
        name=Unexplained.name,
        better=Unexplained.better,
        ks=tuple(shares),
        values=tuple(shares.values()),
        choice=next((k for k, share in shares.items() if share < EXPLAINED), None),
        note=f"of the Bragg signal of the worst patch of probes; below {EXPLAINED:.2f} it is explained",
    )


@dataclass(frozen=True, slots=True)
class Coherence:
    """How alike the weights of neighbouring probes are, for the component where they are least."""

    name: ClassVar[str] = "coherence"
    better: ClassVar[Better] = "higher"

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the least correlation of a weight map with itself one probe further; it chooses no k."""
        values = [
            float(autocorrelation(fit.weights, fit.probe_mask).min()) for _, fit in sorted(sweep.fits.items())
        ]
        return CriterionCurve(
            name=self.name,
            better=self.better,
            ks=sweep.ks,
            values=tuple(values),
            note="of the weight map that is least like itself one probe further; near 0 it fits noise",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nearest:
    """Sum over the components of how much each differs from the one most like it (method, section 6.3).

    Attributes
    ----------
    measured : Distinctness or None
        What was measured on this sweep before; None = measure now, over the range of interest.
    exemplar : str
        As in `exemplar_patterns`.
    """

    name: ClassVar[str]
    better: ClassVar[Better] = "higher"

    measured: Distinctness | None = None
    exemplar: Exemplar = "reconstruction"

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the sum of nearest dissimilarities at each k of the range of interest."""
        return (self.measured or self._measure(sweep)).curve(self.name)

    def _measure(self, sweep: Sweep) -> Distinctness:
        interest = range_of_interest(sweep)
        ks = [k for k in sweep.ks if k in interest]
        return measure_distinctness(sweep, ks, exemplar=self.exemplar, metrics=(self.name,))


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestSsim(_Nearest):
    """Level two by SSIM: sum of 1 - SSIM to the nearest."""

    name: ClassVar[str] = "ssim"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestGmsd(_Nearest):
    """Level two by GMSD: sum of GMSD to the nearest."""

    name: ClassVar[str] = "gmsd"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestMdsi(_Nearest):
    """Level two by MDSI: sum of the fourth power of the symmetrised MDSI to the nearest."""

    name: ClassVar[str] = "mdsi"


@dataclass(frozen=True, slots=True, kw_only=True)
class PsnrFidelity:
    """A guard, which chooses no k: PSNR of the reconstructed exemplars (method, section 6.3).

    The method asks for cluster means; this compares with the single pattern measured at the exemplar's probe, which
    needs no further pass over the data but is lower the noisier one pattern is.
    """

    name: ClassVar[str] = "psnr"
    better: ClassVar[Better] = "higher"

    measured: Distinctness | None = None

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the mean PSNR at every k of the sweep, or of what was measured before."""
        return (self.measured or measure_distinctness(sweep, sweep.ks, metrics=())).fidelity_curve()
