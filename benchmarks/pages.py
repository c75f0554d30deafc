"""Pages of the documentation whose tables are written by benchmarks."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NOTHING = "–"


def fill(page: Path, tables: Mapping[str, Callable[[], str]]) -> None:
    """Put every table between its markers."""
    text = page.read_text(encoding="utf-8")
    for name, make in tables.items():
        pattern = re.compile(rf"<!-- table: {name} -->\n.*?<!-- end -->", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{page} has no markers for the table {name}")
        filled = f"<!-- table: {name} -->\n{make()}\n<!-- end -->"
        text = pattern.sub(filled.replace("\\", r"\\"), text)
    part = page.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(page)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One number that the project promises: ``limit`` must be kept, ``goal`` is hoped for."""

    name: str
    value: float | None
    limit: float
    goal: float | None = None
    at_least: bool = False

    def verdict(self) -> str:
        """Say whether the limit and the goal are met."""
        if self.value is None:
            return "not measured"
        sign = -1 if self.at_least else 1
        if sign * self.value > sign * self.limit:
            return "NOT MET"
        if self.goal is None or sign * self.value > sign * self.goal:
            return "met"
        return "goal met"
