"""Runs the cells that have no result yet: ``python -m benchmarks.run [--large] [--minutes N] [word ...]``."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import plan, scans
from benchmarks.plan import Cell

DELETED_AFTERWARDS = "phantom-26g"
SPARE_BYTES = 4 * 10**9


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, tell what is missing, write the tables and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only cells whose name holds all of these words")
    parser.add_argument("--large", action="store_true", help="the long cells instead")
    parser.add_argument("--minutes", type=float, default=None, help="begin no cell after this time")
    parser.add_argument("--again", action="store_true", help="measure again what was measured")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--no-tables", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args(arguments)
    cells = plan.chosen(large=options.large, only=options.words)
    if options.list:
        for cell in cells:
            print("done   " if cell.path.exists() else "missing", cell.title)
        return 0
    missing = run_cells(cells, minutes=options.minutes, again=options.again)
    if missing:
        print(f"\n{len(missing)} cells are missing; the same command goes on with them:")
        for cell in missing:
            print(f"  {cell.title}")
    if not options.no_tables:
        from benchmarks import tables  # noqa: PLC0415 - needs the results

        tables.write()
        tables.print_ratios()
    return 0


def run_cells(cells: Sequence[Cell], *, minutes: float | None = None, again: bool = False) -> list[Cell]:
    """Run cells one after the other and give those that have no result afterwards."""
    todo = [cell for cell in cells if again or not cell.path.exists()]
    begun, failed = time.perf_counter(), set()
    try:
        for number, cell in enumerate(todo, 1):
            elapsed = time.perf_counter() - begun
            if minutes is not None and elapsed > 60 * minutes:
                print(f"the time of {minutes:g} minutes is over")
                break
            reason = _cannot(cell)
            if reason:
                print(f"{cell.title}: {reason}")
                failed.add(cell.title)
                continue
            print(f"{elapsed:7.0f} s  {number}/{len(todo)}  {cell.title}", flush=True)
            if not run_cell(cell):
                failed.add(cell.title)
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept")
    finally:
        if any(cell.scan == DELETED_AFTERWARDS for cell in todo):
            _delete_huge()
    return [cell for cell in cells if not cell.path.exists()]


def _cannot(cell: Cell) -> str | None:
    """Say why a cell cannot run here."""
    if not scans.available(cell.scan):
        return "the scan is missing; name the folder of the data in UNMIX4D_DATA"
    spec = scans.PHANTOMS.get(cell.scan)
    if spec is not None and not scans.files(cell.scan).exist:
        needed = scans.n_bytes(spec) + SPARE_BYTES
        scans.CACHE.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(scans.CACHE).free
        if free < needed:
            return f"needs {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free"
    return None


def run_cell(cell: Cell) -> bool:
    """Run one cell in a fresh process; False if it failed."""
    if not scans.files(cell.scan).exist:
        print(f"           making the scan {cell.scan}", flush=True)
        # In a process of its own: what it takes must not count for the cells.
        code = f"from benchmarks import scans; scans.make({cell.scan!r})"
        subprocess.run([sys.executable, "-c", code], cwd=scans.ROOT, check=True)
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    job = {
        "method": cell.method,
        "path": str(scans.files(cell.scan).patterns),
        "ks": cell.ks,
        "options": cell.options,
        "measure": cell.measure,
    }
    command = [sys.executable, "-m", "benchmarks.cell", json.dumps(job), str(cell.path)]
    done = subprocess.run(command, cwd=scans.ROOT, check=False)
    if done.returncode:
        print(f"           failed with exit code {done.returncode}", flush=True)
    return done.returncode == 0


def _delete_huge() -> None:
    """Delete the scan that nobody wants to keep."""
    huge = scans.files(DELETED_AFTERWARDS)
    for path in (huge.patterns, huge.patterns.with_suffix(".part")):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
