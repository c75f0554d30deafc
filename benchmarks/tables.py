"""Writes the tables of docs/performance.md, and prints the ratios beside their limits."""

import os
import platform
from collections.abc import Callable
from importlib import import_module, metadata

from benchmarks import plan, results, scans
from benchmarks.pages import NOTHING, Check, fill
from benchmarks.pages import table as _table
from benchmarks.plan import SIDE_BY_SIDE, TIMED, TRUE_K

PAGE = scans.ROOT / "docs" / "performance.md"
LARGE = ("phantom-128", "phantom-2g", "phantom-8g")
HUGE = "phantom-26g"
LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "hyperspy", "dask")
MEGABYTE, GIGABYTE = 10**6, 10**9


def write() -> None:
    """Put every table between its markers."""
    fill(PAGE, TABLES)


def _number(value: float | None, digits: int = 3, scale: float = 1) -> str:
    if value is None:
        return NOTHING
    scaled = value / scale
    return f"{scaled:.0f}" if abs(scaled) >= 10 ** (digits - 1) else f"{scaled:.{digits}g}"


def _title(method: str) -> str:
    return str(import_module(f"benchmarks.methods.{method}").TITLE)


def machine() -> str:
    """Say on what the numbers were measured."""
    known = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            known.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{plan.processor()}, {cores} cores; {platform.system()}; {', '.join(known)}."


def scan_table() -> str:
    """Describe the scans: what they hold and what they were made with."""
    rows = []
    for name in (*SIDE_BY_SIDE, "phantom-2g", "phantom-8g", HUGE):
        spec, there = scans.PHANTOMS.get(name), scans.files(name)
        facts = there.facts() if there.truth.exists() else {}
        made = ["measured patterns", *[NOTHING] * 3]
        if spec is not None:
            made = [f"{spec.n_crystals} crystals", f"{spec.beam_fraction:.0%}", f"{spec.background_fraction:.0%}"]
            made.append(f"{spec.bending:g}")
        density = facts.get("density")
        rows.append(
            [
                name,
                str(facts.get("shape", NOTHING if spec is None else _shape(name))),
                str(facts.get("dtype", NOTHING if spec is None else spec.dtype)),
                _number(_float(facts.get("bytes")), scale=GIGABYTE),
                _number(_float(facts.get("counts", None if spec is None else spec.counts_per_pattern))),
                NOTHING if density is None else f"{float(density):.1%}",
                *made,
            ]
        )
    head = ("scan", "shape", "type", "GB", "counts a pattern", "not zero", "holds", "beam", "background", "bending")
    return _table(head, rows)


def _shape(name: str) -> str:
    spec = scans.PHANTOMS[name]
    return " x ".join(map(str, (*spec.scan_shape, *spec.pattern_shape)))


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))


def cost_tables() -> str:
    """Compare what the methods cost, one table for each scan."""
    return "\n\n".join(_cost_table(scan) for scan in SIDE_BY_SIDE)


def _cost_table(scan: str) -> str:
    own = results.ours(scan, "cpu")
    n = len(results.of("ours", scan))
    both = _number(results.ours(scan, "cpu", ("prepare", "sweep")))
    wall = _number(results.ours(scan, "wall"))
    memory = [_number(results.peak("ours", scan, kind), scale=MEGABYTE) for kind in ("peak", "own_peak")]
    rows = [[f"{_title('ours')}", *[NOTHING] * 3, f"{_number(own)} ({both})", wall, "1", *memory, str(n)]]
    for method in results.METHODS[1:]:
        sweep = results.over_sweep(method, scan)
        ks = [_number(results.at_k(method, scan, k)) for k in TIMED]
        if ks == [NOTHING] * 3:
            continue
        memory = [_number(results.peak(method, scan, kind), scale=MEGABYTE) for kind in ("peak", "own_peak")]
        wall = _number(results.over_sweep(method, scan, "wall"))
        times = _number(results.ratio(sweep, own))
        repeats = str(min(n for k in TIMED if (n := len(results.of(method, scan, ks=(k,))))))
        rows.append([_title(method), *ks, _number(sweep), wall, times, *memory, repeats])
    passes = _number(results.ratio(results.ours(scan, "wall"), results.one_pass(scan)))
    head = (
        f"**{scan}**",
        *(f"k = {k}, CPU s" for k in TIMED),
        "k = 2…20, CPU s",
        "wall s",
        "times ours",
        "peak MB",
        "of it own MB",
        "repeats",
    )
    limit = f"One pass: {_number(results.one_pass(scan), scale=1e-3)} ms; our sweep takes {passes} of them."
    return f"{_table(head, rows)}\n\n{limit}"


