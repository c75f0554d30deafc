"""What the documentation tells readers to type works.

Blocks ``sh``, ``console`` and ``python`` of every page are run: those of the tutorial in one folder, top to bottom;
those of any other page in a copy of that folder, as its reader would go on. Where there are placeholders, each
line is run by itself. A block that needs what a test has not (a cluster, hours) says so above:
``<!-- not run: reason -->``; its commands are parsed all the same, and so is what stands in the text.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from unmix4d.cli.commands import app
from unmix4d.config import Settings
from unmix4d.filter_study.settings import StudySettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TUTORIAL = DOCS / "learn" / "tutorial.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BLOCK = re.compile(
    r"(?ms)(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<kind>[\w{}-]*)[^\n]*\n(?P<text>.*?)^```"
)
INLINE = re.compile(r"`([^`\n]+)`")
SHELL = {"sh", "console"}
TYPED = re.compile(r"(\$ )?(unmix4d|make|pip|dask|python) ")
PYTHON_ELSEWHERE = {"README.md": "test_readme.py", "docs/extending.md": "test_plugin_package.py"}
PLACEHOLDER = re.compile(r"\b(SCAN|OUT|RUN1|RUN2)\b")
STANDS_FOR = {"-o OUT": "-o new", "--resume OUT": "--resume begun", "SCAN": "small.npy"} | {
    "OUT": "first",
    "RUN1": "first",
    "RUN2": "second",
}
OF_OTHERS = {"--memory-limit", "--nthreads", "--scheduler-file", "--nodes", "--list", "--again", "--print-width"}
"""Options of dask, SLURM, the benchmarks and a formatter that pages name."""

PREPARE = """
import numpy as np
import unmix4d

np.save("small.npy", np.load("scan.npy")[8:28, 8:32, 8:40, 8:40])
unmix4d.unmix("small.npy", k_max=4, checkpoint="begun.unfinished")
for name in ("one.blo", "two.blo"):
    unmix4d.convert("small.npy", name)
"""


class Block(NamedTuple):
    kind: str
    text: str
    reason: str | None


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    return [Block(m["kind"], m["text"], m["reason"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def to_run(page: Path) -> list[Block]:
    kinds = SHELL if name(page) in PYTHON_ELSEWHERE else {*SHELL, "python"}
    return [block for block in blocks(page) if block.reason is None and block.kind in kinds]


RUN = [page for page in PAGES if to_run(page)]


def script(block: Block) -> str:
    """Give what is typed; in ``console`` blocks that is what follows the prompt."""
    if block.kind != "console":
        return block.text
    return "\n".join(line[2:] for line in block.text.splitlines() if line.startswith("$ "))


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "MPLBACKEND": "agg", "PATH": path}


def play(page: Path, folder: Path, scratch: Path) -> None:
    """Run the blocks of a page in ``folder``, one after the other; with placeholders, each line in a copy of it."""
    for block in to_run(page):
        typed = script(block)
        if block.kind not in SHELL or not PLACEHOLDER.search(typed):
            start(page, typed, folder, python=block.kind == "python")
            continue
        for line in typed.splitlines():
            copy = Path(shutil.copytree(folder, scratch / "copy"))
            start(page, filled(line), copy)
            shutil.rmtree(copy)


def filled(line: str) -> str:
    for placeholder, stands_for in STANDS_FOR.items():
        line = re.sub(rf"(?<!\w){placeholder}\b", stands_for, line)
    return line


def start(page: Path, typed: str, folder: Path, *, python: bool = False) -> None:
    """Run one script; what serves until it is stopped is stopped when it has said where."""
    serves = typed.startswith("unmix4d explore")
    command = [sys.executable, "-c"] if python else ["bash", "-euo", "pipefail", "-c"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, f"exec {typed.partition('#')[0].strip()} --no-browser" if serves else typed],
        cwd=folder,
        env=environment(),
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        if serves:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("explorer: http://127.0.0.1:"), f"{name(page)}: {typed}"
            process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, f"{name(page)}:\n{typed}\n{said}\n{errors}"


@pytest.fixture(scope="module")
def after_the_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial")
    play(TUTORIAL, folder, folder)
    subprocess.run([sys.executable, "-c", PREPARE], cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("page", RUN, ids=name)
def test_what_a_page_says_can_be_typed(page: Path, after_the_tutorial: Path, tmp_path: Path) -> None:
    if page == TUTORIAL:
        assert (after_the_tutorial / "mine.png").stat().st_size > 0
        assert (after_the_tutorial / "second" / "report.html").is_file()
        return
    shutil.copytree(after_the_tutorial, tmp_path / "work")
    play(page, tmp_path / "work", tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_typed_is_marked_as_such(page: Path) -> None:
    unmarked = [block.text for block in blocks(page) if not block.kind]
    assert not [line for text in unmarked for line in text.splitlines() if TYPED.match(line)]


def commands(page: Path) -> Iterator[list[str]]:
    """Give every command line of ours in a code block, as words."""
    for block in blocks(page):
        for line in script(block).splitlines() if block.kind in SHELL else ():
            if line.startswith("unmix4d "):
                yield shlex.split(line, comments=True)[1:]


def in_text(page: Path) -> Iterator[list[str]]:
    """Give commands and options of ours that stand in the text, as words."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8")).replace("\\|", "|")
    for code in INLINE.findall(text):
        if code.startswith(("unmix4d ", "--")):
            yield code.removeprefix("unmix4d ").split()


KNOWN: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]


def options_of(*names: str) -> set[str]:
    found = {option for name in names for parameter in KNOWN[name].params for option in parameter.opts}
    return found | {"--help", "--version", "--install-completion", "--show-completion"}


def check(page: Path, words: list[str]) -> None:
    """Make sure that the command, its options and those of their values that are no placeholders exist."""
    command = words[0] if not words[0].startswith("-") else None
    assert command is None or command in KNOWN, f"{name(page)}: unmix4d {command}"
    known = options_of(*KNOWN) | OF_OTHERS if command is None else options_of(command)
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if not word.startswith("-"):
            continue
        assert word.partition("=")[0] in known, f"{name(page)}: {' '.join(words)}"
        setting = word.removeprefix("--").replace("-", "_")
        if setting not in StudySettings.model_fields or value.startswith("-"):
            continue
        kind = Settings if setting in Settings.model_fields else StudySettings
        for one in value.split("|"):
            if one and not re.search(r"[A-Z$…]", one):
                kind(**{setting: one})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_options_and_values_exist(page: Path) -> None:
    for words in (*commands(page), *in_text(page)):
        check(page, words)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_complete(page: Path) -> None:
    for command, *words in commands(page):
        if command in KNOWN:
            KNOWN[command].make_context(command, words)  # raises what the reader would be told


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_make_is_told_exists(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    typed = [line for block in blocks(page) if block.kind in SHELL for line in script(block).splitlines()]
    told = [*typed, *INLINE.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))]
    unknown = {m[1] for m in (re.match(r"make ([a-z][a-z-]*)", line) for line in told) if m} - targets
    assert not unknown
