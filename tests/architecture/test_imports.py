"""What importing the package and asking for help load: counted in modules, as seconds depend on the machine."""

import subprocess
import sys

import pytest
from typer.main import get_command

from unmix4d.cli.commands import app

HEAVY = {
    "matplotlib",
    "dask",
    "skimage",
    "rsciio",
    "h5py",
    "scipy",
    "tifffile",
    "jinja2",
    "PIL",
    "torch",
    "zarr",
    "hyperspy",
}
NUMERICAL = {"numpy", "numba", "llvmlite", "pandas", "sklearn", "xarray"}


def loaded_by(code: str) -> set[str]:
    """Give the top-level packages that are loaded after ``code`` has run in a fresh interpreter."""
    report = "import sys; print('\\nloaded:', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import unmix4d")
    assert "unmix4d" in loaded
    assert not loaded & HEAVY


COMMANDS = sorted(get_command(app).commands)


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in COMMANDS), ["--version"]], ids=" ".join
)
def test_help_and_version_load_no_numerical_library(arguments: list[str]) -> None:
    loaded = loaded_by(f"from unmix4d.cli import exit_code; assert exit_code({arguments}) == 0")
    assert {"unmix4d", "typer"} <= loaded
    assert not loaded & (HEAVY | NUMERICAL)


def test_what_is_counted_as_heavy_is_seen_when_it_is_loaded() -> None:
    code = "import unmix4d.report.html, h5py, tifffile, dask.array, rsciio.blockfile, scipy.ndimage, numba"
    seen = {"matplotlib", "dask", "rsciio", "h5py", "scipy", "tifffile", "jinja2", "PIL", "numpy", "numba"}
    assert seen <= loaded_by(code)


def test_a_run_in_memory_loads_no_library_for_drawing_or_files() -> None:
    code = """
import numpy as np, unmix4d
from unmix4d.read.phantom import PhantomSpec, make_phantom
spec = PhantomSpec(scan_shape=(12, 14), pattern_shape=(32, 32), n_crystals=2, spot_sigma=0.03)
assert unmix4d.unmix(np.asarray(make_phantom(spec).scan.patterns), k_max=3).clusters.labels.shape == (12, 14)
"""
    loaded = loaded_by(code)
    assert {"numpy", "unmix4d"} <= loaded
    assert not loaded & {"matplotlib", "dask", "distributed", "skimage", "rsciio", "tifffile", "jinja2", "hyperspy"}
