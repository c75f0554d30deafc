"""What is printed: progress on stderr, answers on stdout."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

Progress = Callable[[str, float, float], None]

REPORT = "report.html"
PROGRESS = "UNMIX4D_PROGRESS"
"""Environment variable; ``json`` = one JSON object on stderr for each step of the progress, for programs."""

LEAST_STEP = 0.005
MIB, GIB = 2**20, 2**30
BYTES = {"budget", "needed", "cache", "matrix", "block", "dense"}
"""Names in a plan that are numbers of bytes."""


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Progress]:
    """Report progress on stderr: bars with the time left on a terminal, one line for each stage elsewhere."""
    if quiet:
        yield lambda stage, done, total: None  # noqa: ARG005 - the shape of a Progress
    elif os.environ.get(PROGRESS) == "json":
        yield _objects()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _lines()


def _objects() -> Progress:
    """One JSON object when a stage begins, has ended, or has come on by half a percent."""
    told: dict[str, float] = {}

    def tell(stage: str, done: float, total: float) -> None:
        share = done / total if total else 1.0
        if stage not in told or share - told[stage] >= LEAST_STEP or share < told[stage] or done == total:
            told[stage] = share
            typer.echo(json.dumps({"stage": stage, "done": done, "total": total}), err=True)

    return tell


def _lines() -> Progress:
    """One line when a stage begins, with the seconds since the start."""
    seen: set[str] = set()
    start = time.perf_counter()

    def tell(stage: str, done: float, total: float) -> None:  # noqa: ARG001 - the shape of a Progress
        if stage not in seen:
            seen.add(stage)
            typer.echo(f"{time.perf_counter() - start:7.1f} s  {stage}", err=True)

    return tell


@contextmanager
def _bars() -> Iterator[Progress]:
    """One bar for each stage, with the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    left = TimeRemainingColumn(elapsed_when_finished=True)
    with Progress(*columns, left, console=Console(stderr=True)) as display:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                tasks[stage] = display.add_task(stage, total=None)
            display.update(tasks[stage], completed=done, total=total)

        yield tell


def print_mapping(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a mapping as one JSON object, or one line for each value."""
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False, default=str))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        typer.echo(f"{name:<{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    """Write one value as a person reads it."""
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "none"
    return str(value)


def print_plan(plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the plan of a run: bytes and seconds as they are for programs, in larger units for people."""
    print_mapping(
        plan if as_json else {name: _in_units(name, value) for name, value in plan.items()}, as_json=as_json
    )


def _in_units(name: str, value: object) -> object:
    """Write a number of bytes or seconds as a person does; leave everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if name in BYTES or name.endswith("_bytes"):
        small = value < GIB
        return f"{value / MIB:.1f} MiB" if small else f"{value / GIB:.1f} GiB"
    if name == "seconds" or name.endswith("_seconds"):
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds} s" if minutes else f"{value:.1f} s"
    return value


def print_answer(run: Any, folder: Path, *, as_json: bool) -> None:  # noqa: ANN401 - records bring numpy
    """Say how many crystals there are and why, what the paper's procedure finds, and where the report is."""
    decision, paper, report = run.decision, run.paper, folder / REPORT
    if as_json:
        names = ("n_crystals", "k", "k_low", "k_high", "confidence", "reason")
        answer = {name: getattr(decision, name) for name in names}
        if paper is not None:
            answer["paper"] = {
                "n_crystals": paper.n_crystals,
                "k": paper.k,
                "k_how": paper.k_how,
                "agreement": paper.agreement.share,
            }
        answer |= {"warnings": list(decision.warnings), "folder": str(folder), "report": str(report)}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    typer.echo(f"{_counted(decision)}, confidence {decision.confidence}")
    typer.echo(f"reason: {decision.reason}")
    if paper is not None:
        typer.echo(f"the paper's procedure: {_counted(paper)}; {paper.agreement.share:.1%} of the probes as here")
    typer.echo(f"report: {report}")


def _counted(answer: Any) -> str:  # noqa: ANN401 - records bring numpy
    crystals = "1 crystal" if answer.n_crystals == 1 else f"{answer.n_crystals} crystals"
    components = "1 component" if answer.k == 1 else f"{answer.k} components"
    return f"{crystals} in {components} (k = {answer.k})"
