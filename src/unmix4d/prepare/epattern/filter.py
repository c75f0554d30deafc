"""ePattern: spots of every pattern into a table, and patterns drawn from it (method, section 2.3)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.prepare.alike import Cells, measure_noise
from unmix4d.prepare.epattern.background import GREY, RADIUS_SHARE, Background, BackgroundName
from unmix4d.prepare.epattern.kernels import COLUMNS, deviation, draw, find_peaks, measure, smooth
from unmix4d.prepare.repair import good_neighbours
from unmix4d.prepare.spotsize import spot_width, usual_width
from unmix4d.records import (
    DIRECT_BEAM,
    DOUBTFUL_BEAM,
    KEPT_AT_PIXEL,
    BoolArray,
    FloatArray,
    Geometry,
    IntArray,
    SpotTable,
    Survey,
)

CHUNK_BYTES = 2**18
RADIUS_OF_WIDTH = 1.785
"""A disc of this radius weighs as much under a Gaussian as that Gaussian itself, so that what is drawn and
registered again keeps its intensity."""

GROUND_OF_WIDTH = 15.0
"""What slides under a pattern must be wider than its spots, or it would reach into them."""

RING = 3.0, 5.5
RING_GAP = 0.5
LEVEL_PERCENT = 99.9
CENTER_SHARE = 0.15
BRIGHTER = 3.0
BEAM_REACH = 4.0
"""Standard deviations of a spot within which the direct beam is looked for where its place is known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What ePattern has to know about a scan.

    Attributes
    ----------
    level : float
        Counts that stand for 255 of the method's 8-bit patterns.
    width : float or None
        Standard deviation of a spot, pixels; None = the method's, by the size of the pattern.
    center : (float, float) or None
        The direct beam in the mean pattern; None = not known.
    gain : float
        Variance over mean of the counts.
    bad : (pattern_y, pattern_x) bool or None
        Pixels without meaning.
    """

    level: float = GREY
    width: float | None = None
    center: tuple[float, float] | None = None
    gain: float = 1.0
    bad: BoolArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EPattern:
    """Registers the spots of patterns and draws patterns from them: no background, no noise between spots.

    Attributes
    ----------
    spot_background : str
        What is taken away before spots are looked for; names of `Background`.
    spot_radius : "auto" or float
        Of the disc that stands for a spot, pixels; by default 1.785 standard deviations of the direct beam.
    prominence : float
        What a smoothed spot must rise by, where the corners of the pattern show less noise; of 255.
    significance : float
        What the intensity must be, in standard deviations of what could be seen where there is no spot.
    most : int
        Spots of one pattern.
    center : bool
        Move the spots of every pattern so that its direct beam is where that of the mean pattern is.
    sight : Sight
        What `fit` finds out about a scan.
    """

    spot_background: BackgroundName = "paraboloid"
    spot_radius: Literal["auto"] | float = "auto"
    prominence: float = 3.0
    significance: float = 5.0
    most: int = 150
    center: bool = True
    sight: Sight = Sight()
    name: ClassVar[str] = "epattern"

    def __post_init__(self) -> None:
        Background(name=self.spot_background)
        if not isinstance(self.spot_radius, str) and self.spot_radius <= 0:
            raise UsageError(f"the radius of a spot must be positive, not {self.spot_radius:g}")

    @property
    def halo(self) -> int:
        """No neighbours are needed."""
        return 0

    def fit(self, patches: Iterable[FloatArray], survey: Survey, /) -> "EPattern":
        """Look at a scan: how wide its spots are, how bright it is, how noisy, where the direct beam is."""
        levels: list[float] = []

        def watched() -> Iterator[FloatArray]:
            for patch in patches:
                levels.append(float(np.percentile(patch, LEVEL_PERCENT)) or float(patch.max()))
                yield patch

        width = spot_width(survey) if isinstance(self.spot_radius, str) else self.spot_radius / RADIUS_OF_WIDTH
        cells = Cells(side=max(1, round(2 * width)), bad=survey.left_out)
        gain = measure_noise(watched(), cells).gain
        level = float(np.mean(levels)) if levels else 0.0
        return replace(
            self,
            sight=Sight(
                level=level if level > 0 else GREY,
                width=width,
                center=None if survey.beam is None else survey.beam.center,
                gain=gain,
                bad=survey.left_out,
            ),
        )

    def __call__(self, patterns: FloatArray, /) -> FloatArray:
        """Register (y, x, pattern_y, pattern_x) and draw what was found; the same shape, float32."""
        table = self.register(patterns)
        return self.draw(table, np.arange(table.geometry.n_probes)).reshape(patterns.shape)

    def register(self, patterns: FloatArray, /) -> SpotTable:
        """Find the spots of patterns (y, x, pattern_y, pattern_x)."""
        y, x, ny, nx = patterns.shape
        flat = np.ascontiguousarray(patterns, dtype=np.float32).reshape(y * x, ny, nx)
        chunk = max(1, CHUNK_BYTES // (ny * nx * flat.itemsize))
        look = _Look.of(self, (ny, nx))
        found = [one for start in range(0, len(flat), chunk) for one in look.register(flat[start : start + chunk])]
        spots = np.concatenate([rows for rows, _, _ in found])
        counts = [len(rows) for rows, _, _ in found]
        return SpotTable(
            geometry=Geometry(scan_shape=(y, x), pattern_shape=(ny, nx)),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            **{name: np.ascontiguousarray(spots[:, i]) for i, name in enumerate(SpotTable.COLUMNS)},
            flags=spots[:, COLUMNS - 1].astype(np.uint8),
            noise=np.array([noise for _, noise, _ in found], dtype=np.float32).reshape(y, x),
            least_prominence=np.array([least for _, _, least in found], dtype=np.float32).reshape(y, x),
            radius=look.radius,
        )

    def draw(self, table: SpotTable, probes: IntArray, /) -> FloatArray:
        """Draw the patterns of some probes, (n, n_pixels) float32; each spot is a disc with its counts."""
        out = np.zeros((len(probes), *table.geometry.pattern_shape), dtype=np.float32)
        draw((table.y, table.x, table.intensity), table.first, np.asarray(probes, np.int64), table.radius, out)
        return out.reshape(len(probes), -1)


Registered = tuple[FloatArray, float, float]
"""Spots (n, `COLUMNS`), noise and least prominence of one pattern."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """Everything that is the same for all patterns."""

    filter: EPattern
    background: Background
    width: float
    radius: float
    middle: tuple[float, float]
    reach: float
    kernel: FloatArray
    ring: IntArray
    share: float
    corners: IntArray
    bad: BoolArray
    around: IntArray

    @classmethod
    def of(cls, filter: EPattern, shape: tuple[int, int]) -> "_Look":  # noqa: A002 - the option's name
        sight = filter.sight
        width = sight.width or usual_width(shape)
        radius = RADIUS_OF_WIDTH * width
        reach = int(np.ceil(3 * width))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        bad = np.zeros(shape, dtype=bool) if sight.bad is None else sight.bad
        middle = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        y, x = np.indices(shape)
        ring = _ring(RING[0] * width + RING_GAP, RING[1] * width + RING_GAP)
        outside = np.hypot(y - middle[0], x - middle[1]) > min(shape) / 2
        return cls(
            filter=filter,
            background=Background(
                name=filter.spot_background,
                radius=max(RADIUS_SHARE * max(shape), GROUND_OF_WIDTH * width),
                level=sight.level,
                center=sight.center,
            ),
            width=width,
            radius=radius,
            middle=sight.center or middle,
            reach=_beam_reach(sight.center, width, bad),
            kernel=(kernel / kernel.sum()).astype(np.float32),
            ring=ring,
            share=_share_taken(width, ring),
            corners=np.flatnonzero(outside & ~bad),
            bad=bad,
            around=good_neighbours(bad),
        )

    def register(self, patterns: FloatArray) -> Iterator[Registered]:
        """Register some patterns (n, y, x)."""
        if self.bad.any():
            patterns = patterns.copy()
            rows = patterns.reshape(len(patterns), -1)
            rows[:, np.flatnonzero(self.bad)] = rows[:, self.around].mean(axis=2)
        above = self.background.take_from(patterns)
        smoothed = np.empty_like(above)
        smooth(above, self.kernel, smoothed)
        noise = deviation(patterns.reshape(len(patterns), -1), self.corners)
        for i in range(len(patterns)):
            least = max(self.filter.prominence * self.filter.sight.level / GREY, float(noise[i]))
            yield self._spots(above[i], smoothed[i], least), float(noise[i]), least

    def _spots(self, above: FloatArray, smoothed: FloatArray, least: float) -> FloatArray:
        peaks = np.empty((self.filter.most, 2), dtype=np.int64)
        peaks = peaks[: find_peaks(smoothed, least, self.bad, peaks)]
        spots = np.empty((len(peaks), COLUMNS), dtype=np.float32)
        spot = self.width, self.share, self.filter.sight.gain
        measure(above, smoothed, peaks, self.ring, spot, spots)
        spots = spots[self._significance(spots) > self.filter.significance]
        spots[:, COLUMNS - 1] *= KEPT_AT_PIXEL
        return self._in_order(spots)

    def _significance(self, spots: FloatArray) -> FloatArray:
        """Intensities in standard deviations, on the scale on which that is the same for all: like a root."""
        intensity, noise = np.maximum(spots[:, 2], 0), spots[:, 3]
        own = self.filter.sight.gain * intensity / (3 * self.share**2)
        without = np.sqrt(np.maximum(noise**2 - own, 0))
        return np.asarray(2 * intensity / np.maximum(noise + without, np.finfo(np.float32).tiny))

    def _in_order(self, spots: FloatArray) -> FloatArray:
        """Sort by the distance to the middle, the direct beam first, and move them to where it should be."""
        away = np.hypot(spots[:, 0] - self.middle[0], spots[:, 1] - self.middle[1])
        order = np.argsort(away, kind="stable")
        spots = spots[order]
        near = np.flatnonzero(away[order] <= self.reach)
        if near.size == 0:
            return spots
        brightest = int(near[np.argmax(spots[near, 2])])
        is_other = spots[brightest, 2] > BRIGHTER * spots[0, 2]
        beam = brightest if is_other else 0
        spots = np.concatenate([spots[beam : beam + 1], spots[:beam], spots[beam + 1 :]])
        spots[0, COLUMNS - 1] += DIRECT_BEAM + (DOUBTFUL_BEAM if is_other else 0)
        if self.filter.center and self.filter.sight.center is not None:
            spots[:, :2] += np.asarray(self.filter.sight.center, dtype=np.float32) - spots[0, :2]
        return spots


def _beam_reach(center: tuple[float, float] | None, width: float, bad: BoolArray) -> float:
    """Pixels from the middle within which a spot may be the direct beam; below 0 where that is left out.

    Any other spot would move the pattern to where it is not.
    """
    if center is None:
        return float(CENTER_SHARE * max(bad.shape))
    y, x = np.clip(np.rint(center).astype(np.int64), 0, np.array(bad.shape) - 1)
    return -1.0 if bad[y, x] else BEAM_REACH * width


def _ring(inner: float, outer: float) -> IntArray:
    """Pixels between two distances from one, relative to it, (n, 2)."""
    reach = int(np.ceil(outer))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(y, x)
    return np.argwhere((distance > inner) & (distance <= outer)) - reach


def _share_taken(width: float, ring: IntArray) -> float:
    """Share of a Gaussian's counts that a weight of its shape takes, less what the ring takes for the ground."""
    reach = int(np.ceil(3 * width))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    weight = np.exp(-0.5 * (y**2 + x**2) / width**2)
    ground = np.exp(-0.5 * (ring**2).sum(axis=1) / width**2).mean()
    return float((weight * (weight - ground)).sum() / weight.sum())
