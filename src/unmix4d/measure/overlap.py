"""Measures overlap: in one pass over unfiltered counts, every probe as one crystal, two or three."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from unmix4d.execute import Executor
from unmix4d.measure import areas, lines, patterns
from unmix4d.measure.likelihood import Likelihood, Tested
from unmix4d.measure.mixtures import Mixture
from unmix4d.measure.noise import measure_noise, sample
from unmix4d.measure.significance import LEVEL, Errors
from unmix4d.quality.background import MAD_TO_SIGMA
from unmix4d.records import (
    NO_CRYSTAL,
    OVERLAP_THRESHOLDS,
    AnyArray,
    BoolArray,
    Crystals,
    FloatArray,
    IntArray,
    Mixing,
    NoiseModel,
    PatternMatrix,
    Unexplained,
)
from unmix4d.records.base import spread

UNUSUAL = 4.0
"""Robust standard deviations of the misfit over the scan from which on two crystals do not explain a probe."""

MOST_UNUSUAL = 1e6
"""Where all probes but a few have the same misfit, a standard deviation means nothing."""

LEAST_FRACTION = 0.05
"""Share of the Bragg counts below which a second crystal is not called one: patterns are not known better."""

MOST_AVERAGED = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What the pass over the data gives of p probes: all of `Tested` that is kept, and Bragg counts (p, n)."""

    bragg: FloatArray
    tested: Tested


