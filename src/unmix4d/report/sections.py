"""What the report says in words and tables; the template only lays it out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from unmix4d.quality.similarity import METRICS
from unmix4d.records import ClusterComparison, ClusterMembers, Edit, RunResult
from unmix4d.report.looks import color_of
from unmix4d.report.tables import cleaning_table, clusters_table, decision_table, overlap_table

MOST_PAIRS = 30
NOTHING = "–"
MIB = 2**20

CONFIDENCE = {
    "high": "Nearly all ways to group the components find this number, and what they leave unexplained agrees.",
    "medium": "Most ways to group the components find this number, but some find another, or the check disagrees.",
    "low": "There is no well-defined number: take it as a proposal, and look at the other answers.",
}
ROLES = {
    "crystal": "the first component of a crystal",
    "split": "a further component of a crystal: its spots sit at the same places",
    "duplicate": "nearly the same pattern as another component of the crystal",
    "background": "scattering without spots; belongs to no crystal",
    "vacuum": "the direct beam alone; belongs to no crystal",
    "dead": "carries nothing",
}
COLUMNS = {
    "intensity_ratio": "intensity ratio",
    "cosine": "cosine to mean",
    "crystal_intensity_ratio": "intensity ratio, own crystal",
    "crystal_cosine": "cosine to mean, own crystal",
    "within_cosine": "cosine within cluster",
    "nsd_immerkaer_mean": "NSD mean, Immerkær (counts)",
    "nsd_std_mean": "NSD mean, std (counts)",
    "nsd_immerkaer_reconstruction": "NSD rec., Immerkær (counts)",
    "nsd_std_reconstruction": "NSD rec., std (counts)",
}
CRITERIA = {
    "loss_counts": "loss (counts)",
    "psnr_fidelity_db": "psnr fidelity (dB)",
    "mean_psnr_db": "mean psnr (dB)",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What a table shows in one place: words, and a colour that stands before them."""

    words: str
    color: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table of the report; ``groups`` are headings over several columns, ``marked`` the row to point out."""

    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    groups: tuple[tuple[str, int], ...] = ()
    marked: int | None = None


def headline(result: RunResult) -> str:
    """Say how many crystals there are; no bare number where the answer is not sure."""
    n = result.clusters.n_crystals
    answer = "No crystal" if n == 0 else "1 crystal" if n == 1 else f"{n} crystals"
    return f"Perhaps {answer[0].lower()}{answer[1:]}" if result.decision.confidence == "low" else answer


def source_name(result: RunResult) -> str:
    """Give the name of the file that was read, without its folder."""
    return PurePath(result.record.source).name or result.record.source


def reason(result: RunResult) -> str:
    """Give the reason of the decision, "k = 5" unbroken."""
    return result.decision.reason.replace("k = ", "k\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def warnings_of(result: RunResult) -> list[str]:
    """Give every warning once: of the run, the decision and the survey."""
    return list(dict.fromkeys((*result.record.warnings, *result.decision.warnings, *result.survey.warnings)))


def edits_told(result: RunResult) -> list[str]:
    """Say in words what was changed by hand, in its order; nothing where nothing was."""
    return [] if result.edits is None else [_edit_told(edit) for edit in result.edits.operations]


def _edit_told(edit: Edit) -> str:
    first, *others = map(str, edit.crystals)
    if edit.do == "rename":
        return f"crystal {first} is called {edit.name}"
    if edit.do == "recolor":
        return f"crystal {first} is drawn in {edit.color}"
    if edit.do == "merge":
        return f"crystal{'s' * (len(others) > 1)} {', '.join(others)} became part of crystal {first}"
    if edit.do == "mark":
        return f"crystal {first} is {edit.role}, so it is no crystal any more"
    pieces = "" if edit.least == 1 else f", smaller pieces than {edit.least} probes with the nearest part"
    return f"crystal {first} was split into its separate parts{pieces}"


def clusters_shown(result: RunResult) -> Shown:
    """Give crystals, what they are made of, and how much of the scan they take."""
    header = ("crystal", "components", "roles", "probes", "area (%)", "area (nm²)", "Bragg counts")
    rows = [
        (
            _crystal(result, crystal),
            *map(Cell, (components, roles.replace(" ", ", "))),
            *_cells((n, _fixed(area, 1), nm2, counts)),
        )
        for crystal, (_, components, roles, n, area, nm2, counts, *_look) in enumerate(clusters_table(result).rows)
    ]
    return Shown(header=header, rows=rows)


def decision_shown(result: RunResult) -> Shown:
    """Give every criterion over k, with the chosen k marked."""
    table = decision_table(result)
    header = tuple(CRITERIA.get(name, name.replace("_", " ")) for name in table.header)
    marked = [row[0] for row in table.rows].index(result.decision.k)
    return Shown(header=header, rows=[_cells(row) for row in table.rows], marked=marked)


def counts_shown(result: RunResult) -> Shown:
    """Give the numbers of crystals that were found, and by how many ways to group the components."""
    counts = result.decision.counts
    total = sum(counts.values())
    numbers = sorted(counts)
    rows = [_cells((n, counts[n], _fixed(100 * counts[n] / total, 0))) for n in numbers]
    n = result.decision.n_crystals
    return Shown(
        header=("crystals", "ways", "share (%)"), rows=rows, marked=numbers.index(n) if n in numbers else None
    )


def components_shown(result: RunResult) -> Shown:
    """Give role, crystal and counts of each component."""
    roles, fit = result.clusters.roles, result.factorization
    counts = fit.weights.sum(axis=0, dtype=np.float64)
    total = float(counts.sum())
    rows = []
    for i, (role, crystal) in enumerate(zip(roles.roles, roles.crystals.tolist(), strict=True)):
        share = _fixed(100 * float(counts[i]) / total, 1) if total else None
        belongs = _crystal(result, crystal) if crystal >= 0 else Cell(NOTHING)
        rows.append((Cell(str(i)), Cell(role), belongs, Cell(ROLES.get(role, "")), *_cells((share,))))
    return Shown(header=("component", "role", "crystal", "meaning", "counts (%)"), rows=rows)


def overlap_shown(result: RunResult) -> Shown:
    """Give the area of overlap at each threshold."""
    rows = [
        (Cell(f"≥ {threshold:.2f}"), *_cells((n, _span(low, high), _fixed(area, 2), _fixed(ratio, 3))))
        for threshold, first, _, n, area, ratio, low, high in overlap_table(result).rows
        if first == "all"
    ]
    return Shown(header=("ratio", "probes", "95 % interval", "area (%)", "mean ratio"), rows=rows)


def pairs_shown(result: RunResult) -> Shown:
    """Give, for the pairs that overlap most, the number of probes at each threshold."""
    pairs: dict[tuple[int, int], dict[float, int]] = {}
    ratios: dict[tuple[int, int], float] = {}
    for threshold, first, second, n, _, ratio, *_ in overlap_table(result).rows:
        if first != "all":
            pairs.setdefault((first, second), {})[threshold] = n
            ratios.setdefault((first, second), ratio)
    thresholds = result.overlap.thresholds
    index = {result.clusters.number(i): i for i in range(result.clusters.n_crystals)}
    largest = sorted(pairs, key=lambda pair: -max(pairs[pair].values()))[:MOST_PAIRS]
    rows = [
        (
            _crystal(result, index[first]),
            _crystal(result, index[second]),
            *_cells(pairs[first, second].get(t, 0) for t in thresholds),
            Cell(f"{ratios[first, second]:.3f}"),
        )
        for first, second in largest
    ]
    return Shown(header=("crystal", "crystal", *(f"≥ {t:.2f}" for t in thresholds), "mean ratio"), rows=rows)


def comparison_shown(result: RunResult) -> Shown:
    """Give the metrics of everything that stands against a cluster's measured mean, in a row each."""
    sources = result.comparison.sources
    names = list(sources[0].metrics)
    rows = [
        (
            _crystal(result, crystal),
            Cell(image),
            *(metric_cell(name, one.rivals[image][name][crystal]) for one in sources for name in names),
        )
        for crystal, count in enumerate(sources[0].counts.tolist())
        if count
        for image in sources[0].rivals
    ]
    groups = (("", 2), *((f"against {patterns_named(one)}", len(names)) for one in sources))
    return Shown(header=("crystal", "image", *map(_titled, names * len(sources))), rows=rows, groups=groups)


