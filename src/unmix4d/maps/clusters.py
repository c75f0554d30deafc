"""Which crystal is where (method 4.5)."""

import numpy as np

from unmix4d.quality.material import find_material
from unmix4d.records import (
    NO_CRYSTAL,
    BoolArray,
    ClusterMap,
    ComponentRoles,
    Crystals,
    Factorization,
    FloatArray,
    IntArray,
)
from unmix4d.records.base import spread


def cluster_map(fit: Factorization, roles: ComponentRoles, crystals: Crystals | None = None) -> ClusterMap:
    """Label each probe with the crystal that gives it the most Bragg counts.

    Weights and patterns are those of the refined crystals; without them the components of a crystal are added up,
    each by the counts in its spots. Beam and background do not vote. A probe is left without label (-1) if it was
    masked, or if the 3 x 3 mean of all Bragg counts is below a tenth of its 90 % quantile there: vacuum, or bare
    background.

    Parameters
    ----------
    fit : Factorization
    roles : ComponentRoles
    crystals : Crystals or None
        Refined, if they were.

    Returns
    -------
    ClusterMap
    """
    if crystals is None:
        patterns, weights = _merged(fit, roles)
    else:
        patterns, weights = crystals.patterns, np.moveaxis(spread(crystals.bragg, fit.probe_mask, 0), -1, 0)
    return ClusterMap(
        labels=_labels(weights, fit.probe_mask), roles=roles, crystal_patterns=patterns, crystal_weights=weights
    )


def _merged(fit: Factorization, roles: ComponentRoles) -> tuple[FloatArray, FloatArray]:
    """Patterns and Bragg counts of each crystal as its components give them."""
    shares = roles.spot_patterns.sum(axis=(1, 2), dtype=np.float64)
    maps = fit.weight_maps()
    patterns = fit.component_patterns()
    totals = fit.weights.sum(axis=0, dtype=np.float64)
    n = roles.n_crystals
    crystal_weights = np.zeros((n, *fit.geometry.scan_shape), dtype=np.float32)
    crystal_patterns = np.zeros((n, *fit.geometry.pattern_shape), dtype=np.float32)
    for crystal in range(n):
        members = np.flatnonzero(roles.crystals == crystal)
        crystal_weights[crystal] = np.tensordot(shares[members], maps[members], axes=1)
        mean = np.tensordot(totals[members], patterns[members], axes=1)
        crystal_patterns[crystal] = mean / max(float(mean.sum()), np.finfo(float).tiny)
    return crystal_patterns, crystal_weights


def _labels(crystal_weights: FloatArray, probe_mask: BoolArray) -> IntArray:
    """Index of the largest weight, the lowest on ties; -1 where there is too little of any."""
    labels = np.full(probe_mask.shape, NO_CRYSTAL, dtype=np.int16)
    if not len(crystal_weights):
        return labels
    total = crystal_weights.sum(axis=0, dtype=np.float64)
    seen = find_material(total, probe_mask) & (total > 0)
    labels[seen] = crystal_weights.argmax(axis=0)[seen]
    return labels
