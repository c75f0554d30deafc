"""Nothing grows too long: functions, files and lists of arguments; and no module is a drawer for everything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "unmix4d").rglob("*.py"))
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 400
MOST_ARGUMENTS = 8
DRAWERS = {"utils", "util", "helpers", "common", "misc", "tools"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def n_lines(function: Function) -> int:
    """Lines from ``def`` to the end, without the docstring: prose is welcome."""
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        total -= first.end_lineno - first.lineno + 1
    return total


def n_arguments(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short_and_take_few_arguments(path: Path) -> None:
    for function in functions(path):
        assert n_lines(function) <= MOST_LINES_OF_A_FUNCTION, function.name
        assert n_arguments(function) <= MOST_ARGUMENTS, function.name


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE


def test_no_module_is_a_drawer() -> None:
    names = {part for path in SOURCES for part in path.relative_to(ROOT / "src").with_suffix("").parts}
    assert {"unmix4d", "records", "cli"} <= names
    assert not names & DRAWERS
