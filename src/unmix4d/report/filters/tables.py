"""The tables of a comparison of filters: CSV files, and what the page shows of them."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from unmix4d.records import FilterComparison, FilterOverlap, Zone
from unmix4d.report.palette import crystal_color
from unmix4d.report.sections import NOTHING, Cell, Shown
from unmix4d.report.tables import Table, with_unit

NOISE = ("nsd_immerkaer_mean", "nsd_std_mean", "nsd_immerkaer_reconstruction", "nsd_std_reconstruction")
NOISE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "nsd_immerkaer_mean": "Immerkær, mean pattern",
        "nsd_std_mean": "std, mean pattern",
        "nsd_immerkaer_reconstruction": "Immerkær, reconstruction",
        "nsd_std_reconstruction": "std, reconstruction",
    }
)
BESIDE = ("raw", "gated-mean")
"""Filters whose overlap that of the others is set against."""

ZONES: Mapping[Zone, str] = MappingProxyType(
    {"all": "everywhere", "boundary": "at boundaries", "interior": "away from them"}
)


def filters_table(comparison: FilterComparison) -> Table:
    """Give the decision of each filter, what its crystals explain, and whether it is recommended."""
    rows: list[tuple[Any, ...]] = [
        (
            answer.name,
            answer.decision.n_crystals,
            answer.decision.k,
            answer.decision.k_low,
            answer.decision.k_high,
            answer.decision.confidence,
            _number(100 * answer.explained),
            _number(100 * comparison.advice.made.get(answer.name, math.nan)),
            answer.name == comparison.advice.name,
            answer.seconds,
            answer.decision.reason,
            comparison.advice.others.get(answer.name, comparison.advice.reason),
        )
        for answer in comparison.answers
    ]
    header = ("filter", "n_crystals", "k", "k_low", "k_high", "confidence", "explained_percent", "made_percent")
    return Table((*header, "recommended", "seconds", "reason", "advice"), rows)


def clusters_table(comparison: FilterComparison) -> Table:
    """Give each crystal of each filter: its class, how it was matched, and its noise by both definitions."""
    rows = [
        (
            answer.name,
            crystal,
            int(answer.classes[crystal]),
            int(n_probes),
            _number(answer.iou[crystal]),
            *(_number(answer.noise[name][crystal]) if name in answer.noise else None for name in NOISE),
        )
        for answer in comparison.answers
        for crystal, n_probes in enumerate(answer.clusters.counts.tolist())
    ]
    return Table(("filter", "crystal", "class", "n_probes", "iou", *map(with_unit, NOISE)), rows)


def losses_table(comparison: FilterComparison) -> Table:
    """Give the loss at each k, and what each start came to: one row for each start."""
    rows: list[tuple[Any, ...]] = []
    for answer in comparison.answers:
        for k, loss in answer.losses.items():
            starts: Mapping[Any, Any] = answer.start_losses.get(k, {}) or {None: None}
            rows += [(answer.name, k, _number(loss), start, objective) for start, objective in starts.items()]
    return Table(("filter", "k", "loss_counts", "start", "start_objective"), rows)


def agreement_table(comparison: FilterComparison) -> Table:
    """Give how far the maps of every two filters agree."""
    rows: list[tuple[Any, ...]] = [
        (pair.first, pair.second, pair.n_probes, _number(pair.adjusted_rand), _number(100 * pair.share))
        for pair in comparison.agreements
    ]
    return Table(("first", "second", "n_probes", "adjusted_rand", "same_class_percent"), rows)


def overlap_table(comparison: FilterComparison) -> Table:
    """Give the overlap by filter, zone and threshold, against raw and gated-mean, and what the counts confirm."""
    known = {(row.name, row.zone, row.threshold): row for row in comparison.overlaps}
    rows: list[tuple[Any, ...]] = []
    for row in comparison.overlaps:
        beside = [known.get((name, row.zone, row.threshold)) for name in BESIDE]
        rows.append(
            (
                row.name,
                row.zone,
                row.threshold,
                row.n_assessed,
                row.n_filtered,
                _number(100 * row.share("n_filtered")),
                *(_points(row, other) for other in beside),
                row.n_refitted,
                row.n_absent,
                row.n_new,
            )
        )
    against = tuple(f"minus_{name.replace('-', '_')}_points" for name in BESIDE)
    numbers = ("n_refitted", "n_absent", "n_new")
    return Table(("filter", "zone", "threshold", "n_assessed", "n_probes", "percent", *against, *numbers), rows)


TABLES: Mapping[str, Callable[[FilterComparison], Table]] = MappingProxyType(
    {
        "filters": filters_table,
        "clusters": clusters_table,
        "losses": losses_table,
        "agreement": agreement_table,
        "overlap": overlap_table,
    }
)
"""By the names of their CSV files."""


def decisions_shown(comparison: FilterComparison) -> Shown:
    """Show what each filter would decide."""
    rows = [
        _cells(
            answer.name,
            answer.decision.n_crystals,
            answer.decision.k,
            f"{answer.decision.k_low}–{answer.decision.k_high}",
            answer.decision.confidence,
            f"{answer.seconds:.0f}",
        )
        for answer in comparison.answers
    ]
    header = ("filter", "crystals", "k", "range", "confidence", "seconds")
    names = [answer.name for answer in comparison.answers]
    return Shown(header=header, rows=rows, marked=names.index(comparison.advice.name))


def agreement_shown(comparison: FilterComparison) -> Shown:
    """Show how far the maps agree."""
    rows = [
        _cells(
            pair.first, pair.second, f"{pair.n_probes:,}", _decimals(pair.adjusted_rand, 3), _percent(pair.share)
        )
        for pair in comparison.agreements
    ]
    return Shown(header=("filter", "other filter", "probes", "adjusted Rand index", "same crystal"), rows=rows)


def noise_shown(comparison: FilterComparison) -> Shown:
    """Show the NSD of the clusters of every filter, by both definitions; classes in rows."""
    rows = []
    for number in range(comparison.n_classes):
        cells = [Cell(f"crystal {number}", crystal_color(number))]
        for name in NOISE[:2]:
            for answer in comparison.answers:
                own = dict(zip(answer.classes.tolist(), answer.noise.get(name, ()), strict=False))
                cells.append(Cell(_decimals(own.get(number, math.nan), 3)))
        rows.append(tuple(cells))
    n = len(comparison.answers)
    groups = (("", 1), ("NSD, Immerkær (counts)", n), ("NSD, std: as in the paper (counts)", n))
    return Shown(header=("", *comparison.names, *comparison.names), rows=rows, groups=groups)


def overlap_shown(comparison: FilterComparison, zone: Zone) -> Shown:
    """Show the overlap of every filter in one zone, and what it is more than raw and gated-mean."""
    return _by_threshold(comparison, zone, lambda row: _percent(row.share("n_filtered")), _difference)


def made_shown(comparison: FilterComparison, zone: Zone) -> Shown:
    """Show the overlap that the unfiltered counts do not have, and that which they have besides."""
    names = comparison.names
    rows = []
    for row in comparison.overlap(names[0], zone):
        own = [next(r for r in comparison.overlap(name, zone) if r.threshold == row.threshold) for name in names]
        cells = [f"≥ {row.threshold:.2f}"]
        cells += [f"{one.n_absent:,} of {one.n_filtered:,} ({_percent(one.share('n_absent'))})" for one in own]
        cells += [f"{one.n_new:,}" for one in own]
        rows.append(_cells(*cells))
    n = len(names)
    groups = (("", 1), ("overlap that unfiltered counts do not have (share of the zone)", n), ("only in those", n))
    return Shown(header=("ratio", *names, *names), rows=rows, groups=groups)


def advice_shown(comparison: FilterComparison) -> Shown:
    """Show what speaks for and against each filter; the recommended one is marked."""
    advice = comparison.advice
    rows = []
    for answer in comparison.answers:
        why = "recommended" if answer.name == advice.name else f"not, because {advice.others[answer.name]}"
        numbers = _percent(answer.explained), _percent(advice.made.get(answer.name, math.nan))
        rows.append(_cells(answer.name, why, *numbers, answer.decision.confidence))
    rows += [
        _cells(name, f"cannot be used: {words}", NOTHING, NOTHING, NOTHING)
        for name, words in comparison.refused.items()
    ]
    header = ("filter", "recommended", "has of every crystal", "overlap it made", "confidence")
    return Shown(header=header, rows=rows, marked=comparison.names.index(advice.name))


def _by_threshold(
    comparison: FilterComparison,
    zone: Zone,
    value: Callable[[FilterOverlap], str],
    beside: Callable[[FilterOverlap, FilterOverlap], str],
) -> Shown:
    """Lay overlap out: a row for each threshold, the filters, and then each of them against raw and gated-mean."""
    names = comparison.names
    against = [name for name in BESIDE if name in names]
    pairs = [(name, base) for base in against for name in names if name != base]
    rows = []
    for i, row in enumerate(comparison.overlap(names[0], zone)):
        own = {name: comparison.overlap(name, zone)[i] for name in names}
        cells = [f"≥ {row.threshold:.2f}", *(value(own[name]) for name in names)]
        rows.append(_cells(*cells, *(beside(own[name], own[base]) for name, base in pairs)))
    groups = [("", 1), ("share of the probes", len(names))]
    groups += [(f"points more than {base}", len(names) - 1) for base in against]
    return Shown(header=("ratio", *names, *(name for name, _ in pairs)), rows=rows, groups=tuple(groups))


def _difference(row: FilterOverlap, other: FilterOverlap) -> str:
    points = _points(row, other)
    return NOTHING if points is None else f"{points:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0")


def _points(row: FilterOverlap, other: FilterOverlap | None) -> float | None:
    """Percentage points that the overlap of one filter takes more than that of another."""
    return None if other is None else _number(100 * (row.share("n_filtered") - other.share("n_filtered")))


def _cells(*values: object) -> tuple[Cell, ...]:
    return tuple(Cell(str(value)) for value in values)


def _percent(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:.1f} %"


def _decimals(value: float, n: int) -> str:
    return NOTHING if math.isnan(value) else f"{value:.{n}f}"


def _number(value: float) -> float | None:
    """Give a plain number; None for what is not a number."""
    return None if math.isnan(value) else float(value)
