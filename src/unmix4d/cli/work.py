"""Doing one piece of work that writes a folder: progress, interrupts, and what is said at the end."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from unmix4d.cli.answers import Progress, show_progress
from unmix4d.cli.leaving import interrupts
from unmix4d.errors import InputError, ResumableInterrupt, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the work is written, how it is told, and which command does it."""

    folder: Path
    overwrite: bool
    as_json: bool
    quiet: bool
    command: str = "run"

    def how_to_go_on(self) -> str:
        """Give the command that resumes the work."""
        again = f"unmix4d {self.command} --resume {shlex.quote(str(self.folder))}"
        return f"go on with: {again}{' --overwrite' * self.overwrite}"


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Progress]:
    """Show progress, and end the work at its next step after an interrupt."""
    with show_progress(quiet=quiet) as show:

        def progress(stage: str, done: float, total: float) -> None:
            interrupts.check()
            show(stage, done, total)

        yield progress


def analyse(
    work: Callable[[Progress], Any],
    output: Output,
    *,
    say: Callable[[Any, Output], None],
    kept: Any = None,  # noqa: ANN401 - records bring numpy
) -> None:
    """Do the work, write its folder and ``say`` what came out; ``kept`` is the Checkpoint of its finished steps."""
    try:
        with progress_shown(quiet=output.quiet) as progress:
            done = work(progress)
            with nullcontext() if kept is None else kept.working():
                progress("write", 0, 1)
                done.save(output.folder, overwrite=output.overwrite)
                progress("write", 1, 1)
    except KeyboardInterrupt:
        if kept is not None and kept.steps():
            raise ResumableInterrupt(f"interrupted; {output.how_to_go_on()}") from None
        raise
    except Exception as error:
        if kept is not None and kept.steps() and not isinstance(error, (UsageError, InputError)):
            typer.echo(f"finished steps are kept; {output.how_to_go_on()}", err=True)
        raise
    if kept is not None:
        kept.remove()
    say(done, output)
