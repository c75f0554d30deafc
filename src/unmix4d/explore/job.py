"""A run that the page of a scan has started: a process of its own, what it tells, and its end."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any, Literal

from unmix4d.config import Settings
from unmix4d.errors import Unmix4dError, UsageError

State = Literal["none", "running", "stopping", "finished", "failed", "interrupted"]

CHILD = "unmix4d.cli.child"
FORM = ("filter", "k", "k_max")
"""Settings that the page may choose."""

SAID = ("error: ", "internal error: ", "warning: ")
UNFINISHED = ".unfinished"
LONGEST_NAME = 100
MOST_WORDS = 50
RESUMABLE, INTERRUPTED = 5, 130
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the page asks for.

    Attributes
    ----------
    name : str
        Of the folder to write.
    settings : mapping
        Of those in `FORM`.
    overwrite, anew : bool
        Replace an earlier run of that name; leave what an interrupted one has kept.
    """

    name: str
    settings: Mapping[str, str]
    overwrite: bool = False
    anew: bool = False

    @classmethod
    def of(cls, told: object) -> "Wish":
        """Check what a page has sent.

        Raises
        ------
        UsageError
            If it is nothing that the form sends, or a setting does not exist.
        """
        if not isinstance(told, dict) or not isinstance(told.get("name"), str):
            raise UsageError("a run needs the name of a folder to write, and settings")
        more = sorted(set(told) - {"name", "overwrite", "anew", *FORM})
        if more:
            raise UsageError(f"{more[0]!r} cannot be chosen here; use unmix4d run")
        settings = {name: str(told[name]) for name in FORM if name in told}
        Settings().updated(**settings)
        return cls(
            name=told["name"],
            settings=settings,
            overwrite=told.get("overwrite") is True,
            anew=told.get("anew") is True,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """Runs of one scan, one at a time, each into a folder directly below ``parent``.

    Attributes
    ----------
    scan, parent : Path
    reading : mapping
        Options that the scan was opened with.
    open_run : callable
        Is handed the folder of a finished run.
    """

    scan: Path
    parent: Path
    reading: Mapping[str, str]
    open_run: Callable[[Path], None]
    lock: Lock = field(default_factory=Lock)
    process: "subprocess.Popen[str] | None" = None
    state: State = "none"
    folder: Path | None = None
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    answer: dict[str, Any] | None = None

    def told(self) -> dict[str, Any]:
        """Say how it stands, as JSON."""
        with self.lock:
            return {
                "state": self.state,
                "folder": None if self.folder is None else self.folder.name,
                "stages": [
                    {"stage": stage, "done": done, "total": total} for stage, (done, total) in self.stages.items()
                ],
                "words": list(self.words),
                "answer": self.answer,
            }

    def kept(self, name: str) -> bool:
        """Tell whether an interrupted run of this name has kept its finished steps."""
        try:
            folder = self._folder(name)
        except UsageError:  # also while it is being typed
            return False
        return (folder.with_name(f"{name}{UNFINISHED}") / "source.json").is_file()

    def start(self, wish: Wish) -> None:
        """Begin a run, or go on with an interrupted one.

        Raises
        ------
        UsageError
            If the name is not that of a folder directly below the parent, or a run is going on.
        """
        folder = self._folder(wish.name)
        resume = self.kept(wish.name) and not wish.anew
        where = ["--resume", str(folder)] if resume else ["--out", str(folder)]
        options = {**self.reading, **wish.settings}
        given = [part for name, text in options.items() for part in (f"--{name.replace('_', '-')}={text}",)]
        command = [sys.executable, "-m", CHILD, "run", *where, *given, "--json", *["--overwrite"] * wish.overwrite]
        with self.lock:
            if self.process is not None:
                raise UsageError("a run is going on: cancel it, or wait for its end")
            pipe = subprocess.PIPE
            # In a session of its own, Ctrl-C in the terminal reaches this server alone, which ends it in order.
            self.process = subprocess.Popen(  # noqa: S603 - our own program, and options that were checked
                [*command, "--", str(self.scan)],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                text=True,
                start_new_session=True,
            )
            self.state, self.folder, self.stages, self.words, self.answer = "running", folder, {}, [], None
            if resume:
                self.words.append("Goes on from the steps that are kept.")
        Thread(target=self._follow, args=(self.process, folder), daemon=True).start()

    def cancel(self) -> None:
        """Interrupt the run as Ctrl-C does."""
        with self.lock:
            if self.process is not None:
                self.process.send_signal(signal.SIGINT)
                self.state = "stopping"

    def end(self) -> None:
        """End what goes on; wait a while for it to leave its steps in order."""
        process = self.process
        if process is None:
            return
        self.cancel()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()

    def _folder(self, name: str) -> Path:
        """Give the place of a folder of this name.

        Raises
        ------
        UsageError
            If it would not lie directly below the parent.
        """
        plain = name.isprintable() and name.strip() == name and 0 < len(name) <= LONGEST_NAME
        if not plain or name[0] in ".-" or set(name) & set('/\\:*?"<>|') or name.endswith(UNFINISHED):
            raise UsageError(f"{name[:LONGEST_NAME]!r} is no name of a new folder: give letters, digits, - and _")
        parent = self.parent.resolve()
        if (parent / name).resolve() != parent / name:
            raise UsageError(f"{name} leads out of the folder that runs are written into: choose another name")
        return parent / name

    def _follow(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        """Take down what a run tells until it ends."""
        assert process.stdout is not None
        assert process.stderr is not None
        answers: list[str] = []
        reader = Thread(target=lambda out: answers.append(out.read()), args=(process.stdout,), daemon=True)
        reader.start()
        self._listen(process.stderr)
        reader.join()
        code = process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        state, words, answer = self._ended(code, folder, "".join(answers))
        with self.lock:
            self.state, self.answer = state, answer
            if words:
                self.words.append(words)
            self.process = None

    def _listen(self, stderr: IO[str]) -> None:
        for line in stderr:
            told = _progress(line)
            with self.lock:
                if told is not None:
                    self.stages[told[0]] = told[1:]
                elif line.startswith(SAID):
                    del self.words[: -MOST_WORDS + 1]
                    self.words.append(line.strip())

    def _ended(self, code: int, folder: Path, answer: str) -> tuple[State, str, dict[str, Any] | None]:
        """Say how a run has ended, in a word and a sentence."""
        if code == 0:
            try:
                self.open_run(folder)
                return "finished", "", json.loads(answer)
            except (Unmix4dError, OSError, ValueError) as error:
                return "failed", f"error: the run has finished and cannot be shown: {error}", None
        if code == RESUMABLE:
            return "interrupted", "The finished steps are kept: Start goes on from them.", None
        if code in {INTERRUPTED, -signal.SIGINT}:  # the second one before it listened
            return "interrupted", "Nothing was finished that could be kept.", None
        if code < 0:
            return (
                "failed",
                f"error: the run was ended by the system (signal {-code}): is there enough memory?",
                None,
            )
        return "failed", "" if self.words else f"error: the run failed with exit code {code}", None


def _progress(line: str) -> tuple[str, float, float] | None:
    """Read one line of progress; None for anything else."""
    if not line.startswith('{"stage"'):
        return None
    told = json.loads(line)
    return str(told["stage"]), float(told["done"]), float(told["total"])
