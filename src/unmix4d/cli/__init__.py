"""The command line: arguments in, exit code out; no science."""

import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.main import get_command

from unmix4d.cli import comparing, converting, filters  # noqa: F401 - add their commands
from unmix4d.cli.commands import app
from unmix4d.cli.leaving import INTERRUPTED, explain, interrupts, only_our_warnings

__all__ = ["exit_code", "main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    interrupts.catch()
    sys.exit(exit_code())


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments`` (default: those of the process) and give the exit code.

    Whatever goes wrong is said on stderr in one sentence; UNMIX4D_DEBUG=1 adds the traceback.
    """
    try:
        with only_our_warnings():
            code = get_command(app).main(args=arguments, prog_name="unmix4d", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can turn it into a sentence
        if os.environ.get("UNMIX4D_DEBUG"):
            traceback.print_exc()
        code, sentence = explain(error)
        typer.echo(sentence, err=True)
    if code == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return code if isinstance(code, int) else 0