def measure_overlap(
    matrix: PatternMatrix,
    crystals: Crystals,
    labels: IntArray,
    *,
    mean_pattern: FloatArray,
    executor: Executor,
    filtered: PatternMatrix | None = None,
    redrawn: bool = False,
    line: tuple[int, int, int, int] | None = None,
) -> Mixing | None:
    """Fit the crystals' patterns to every probe's counts, and ask how sure it is that two of them are there.

    Patterns stay as they are; weights of crystals and background are fitted by non-negative least squares, pixels
    weighted for Poisson noise. The noise is measured at some probes beforehand. Then one pass over the data.

    Parameters
    ----------
    matrix : PatternMatrix
        Unfiltered counts.
    crystals : Crystals
        ``bragg`` as it was fitted before says on which probes crystals are alone.
    labels : (scan_y, scan_x) int16
        -1 where nothing is to be assessed.
    mean_pattern : (pattern_y, pattern_x) float
        Unfiltered counts.
    executor : Executor
        For the pass over the data.
    filtered : PatternMatrix, optional
        What was factorised, for the pictures of the trajectory; the same as ``matrix`` if it is not given.
    redrawn : bool
        The crystals come from a filter that draws patterns anew: measured ones are taken from the data, in a pass
        more.
    line : (y0, x0, y1, x1), optional
        Probes between which the trajectory goes; by default across the boundary with the most overlap.

    Returns
    -------
    Mixing or None
        None for fewer than two crystals.

    Raises
    ------
    UsageError
        If the line leaves the scan.

    Notes
    -----
    Paper, Fig. 5; method, section 8. Of the ratio of likelihoods of two crystals to one the root is taken, with the
    sign of the second weight: at the boundary of what weights may be, half of its null distribution is 0, so its
    upper tail is that of a normal distribution. For n crystals the level is that of the largest of n - 1.
    """
    if len(crystals.spots) < 2:  # noqa: PLR2004 - one crystal overlaps with nothing
        return None
    if redrawn:
        crystals = patterns.measured(matrix, crystals, executor)
    mixture = Mixture.of(crystals, matrix.pixel_mask, mean_pattern)
    kept = mixture.fitted[matrix.pixel_mask]
    total = crystals.bragg.sum(axis=1, keepdims=True)
    shares = np.divide(crystals.bragg, total, out=np.zeros_like(crystals.bragg), where=total > 0)
    some = sample(shares, int(kept.sum()))
    noise = measure_noise(mixture, matrix.rows(some)[:, kept].astype(np.float32), shares)
    likelihood = Likelihood.of(mixture, noise)
    found = _pass(matrix, likelihood, kept, executor)
    errors = Errors.of(found.tested, len(mixture.bragg))
    assessed = (labels[matrix.probe_mask] != NO_CRYSTAL) & (found.bragg.max(axis=1) > 0)
    mixing = _maps(matrix, found, errors, assessed=assessed, noise=noise)
    mixing = replace(mixing, unexplained=_unexplained(matrix, found, errors, assessed, likelihood))
    course = lines.course_of(mixing, labels, line)
    if course is None:
        return mixing
    return replace(mixing, trajectory=lines.follow(course, mixing, likelihood, matrix, filtered or matrix))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Tests one block of the data; small enough to travel."""

    matrix: PatternMatrix
    likelihood: Likelihood
    kept: BoolArray

    def __call__(self, block: int) -> tuple[slice, Measured]:
        counts = self.matrix.read_block(block)
        tested = self.likelihood.test(counts if self.kept.all() else counts[:, self.kept])
        bragg = tested.weights[:, : len(self.likelihood.mixture.bragg)] * self.likelihood.mixture.bragg
        nothing = np.empty((len(bragg), 0), dtype=np.float32)
        slim: dict[str, Any] = {f.name: _small(getattr(tested, f.name)) for f in fields(tested)}
        slim |= {"weights": nothing, "pair_weights": nothing}
        return self.matrix.rows_of(block), Measured(bragg=bragg.astype(np.float32), tested=Tested(**slim))


def _small(values: AnyArray) -> AnyArray:
    return values.astype(np.int16 if values.dtype.kind == "i" else np.float32)


def _pass(matrix: PatternMatrix, likelihood: Likelihood, kept: BoolArray, executor: Executor) -> Measured:
    work = _Block(matrix=matrix, likelihood=likelihood, kept=kept)
    parts = [part for _, part in executor.map_blocks(work, range(matrix.n_blocks))]
    tested = Tested.joined([part.tested for part in parts])
    return Measured(bragg=np.concatenate([part.bragg for part in parts]), tested=tested)


def _maps(
    matrix: PatternMatrix,
    found: Measured,
    errors: Errors,
    *,
    assessed: BoolArray,
    noise: NoiseModel,
) -> Mixing:
    """Spread what was found over the scan, and name areas and pairs."""
    tested, mask = found.tested, matrix.probe_mask
    p_value = np.where(assessed, errors.p_value, np.nan)
    significant = (p_value < LEVEL) & (tested.fraction >= LEAST_FRACTION)
    low, high = errors.interval(significant)

    def scan_map(values: FloatArray) -> FloatArray:
        return spread(np.where(assessed, values, np.nan).astype(np.float32), mask, np.nan)

    def index_map(values: IntArray, where: BoolArray) -> IntArray:
        return spread(np.where(where, values, NO_CRYSTAL).astype(np.int16), mask, NO_CRYSTAL)

    shared = assessed & (tested.fraction > 0)
    first, second = index_map(tested.first, assessed), index_map(tested.second, shared)
    where = spread(significant, mask, 0)
    sure = areas.Sure(
        fraction=scan_map(tested.fraction),
        counting=scan_map(errors.counting),
        pattern=scan_map(errors.pattern),
        first=first,
        second=second,
        significant=where,
        assessed=spread(assessed, mask, 0),
    )
    kind, width, pairs = areas.pairs_of(sure)
    return Mixing(
        weights=np.moveaxis(spread(found.bragg, mask, 0), -1, 0),
        first=first,
        second=second,
        fraction=sure.fraction,
        low=scan_map(low),
        high=scan_map(high),
        p_value=scan_map(p_value),
        false_positive_rate=LEVEL,
        significant=where,
        kind=kind,
        boundary_width=width,
        areas=tuple(areas.area_at(sure, threshold) for threshold in OVERLAP_THRESHOLDS),
        pairs=pairs,
        noise=replace(noise, inflation=errors.inflation),
        unexplained=_nothing_unexplained(matrix),
    )


def _nothing_unexplained(matrix: PatternMatrix) -> Unexplained:
    shape = matrix.geometry.scan_shape
    return Unexplained(
        third=np.full(shape, NO_CRYSTAL, dtype=np.int16),
        misfit=np.full(shape, np.nan, dtype=np.float32),
        unknown=np.zeros(shape, dtype=bool),
        residual=np.full(matrix.geometry.pattern_shape, np.nan),
        n_averaged=0,
    )


def _unexplained(
    matrix: PatternMatrix, found: Measured, errors: Errors, assessed: BoolArray, likelihood: Likelihood
) -> Unexplained:
    """Find probes for which two crystals are not enough, and average what they leave over there."""
    tested, mask = found.tested, matrix.probe_mask
    misfit = np.full(len(assessed), np.nan)
    if assessed.any():
        own = tested.misfit[assessed].astype(np.float64)
        middle = np.median(own)
        sigma = MAD_TO_SIGMA * float(np.median(np.abs(own - middle)))
        unusual = (own - middle) / max(sigma, float(np.finfo(np.float32).tiny))
        misfit[assessed] = np.clip(unusual, -MOST_UNUSUAL, MOST_UNUSUAL)
    third = assessed & (errors.p_third < LEVEL)
    unknown = assessed & ~third & (np.nan_to_num(misfit) > UNUSUAL)
    rows = np.flatnonzero(third | unknown)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_AVERAGED)).astype(np.intp)]
    residual = np.full(matrix.geometry.pattern_shape, np.nan)
    if len(rows):
        mixture = likelihood.mixture
        counts = matrix.rows(rows)[:, mixture.fitted[matrix.pixel_mask]].astype(np.float32)
        residual[mixture.fitted] = (
            counts.mean(axis=0, dtype=np.float64)
            - likelihood.test(counts).pair_weights.mean(axis=0) @ mixture.entries
        )
    return Unexplained(
        third=spread(np.where(third, tested.third, NO_CRYSTAL).astype(np.int16), mask, NO_CRYSTAL),
        misfit=spread(misfit.astype(np.float32), mask, np.nan),
        unknown=spread(unknown, mask, 0),
        residual=residual,
        n_averaged=len(rows),
    )