def patterns_named(comparison: ClusterComparison) -> str:
    """Say which patterns a comparison is with."""
    return "raw data" if comparison.compared_to == "raw" else f"filtered data ({comparison.compared_to})"


def members_shown(result: RunResult) -> Shown:
    """Give how near the members of each cluster are to its reconstruction, the nearest and the farthest."""
    sources = [one for one in result.comparison.sources if one.typical is not None and one.atypical is not None]
    rows = [
        (
            _crystal(result, crystal),
            Cell(f"{count:,}"),
            *(cell for one in sources for cell in _spread_cells(one, crystal)),
        )
        for crystal, count in enumerate(result.comparison.counts.tolist())
    ]
    header = ("least at (y, x)", "least", "lower quartile", "median", "upper quartile", "most", "most at (y, x)")
    groups = (("", 2), *((patterns_named(one), len(header)) for one in sources))
    return Shown(header=("crystal", "probes", *header * len(sources)), rows=rows, groups=groups)


def _spread_cells(comparison: ClusterComparison, crystal: int) -> Iterator[Cell]:
    least, most = comparison.atypical, comparison.typical
    assert least is not None
    assert most is not None
    quartiles = (comparison.columns[f"member_cosine_{name}"][crystal] for name in ("q1", "median", "q3"))
    yield _place(least, crystal)
    for value in (least.cosines[crystal], *quartiles, most.cosines[crystal]):
        yield metric_cell("cosine", value)
    yield _place(most, crystal)


