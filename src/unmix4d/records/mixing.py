"""Overlap as it is measured: how much of the second crystal each probe holds, how sure that is, and where."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmix4d.records.base import BoolArray, FloatArray, IntArray, require

OverlapKind = Literal["boundary", "stacked"]
OVERLAP_KINDS: tuple[OverlapKind, ...] = ("boundary", "stacked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOverlap:
    """How much two crystals overlap in one way.

    Attributes
    ----------
    first, second : int
        The two crystals, lower index first.
    kind : {"boundary", "stacked"}
    n_regions : int
        Connected areas.
    area : Interval
        Probes with significant overlap.
    fraction : Interval
        Mean over them, of ``second``'s share in the Bragg counts of the two.
    p_value : float
        Of the hypothesis that one crystal is enough in all of them.
    """

    first: int
    second: int
    kind: OverlapKind
    n_regions: int
    area: Interval
    fraction: Interval
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """What the variance of counts was found to be.

    Attributes
    ----------
    read : float
        Variance of a pixel without electrons, counts^2.
    gain : float
        Variance over mean, counts; 1 for counted electrons.
    spot_error : tuple of float
        For each crystal, by how much a spot's share in its pattern is off at a probe, relative.
    scale_error : tuple of float
        For each crystal, by how much its Bragg counts are off altogether, relative.
    inflation : float
        By which standardised weights of absent crystals scatter more than these errors say.
    """

    read: float
    gain: float
    spot_error: tuple[float, ...]
    scale_error: tuple[float, ...]
    inflation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unexplained:
    """Probes for which two crystals are not enough.

    Attributes
    ----------
    third : (scan_y, scan_x) int16
        The third crystal that is there significantly; -1 = none.
    misfit : (scan_y, scan_x) float32
        Residual of the two best crystals, in standard deviations beyond the usual; NaN where it was not taken.
    unknown : (scan_y, scan_x) bool
        Where the misfit is large and no third crystal of the scan explains it: double diffraction, a crystal that
        was not found, a bent one.
    residual : (pattern_y, pattern_x) float64
        Mean residual over the probes of both kinds, counts; NaN without any.
    n_averaged : int
        Probes that it is the mean of.
    """

    third: IntArray
    misfit: FloatArray
    unknown: BoolArray
    residual: FloatArray
    n_averaged: int

    @property
    def where(self) -> BoolArray:
        """Probes of both kinds, (scan_y, scan_x)."""
        return np.asarray((self.third >= 0) | self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Patterns and weights along a line of the scan (paper, Fig. 5).

    Attributes
    ----------
    probes : (n, 2) int16
        scan_y and scan_x of every probe on the line.
    points : (n_points,) int
        Places in ``probes`` at which patterns are shown.
    first, second : int
        The two crystals that the line is about.
    weights : (n, n_crystals) float32
        Bragg counts along the line.
    fraction, low, high : (n,) float32
        Share of ``second`` in the two, with its 95 % interval.
    raw, filtered, part_first, part_second, background : (n_points, pattern_y, pattern_x) float32
        Counts: as measured, as factorised, and what the fit is the sum of. Fits are 0 where nothing was fitted.
    fitted : (pattern_y, pattern_x) bool
        Pixels that were fitted.
    chosen : bool
        The line was given, not found.
    """

    probes: IntArray
    points: IntArray
    first: int
    second: int
    weights: FloatArray
    fraction: FloatArray
    low: FloatArray
    high: FloatArray
    raw: FloatArray
    filtered: FloatArray
    part_first: FloatArray
    part_second: FloatArray
    background: FloatArray
    fitted: BoolArray
    chosen: bool

    @property
    def reconstruction(self) -> FloatArray:
        """Both parts and the background, (n_points, pattern_y, pattern_x)."""
        return self.part_first + self.part_second + self.background

    @property
    def residual(self) -> FloatArray:
        """Measured less reconstructed where pixels were fitted, 0 elsewhere, (n_points, pattern_y, pattern_x)."""
        return np.asarray(np.where(self.fitted, self.raw - self.reconstruction, 0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixing:
    """One crystal against two at every probe, from unfiltered counts.

    Attributes
    ----------
    weights : (n_crystals, scan_y, scan_x) float32
        Bragg counts of every crystal; 0 where nothing was fitted.
    first, second : (scan_y, scan_x) int16
        The two strongest; -1 where there is none.
    fraction, low, high : (scan_y, scan_x) float32
        Share of the second in the Bragg counts of the two, with its 95 % interval; NaN where it was not assessed.
    p_value : (scan_y, scan_x) float32
        Of one crystal being enough, corrected for the choice of the second; NaN where it was not assessed.
    false_positive_rate : float
        Share of probes of one crystal that the test may call overlap: its level.
    significant : (scan_y, scan_x) bool
        ``p_value`` is below that level.
    kind : (scan_y, scan_x) int8
        0 = no significant overlap, 1 = at a boundary, 2 = stacked.
    boundary_width : float
        Usual width of a boundary's overlap in probes; NaN without any.
    areas : tuple of Interval
        Probes that reach each threshold of the overlap map.
    pairs : tuple of PairOverlap
        The largest area first.
    noise : NoiseModel
    unexplained : Unexplained
    trajectory : Trajectory or None
        None where there is no overlap to go across, and no line was given.
    """

    weights: FloatArray
    first: IntArray
    second: IntArray
    fraction: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    false_positive_rate: float
    significant: BoolArray
    kind: IntArray
    boundary_width: float
    areas: tuple[Interval, ...]
    pairs: tuple[PairOverlap, ...]
    noise: NoiseModel
    unexplained: Unexplained
    trajectory: Trajectory | None = None

    def __post_init__(self) -> None:
        maps = (self.first, self.second, self.fraction, self.low, self.high, self.p_value, self.kind)
        require(all(one.shape == self.weights.shape[1:] for one in maps), "all maps must have the scan shape")
