"""How alike two runs are: crystals, labels, components."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from unmix4d.api import Run
from unmix4d.errors import UsageError
from unmix4d.paper.agreement import agree
from unmix4d.records import FloatArray


def compare_runs(first: Run, second: Run) -> dict[str, Any]:
    """Compare two runs of one scan, or of scans of the same shape.

    Parameters
    ----------
    first, second : Run

    Returns
    -------
    dict
        ``k`` and ``n_crystals`` of both; ``adjusted_rand`` of the cluster maps (1 = the same, None = not defined),
        ``same_probes``, the share of probes whose labels are matched, and ``labels``, the matched pairs (-1 = no
        crystal); ``components``, a list of pairs with their ``cosine``, matched one to one, and ``alone``, those
        without a partner. ``same_scan`` tells whether both saw the same data.

    Raises
    ------
    UsageError
        If the scans or their patterns have different shapes.
    """
    shapes = [(run.result.geometry.scan_shape, run.result.geometry.pattern_shape) for run in (first, second)]
    if shapes[0] != shapes[1]:
        found = " and ".join(f"{scan[0]} x {scan[1]} of {p[0]} x {p[1]}" for scan, p in shapes)
        raise UsageError(f"the runs have {found} pixels; only runs with the same shapes can be compared")
    agreement = agree(first.clusters.labels, second.clusters.labels)
    index = agreement.adjusted_rand
    cosines = _cosines(*(run.result.factorization.component_patterns() for run in (first, second)))
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    pairs = [
        {"first": int(i), "second": int(j), "cosine": round(float(cosines[i, j]), 6)}
        for i, j in zip(rows, columns, strict=True)
    ]
    records = (first.result.record, second.result.record)
    return {
        "same_scan": records[0].source_digest == records[1].source_digest,
        "k": [first.decision.k, second.decision.k],
        "n_crystals": [first.decision.n_crystals, second.decision.n_crystals],
        "adjusted_rand": None if np.isnan(index) else round(float(index), 6),
        "same_probes": round(float(agreement.share), 6),
        "labels": [[ours, theirs] for theirs, ours in agreement.matched],
        "components": pairs,
        "alone": {
            "first": sorted(set(range(first.decision.k)) - set(map(int, rows))),
            "second": sorted(set(range(second.decision.k)) - set(map(int, columns))),
        },
        "settings": _differing(records[0].settings, records[1].settings),
    }


def _cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    """Cosine between every two patterns, (k of first, k of second); 0 for those that are empty."""
    unit = []
    for patterns in (first, second):
        rows = patterns.reshape(len(patterns), -1).astype(np.float64)
        unit.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30))
    return np.asarray(unit[0] @ unit[1].T)


def _differing(first: Any, second: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - settings of any type
    """Give the settings that are not the same, with both values."""
    names = sorted({*first, *second})
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}
