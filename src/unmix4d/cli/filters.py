"""The command that compares filters."""

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer

from unmix4d.cli.answers import Progress, print_plan
from unmix4d.cli.commands import JsonOption, OverwriteOption, QuietOption, app
from unmix4d.cli.options import given, with_settings
from unmix4d.cli.work import Output, analyse
from unmix4d.errors import UsageError
from unmix4d.filter_study.settings import OF_EACH_RUN, StudySettings

PAGE = "compare.html"
OWN = ("filters", "reference")
OPTIONS = (*OWN, *(name for name in StudySettings.model_fields if name not in {*OWN, *OF_EACH_RUN}))


def _comparing() -> Any:  # noqa: ANN401 - a module
    """Import what does the work: late, because ``--help`` must not pay for it."""
    from unmix4d import comparing

    return comparing


def _unfinished(out: Path) -> Any:  # noqa: ANN401 - brings numpy
    from unmix4d.checkpoint import unfinished

    return unfinished(out)


@app.command("compare-filters")
@with_settings(*OPTIONS, of=StudySettings)
def compare_filters(
    scan: Annotated[
        Path | None, typer.Argument(metavar="SCAN", help="File or folder of frames to read; not with --resume.")
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write; default: SCAN's name-filters.")
    ] = None,
    overwrite: OverwriteOption = False,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="OUT", help="Finish the comparison that was to write this folder."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file, such as an earlier compare.yaml.")] = None,
    json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, sizes and time, and stop.")] = False,
    quiet: QuietOption = False,
    **options: str | list[str] | None,
) -> None:
    """Run a scan with several filters, show side by side what they change, and recommend one.

    The run of each filter is a folder of its own in OUT, as `run` writes it. Options given here go before those of
    --config.
    """
    named = None if config is None else StudySettings.from_yaml(config)
    wanted = {} if named is None else {name: getattr(named, name) for name in named.model_fields_set}
    wanted |= given(options)
    if resume is not None and out is not None:
        raise UsageError("--resume OUT names the folder to write: leave --out out")
    if resume is None and scan is None:
        raise UsageError("missing argument SCAN: give a file or folder to run on, or --resume OUT")
    folder = resume or out or Path(f"{scan.resolve().stem}-filters" if scan else "")
    output = Output(folder=folder, overwrite=overwrite, as_json=json, quiet=quiet, command="compare-filters")
    begin = _new if resume is None else _resumed
    begin(scan, wanted, output, dry_run=dry_run)


def _new(scan: Path | None, wanted: dict[str, Any], output: Output, *, dry_run: bool) -> None:
    """Compare from the beginning."""
    settings = StudySettings().updated(**wanted)
    comparing = _comparing()
    if dry_run:
        print_plan(comparing.plan(scan, settings), as_json=output.as_json)
        return
    comparing.check_output(output.folder, overwrite=output.overwrite)  # before any work is done
    kept = _unfinished(output.folder)

    def work(progress: Progress) -> Any:  # noqa: ANN401 - records bring numpy
        return comparing.compare_filters(scan, settings, progress=progress, checkpoint=kept.folder)

    analyse(work, output, kept=kept, say=_say)


def _resumed(scan: Path | None, wanted: dict[str, Any], output: Output, *, dry_run: bool) -> None:
    """Finish an interrupted comparison."""
    comparing = _comparing()
    kept = _unfinished(output.folder)
    source, settings = kept.source(), comparing.kept_settings(kept, **wanted)  # before any work is done
    if dry_run:
        print_plan(comparing.plan(scan or source, settings), as_json=output.as_json)
        return
    comparing.check_output(output.folder, overwrite=output.overwrite)

    def work(progress: Progress) -> Any:  # noqa: ANN401 - records bring numpy
        return comparing.resume(kept.folder, scan, progress=progress, **wanted)

    analyse(work, output, kept=kept, say=_say)


def _say(study: Any, output: Output) -> None:  # noqa: ANN401 - records bring numpy
    """Say what every filter finds, which is recommended and why, and where the page is."""
    comparison, page = study.comparison, output.folder / PAGE
    advice = comparison.advice
    if output.as_json:
        names = ("n_crystals", "k", "k_low", "k_high", "confidence", "reason")
        found = {
            answer.name: {name: getattr(answer.decision, name) for name in names}
            | {"folder": str(output.folder / answer.name)}
            for answer in comparison.answers
        }
        told = {
            "recommended": advice.name,
            "reason": advice.reason,
            "others": dict(advice.others),
            "rule": advice.rule,
        }
        places = {"refused": dict(comparison.refused), "folder": str(output.folder), "page": str(page)}
        typer.echo(jsons.dumps({**told, "filters": found, **places}, ensure_ascii=False))
        return
    width = max(map(len, (*comparison.names, *comparison.refused)))
    for answer in comparison.answers:
        decision = answer.decision
        crystals = "1 crystal" if decision.n_crystals == 1 else f"{decision.n_crystals} crystals"
        typer.echo(f"{answer.name:<{width}}  {crystals}, k = {decision.k}, confidence {decision.confidence}")
    for name, words in comparison.refused.items():
        typer.echo(f"{name:<{width}}  cannot be used: {words}")
    typer.echo(f"recommended: {advice.name}: {advice.reason}")
    for name, words in advice.others.items():
        typer.echo(f"  not {name}: {words}")
    typer.echo(f"page: {page}")
