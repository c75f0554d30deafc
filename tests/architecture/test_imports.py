"""What importing the package and asking for help load: counted in modules, as seconds depend on the machine."""

import subprocess
import sys

import pytest

HEAVY = {"matplotlib", "dask", "skimage", "rsciio", "h5py", "scipy", "tifffile", "jinja2"}


def loaded_by(code: str) -> set[str]:
    """Give the top-level packages that are loaded after ``code`` has run in a fresh interpreter."""
    report = "import sys; print('\\nloaded:', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import unmix4d")
    assert "unmix4d" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_and_version_do_not_load_numpy(arguments: list[str]) -> None:
    loaded = loaded_by(f"from unmix4d.cli import exit_code; assert exit_code({arguments}) == 0")
    assert {"unmix4d", "typer"} <= loaded
    assert not loaded & (HEAVY | {"numpy"})