def loss_tables() -> str:
    """Compare losses with the best of all methods at each k, one table for each scan."""
    return "\n\n".join(_loss_table(scan) for scan in SIDE_BY_SIDE)


def _loss_table(scan: str) -> str:
    above = results.above_best(scan)
    ks = sorted({k for values in above.values() for k in values})
    rows = []
    for method in results.METHODS:
        values = above.get(method)
        if values:
            cells = [f"{100 * values[k]:+.2f}" if k in values else NOTHING for k in ks]
            mean = 100 * sum(values.values()) / len(values)
            rows.append([_title(method), *cells, f"{mean:+.2f}"])
    if not rows:
        return f"**{scan}**: nothing was measured yet."
    return _table((f"**{scan}**, % above the best", *(f"k = {k}" for k in ks), "mean"), rows)


def agreement_table() -> str:
    """Compare labels with the truth."""
    rows = []
    for method in results.METHODS:
        values = [results.agreement(method, scan, TRUE_K[scan]) for scan in SIDE_BY_SIDE]
        if any(value is not None for value in values):
            rows.append([_title(method), *(NOTHING if value is None else f"{value:.3f}" for value in values)])
    whole = [(results.fact("pipeline", scan, "agreement"), scan) for scan in SIDE_BY_SIDE]
    cells = [
        NOTHING if value is None else f"{value:.3f} ({results.fact('pipeline', scan, 'n_crystals')} crystals)"
        for value, scan in whole
    ]
    rows.append([_title("pipeline"), *cells])
    return _table(("adjusted Rand index", *(f"{scan}, k = {TRUE_K[scan]}" for scan in SIDE_BY_SIDE)), rows)


def large_table() -> str:
    """Show how cost and memory go with the size of the scan."""
    rows = []
    for scan in LARGE:
        wall, warm, large = (
            results.ours(scan, "wall"),
            results.one_pass(scan),
            results.one_pass(scan, "large blocks"),
        )
        size = scans.n_bytes(scans.PHANTOMS[scan])
        memory = [results.peak("ours", scan, kind, threads=1) for kind in ("peak", "own_peak")]
        rows.append(
            [
                scan,
                _number(size, scale=GIGABYTE),
                _number(warm),
                _number(large),
                _number(results.one_pass(scan, "cold")),
                _number(results.ours(scan, "wall", ("prepare",))),
                _number(wall),
                _number(results.ratio(wall, warm)),
                _number(results.ratio(wall, large)),
                _number(results.ratio(results.ours(scan, "cpu"), size / GIGABYTE)),
                *(_number(value, scale=MEGABYTE) for value in memory),
            ]
        )
    head = ("scan", "GB", "one pass, s", "in 16 MB blocks, s", "cold, s", "survey, s", "sweep, s", "passes")
    return _table((*head, "of 16 MB blocks", "CPU s a GB", "peak MB", "of it own MB"), rows)


def huge_table() -> str:
    """Show the parts of the run of 26 GB."""
    found = results.of("command", HUGE)
    if not found:
        return "Not measured yet: `make bench-large`."
    result, cold = found[0], results.one_pass(HUGE, "cold")
    wall = result["parts"]["run"]["wall"]
    rows = [
        ["one cold pass", _number(cold), NOTHING],
        ["unmix4d run, 2 threads", _number(wall), _number(result["facts"]["child peak"], scale=MEGABYTE)],
    ]
    rows += [
        [f"of it {cost['stage']}", _number(cost["seconds"]), _number(cost["peak_bytes"], scale=MEGABYTE)]
        for cost in result["facts"].get("provenance", {}).get("costs", [])
    ]
    return _table(("100,000 patterns of 512 x 512", "wall s", "peak MB so far"), rows)


def said_table() -> str:
    """Quote what HyperSpy's lazy path said."""
    lines = [f"{scan}: {line}" for scan in SIDE_BY_SIDE for line in results.said("hyperspy_lazy", scan)]
    seconds = [(scan, results.at_k("hyperspy_lazy", scan, 4)) for scan in SIDE_BY_SIDE]
    lines += [f"{scan}: k = 4 in {_number(value)} CPU s" for scan, value in seconds if value is not None]
    return "\n".join(f"- {line}" for line in lines) or "Not measured yet."


