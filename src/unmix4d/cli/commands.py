"""The commands: what each one takes, and what it does with it."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from unmix4d import __version__
from unmix4d.cli.answers import REPORT, Progress, print_answer, print_mapping, print_plan
from unmix4d.cli.options import given, with_settings
from unmix4d.cli.work import Output, analyse
from unmix4d.config import Settings
from unmix4d.errors import UsageError

READING = ("scan_shape", "scan_step", "pattern_step", "voltage", "camera_length", "pixel", "dataset")

app = typer.Typer(
    name="unmix4d",
    help="How many crystals a 4D-STEM scan holds, where they are and where they overlap.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

ScanArgument = Annotated[Path, typer.Argument(metavar="SCAN", help="File or folder of frames to read.")]
RunArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that a run has written.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in that folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
EditsOption = Annotated[
    Path | None,
    typer.Option("--edits", metavar="FILE", help="Edits by hand to follow; default: edits.yaml of OUT."),
]
NoEditsOption = Annotated[bool, typer.Option("--no-edits", help="Show the run as it was found, without edits.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def _api() -> Any:  # noqa: ANN401 - a module
    """Import what does the work: late, because ``--help`` must not pay for it."""
    from unmix4d import api

    return api


def _registry() -> Any:  # noqa: ANN401 - a module
    """Import the lists of what exists: late, because they bring numpy."""
    from unmix4d import registry

    return registry


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's call
    if wanted:
        typer.echo(f"unmix4d {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - acts through its callback
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


@app.command()
@with_settings(*Settings.model_fields)
def run(
    scans: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCAN...", help="File or folder of frames to read, or several; not with --resume."),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write; default: SCAN's name-run. Of several scans: for all."),
    ] = None,
    overwrite: OverwriteOption = False,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="OUT", help="Finish the interrupted run that was to write this folder."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file, such as an earlier run.yaml.")] = None,
    json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, sizes and time, and stop.")] = False,
    quiet: QuietOption = False,
    **options: str | list[str] | None,
) -> None:
    """Find the crystals of a scan, map them and their overlap, and write a report.

    Options given here go before those of --config. Several scans share one table, OUT/scans.csv.
    """
    named = None if config is None else Settings.from_yaml(config)
    wanted = {} if named is None else {name: getattr(named, name) for name in named.model_fields_set}
    wanted |= given(options)
    scan = scans[0] if scans else None
    if scans and len(scans) > 1:
        folder_of_all = out if resume is None and not dry_run else None
        _several(scans, wanted, folder_of_all, overwrite=overwrite, as_json=json, quiet=quiet)
    if resume is not None and out is not None:
        raise UsageError("--resume OUT names the folder to write: leave --out out")
    if resume is None and scan is None:
        raise UsageError("missing argument SCAN: give a file or folder to run on, or --resume OUT")
    folder = resume or out or Path(f"{scan.resolve().stem}-run" if scan else "")
    output = Output(folder=folder, overwrite=overwrite, as_json=json, quiet=quiet)
    begin = _new if resume is None else _resumed
    begin(scan, wanted, output, dry_run=dry_run)


def _several(
    scans: list[Path], wanted: dict[str, Any], out: Path | None, *, overwrite: bool, as_json: bool, quiet: bool
) -> None:
    """Run on several scans, and leave with the exit code of them all."""
    from unmix4d.cli.batch import run_all

    if out is None:
        raise UsageError("several scans need -o OUT, a folder for all of their runs, and no --resume or --dry-run")
    raise typer.Exit(run_all(scans, wanted, out, overwrite=overwrite, as_json=as_json, quiet=quiet))


def _new(scan: Path | None, wanted: dict[str, Any], output: Output, *, dry_run: bool) -> None:
    """Do a run from its beginning."""
    settings = Settings().updated(**wanted)
    api = _api()
    if dry_run:
        print_plan(api.plan(scan, settings), as_json=output.as_json)
        return
    api.check_output(output.folder, overwrite=output.overwrite)  # before any work is done
    kept = api.unfinished(output.folder)

    def work(progress: Progress) -> Any:  # noqa: ANN401 - records bring numpy
        return api.unmix(scan, settings, progress=progress, checkpoint=kept.folder)

    analyse(work, output, kept=kept, say=_say)


def _resumed(scan: Path | None, wanted: dict[str, Any], output: Output, *, dry_run: bool) -> None:
    """Finish an interrupted run."""
    api = _api()
    kept = api.unfinished(output.folder)
    source, settings = kept.source(), kept.settings(**wanted)  # before any work is done
    if dry_run:
        print_plan(api.plan(scan or source, settings), as_json=output.as_json)
        return
    api.check_output(output.folder, overwrite=output.overwrite)

    def work(progress: Progress) -> Any:  # noqa: ANN401 - records bring numpy
        return api.Run.resume(kept.folder, scan, progress=progress, **wanted)

    analyse(work, output, kept=kept, say=_say)


@app.command()
def demo(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("demo-run"),
    overwrite: OverwriteOption = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the phantom and of the run.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the whole analysis on a built-in phantom, a made scan with known crystals."""
    api = _api()
    api.check_output(out, overwrite=overwrite)  # before any work is done
    output = Output(folder=out, overwrite=overwrite, as_json=json, quiet=quiet)
    analyse(
        lambda progress: api.unmix(api.make_demo_scan(seed), Settings(seed=seed), progress=progress),
        output,
        say=_say,
    )


