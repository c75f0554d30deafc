"""What is said when something goes wrong: an exception as a sentence and an exit code, warnings as lines."""

import errno
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from unmix4d.errors import ResourceError, ResumableInterrupt, Unmix4dError, Unmix4dWarning, UsageError

INTERRUPTED = 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: Exception) -> tuple[int, str]:
    """Give the exit code and the sentence for an exception."""
    if isinstance(error, ResumableInterrupt):
        return error.exit_code, str(error)
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


class Interrupts:
    """SIGINT and SIGTERM, which a batch system sends to end a job: both as KeyboardInterrupt, and none is lost.

    An exception that is raised while a library calls back from compiled code is dropped there; ``check`` raises it
    again at the next step.
    """

    def __init__(self) -> None:
        self.came = False

    def catch(self) -> None:
        """Listen from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came."""
        if self.came:
            raise KeyboardInterrupt

    def _note(self, _number: int, _frame: object) -> None:
        self.came = True
        raise KeyboardInterrupt


interrupts = Interrupts()


@contextmanager
def only_our_warnings() -> Iterator[None]:
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
