"""Runs what has no result yet: ``python -m benchmarks.accuracy.run [--quick] [--tuning] [--minutes N] ...``."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from benchmarks.accuracy import methods
from benchmarks.accuracy.cells import CELLS, QUICK, QUICK_SEEDS, REPORTING, TUNING
from benchmarks.accuracy.crystals import library
from benchmarks.accuracy.faults import FAULTS
from benchmarks.accuracy.store import Job, jobs
from benchmarks.accuracy.work import work

Scan = tuple[str, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, tell what is missing, and write the tables if reporting seeds were run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"cells {', '.join(QUICK)}, {QUICK_SEEDS} seeds")
    parser.add_argument("--tuning", action="store_true", help="tuning seeds, which no table shows")
    parser.add_argument("--cells", nargs="+", choices=[*CELLS, *FAULTS], default=None, metavar="CELL")
    parser.add_argument(
        "--methods", nargs="+", choices=[*methods.NAMES, *methods.VARIANTS], default=None, metavar="METHOD"
    )
    parser.add_argument("--seeds", type=int, default=None, help="the first so many of the seeds")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--minutes", type=float, default=None, help="begin no scan after this time")
    parser.add_argument("--list", action="store_true", help="name what is done and missing, and stop")
    parser.add_argument("--no-tables", action="store_true", help="leave docs/accuracy.md as it is")
    options = parser.parse_args(arguments)
    wanted = chosen(options)
    if options.list:
        for job in wanted:
            print("done   " if job.path.exists() else "missing", job.cell, job.seed, job.method)
        return 0
    run_jobs(wanted, n_processes=options.jobs, minutes=options.minutes)
    missing = [job for job in wanted if not job.path.exists()]
    if missing:
        print(f"\n{len(missing)} of {len(wanted)} results are missing; the same command goes on with them")
    if not options.no_tables and not options.tuning:
        from benchmarks.accuracy import tables  # noqa: PLC0415 - needs the results

        tables.write()
    return 0


def chosen(options: argparse.Namespace) -> list[Job]:
    """Give the jobs that the options name."""
    cells = options.cells or (QUICK if options.quick else [*CELLS, *FAULTS])
    every = [*methods.NAMES, *methods.VARIANTS]
    names = options.methods or [name for name in every if not (options.quick and name in methods.COSTLY)]
    n_seeds = options.seeds or (QUICK_SEEDS if options.quick else None)
    return jobs(cells, (TUNING if options.tuning else REPORTING)[:n_seeds], names)


def run_jobs(wanted: Sequence[Job], *, n_processes: int = 2, minutes: float | None = None) -> None:
    """Run the jobs that have no result, scan by scan, several scans at once."""
    todo = missing_by_scan(wanted)
    if not todo:
        return
    library()  # so that the workers find it on disk
    begun, running, waiting, done = time.perf_counter(), set[Future[list[str]]](), list(todo.items()), 0
    with ProcessPoolExecutor(n_processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            while waiting or running:
                over = minutes is not None and time.perf_counter() - begun > 60 * minutes
                while waiting and not over and len(running) < n_processes:
                    (cell, seed), names = waiting.pop(0)
                    running.add(pool.submit(work, cell, seed, names))
                if not running:
                    print(f"the time of {minutes:g} minutes is over")
                    break
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                done += len(finished)
                for future in finished:
                    for failure in future.result():
                        print(failure)
                print(f"{time.perf_counter() - begun:7.0f} s  {done}/{len(todo)} scans", flush=True)
        except KeyboardInterrupt:
            print("interrupted; what was measured is kept")
            pool.shutdown(wait=False, cancel_futures=True)


def missing_by_scan(wanted: Sequence[Job]) -> dict[Scan, list[str]]:
    """Give the methods without result of each scan, in the order of the jobs."""
    todo: dict[Scan, list[str]] = {}
    for job in wanted:
        if not job.path.exists():
            todo.setdefault((job.cell, job.seed), []).append(job.method)
    return todo


if __name__ == "__main__":
    sys.exit(main())
