"""Which component is where, and what lies over it, by the rule of the paper's scripts."""

import numpy as np

from unmix4d.records import OVERLAP_THRESHOLDS, Beam, FloatArray
from unmix4d.records.base import AnyArray
from unmix4d.records.paper import NO_SECOND, PaperMap

PASSED_OVER = 0.65
NO_BACKGROUND = -1
BEAM_MARGIN = 2.0


def label_probes(weights: FloatArray, background: int) -> PaperMap:
    """Label every probe with its strongest component, or the next if that is background and hardly stronger.

    Parameters
    ----------
    weights : (k, scan_y, scan_x) float
        As the fit left them.
    background : int
        Index of the background component; -1 = none.

    Returns
    -------
    PaperMap
        Of equal weights the higher index counts as stronger.

    Notes
    -----
    Method, section 11. Weights are scaled to 0...1 together, over all components. Where the background is first and
    second / first is at least 0.65, the second takes its place and the third may overlap it; where it is first and
    stays, or is second, nothing overlaps.
    """
    scaled = _min_max(weights)
    k = len(scaled)
    order = np.argsort(scaled, axis=0, kind="stable")
    first, second, third = (order[-i] if k >= i else np.full(order.shape[1:], NO_SECOND) for i in (1, 2, 3))
    one, two, three = (_at(scaled, index) for index in (first, second, third))
    is_background = first == background
    passed = is_background & (_share(two, one) >= PASSED_OVER)
    labels = np.where(passed, second, first)
    beyond = np.where(passed, third, second)
    ratio = np.where(passed, _share(three, two), _share(two, one))
    barred = (is_background & ~passed) | (beyond == background) | (beyond == NO_SECOND)
    ratio = np.where(barred, 0, ratio).astype(np.float32)
    limits = np.asarray(OVERLAP_THRESHOLDS, dtype=np.float32)
    return PaperMap(
        labels=labels.astype(np.int16),
        second=np.where(barred, NO_SECOND, beyond).astype(np.int16),
        ratio=ratio,
        level=(ratio[..., None] >= limits).sum(axis=-1).astype(np.int8),
        passed_over=np.asarray(passed),
        background=background,
    )


def most_in_beam(patterns: AnyArray, beam: Beam | None) -> int:
    """Give the component of whose intensity the least share lies outside the direct beam, twice its radius.

    Parameters
    ----------
    patterns : (k, pattern_y, pattern_x)
    beam : Beam or None
        None: the component with the least intensity of all.

    Returns
    -------
    int
        An empty component is never the one, unless all are.

    Notes
    -----
    A share, because the intensity of a component itself is as arbitrary as its scale.
    """
    totals = patterns.sum(axis=(1, 2), dtype=np.float64)
    if beam is None:
        return int(np.where(totals > 0, totals, np.inf).argmin())
    outside = ~Beam(center=beam.center, radius=BEAM_MARGIN * beam.radius).disc(
        (patterns.shape[1], patterns.shape[2])
    )
    beyond = patterns[:, outside].sum(axis=1, dtype=np.float64)
    return int(np.divide(beyond, totals, out=np.full(len(totals), np.inf), where=totals > 0).argmin())


def _min_max(weights: FloatArray) -> FloatArray:
    low, high = float(weights.min()), float(weights.max())
    return (weights - low) / (high - low) if high > low else np.zeros_like(weights)


def _at(scaled: FloatArray, index: AnyArray) -> FloatArray:
    """Weights of the component of each probe; 0 where there is none."""
    found = np.take_along_axis(scaled, np.maximum(index, 0)[None], axis=0)[0]
    return np.where(index == NO_SECOND, 0, found)


def _share(small: FloatArray, large: FloatArray) -> FloatArray:
    return np.divide(small, large, out=np.zeros_like(small), where=large > 0)
