"""What the paper's own procedure finds, beside our answer."""

from collections.abc import Mapping
from dataclasses import dataclass

from unmix4d.records.base import OVERLAP_THRESHOLDS, FloatArray, IntArray, require

NO_SECOND = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperScores:
    """One image metric between all components of the model that the paper's rule looks at.

    Attributes
    ----------
    metric : str
    values : (k, k) float64
        Row i, column j: component i as the test, j as the reference.
    first : int
        Index of the first component that counts: the last nine do.
    means : (at most 9,) float64
        Mean of each column over the rows that count, the diagonal included, to four decimals.
    reported : int
        The k that this metric reports: the number of a component, counted from 1.
    reported_if_permuted : (n,) int
        What it reports for the same components in other orders, drawn at random.
    """

    metric: str
    values: FloatArray
    first: int
    means: FloatArray
    reported: int
    reported_if_permuted: IntArray

    def __post_init__(self) -> None:
        require(self.values.ndim == 2 and self.values.shape[0] == self.values.shape[1], "scores must be (k, k)")  # noqa: PLR2004
        require(len(self.means) == len(self.values) - self.first, "one mean for each component that counts")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperMap:
    """Which component is where by the paper's rule, and which lies over it.

    Attributes
    ----------
    labels : (scan_y, scan_x) int16
        Index of the component; that of the background where it is background.
    second : (scan_y, scan_x) int16
        The component that may overlap; -1 where the rule allows none.
    ratio : (scan_y, scan_x) float32
        Its weight over that of the label; 0 where the rule allows none.
    level : (scan_y, scan_x) int8
        Number of thresholds that the ratio reaches.
    passed_over : (scan_y, scan_x) bool
        Where the background was first and the second took its place.
    background : int
        Index of the component; -1 = none.
    thresholds : tuple of float
    """

    labels: IntArray
    second: IntArray
    ratio: FloatArray
    level: IntArray
    passed_over: IntArray
    background: int
    thresholds: tuple[float, ...] = OVERLAP_THRESHOLDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """One thing done in another way, all else as in the paper's procedure, and how many labels that changes.

    Attributes
    ----------
    reason : str
        What kind of thing: scaling, component order, filter, background rule, fit.
    what : str
        In words, what was done instead.
    n_changed : int
        Probes that get another label.
    n_probes : int
    """

    reason: str
    what: str
    n_changed: int
    n_probes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement:
    """How far the paper's map and ours agree, background and no crystal being one class of both.

    Attributes
    ----------
    matched : tuple of (component, crystal)
        One to one, so that as many probes as possible agree; (background, -1) among them if both have it.
    share : float
        Share of all probes with matched labels.
    adjusted_rand : float
        Adjusted Rand index over all probes; NaN where both maps hold a single class.
    n_differ : int
        Probes whose labels are not matched.
    """

    matched: tuple[tuple[int, int], ...]
    share: float
    adjusted_rand: float
    n_differ: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperAnswer:
    """Everything that the paper's procedure makes, step by step (method, section 11).

    Attributes
    ----------
    losses : mapping of k to float
        Mean of abs(V - V') of the sweep, on 8-bit images between 0 and 1.
    n_iterations : mapping of k to int
        Of the sweep.
    knee : int or None
    knee_used : int
        The knee, or the first k of the sweep where there is none.
    scores : tuple of PaperScores
        Of one model with knee + 4 components.
    k : int
        Components of the final model.
    k_how : str
        In words, where that number comes from.
    components : (k, pattern_y, pattern_x) float32
    weights : (k, scan_y, scan_x) float32
        As the fit left them, not normalised; their product is in grey levels of 8-bit images.
    converged : bool
        Whether the final model did, before its iterations ended.
    map : PaperMap
    background_how : str
    mean_patterns, component_patterns : (k, pattern_y, pattern_x) uint8
        Measured mean of each cluster; each component at the probe where its weight is largest.
    metrics : mapping of metric name to (k,) float64
        Component against measured mean; NaN for a component without a probe.
    counts : (k,) int
        Probes of each component.
    changes : tuple of Change
    agreement : Agreement
    steps : tuple of str
        In words, how 8-bit images were made.
    """

    losses: Mapping[int, float]
    n_iterations: Mapping[int, int]
    knee: int | None
    knee_used: int
    scores: tuple[PaperScores, ...]
    k: int
    k_how: str
    components: FloatArray
    weights: FloatArray
    converged: bool
    map: PaperMap
    background_how: str
    mean_patterns: IntArray
    component_patterns: IntArray
    metrics: Mapping[str, FloatArray]
    counts: IntArray
    changes: tuple[Change, ...]
    agreement: Agreement
    steps: tuple[str, ...]

    @property
    def reported(self) -> Mapping[str, int]:
        """The k that each metric reports."""
        return {scores.metric: scores.reported for scores in self.scores}

    @property
    def n_crystals(self) -> int:
        """Components with at least one probe, the background not counted."""
        return int(sum(n > 0 for i, n in enumerate(self.counts) if i != self.map.background))
