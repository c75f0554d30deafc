"""A line across a boundary: which one, and what lies on it (paper, Fig. 5)."""

from dataclasses import dataclass

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.measure.likelihood import Likelihood
from unmix4d.measure.regions import BOUNDARY, STACKED
from unmix4d.records import NO_CRYSTAL, FloatArray, IntArray, Mixing, PatternMatrix, Trajectory

N_POINTS = 5
MARGIN = 3
"""Probes that the line goes on beyond the overlap, on either side."""

LONGEST = 60
"""Probes on either side of its middle."""

EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a line goes, both ends included, and which two crystals it is about."""

    start: tuple[int, int]
    end: tuple[int, int]
    first: int
    second: int
    chosen: bool


def course_of(mixing: Mixing, labels: IntArray, line: tuple[int, int, int, int] | None) -> Course | None:
    """Take the given line, or one across the boundary with the most overlap; None where there is no overlap.

    Raises
    ------
    UsageError
        If the line leaves the scan, or has no length.
    """
    check_line(line, mixing.first.shape)
    if line is not None:
        return _given(mixing, line)
    pairs = sorted(mixing.pairs, key=lambda pair: (pair.kind != "boundary", -pair.area.value))
    if not pairs:
        return None
    pair = pairs[0]
    low, high = np.minimum(mixing.first, mixing.second), np.maximum(mixing.first, mixing.second)
    kind = BOUNDARY if pair.kind == "boundary" else STACKED
    where = (mixing.kind == kind) & (low == pair.first) & (high == pair.second)
    return _across(where, labels, pair.first, pair.second)


def check_line(line: tuple[int, int, int, int] | None, shape: tuple[int, int]) -> None:
    """Make sure that a line (y0, x0, y1, x1) lies in a scan.

    Raises
    ------
    UsageError
        If it leaves the scan, or has no length.
    """
    if line is None:
        return
    start, end = (line[0], line[1]), (line[2], line[3])
    inside = all(0 <= y < shape[0] and 0 <= x < shape[1] for y, x in (start, end))
    if not inside or start == end:
        raise UsageError(
            f"--trajectory {','.join(map(str, line))} is no line in the scan of {shape[0]} x {shape[1]} probes; "
            "give ROW0,COLUMN0,ROW1,COLUMN1, counted from 0, of two different probes"
        )


def _given(mixing: Mixing, line: tuple[int, int, int, int]) -> Course:
    start, end = (line[0], line[1]), (line[2], line[3])
    y, x = probes_between(start, end).T
    total = mixing.weights[:, y, x].sum(axis=1, dtype=np.float64)
    first, second = np.argsort(-total, kind="stable")[:2].tolist()
    return Course(start=start, end=end, first=first, second=second, chosen=True)


def _across(where: np.ndarray, labels: IntArray, first: int, second: int) -> Course:
    """Go through the middle of the largest area, from the first crystal's side to the second's."""
    from scipy.ndimage import label  # noqa: PLC0415 - slow import

    pieces, _ = label(where, EIGHT)
    own = pieces == np.bincount(pieces[pieces > 0]).argmax()
    places = np.argwhere(own)
    middle = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    y, x = np.indices(labels.shape)
    reach = max(6.0, 2.0 * np.sqrt(len(places)))
    near = np.hypot(y - middle[0], x - middle[1]) <= reach
    sides = [np.argwhere(near & (labels == crystal)) for crystal in (first, second)]
    if all(map(len, sides)):
        direction = sides[1].mean(axis=0) - sides[0].mean(axis=0)
    else:  # stacked: along the shorter axis of the area
        direction = np.linalg.eigh(np.cov(places.T) if len(places) > 1 else np.eye(2))[1][:, 0]
    length = float(np.hypot(*direction))
    direction = direction / length if length > 0 else np.array([0.0, 1.0])
    start, end = (_walk(own, middle, sign * direction) for sign in (-1, 1))
    return Course(start=start, end=end, first=first, second=second, chosen=False)


def _walk(own: np.ndarray, middle: IntArray, step: FloatArray) -> tuple[int, int]:
    """Walk from the middle until a few probes beyond the area, or the edge of the scan."""
    last, beyond = (int(middle[0]), int(middle[1])), 0
    for i in range(1, LONGEST):
        y, x = (int(v) for v in np.rint(middle + i * step))
        if not (0 <= y < own.shape[0] and 0 <= x < own.shape[1]) or beyond > MARGIN:
            break
        last = (y, x)
        beyond = 0 if own[y, x] else beyond + 1
    return last


def probes_between(start: tuple[int, int], end: tuple[int, int]) -> IntArray:
    """List the probes on a straight line, both ends included: (n, 2) int16."""
    n = max(abs(end[0] - start[0]), abs(end[1] - start[1])) + 1
    return np.rint(np.linspace(start, end, n)).astype(np.int16)


def follow(
    course: Course, mixing: Mixing, likelihood: Likelihood, matrix: PatternMatrix, filtered: PatternMatrix
) -> Trajectory:
    """Take patterns and weights along a line.

    Parameters
    ----------
    course : Course
    mixing : Mixing
    likelihood : Likelihood
        Whose mixture is fitted to the patterns, with the two crystals and background alone.
    matrix, filtered : PatternMatrix
        As measured, and as factorised.
    """
    probes = probes_between(course.start, course.end)
    y, x = probes.T
    points = np.unique(np.rint(np.linspace(0, len(probes) - 1, N_POINTS)).astype(np.int64))
    weights = mixing.weights[:, y, x].T
    pair = weights[:, [course.first, course.second]].astype(np.float64)
    total = pair.sum(axis=1)
    fraction = np.divide(pair[:, 1], total, out=np.full(len(total), np.nan), where=total > 0)
    low, high = _limits(course, mixing, y, x)
    shown = probes[points]
    return Trajectory(
        probes=probes,
        points=points,
        first=course.first,
        second=course.second,
        weights=weights,
        fraction=fraction.astype(np.float32),
        low=low,
        high=high,
        raw=_patterns(matrix, shown),
        filtered=_patterns(filtered, shown),
        fitted=likelihood.mixture.fitted,
        chosen=course.chosen,
        **_parts(course, likelihood, matrix, shown),
    )


def _limits(course: Course, mixing: Mixing, y: IntArray, x: IntArray) -> tuple[FloatArray, FloatArray]:
    """Interval of the second crystal's share, where these two are the strongest; NaN elsewhere."""
    first, second = mixing.first[y, x], mixing.second[y, x]
    straight = (first == course.first) & ((second == course.second) | (second == NO_CRYSTAL))
    turned = (first == course.second) & ((second == course.first) | (second == NO_CRYSTAL))
    low, high = mixing.low[y, x], mixing.high[y, x]
    return tuple(
        np.where(straight, own, np.where(turned, 1 - other, np.nan)).astype(np.float32)
        for own, other in ((low, high), (high, low))
    )  # type: ignore[return-value]


