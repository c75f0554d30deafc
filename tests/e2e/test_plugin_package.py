"""A package of plugins, built from the page about extending, is found and used as soon as it is installed."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and its tests, installed by pip."""
    source, target = tmp_path_factory.mktemp("my-package"), tmp_path_factory.mktemp("site")
    (metadata,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    code = [block for block in blocks if not block.startswith("# test_")]
    (tests,) = [block for block in blocks if block.startswith("# test_")]
    (source / "pyproject.toml").write_text(metadata, encoding="utf-8")
    (source / "my_package.py").write_text("\n\n".join(code), encoding="utf-8")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", target, source], check=True
    )
    (target / "test_my_package.py").write_text(tests, encoding="utf-8")
    return target


def with_site(site: Path) -> dict[str, str]:
    """The environment of a process that finds the package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def test_its_tests_pass(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_package.py"],
        cwd=site,
        env=with_site(site),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_command_line_uses_it(site: Path, program: Path, scan: Path, tmp_path: Path) -> None:
    def start(*arguments: object) -> None:
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, env=with_site(site), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    out = tmp_path / "out"
    start("run", scan, "-o", out, "--k-max", "4", "--filter", "sqrt", "--solver", "gradient", "--quiet")
    settings = (out / "run.yaml").read_text(encoding="utf-8")
    assert "filter: sqrt" in settings
    assert "solver: gradient" in settings
    with (out / "decision.csv").open(encoding="utf-8") as file:
        assert any(column.startswith("loss_drop") for column in next(csv.reader(file)))
    start("export", out, "--to", "labels", "-o", tmp_path / "labels")
    assert (tmp_path / "labels" / "labels.txt").read_text(encoding="utf-8").split()
