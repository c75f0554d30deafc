"""What the documentation points at exists, and what exists is documented."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmix4d import registry
from unmix4d.config import Settings
from unmix4d.report.figures import FIGURES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
STAGES = ("read", "prepare", "factorize", "decide", "resolve", "maps", "compare", "report", "execute")
LINK = re.compile(r"\]\(([^)#\s]+)")
CODE = re.compile(r"```.*?```", flags=re.DOTALL)


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(text) if "://" not in link]
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_on_the_page_of_a_stage(name: str) -> None:
    pages = "".join(page(stage) for stage in STAGES)
    assert f"`--{name.replace('_', '-')}" in pages


@pytest.mark.parametrize(("group", "stage"), [("filters", "prepare"), ("solvers", "factorize")])
def test_every_built_in_is_on_the_page_of_its_stage(group: str, stage: str) -> None:
    missing = [name for name in registry.BUILT_IN[group] if f"`{name}`" not in page(stage)]
    assert not missing


def public(name: str) -> set[str]:
    """Full names of what a module offers."""
    module = import_module(name)
    own = [one for one, value in vars(module).items() if getattr(value, "__module__", None) == name]
    names = getattr(module, "__all__", [one for one in own if not one.startswith("_")])
    return {f"{name}.{one}" for one in names if not one.startswith("__")}


def in_the_reference() -> set[str]:
    """Full names of what the reference describes, by its directives."""
    found: set[str] = set()
    module = ""
    for path in sorted((ROOT / "docs" / "reference").glob("*.md")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, below in zip(lines, [*lines[1:], ""], strict=True):
            if match := re.match(r"\.\. (currentmodule|automodule|autofunction|autoclass):: ([\w.]+)", line):
                what, name = match.groups()
                if what == "currentmodule":
                    module = name
                elif what == "automodule":
                    some = below.removeprefix("   :members:").replace(",", " ").split()
                    found |= {f"{name}.{one}" for one in some} or public(name)
                else:
                    found.add(f"{module}.{name}")
    return found


def test_sections_of_the_method_that_docstrings_name_exist() -> None:
    headings = set(re.findall(r"(?m)^#{2,3} (\d+(?:\.\d+)?)", page("learn/method")))
    named: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        named |= set(re.findall(r"[Mm]ethod,? (?:section )?(\d+(?:\.\d+)?)", path.read_text(encoding="utf-8")))
    assert named
    assert not named - headings


def test_every_formula_of_the_method_has_its_source_and_departure() -> None:
    sections = re.split(r"(?m)^#{2,3} ", page("learn/method"))
    with_formula = [section for section in sections[1:] if re.search(r"\$[^$]*=[^$]*\$", section)]
    assert len(with_formula) >= len(re.findall(r"(?m)^## ", page("learn/method"))) - 1
    for section in with_formula:
        assert "*Source:*" in section, section.splitlines()[0]
        assert "*Departs:*" in section, section.splitlines()[0]


PROTOCOLS = [name for name, value in vars(registry).items() if getattr(value, "_is_protocol", False)]


@pytest.mark.parametrize("name", ["unmix4d", "unmix4d.testing", "unmix4d.records", "unmix4d.errors"])
def test_everything_public_is_in_the_reference(name: str) -> None:
    assert public(name)
    assert not public(name) - in_the_reference()


def test_every_protocol_is_in_the_reference() -> None:
    assert len(PROTOCOLS) >= len(registry.BUILT_IN)
    assert not {f"unmix4d.registry.{one}" for one in PROTOCOLS if one != "Protocol"} - in_the_reference()


def test_every_figure_is_in_the_reference() -> None:
    text = page("reference/python")
    assert not [name for name in FIGURES if f"`{name}`" not in text]


def test_every_extension_point_is_on_the_page_about_extending() -> None:
    text = page("extending")
    for group in registry.BUILT_IN:
        assert f"unmix4d.{group}" in text


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    """What the code on the page about extending defines."""
    names: dict[str, Any] = {"__name__": "examples"}
    for block in re.findall(r"```python\n(.*?)```", page("extending"), flags=re.DOTALL):
        if not block.startswith("# test_"):
            exec(block, names)  # noqa: S102 - our own documentation
    return names


def test_the_examples_of_extending_keep_to_their_protocols(examples: dict[str, Any]) -> None:
    assert isinstance(examples["SquareRoot"](), registry.Filter)
    assert isinstance(examples["ProjectedGradient"](), registry.Solver)
    assert isinstance(examples["LossDrop"](), registry.Criterion)
    assert isinstance(examples["LabelsAsText"](), registry.Exporter)


def test_the_solver_of_extending_finds_weights_that_fit_exactly(examples: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    truth, others = rng.random((30, 3)), rng.random((3, 8))
    factor = np.full((30, 3), 0.1)
    for _ in range(2000):
        factor = examples["projected_gradient"](factor, others @ others.T, truth @ others @ others.T)
    assert factor == pytest.approx(truth, abs=1e-6)
