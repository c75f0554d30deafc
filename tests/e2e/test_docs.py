"""What the documentation tells readers to type works.

Blocks ``sh``, ``console`` and ``python`` of the tutorial run in one folder, top to bottom. A how-to goes on in
a copy of that folder, as its reader would. A block that needs what a test has not (a cluster, a browser) says so
above: ``<!-- not run: reason -->``.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.main import get_command

from unmix4d.cli.commands import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TUTORIAL = DOCS / "learn" / "tutorial.md"
RUN = [TUTORIAL, *sorted((DOCS / "howto").glob("*.md"))]
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BLOCK = re.compile(
    r"(?ms)(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<kind>[\w{}-]*)[^\n]*\n(?P<text>.*?)^```"
)
SHELL = {"sh", "console"}


class Block(NamedTuple):
    kind: str
    text: str
    reason: str | None


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    return [Block(m["kind"], m["text"], m["reason"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def script(block: Block) -> str:
    """Give what is typed; in ``console`` blocks that is what follows the prompt."""
    if block.kind != "console":
        return block.text
    return "\n".join(line[2:] for line in block.text.splitlines() if line.startswith("$ "))


def play(page: Path, folder: Path) -> None:
    """Run the blocks of a page in ``folder``, one after the other."""
    environment = {
        **os.environ,
        "MPLBACKEND": "agg",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for block in blocks(page):
        if block.reason is not None or block.kind not in {*SHELL, "python"}:
            continue
        command = [sys.executable, "-c"] if block.kind == "python" else ["bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [*command, script(block)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{name(page)}:\n{block.text}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def after_the_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial")
    play(TUTORIAL, folder)
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
    play(page, tmp_path / "work")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_shell_block_runs_or_says_why_not(page: Path) -> None:
    silent = [b.text for b in blocks(page) if b.kind in SHELL and b.reason is None and "unmix4d" in b.text]
    assert page in RUN or not silent


def commands(page: Path) -> Iterator[list[str]]:
    """Give every command line of ours in a code block, as words."""
    for block in blocks(page):
        if block.kind not in {*SHELL, ""}:
            continue
        for line in block.text.splitlines():
            typed = line.removeprefix("$ ")
            if typed.startswith("unmix4d "):
                yield shlex.split(re.sub(r"\s{2,}.*", "", typed))  # what follows two spaces is a remark


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_options_exist(page: Path) -> None:
    known = get_command(app).commands
    for _, command, *words in commands(page):
        if command.startswith("--"):
            continue
        assert command in known, f"{name(page)}: unmix4d {command}"
        options = {option for parameter in known[command].params for option in parameter.opts} | {"--help"}
        unknown = {word.partition("=")[0] for word in words if word.startswith("-")} - options
        assert not unknown, f"{name(page)}: unmix4d {command} {unknown}"
