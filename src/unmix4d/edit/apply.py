"""A whole result as edits leave it: what the report, the figures and the exporters then show."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from unmix4d.compare import regroup_comparison
from unmix4d.edit.file import FILE_NAME, read_edits
from unmix4d.edit.replay import replay
from unmix4d.errors import InputError
from unmix4d.maps.overlap import NOT_ASSESSED, levels, overlap_map
from unmix4d.records import ClusterMap, Edits, OverlapMap, RunResult

LOOKS = ("rename", "recolor")
"""Operations that leave the crystals as they are."""

TOUCHED = -2
"""No crystal of the run."""


def edits_of(result: RunResult, folder: Path | None, wanted: Edits | str | Path | None = None) -> Edits | None:
    """Find the edits of a run: those that are wanted, else ``edits.yaml`` of its folder, if there is one.

    Raises
    ------
    UsageError, InputError
        If the file is missing, is not as it should be, or belongs to another run.
    """
    if isinstance(wanted, Edits):
        return wanted
    if wanted is None and (folder is None or not (folder / FILE_NAME).exists()):
        return None
    path = Path(wanted) if wanted is not None else (folder or Path()) / FILE_NAME
    edits = read_edits(path)
    check_run(result, edits, source=str(path))
    return edits


def check_run(result: RunResult, edits: Edits, *, source: str = FILE_NAME) -> None:
    """Make sure that edits belong to a run.

    Raises
    ------
    InputError
        If they were made on another cluster map.
    """
    ours = result.identity
    if edits.run.get("labels") != ours["labels"]:
        of = str(edits.run.get("source", "an unnamed scan"))[:80]
        raise InputError(
            f"{source} belongs to another run (of {of}, k = {str(edits.run.get('k', '?'))[:8]}), not to this one "
            f"(of {ours['source']}, k = {ours['k']}): name the edits of this run, or leave them out with --no-edits"
        )


def edited(result: RunResult, edits: Edits | None) -> RunResult:
    """Give a result as edits leave it; ``found`` of it is the result without them.

    Clusters, roles and overlap follow the edits, and the comparison as far as that needs no look at the data. The
    decision stays that of the run.

    Parameters
    ----------
    result : RunResult
        Edits that it has already are replaced.
    edits : Edits or None

    Returns
    -------
    RunResult

    Raises
    ------
    InputError
        If they belong to another run, or an operation cannot be done.
    """
    found = result.as_found
    if edits is None or not edits.operations:
        return found
    check_run(found, edits)
    clusters = replay(found.clusters, found.probe_mask, edits.operations)
    looks_alone = all(edit.do in LOOKS for edit in edits.operations)
    return replace(
        found,
        clusters=clusters,
        overlap=found.overlap if looks_alone else _overlap(found, clusters),
        comparison=regroup_comparison(found.comparison, found.factorization, found.clusters, clusters),
        edits=edits,
        found=found,
    )


def _overlap(found: RunResult, clusters: ClusterMap) -> OverlapMap:
    """Map the overlap of edited crystals; pairs that no edit touched keep their measured ratio.

    What else was measured is left out: its test would need the data again.
    """
    thresholds = found.overlap.thresholds
    again = overlap_map(clusters.crystal_weights, clusters.labels, thresholds=thresholds)
    before, now = found.clusters.crystal_weights, clusters.crystal_weights
    origins = np.full(clusters.n_crystals + 1, TOUCHED)  # the last stands for no crystal
    for i in range(clusters.n_crystals):
        number = clusters.number(i)
        if number < len(before) and np.array_equal(before[number], now[i]):
            origins[i] = number
    kept = (found.overlap.first == origins[again.first]) & (found.overlap.second == origins[again.second])
    kept &= again.second >= 0
    ratio = np.where(kept, found.overlap.ratio, again.ratio)
    return replace(again, ratio=ratio, level=levels(ratio, again.level != NOT_ASSESSED, thresholds))
