"""The tables of a run: plain headers and rows, from which CSV files and the report are made."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unmix4d.records import NO_CRYSTAL, BoolArray, ClusterComparison, CriterionCurve, OverlapMap, RunResult
from unmix4d.report.looks import color_of

UNITS: Mapping[str, str] = {
    "loss": "counts",
    "psnr": "db",
    "mean_psnr": "db",
    "psnr_fidelity": "db",
    "nsd_immerkaer_mean": "counts",
    "nsd_std_mean": "counts",
    "nsd_immerkaer_reconstruction": "counts",
    "nsd_std_reconstruction": "counts",
}
"""Units of criteria and metrics; what is not here has none."""

ALL_PAIRS = "all"


@dataclass(frozen=True, slots=True)
class Table:
    """A header, and rows of as many cells; a cell without a value is None."""

    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def decision_table(result: RunResult) -> Table:
    """Give every criterion at each k that was fitted; None where it was not measured.

    Columns: ``k``, ``loss_counts``, then one for each curve of the decision in its order, followed by that of its
    standard errors where they are known, and ``n_crystals`` last.
    """
    decision = result.decision
    columns: dict[str, dict[int, float]] = {"loss": losses(result)}
    for curve in decision.curves:
        columns[curve.name] = dict(_points(curve))
        if curve.errors:
            columns[f"{curve.name}_error"] = dict(zip(curve.ks, curve.errors, strict=True))
    counted = {k: int(n) for k, n in columns.pop("n_crystals", {}).items()}
    columns["n_crystals"] = {**counted, **{k: roles.n_crystals for k, roles in decision.roles.items()}}
    rows = [(k, *(_number(column.get(k)) for column in columns.values())) for k in columns["loss"]]
    return Table(("k", *map(with_unit, columns)), rows)


def losses(result: RunResult) -> dict[int, float]:
    """Give the loss at every k that was fitted, in order of k, in counts.

    A result that was read back has no fits of the k that were not kept: theirs comes from the curve.
    """
    known = {k: loss for curve in result.decision.curves if curve.name == "loss" for k, loss in _points(curve)}
    known |= {k: fit.loss for k, fit in result.fits.items()}
    return dict(sorted(known.items()))


def clusters_table(result: RunResult) -> Table:
    """Give what each crystal is made of and how much of the scan it takes.

    A crystal goes by its number, which is its index unless edits by hand took others away. Areas are shares of all
    scan positions; nm^2 is None unless the scan step is known. ``bragg_counts`` are the
    total weights of the crystal's components over the whole scan, beyond its own cluster too.
    """
    clusters = result.clusters
    step = result.geometry.scan_step_nm
    rows = []
    for crystal, n_probes in enumerate(clusters.counts.tolist()):
        members = clusters.members(crystal)
        rows.append(
            (
                clusters.number(crystal),
                " ".join(map(str, members)),
                " ".join(clusters.roles.roles[i] for i in members),
                n_probes,
                100 * n_probes / clusters.labels.size,
                None if step is None else n_probes * step**2,
                float(clusters.crystal_weights[crystal].sum(dtype=np.float64)),
                color_of(clusters, crystal),
                clusters.name(crystal),
            )
        )
    area = ("area_percent", "area_nm2")
    return Table(("crystal", "components", "roles", "n_probes", *area, "bragg_counts", "color", "name"), rows)


def comparison_table(result: RunResult) -> Table:
    """Give every metric of each cluster, its baselines, spread and members, and all else; None where not known.

    ``compared_to`` says which patterns these are. If there was a filter, the same columns follow for the patterns
    before it, or after it, with ``raw_`` or ``filtered_`` before their names.
    """
    comparison = result.comparison
    columns: dict[str, list[Any]] = {"compared_to": [comparison.compared_to] * len(comparison.counts)}
    for one in comparison.sources:
        before = "" if one is comparison else "raw_" if one.compared_to == "raw" else "filtered_"
        columns |= {before + with_unit(name): values for name, values in _comparison_columns(one).items()}
    rows = [
        (result.clusters.number(crystal), count, *(values[crystal] for values in columns.values()))
        for crystal, count in enumerate(comparison.counts.tolist())
    ]
    return Table(("crystal", "n_probes", *columns), rows)


def _comparison_columns(comparison: ClusterComparison) -> dict[str, list[Any]]:
    tables = {
        "": comparison.metrics,
        "crystal_": comparison.crystal_metrics,
        "null_zero_": comparison.null_zero,
        "null_global_": comparison.null_global,
        "null_other_": comparison.null_other,
    }
    values = {f"{before}{name}": column for before, table in tables.items() for name, column in table.items()}
    found = {
        name: [_number(value) for value in column.tolist()]
        for name, column in (values | dict(comparison.columns)).items()
    }
    for name, members in (("typical", comparison.typical), ("atypical", comparison.atypical)):
        if members is not None:
            for axis, places in zip("yx", members.places.T.tolist(), strict=True):
                found[f"{name}_{axis}"] = [place if place >= 0 else None for place in places]
            found[f"{name}_cosine"] = [_number(value) for value in members.cosines.tolist()]
    return found


def overlap_table(result: RunResult) -> Table:
    """Give the overlap at each threshold: of all crystals together, then of each pair.

    ``area_percent`` is the share of the probes that were assessed. The rows of all crystals have "all" for both
    crystals; pairs have the lower index first and only rows with any probe. ``n_probes_low`` and ``n_probes_high``
    are the 95 % interval of all crystals together, where overlap was measured.
    """
    rows: list[tuple[Any, ...]] = []
    number, measured = result.clusters.number, result.overlap.measured
    for level, threshold in enumerate(result.overlap.thresholds, start=1):
        reached = result.overlap.level >= level
        area = None if measured is None else measured.areas[level - 1]
        limits = (None, None) if area is None else (area.low, area.high)
        rows.append((threshold, ALL_PAIRS, ALL_PAIRS, *_extent(result.overlap, reached), *limits))
        for (first, second), mine in _pairs(result.overlap, reached):
            rows.append((threshold, number(first), number(second), *_extent(result.overlap, mine), None, None))
    header = ("threshold", "first", "second", "n_probes", "area_percent", "mean_ratio")
    return Table((*header, "n_probes_low", "n_probes_high"), rows)


def pairs_table(result: RunResult) -> Table:
    """Give, for each pair of crystals and kind of overlap, area, mean fraction and significance.

    ``fraction`` is the share of ``second`` in the Bragg counts of the two, over probes with significant overlap.
    Areas in nm^2 are None unless the scan step is known.
    """
    measured, step, number = result.overlap.measured, result.geometry.scan_step_nm, result.clusters.number
    header = ("first", "second", "kind", "n_regions", *_with_limits("n_probes"), *_with_limits("area_nm2"))
    rows: list[tuple[Any, ...]] = []
    for pair in () if measured is None else measured.pairs:
        area, share = ((interval.value, interval.low, interval.high) for interval in (pair.area, pair.fraction))
        nm2 = (None, None, None) if step is None else tuple(value * step**2 for value in area)
        named = (number(pair.first), number(pair.second), pair.kind, pair.n_regions, int(area[0]), *area[1:])
        rows.append((*named, *nm2, *share, pair.p_value))
    return Table((*header, *_with_limits("fraction"), "p_value"), rows)


def _with_limits(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def cleaning_table(result: RunResult) -> Table:
    """Give every fault that was looked for: what was found and done, and its measure before and after."""
    rows: list[tuple[Any, ...]] = [
        (step.name, step.found, step.action, _number(step.before), _number(step.after), step.unit)
        for step in result.survey.cleaning
    ]
    return Table(("fault", "found", "action", "before", "after", "measure"), rows)


def with_unit(name: str) -> str:
    """Give the name of a column with its unit, if it has one."""
    bare = name
    for before in ("null_zero_", "null_global_", "null_other_", "crystal_"):
        bare = bare.removeprefix(before)
    return f"{name}_{UNITS[bare]}" if bare in UNITS else name


def _points(curve: CriterionCurve) -> Iterator[tuple[int, float]]:
    return zip(curve.ks, curve.values, strict=True)


def _pairs(overlap: OverlapMap, reached: BoolArray) -> Iterator[tuple[tuple[int, int], BoolArray]]:
    """Every pair of crystals that shares a probe of ``reached``, and those probes."""
    low, high = np.minimum(overlap.first, overlap.second), np.maximum(overlap.first, overlap.second)
    for first, second in np.unique(np.stack([low[reached], high[reached]], axis=-1), axis=0).tolist():
        yield (first, second), reached & (low == first) & (high == second)


def _extent(overlap: OverlapMap, mask: BoolArray) -> tuple[int, float | None, float | None]:
    """Give the number of probes, their share of the assessed ones in percent, and their mean ratio."""
    n_probes = int(mask.sum())
    n_assessed = int((overlap.level != NO_CRYSTAL).sum())
    return (
        n_probes,
        100 * n_probes / n_assessed if n_assessed else None,
        float(overlap.ratio[mask].mean(dtype=np.float64)) if n_probes else None,
    )


def _number(value: float | None) -> float | None:
    """Give a plain number; None for what is missing or not a number."""
    if value is None or math.isnan(value):
        return None
    return value if isinstance(value, int) else float(value)