def _rows(matrix: PatternMatrix, probes: IntArray) -> tuple[FloatArray, np.ndarray]:
    """Give the counts of the probes that are rows of a matrix, and which those are."""
    number = np.cumsum(matrix.probe_mask).reshape(matrix.probe_mask.shape) - 1
    y, x = probes.T
    there = matrix.probe_mask[y, x]
    wanted = number[y, x][there]
    rows, back = np.unique(wanted, return_inverse=True)
    return matrix.rows(rows)[back].astype(np.float32), there


def _patterns(matrix: PatternMatrix, probes: IntArray) -> FloatArray:
    counts, there = _rows(matrix, probes)
    images = np.zeros((len(probes), *matrix.geometry.pattern_shape), dtype=np.float32)
    images[there] = matrix.to_patterns(counts)
    return images


def _parts(
    course: Course, likelihood: Likelihood, matrix: PatternMatrix, probes: IntArray
) -> dict[str, FloatArray]:
    """Give what the two crystals and background are at each point, (n_points, pattern_y, pattern_x) each."""
    mixture = likelihood.mixture
    counts, there = _rows(matrix, probes)
    cross = counts[:, mixture.fitted[matrix.pixel_mask]].astype(np.float64) @ mixture.across.T
    allowed = np.ones(cross.shape, dtype=bool)
    allowed[:, : mixture.n_crystals] = False
    allowed[:, [course.first, course.second]] = True
    weights = mixture.fit(cross, allowed)
    chosen = {"part_first": [course.first], "part_second": [course.second]}
    chosen["background"] = list(range(mixture.n_crystals, len(mixture.entries)))
    parts = {}
    for name, entries in chosen.items():
        images = np.zeros((len(probes), *mixture.fitted.shape), dtype=np.float32)
        filled = np.zeros((int(there.sum()), *mixture.fitted.shape), dtype=np.float32)
        filled[:, mixture.fitted] = weights[:, entries] @ mixture.entries[entries]
        images[there] = filled
        parts[name] = images
    return parts
