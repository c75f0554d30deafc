"""The wheel and the sdist hold what they must, and install with pip alone."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "unmix4d"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(SOURCES.parent))
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert {"unmix4d/py.typed", "unmix4d/report/viewer/static/explorer.js"} <= held


def test_the_metadata_say_what_they_must(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
        names = archive.namelist()
    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert any(name.endswith("licenses/LICENSE") for name in names)
    extras = {"ui", "distributed", "formats", "hyperspy", "xarray", "sklearn", "test", "docs", "check"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    without_extra = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert all(">=" in one for one in without_extra), "every requirement has a lower bound"
    assert not [one for one in without_extra if one.startswith(("torch", "zarr", "hyperspy"))]


def test_the_sdist_holds_what_is_needed_to_test_it(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "tests/conftest.py", "docs/conf.py", "Makefile"} <= held
    assert not [name for name in held if name.startswith((".venv", "build", ".benchmarks", "demo-run"))]


@pytest.mark.slow
def test_type_checkers_see_the_types_of_an_installed_package(wheel: Path, tmp_path: Path) -> None:
    """`py.typed` is what tells them to look: without it everything would be `Any`."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = run(python, "-c", code).strip()
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", site, wheel)
    lines = (
        "import unmix4d",
        "a: int = unmix4d.open_scan('scan.npy')",
        "b: str = unmix4d.open_scan('scan.npy').geometry",
    )
    (tmp_path / "user.py").write_text("\n".join(lines))
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}
    command = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache")
    command += ("--python-executable", python, "user.py")
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    told = [line.partition("error: ")[2] for line in done.stdout.splitlines() if "error:" in line]
    assert len(told) == 2, done.stdout + done.stderr
    assert '"Scan", variable has type "int"' in told[0]
    assert '"Geometry", variable has type "str"' in told[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_with_pip_alone(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = request.getfixturevalue(kind)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", tmp_path / "site", path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    code = "import unmix4d; print(unmix4d.__file__); from unmix4d.cli import exit_code; exit_code(['--version'])"
    out = run(sys.executable, "-c", code, env=environment, cwd=tmp_path).split()
    assert Path(out[0]).is_relative_to(tmp_path / "site")
    assert out[1:] == ["unmix4d", "0.1.0"]
    assert (tmp_path / "site" / "unmix4d" / "py.typed").is_file()
