"""Writes the tables of docs/accuracy.md."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from benchmarks.accuracy import methods, scores, summary
from benchmarks.accuracy.cells import CELLS, DOSES, MIDDLE, Cell
from benchmarks.accuracy.faults import FAULTS, NO_FAULT
from benchmarks.accuracy.summary import One, crowded, dim, ordinary
from benchmarks.pages import NOTHING, Check, fill, table
from benchmarks.scans import ROOT

PAGE = ROOT / "docs" / "accuracy.md"
MAPPED = ("ours", "nmf", "nmf_background", "clustering", "oracle")
LINEAR = 0.2  # modulation of reflections with thickness up to which a cell mixes linearly
FILTER_SCORES = ("ari", "recall", "mixing", "ap0.5", "coverage", "false_overlap")
FOUND = ("hot pixels", "dead pixels", "camera offset", "descan", "saturation", "beam stop", "vacuum")
# Title, method, criterion of it, components that are taken to be no crystal.
RULES: tuple[tuple[str, str, str | None, int], ...] = (
    ("unmix4d", "ours", None, 0),
    ("knee of unmix4d's losses", "ours", "knee", 0),
    ("the same - 1, for the background", "ours", "knee", 1),
    ("held-out counts - 1, for the background", "ours", "held-out", 1),
    ("directions above the noise - 1, for the background", "ours", "rank", 1),
    ("silhouette", "clustering", "silhouette", 0),
    ("gap", "clustering", "gap", 0),
    ("NMFk", "nmfk", "nmfk", 0),
    ("NMFk - 1, for the background", "nmfk", "nmfk", 1),
    ("the paper's rule", "paper_rule", "paper", 0),
    ("knee of the paper's losses", "paper_rule", "paper knee", 0),
)


def write() -> None:
    """Put every table between its markers."""
    fill(PAGE, TABLES)


def _number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f} %"


def _title(method: str) -> str:
    return str(methods.load(method).TITLE)


def middle_table() -> str:
    """Give the parameters of the middle."""
    rows = [[f"`{name}`", _shown(value)] for name, value in asdict(CELLS[MIDDLE].spec).items()]
    return table(("parameter", "the middle"), rows)


def cell_table() -> str:
    """Say what each cell changes, and how many scans of it were run."""
    rows = []
    for name, cell in CELLS.items():
        n = len(summary.of("ours", _only(cell)))
        rows.append([cell.factor, name, _changes(cell, CELLS[MIDDLE]), str(n)])
    return table(("factor", "cell", "differs from the middle in", "scans run"), rows)


def _changes(cell: Cell, other: Cell) -> str:
    before = asdict(other.spec)
    changed = [f"`{key}` {_shown(value)}" for key, value in asdict(cell.spec).items() if value != before[key]]
    return ", ".join(changed) or "nothing"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _only(cell: Cell) -> Callable[[Cell], bool]:
    return lambda other: other.name == cell.name


def number_table() -> str:
    """Say how often each rule has the number of crystals, over groups of cells."""
    groups = (
        ("2 to 12 crystals, 400 electrons or more", ordinary),
        ("more crystals", crowded),
        ("fewer electrons", dim),
    )
    head = ["rule", *(f"{title}: exact, within 1, mean error (scans)" for title, _ in groups)]
    rows = []
    for title, method, vote, less in RULES:
        cells = [_hits(summary.errors(method, vote, group, less=less)) for _, group in groups]
        rows.append([title, *cells])
    return table(head, rows)


def _hits(errors: Sequence[int]) -> str:
    if not errors:
        return NOTHING
    exact = _percent(summary.share([error == 0 for error in errors]))
    near = _percent(summary.share([abs(error) <= 1 for error in errors]))
    return f"{exact}, {near}, {sum(map(abs, errors)) / len(errors):.2f} ({len(errors)})"


def column_table() -> str:
    """Say how often the number is right, cell by cell."""
    rules = [rule for rule in RULES if rule[1] not in methods.COSTLY]
    head = ["cell", "true", *(f"{rule[0]}: exact, within 1" for rule in rules)]
    rows = []
    for name, cell in CELLS.items():
        if cell.negative:
            continue
        cells = []
        for _, method, vote, less in rules:
            errors = summary.errors(method, vote, _only(cell), less=less)
            exact, near = (sum(abs(error) <= far for error in errors) for far in (0, 1))
            cells.append(f"{exact}, {near} of {len(errors)}" if errors else NOTHING)
        rows.append([name, str(cell.spec.n_crystals), *cells])
    return table(head, rows)


def ari_table() -> str:
    """Compare labels with the truth, cell by cell."""
    head = ["cell", *(f"{_title(method)}: mean, worst tenth" for method in MAPPED)]
    rows = []
    for name, cell in CELLS.items():
        if cell.negative:
            continue
        cells = []
        for method in MAPPED:
            values = summary.scores(summary.of(method, _only(cell)), "ari")
            worst = _number(summary.worst_tenth(values))
            cells.append(f"{_number(summary.mean(values))}, {worst}" if values else NOTHING)
        rows.append([name, *cells, *_over_oracle(summary.of("ours", _only(cell)))])
    return table((*head, "unmix4d over the oracle: mean", "worst tenth"), rows)


def _over_oracle(found: Sequence[One]) -> list[str]:
    values = summary.relative(found)
    return [_number(summary.mean(values)), _number(summary.worst_tenth(values))]


def score_table() -> str:
    """Give all other scores, means over the cells with 2 to 12 crystals and enough electrons."""
    names = ("ari", "recall", "cosine", "minority", "mixing", "coverage", "false_overlap")
    names += tuple(f"{kind}{threshold:g}" for kind in ("ap", "iou") for threshold in scores.RATIOS)
    shown = {
        "ari": "ARI",
        "cosine": "matched cosine",
        "minority": "minority grains found",
        "mixing": "mixing error",
        "coverage": "95 % interval holds the share",
        "false_overlap": "overlap where there is one crystal",
    }
    rows = []
    for method in MAPPED:
        found = summary.of(method, ordinary)
        over = _over_oracle(found)
        values = [_number(summary.mean(summary.scores(found, name))) for name in names]
        rows.append([_title(method), *values, *over, str(len(found))])
    head = [shown.get(name, name.replace("ap", "AP ").replace("iou", "IoU ")) for name in names]
    return table(("method", *head, "ARI over the oracle's", "its worst tenth", "scans"), rows)


def minority_table() -> str:
    """Give minority grains and overlap, cell by cell, for unmix4d and NMF."""
    names = ("minority", "cosine", "ap0.5", "iou0.5", "mixing")
    head = ["cell", *(f"{title}: {name}" for title in ("unmix4d", "NMF") for name in names)]
    rows = []
    for name, cell in CELLS.items():
        if not cell.negative:
            both = [summary.of(method, _only(cell)) for method in ("ours", "nmf")]
            values = [summary.mean(summary.scores(found, score)) for found in both for score in names]
            rows.append([name, *map(_number, values)])
    return table(head, rows)


def confidence_table() -> str:
    """Say how often each word of confidence is right."""
    rows = []
    for word in ("high", "medium", "low"):
        found = [one for one in summary.of("ours") if one.result["confidence"] == word]
        some = [one for one in found if not one.cell.negative]
        exact = _percent(summary.share([one.error == 0 for one in some]))
        near = _percent(summary.share([abs(one.error) <= 1 for one in some]))
        rows.append([word, str(len(some)), exact, near, str(len(found) - len(some))])
    return table(("confidence", "scans with crystals", "exact", "within 1", "negative controls"), rows)


def negative_table() -> str:
    """Say what is claimed where there are no two crystals."""
    rows = []
    for name, cell in CELLS.items():
        if cell.negative:
            found = summary.of("ours", _only(cell))
            said = [f"{one.result['n_crystals']} {one.result['confidence']}" for one in found]
            false = sum(
                scores.falsely_confident(one.result["confidence"], one.result["n_crystals"]) for one in found
            )
            others = [_votes(vote, cell) for vote in ("silhouette", "gap")]
            rows.append([name, ", ".join(said) or NOTHING, f"{false} of {len(found)}", *others])
    return table(("cell", "unmix4d", "confident and above 1", "silhouette", "gap"), rows)


def _votes(vote: str, cell: Cell) -> str:
    return ", ".join(str(one.result["votes"][vote]) for one in summary.of("clustering", _only(cell))) or NOTHING


def cleaning_table() -> str:
    """Say what each cleaning step gains where its fault is the only one, and what it costs where there is none."""
    rows = []
    for name, cell in FAULTS.items():
        if name != NO_FAULT:
            (method,) = cell.without
            present, absent = (summary.pairs(where, method) for where in (name, NO_FAULT))
            cost = _number(summary.worst_cost(absent), 4)
            step = cell.factor.replace("_", " ")
            rows.append([step, name, *_with_without(present), *_with_without(absent), cost])
    two = ("number right with, without", "ARI with, without", "gain: mean (least to most)")
    head = (
        "step",
        "fault",
        *two,
        *(f"no fault: {title.replace(': ', ', ')}" for title in two),
        "largest cost on one scan",
    )
    return table(head, rows)


def _with_without(found: Sequence[tuple[One, One]]) -> list[str]:
    """Numbers that are right, mean ARI, and what the step gains, of scans with and without it."""
    if not found:
        return [NOTHING] * 3
    right = [sum(pair[i].error == 0 for pair in found) for i in (0, 1)]
    means = [summary.mean(summary.scores([pair[i] for pair in found], "ari")) for i in (0, 1)]
    gains = summary.gains(found)
    middle, least, most = (f"{value:+.3f}" for value in (sum(gains) / len(gains), min(gains), max(gains)))
    return [
        f"{right[0]}, {right[1]} of {len(found)}",
        ", ".join(map(_number, means)),
        f"{middle} ({least} to {most})",
    ]


def found_table() -> str:
    """Say which faults were found in scans with one fault or none."""
    rows = []
    for name, cell in FAULTS.items():
        found = [one.result["faults"] for one in summary.faulty() if one.method == "ours" and one.cell.name == name]
        counts = [str(sum(fault in faults for faults in found)) if found else NOTHING for fault in FOUND]
        rows.append([name, _changes(cell, FAULTS[NO_FAULT]), *counts, str(len(found))])
    return table(("scan", "differs from that without fault in", *FOUND, "scans"), rows)


def filter_table() -> str:
    """Compare what unmix4d finds after each filter and without one, dose by dose, on the same scans."""
    rows = []
    for name in DOSES:
        runs = {method: summary.of(method, _only(CELLS[name])) for method in ("ours", *methods.FILTERED)}
        seeds = set.intersection(*({one.seed for one in found} for found in runs.values()))
        for method, all_found in runs.items():
            found = [one for one in all_found if one.seed in seeds]
            means = [summary.mean(summary.scores(found, score)) for score in FILTER_SCORES]
            exact = f"{sum(one.error == 0 for one in found)} of {len(found)}" if found else NOTHING
            electrons = f"{CELLS[name].spec.bragg_electrons:g}"
            rows.append([electrons, methods.FILTERED.get(method, "raw"), exact, *map(_number, means)])
    head = ("Bragg electrons", "filter", "number right", "ARI", "recall", "mixing error", "AP 0.5")
    return table((*head, "95 % interval holds the share", "overlap where there is one crystal"), rows)


def cost_table() -> str:
    """Give the CPU seconds of each method, and how a whole run of ours compares with the sweep."""
    rows = []
    for method in methods.NAMES:
        found = summary.of(method)
        cpu = summary.mean([one.result["cpu"] for one in found])
        rows.append([_title(method), _number(cpu, 1), str(len(found))])
    whole = summary.mean(_whole_over_sweep())
    line = f"A whole run of unmix4d takes {_number(whole, 2)} times as long as its sweep (stage `factorize`)."
    return f"{table(('method', 'CPU s a scan', 'scans'), rows)}\n\n{line}"


def _whole_over_sweep() -> list[float]:
    seconds = [one.result["seconds"] for one in summary.of("ours")]
    return [one["whole"] / one["factorize"] for one in seconds if one.get("factorize")]


def checks() -> list[Check]:
    """Give every promise that these scans can judge."""
    ours = summary.of("ours", ordinary)
    errors = [one.error for one in ours]
    sure = [one for one in summary.of("ours") if one.result["confidence"] == "high" and not one.cell.negative]
    negative = [one for one in summary.of("ours") if one.cell.negative]
    quiet = [not scores.falsely_confident(one.result["confidence"], one.result["n_crystals"]) for one in negative]
    many = summary.mean([abs(one.error) for one in summary.of("ours", crowded)])
    named: list[tuple[str, float | None, float]] = [
        ("number exact, 2 to 12 crystals, 400 electrons or more", summary.share([e == 0 for e in errors]), 0.85),
        ("the same within 1", summary.share([abs(e) <= 1 for e in errors]), 0.97),
        ("high confidence is right", summary.share([one.error == 0 for one in sure]), 0.97),
        ("negative controls: no confident number above 1", summary.share(quiet), 0.95),
        ("ARI over the oracle's, mean", summary.mean(summary.relative(ours)), 0.97),
        ("ARI over the oracle's, worst tenth", summary.worst_tenth(summary.relative(ours)), 0.90),
        ("columns in which ARI is above that of NMF", _columns_above_nmf(), 1.0),
        ("matched cosine", summary.mean(summary.scores(ours, "cosine")), 0.95),
        ("minority grains found", summary.mean(summary.scores(ours, "minority")), 0.80),
        ("AP of overlap at 0.5 over the oracle's", summary.mean(summary.relative(ours, "ap0.5")), 0.95),
        ("95 % interval holds the share, cells that mix linearly", summary.mean(_linear("coverage")), 0.92),
    ]
    found = [Check(name=name, value=value, limit=limit, at_least=True) for name, value, limit in named]
    found.insert(2, Check(name="mean error of the number, more than 12 crystals", value=many, limit=1.0))
    more = summary.mean(summary.beyond(ours, "mixing"))
    found.append(Check(name="mixing error beyond the oracle's", value=more, limit=0.02))
    false = summary.mean(summary.scores(ours, "false_overlap"))
    found.append(Check(name="overlap reported where there is one crystal", value=false, limit=0.02))
    wide = summary.mean(_linear("coverage"))
    found.append(Check(name="95 % interval, the same cells: no wider than it has to be", value=wide, limit=0.98))
    costs = [summary.worst_cost(summary.pairs(NO_FAULT, method)) for method in FAULTS[NO_FAULT].without]
    found.append(
        Check(
            name="cleaning steps: largest cost where the fault is absent, ARI",
            value=max((cost for cost in costs if cost is not None), default=None),
            limit=0.005,
        )
    )
    whole = summary.mean(_whole_over_sweep())
    return [*found, Check(name="whole run over the sweep alone, seconds", value=whole, limit=3.0)]


def _linear(name: str) -> list[float]:
    """Give a score on the cells in which patterns hardly change with thickness."""
    return summary.scores(summary.of("ours", lambda cell: cell.spec.modulation <= LINEAR and ordinary(cell)), name)


def _columns_above_nmf() -> float | None:
    """Give the share of the cells with two crystals or more whose mean ARI is above that of NMF."""
    above = []
    for cell in CELLS.values():
        both = [summary.mean(summary.scores(summary.of(name, _only(cell)), "ari")) for name in ("ours", "nmf")]
        if not cell.negative and both[0] is not None and both[1] is not None:
            above.append(both[0] > both[1])
    return summary.share(above)


def check_table() -> str:
    """Set what was measured beside what was promised."""
    rows = []
    for check in checks():
        bound = "≥" if check.at_least else "≤"
        rows.append([check.name, _number(check.value), f"{bound} {check.limit:g}", check.verdict()])
    return table(("what", "measured", "limit", ""), rows)


TABLES: dict[str, Callable[[], str]] = {
    "checks": check_table,
    "number": number_table,
    "scores": score_table,
    "confidence": confidence_table,
    "negative": negative_table,
    "number by cell": column_table,
    "ari by cell": ari_table,
    "minority by cell": minority_table,
    "cleaning": cleaning_table,
    "filters": filter_table,
    "faults found": found_table,
    "cost": cost_table,
    "middle": middle_table,
    "cells": cell_table,
}
