"""The answers: how many, which is where, where they overlap, how well they stand for the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from unmix4d.records.base import (
    NO_CRYSTAL,
    OVERLAP_THRESHOLDS,
    Better,
    Confidence,
    FloatArray,
    IntArray,
    Role,
    empty,
    require,
)
from unmix4d.records.mixing import Mixing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CriterionCurve:
    """One criterion over k.

    Attributes
    ----------
    name : str
    better : str
        Which direction is.
    ks, values : tuple
    choice : int or None
        The k that it would choose.
    note : str
    errors : tuple of float
        One standard error of each value; empty = not known.
    """

    name: str
    better: Better
    ks: tuple[int, ...]
    values: tuple[float, ...]
    choice: int | None = None
    note: str = ""
    errors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(len(self.ks) == len(self.values), "a curve needs one value for each k")
        require(len(self.errors) in {0, len(self.ks)}, "a curve needs one error for each k, or none")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairwiseScores:
    """One metric between all pairs of component exemplars: ``values`` (k, k), NaN for dead ones."""

    metric: str
    better: Better
    values: FloatArray

    def __post_init__(self) -> None:
        require(self.values.ndim == 2 and self.values.shape[0] == self.values.shape[1], "scores must be (k, k)")  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentRoles:
    """What each component of one factorization is.

    Attributes
    ----------
    roles : tuple of str, length k
    crystals : (k,) int16
        The crystal that the component belongs to; -1 for background, vacuum and dead ones.
    spot_patterns : (k, pattern_y, pattern_x) float32
        The component with its smooth background removed: what is left are the Bragg spots.
    similarity : (k, k) float64
        How much two components look like one crystal, by the places of the spots and by the lattice: 1 = the same.
    """

    roles: tuple[Role, ...]
    crystals: IntArray
    spot_patterns: FloatArray
    similarity: FloatArray

    @property
    def n_crystals(self) -> int:
        """Number of distinct crystals."""
        return int(self.crystals.max(initial=NO_CRYSTAL)) + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """How many components and crystals, and why.

    Attributes
    ----------
    k, n_crystals : int
        Components of the chosen factorization; distinct crystals among them.
    k_low, k_high : int
        The range of interest.
    confidence : str
    reason : str
        In words, for the report.
    curves : tuple of CriterionCurve
    pairwise : mapping of k to PairwiseScores
        The k x k matrices of every k in the range of interest.
    votes : mapping of criterion name to k
    counts : mapping of number of crystals to int
        In how many of the ways to group components it was found.
    roles : mapping of k to ComponentRoles
        For every k in the range of interest.
    warnings : tuple of str
    purified : Purified or None
        The crystals, if they were counted by their purest probes; not kept in a run folder.
    """

    k: int
    n_crystals: int
    k_low: int
    k_high: int
    confidence: Confidence
    reason: str
    curves: tuple[CriterionCurve, ...] = ()
    pairwise: Mapping[int, tuple[PairwiseScores, ...]] = field(default_factory=empty)
    votes: Mapping[str, int] = field(default_factory=empty)
    counts: Mapping[int, int] = field(default_factory=empty)
    roles: Mapping[int, ComponentRoles] = field(default_factory=empty)
    warnings: tuple[str, ...] = ()
    purified: "Purified | None" = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Purified:
    """Crystals as they are found in a low-rank form, each from the probes on which it is nearly alone.

    Attributes
    ----------
    bragg : (n_rows, n) float64
        Counts of each crystal's spots in every row of the low-rank form.
    spots : (n, pattern_y, pattern_x) float64
        Of each crystal alone, in counts.
    means : (n, pattern_y, pattern_x) float64
        Spots of the mean of each crystal's purest probes, with what others left there; 0 if there are none.
    """

    bragg: FloatArray
    spots: FloatArray
    means: FloatArray

    def __post_init__(self) -> None:
        require(len(self.spots) == len(self.means) == self.bragg.shape[1], "one pattern for each crystal")

    @property
    def n_crystals(self) -> int:
        """Number of crystals."""
        return len(self.spots)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crystals:
    """Crystals without their neighbours and without background.

    Attributes
    ----------
    patterns : (n_crystals, pattern_y, pattern_x) float32
        Bragg spots, unit sum; 0 between them, in the beam and where pixels are masked.
    bragg : (n_probes, n_crystals) float32
        Counts of each crystal's spots at each probe.
    spots : (n_crystals, pattern_y, pattern_x) float32
        The spots that were fitted to the probes, in counts.
    background : (n, pattern_y, pattern_x) float32
        What the rest of every probe was fitted with; 0 in the beam and where pixels are masked.
    """

    patterns: FloatArray
    bragg: FloatArray
    spots: FloatArray
    background: FloatArray

    def __post_init__(self) -> None:
        require(len(self.patterns) == self.bragg.shape[1], "one pattern for each crystal")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrystalLook:
    """What a crystal is called and drawn in where that was changed by hand.

    Attributes
    ----------
    number : int
        By which it is known from the run on, whatever its index became.
    components : tuple of int
        What it is made of; the parts of one that was split share theirs.
    name : str
        "" = crystal and its number.
    color : str
        "#rrggbb"; "" = that of its number.
    """

    number: int
    components: tuple[int, ...]
    name: str = ""
    color: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterMap:
    """Which crystal is where.

    Attributes
    ----------
    labels : (scan_y, scan_x) int16
        Index of the crystal; -1 = masked, dark, vacuum or background.
    roles : ComponentRoles
    crystal_patterns : (n_crystals, pattern_y, pattern_x) float32
        Unit sum: its spots alone if the crystals were refined, else the counts-weighted mean of its components.
    crystal_weights : (n_crystals, scan_y, scan_x) float32
        Bragg counts, without beam and background.
    looks : tuple of CrystalLook
        One for each crystal if they were edited by hand, else none.
    """

    labels: IntArray
    roles: ComponentRoles
    crystal_patterns: FloatArray
    crystal_weights: FloatArray
    looks: tuple[CrystalLook, ...] = ()

    def __post_init__(self) -> None:
        require(len(self.looks) in {0, len(self.crystal_weights)}, "one look for each crystal, or none")
        require(self.crystal_weights.shape[1:] == self.labels.shape, "crystal_weights must match labels")
        require(len(self.crystal_patterns) == len(self.crystal_weights), "one pattern for each crystal")

    @property
    def n_crystals(self) -> int:
        """Number of distinct crystals."""
        return len(self.crystal_weights)

    @property
    def counts(self) -> IntArray:
        """(n_crystals,) number of probes of each crystal."""
        return np.bincount(self.labels[self.labels >= 0].ravel(), minlength=self.n_crystals)

    def number(self, crystal: int) -> int:
        """Give the number by which a crystal is known: its index in the run."""
        return self.looks[crystal].number if self.looks and crystal >= 0 else crystal

    def name(self, crystal: int) -> str:
        """Give the name of a crystal: "crystal 2", unless it has got another by hand."""
        given = self.looks[crystal].name if self.looks else ""
        return given or f"crystal {self.number(crystal)}"

    def members(self, crystal: int) -> list[int]:
        """List the components that a crystal is made of."""
        if self.looks:
            return list(self.looks[crystal].components)
        return [int(i) for i in np.flatnonzero(self.roles.crystals == crystal)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlapMap:
    """Where two crystals share a probe (method, section 8).

    Attributes
    ----------
    ratio : (scan_y, scan_x) float32
        Second largest over largest crystal weight, in [0, 1].
    first, second : (scan_y, scan_x) int16
        Indices of those crystals; -1 where there is none.
    level : (scan_y, scan_x) int8
        Number of thresholds that the ratio reaches; -1 where it is not assessed.
    thresholds : tuple of float
    measured : Mixing or None
        Fractions with intervals, significance, areas and pairs; None for fewer than two crystals.
    """

    ratio: FloatArray
    first: IntArray
    second: IntArray
    level: IntArray
    thresholds: tuple[float, ...] = OVERLAP_THRESHOLDS
    measured: Mixing | None = None

    def __post_init__(self) -> None:
        shapes = {self.ratio.shape, self.first.shape, self.second.shape, self.level.shape}
        require(len(shapes) == 1, "all overlap maps must have the scan shape")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterMembers:
    """One member of each cluster: its most typical or its most atypical one.

    Attributes
    ----------
    places : (n_crystals, 2) int64
        Scan position (y, x); -1 where there is none, or it is not known.
    patterns : (n_crystals, pattern_y, pattern_x) float64
        As measured, counts; NaN where there is none.
    cosines : (n_crystals,) float64
        With the cluster's reconstruction, outside the direct beam.
    """

    places: IntArray
    patterns: FloatArray
    cosines: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterComparison:
    """How well each cluster stands for the measured patterns (method, section 7).

    Attributes
    ----------
    counts : (n_crystals,) int
        Number of probes of each cluster.
    mean_patterns, reconstructed_patterns : (n_crystals, pattern_y, pattern_x) float64
        Measured mean, and what the model says for it: the sum of all components with their mean weights over the
        cluster's probes, beam and background too. Counts; NaN for an empty cluster.
    metrics, null_zero, null_global : mapping of metric name to (n_crystals,) float64
        Reconstruction, an empty image and the global mean pattern, each against the measured mean.
    columns : mapping of column name to (n_crystals,) float64
        Everything else: NSD by both definitions, intensity ratio, cosine, spread of the members ...
    data_range : float
        L of PSNR and SSIM.
    compared_to : str
        "raw" or the name of the filter whose output is the reference.
    crystal_patterns : (n_crystals, pattern_y, pattern_x) float64 or None
        The part of the reconstruction that is the cluster's own crystal.
    crystal_metrics, null_other : mapping of metric name to (n_crystals,) float64
        Own crystal alone, and the nearest reconstruction of another cluster (least squared error), each against the
        measured mean; empty where not known.
    typical, atypical : ClusterMembers or None
        The members most and least like the reconstruction; None where not known.
    other : ClusterComparison or None
        The same clusters against the other patterns, if there was a filter: those before it, or after it.
    """

    counts: IntArray
    mean_patterns: FloatArray
    reconstructed_patterns: FloatArray
    metrics: Mapping[str, FloatArray]
    null_zero: Mapping[str, FloatArray]
    null_global: Mapping[str, FloatArray]
    columns: Mapping[str, FloatArray]
    data_range: float
    compared_to: str = "raw"
    crystal_patterns: FloatArray | None = None
    crystal_metrics: Mapping[str, FloatArray] = field(default_factory=empty)
    null_other: Mapping[str, FloatArray] = field(default_factory=empty)
    typical: ClusterMembers | None = None
    atypical: ClusterMembers | None = None
    other: "ClusterComparison | None" = None

    @property
    def sources(self) -> "tuple[ClusterComparison, ...]":
        """The comparison itself, and that with the other patterns, if there is one."""
        return (self,) if self.other is None else (self, self.other)

    @property
    def rivals(self) -> Mapping[str, Mapping[str, FloatArray]]:
        """Metrics of every image that was put against the measured mean, by its name; left out if not known."""
        known = {
            "reconstruction": self.metrics,
            "own crystal alone": self.crystal_metrics,
            "nearest other cluster": self.null_other,
            "mean of all": self.null_global,
            "empty image": self.null_zero,
        }
        return {name: values for name, values in known.items() if values}
