"""The command line for a program that started it: progress as JSON, and an end when that program ends.

``python -m unmix4d.cli.child run SCAN …`` with a pipe as its standard input: whoever holds the other end may close
it, or vanish, and the command is interrupted as by Ctrl-C. On stderr stand one JSON object for each step of the
progress, ``{"stage": …, "done": …, "total": …}``, and sentences.
"""

import os
import signal
import sys
from threading import Thread

from unmix4d.cli import main
from unmix4d.cli.answers import PROGRESS


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # a buffered read would hold a lock that the end of the process needs
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    os.environ[PROGRESS] = "json"
    Thread(target=_end_with_parent, daemon=True).start()
    main()