def checks() -> list[Check]:
    """Give every promise that these benchmarks can judge."""
    found = []
    for scan, limit, goal in (("phantom-128", 40, 100), ("phantom-64", 20, 60)):
        theirs = results.over_sweep("sklearn_cd", scan)
        own, whole = results.ours(scan, "cpu"), results.ours(scan, "cpu", ("prepare", "sweep"))
        name = f"{scan}: CPU of scikit-learn over ours"
        found.append(Check(name=name, value=results.ratio(theirs, own), limit=limit, goal=goal, at_least=True))
        name = f"{scan}: the same, with our opening and survey"
        found.append(Check(name=name, value=results.ratio(theirs, whole), limit=limit, goal=goal, at_least=True))
    for scan in SIDE_BY_SIDE:
        above = [100 * value for value in results.above_best(scan).get("ours", {}).values()]
        worst, mean = (max(above), sum(above) / len(above)) if above else (None, None)
        found.append(Check(name=f"{scan}: worst loss above the best, %", value=worst, limit=1.0))
        found.append(Check(name=f"{scan}: mean loss above the best, %", value=mean, limit=0.3))
    return [*found, *_large_checks()]


def _large_checks() -> list[Check]:
    two = "phantom-2g"
    passes, passes_of_two = (
        results.ratio(results.ours(two, "wall", threads=n), results.one_pass(two)) for n in (1, 2)
    )
    large = results.ratio(results.ours(two, "wall"), results.one_pass(two, "large blocks"))
    memory = results.ratio(results.peak("ours", two, threads=1), MEGABYTE)
    rates = [results.ratio(results.ours(s, "cpu"), scans.n_bytes(scans.PHANTOMS[s])) for s in LARGE]
    peaks = [results.peak("ours", scan, threads=1) for scan in LARGE]
    stream = [
        results.median_of(results.of("stream", two, threads=n), ("prepare", "project", "losses"), "wall")
        for n in (1, 2)
    ]
    huge = results.of("command", HUGE)
    wall = huge[0]["parts"]["run"]["wall"] if huge else None
    child = huge[0]["facts"]["child peak"] / 2**30 if huge else None
    cold = results.one_pass(HUGE, "cold")
    return [
        Check(name="2.1 GB: sweep in passes, one thread", value=passes, limit=30, goal=15),
        Check(name="2.1 GB: the same, passes in blocks of 16 MB", value=large, limit=30, goal=15),
        Check(name="2.1 GB: sweep in passes, two threads", value=passes_of_two, limit=30, goal=15),
        Check(name="2.1 GB: peak MB", value=memory, limit=800),
        Check(name="8.6 GB over 0.5 GB: CPU a GB", value=results.ratio(rates[-1], rates[0]), limit=1.2),
        Check(name="8.6 GB over 0.5 GB: peak memory", value=results.ratio(peaks[-1], peaks[0]), limit=1.5),
        Check(name="26 GB: wall over one cold pass", value=results.ratio(wall, cold), limit=25, goal=10),
        Check(name="26 GB: peak GiB", value=child, limit=4),
        Check(name="2.1 GB: two threads, streaming part", value=results.ratio(*stream), limit=1.6, at_least=True),
    ]


def check_table() -> str:
    """Set what was measured beside what was promised."""
    rows = []
    for check in checks():
        bound = "≥" if check.at_least else "≤"
        goal = NOTHING if check.goal is None else f"{bound} {check.goal:g}"
        rows.append([check.name, _number(check.value), f"{bound} {check.limit:g}", goal, check.verdict()])
    return _table(("what", "measured", "limit", "goal", ""), rows)


def print_ratios() -> None:
    """Print what was measured beside what was promised."""
    print()
    for check in checks():
        bound = "≥" if check.at_least else "≤"
        goal = "" if check.goal is None else f", goal {check.goal:g}"
        print(f"{check.name:48s} {_number(check.value):>8s}   {bound} {check.limit:g}{goal:12s} {check.verdict()}")


TABLES: dict[str, Callable[[], str]] = {
    "machine": machine,
    "scans": scan_table,
    "checks": check_table,
    "cost": cost_tables,
    "loss": loss_tables,
    "agreement": agreement_table,
    "large": large_table,
    "huge": huge_table,
    "lazy": said_table,
}
