"""The command line: arguments in, exit code out; no science."""

import errno
import inspect
import json
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.main import get_command

from unmix4d import __version__
from unmix4d.config import Settings
from unmix4d.errors import ResourceError, Unmix4dError, Unmix4dWarning, UsageError

Progress = Callable[[str, float, float], None]
Command = TypeVar("Command", bound=Callable[..., None])

READING = ("scan_shape", "scan_step", "pattern_step", "voltage", "camera_length", "pixel", "dataset")
REPORT = "report.html"
INTERRUPTED = 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)

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
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(exit_code())


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments`` (default: those of the process) and give the exit code.

    Whatever goes wrong is said on stderr in one sentence; UNMIX4D_DEBUG=1 adds the traceback.
    """
    try:
        with _only_our_warnings():
            code = get_command(app).main(args=arguments, prog_name="unmix4d", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can turn it into a sentence
        if os.environ.get("UNMIX4D_DEBUG"):
            traceback.print_exc()
        code, sentence = _explain(error)
        typer.echo(sentence, err=True)
    if code == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> tuple[int, str]:
    """Give the exit code and the sentence for an exception."""
    if isinstance(error, Unmix4dError):
        return error.exit_code, f"error: {error}"
    if isinstance(error, MemoryError):
        return ResourceError.exit_code, "error: not enough memory: try --memory, --bin or --crop"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return (
            ResourceError.exit_code,
            f"error: the disk is full{_where(error)}: make room or choose another folder",
        )
    if isinstance(error, OSError) and error.errno in NOT_ALLOWED:
        return ResourceError.exit_code, f"error: no permission{_where(error)}: choose another folder"
    if hasattr(error, "format_message"):  # what typer raises for a mistake on the command line
        return UsageError.exit_code, f"error: {error.format_message().rstrip('.')} (see unmix4d --help)"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return 1, f"internal error: {what}; please report; run with UNMIX4D_DEBUG=1 for the traceback"


def _where(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""


@contextmanager
def _only_our_warnings() -> Iterator[None]:
    """Show each warning of ours once, as one line on stderr, and none of the libraries'."""
    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, Unmix4dWarning) and str(message) not in shown:
            shown.add(str(message))
            typer.echo(f"warning: {message}", err=True)

    if os.environ.get("UNMIX4D_DEBUG"):
        yield
        return
    silence = logging.NullHandler()  # what libraries log, Python would print where nobody listens
    logging.getLogger().addHandler(silence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=Unmix4dWarning)
            warnings.showwarning = show
            yield
    finally:
        logging.getLogger().removeHandler(silence)


def _api() -> Any:  # noqa: ANN401 - a module
    """Import what does the work: late, because ``--help`` must not pay for it."""
    from unmix4d import api

    return api


def _registry() -> Any:  # noqa: ANN401 - a module
    """Import the lists of what exists: late, because they bring numpy."""
    from unmix4d import registry

    return registry


# Settings as options ---------------------------------------------------------------------------------------------


def _with_settings(*names: str) -> Callable[[Command], Command]:
    """Give a command one option for each of these settings; they arrive as text, None where not given."""

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        with_options = signature.replace(parameters=[*own, *map(_option, names)])
        command.__signature__ = with_options  # type: ignore[attr-defined]
        return command

    return decorate


def _option(name: str) -> inspect.Parameter:
    """Describe one setting as an option of the command line."""
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=str(extra["form"]),
        help=f"{field.description}" + ("" if default is None else f" Default: {default}."),
        rich_help_panel=str(extra["panel"]),
    )
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[str | None, option])


def _given(options: Mapping[str, str | None]) -> dict[str, str]:
    """Give the options that were given."""
    return {name: text for name, text in options.items() if text is not None}


# Progress and answers --------------------------------------------------------------------------------------------


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """Report progress on stderr: bars with the time left on a terminal, one line for each stage elsewhere."""
    if quiet:
        yield lambda stage, done, total: None  # noqa: ARG005 - the shape of a Progress
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _lines()


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


def _print_mapping(values: Mapping[str, Any], *, as_json: bool) -> None:
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


def _print_answer(decision: Any, folder: Path, *, as_json: bool) -> None:  # noqa: ANN401 - records bring numpy
    """Say how many crystals there are and why, and where the report is."""
    report = folder / REPORT
    if as_json:
        names = ("n_crystals", "k", "k_low", "k_high", "confidence", "reason")
        answer = {name: getattr(decision, name) for name in names}
        answer |= {"warnings": list(decision.warnings), "folder": str(folder), "report": str(report)}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    crystals = "1 crystal" if decision.n_crystals == 1 else f"{decision.n_crystals} crystals"
    components = "1 component" if decision.k == 1 else f"{decision.k} components"
    typer.echo(f"{crystals} in {components} (k = {decision.k}), confidence {decision.confidence}")
    typer.echo(f"reason: {decision.reason}")
    typer.echo(f"report: {report}")


# Commands --------------------------------------------------------------------------------------------------------


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
@_with_settings(*Settings.model_fields)
def run(
    scan: ScanArgument,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write; default: SCAN's name-run.")
    ] = None,
    overwrite: OverwriteOption = False,
    config: Annotated[Path | None, typer.Option(help="Settings file, such as an earlier run.yaml.")] = None,
    json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, sizes in bytes, and stop.")] = False,
    quiet: QuietOption = False,
    **options: str | None,
) -> None:
    """Find the crystals of a scan, map them and their overlap, and write a report.

    Options given here go before those of --config.
    """
    settings = (Settings() if config is None else Settings.from_yaml(config)).updated(**_given(options))
    api = _api()
    if dry_run:
        _print_mapping(api.plan(scan, settings), as_json=json)
        return
    folder = Path(f"{scan.resolve().stem}-run") if out is None else out
    api.check_output(folder, overwrite=overwrite)  # before any work is done
    _analyse(scan, settings, folder, overwrite=overwrite, as_json=json, quiet=quiet)


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
    _analyse(api.make_demo_scan(seed), Settings(seed=seed), out, overwrite=overwrite, as_json=json, quiet=quiet)


def _analyse(
    source: Any,  # noqa: ANN401 - a path or a Scan
    settings: Settings,
    folder: Path,
    *,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do one run and write its folder."""
    with _progress(quiet=quiet) as progress:
        done = _api().unmix(source, settings, progress=progress)
        progress("write", 0, 1)
        done.save(folder, overwrite=overwrite)
        progress("write", 1, 1)
    _print_answer(done.decision, folder, as_json=as_json)


@app.command()
@_with_settings(*READING)
def info(scan: ScanArgument, *, json: JsonOption = False, **options: str | None) -> None:
    """Say what a file holds: shape, calibration, data type and what its metadata tell."""
    settings = Settings().updated(**_given(options))
    reading = {name: getattr(settings, name) for name in _given(options)}
    api = _api()
    _print_mapping(api.describe(api.open_scan(scan, **reading)), as_json=json)


@app.command()
def report(out: RunArgument) -> None:
    """Write report.html of a run folder again."""
    typer.echo(f"report: {_api().Run.load(out).report(out / REPORT)}")


@app.command()
def export(
    out: RunArgument,
    *,
    to: Annotated[str, typer.Option(metavar="hspy|tiff|csv", help="Format to write.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write into; default: the run folder.")
    ] = None,
) -> None:
    """Write the result of a run folder in a format of other programs."""
    exporter = _registry().load("exporters", to)()
    result = _api().Run.load(out).result
    folder = out if output is None else output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    exporter.write(result, folder)
    typer.echo(f"written into: {folder}")