def _say(done: Any, output: Output) -> None:  # noqa: ANN401 - records bring numpy
    print_answer(done, output.folder, as_json=output.as_json)


@app.command()
@with_settings(*READING)
def info(scan: ScanArgument, *, json: JsonOption = False, **options: str | None) -> None:
    """Say what a file holds: shape, calibration, data type and what its metadata tell."""
    settings = Settings().updated(**given(options))
    reading = {name: getattr(settings, name) for name in given(options)}
    api = _api()
    print_mapping(api.describe(api.open_scan(scan, **reading)), as_json=json)


@app.command()
def report(out: RunArgument, *, edits: EditsOption = None, no_edits: NoEditsOption = False) -> None:
    """Write report.html and the figures of a run folder again, as edits.yaml in it leaves them."""
    run = _edited(out, edits, no_edits=no_edits)
    run.figures(out / "figures")
    typer.echo(f"report: {run.report(out / REPORT)}")


def _edited(out: Path, edits: Path | None, *, no_edits: bool) -> Any:  # noqa: ANN401 - records bring numpy
    """Load a run with its edits."""
    if no_edits and edits is not None:
        raise UsageError("--edits and --no-edits exclude each other: give one of them")
    run = _api().Run.load(out)
    return run if no_edits else run.edited(edits)


@app.command()
@with_settings(*READING)
def explore(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Folder that a run has written, or a scan: a file or folder of frames."
        ),
    ],
    *,
    scan: Annotated[
        Path | None, typer.Option(metavar="SCAN", help="The scan of the run, if it is not where it was.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where runs of a scan are written; default: beside it.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 = any that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
    **options: str | None,
) -> None:
    """Look at a run and its scan in the browser, or at a scan alone and run on it from there."""
    from unmix4d.explore.opening import open_path

    routes = open_path(path, scan, runs=runs, options=given(options))
    from unmix4d.explore.serve import serve  # needs an extra, which was looked for

    def announce(address: str) -> None:
        typer.echo(f"explorer: {address}  (stop with Ctrl-C)")

    with suppress(KeyboardInterrupt):
        serve(routes, port=port, browser=not no_browser, announce=announce)


@app.command()
def export(
    out: RunArgument,
    *,
    to: Annotated[str, typer.Option(metavar="hspy|tiff|csv", help="Format to write.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write into; default: the run folder.")
    ] = None,
    edits: EditsOption = None,
    no_edits: NoEditsOption = False,
) -> None:
    """Write the result of a run folder in a format of other programs, as edits.yaml in it leaves it."""
    exporter = _registry().load("exporters", to)()
    result = _edited(out, edits, no_edits=no_edits).result
    folder = out if output is None else output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    exporter.write(result, folder)
    typer.echo(f"written into: {folder}")