def _place(members: ClusterMembers, crystal: int) -> Cell:
    y, x = members.places[crystal].tolist()
    return Cell(f"{y}, {x}" if y >= 0 else NOTHING)


def columns_shown(result: RunResult) -> Shown:
    """Give what else is known of each cluster."""
    columns = result.comparison.columns
    names = [name for name in columns if name != "area_fraction" and not name.startswith("member_")]
    rows = [
        (_crystal(result, crystal), *_cells(float(columns[name][crystal]) for name in names))
        for crystal in range(len(result.comparison.counts))
    ]
    return Shown(header=("crystal", *(COLUMNS.get(name, name.replace("_", " ")) for name in names)), rows=rows)


def cleaning_shown(result: RunResult) -> Shown:
    """Give every fault that was looked for, what was done, and its measure before and after."""
    rows = [
        (Cell(name), Cell(action), Cell(measure), *_cells((before, after)))
        for name, _, action, before, after, measure in cleaning_table(result).rows
    ]
    return Shown(header=("fault", "what was done", "measure", "before", "after"), rows=rows)


def facts(result: RunResult) -> Mapping[str, str]:
    """Say what was measured."""
    geometry, survey = result.geometry, result.survey
    y, x = geometry.scan_shape
    pattern_y, pattern_x = geometry.pattern_shape
    beam = survey.beam
    return {
        "scan": f"{y} × {x} probes, {_step(geometry.scan_step_nm, 'nm')}",
        "pattern": f"{pattern_y} × {pattern_x} pixels, {_step(geometry.pattern_step_inv_angstrom, '1/Å')}",
        "used": f"{result.probe_mask.sum():,} probes, {result.pixel_mask.sum():,} pixels",
        "vacuum": f"{survey.vacuum.sum():,} probes; {survey.empty.sum():,} without a count",
        "direct beam": "not found"
        if beam is None
        else f"at y {beam.center[0]:.1f}, x {beam.center[1]:.1f}, radius {beam.radius:.1f} px",
        "negative values": f"{survey.clipped_fraction:.3%} set to 0",
        "saturated values": f"{survey.saturated_fraction:.3%}",
        "preparation": "; ".join(result.steps) or "none",
    }


def provenance(result: RunResult) -> Mapping[str, str]:
    """Say what is needed to repeat the run, besides the settings."""
    record = result.record
    return {
        "source": record.source,
        "digest": record.source_digest,
        "started": record.started,
        "seed": str(record.seed),
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }


def settings(result: RunResult) -> Mapping[str, str]:
    """Give every setting in words."""
    return {name: _setting(value) for name, value in result.record.settings.items()}


def costs_shown(result: RunResult) -> Shown:
    """Give seconds and peak memory of each stage."""
    rows = [
        (Cell(cost.stage), Cell(f"{cost.seconds:.2f}"), Cell(f"{cost.peak_bytes / MIB:,.0f}"))
        for cost in result.record.costs
    ]
    return Shown(header=("stage", "seconds", "peak memory so far (MiB)"), rows=rows)


def _titled(metric: str) -> str:
    """Name a metric with its unit and the direction that is better."""
    unit = " (dB)" if metric == "psnr" else ""
    known = METRICS.get(metric)
    arrow = "" if known is None else " ↑" if known[1] == "higher" else " ↓"
    return f"{metric.upper()}{unit}{arrow}"


def metric_cell(name: str, value: float) -> Cell:
    """Write a metric with the digits that mean something."""
    return Cell(f"{value:.1f}" if name == "psnr" else f"{value:.3f}") if np.isfinite(value) else number_cell(value)


def _crystal(result: RunResult, crystal: int) -> Cell:
    clusters = result.clusters
    name, number = clusters.name(crystal), str(clusters.number(crystal))
    words = number if name == f"crystal {number}" else f"{number}: {name}"
    return Cell(words, color_of(clusters, crystal))


def _cells(values: Iterable[Any]) -> tuple[Cell, ...]:
    return tuple(map(number_cell, values))


def number_cell(value: Any) -> Cell:  # noqa: ANN401 - numbers, words, or None
    """Write a number with four significant digits, whole numbers in full; a dash for none."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return Cell(NOTHING)
    if isinstance(value, float):
        whole = abs(value) >= 1000  # noqa: PLR2004 - from here on four digits need no fraction
        return Cell(f"{value:,.0f}" if whole else f"{value:#.4g}")
    return Cell(f"{value:,}" if isinstance(value, int) else str(value))


def _fixed(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _span(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:,.0f} to {high:,.0f}"


def _step(step: float | None, unit: str) -> str:
    return "step unknown" if step is None else f"step {step:g} {unit}"


def _setting(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
