"""The k whose components are most distinct: the answer where merged groups give none (method, section 6.3)."""

from collections.abc import Sequence

import numpy as np

from unmix4d.decide.counting import Counted, Model
from unmix4d.decide.criteria import DISTINCTNESS, TIE, Distinctness
from unmix4d.decide.segments import Linking
from unmix4d.records import CriterionCurve, FloatArray, Sweep

STABLE = 0.95
"""Mean cosine between the components of the best starts from which on they agree."""

NEARLY_THE_SAME = Linking("average", 0.70)
"""Components that were chosen for being distinct are merged only if they are as alike as this."""


def most_distinct(sweep: Sweep, counted: Counted, measured: Distinctness, ks: Sequence[int]) -> Model:
    """Take the k with the largest sum of scaled criteria, the smallest on ties; of those that the starts agree on.

    Components that fit noise are distinct too, but each start finds others.

    Parameters
    ----------
    sweep : Sweep
    counted : Counted
    measured : Distinctness
    ks : sequence of int
        The range of interest, ascending.

    Returns
    -------
    Model
    """
    score = np.sum([_scaled(measured.curve(metric, "nearest_sum", ks), len(ks)) for metric in DISTINCTNESS], axis=0)
    stable = np.array([not sweep.fits[k].stability < STABLE for k in ks])
    if stable.any():
        score = np.where(stable, score, -np.inf)
    span = float(np.ptp(score[np.isfinite(score)]))
    k = ks[int(np.flatnonzero(score >= score.max() - TIE * max(span, TIE))[0])]
    return Model(sweep=sweep, k=k, linking=NEARLY_THE_SAME, segments=counted.segments[k])


def _scaled(curve: CriterionCurve, n: int) -> FloatArray:
    """Scale a curve to 0...1 with 1 the best; zero for one that prefers no k, and where there is no value."""
    if curve.choice is None:
        return np.zeros(n)
    values = np.asarray(curve.values) * (1 if curve.better == "higher" else -1)
    span = np.nanmax(values) - np.nanmin(values)
    return np.nan_to_num((values - np.nanmin(values)) / span) if span > 0 else np.zeros(n)
