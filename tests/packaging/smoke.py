"""What an installation must be able to do, with nothing but itself; ``make packaging`` runs it.

It makes a scan, runs the command line on it, reads the folder back, exports it, and prints the versions. Nothing
that was kept out on purpose has come with it.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import unmix4d
from unmix4d.read.phantom import PhantomSpec, make_phantom

PROGRAM = Path(sys.executable).with_name("unmix4d")
KEPT_OUT = ("torch", "zarr", "skimage", "networkx", "pandas", "hyperspy")
SHOWN = (
    "numpy",
    "scipy",
    "numba",
    "h5py",
    "dask",
    "rosettasciio",
    "matplotlib",
    "pydantic",
    "typer",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = make_phantom(
            PhantomSpec(scan_shape=(24, 28), pattern_shape=(32, 32), n_crystals=3, spot_sigma=0.03)
        )
        np.save(folder / "scan.npy", truth.scan.patterns)
        options = ("--json", "--quiet", "--k-max", "6", "--filter", "mean")
        command = [PROGRAM, "run", folder / "scan.npy", "-o", folder / "run", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["n_crystals"] == 3, answer

        run = unmix4d.Run.load(folder / "run")
        assert run.clusters.labels.shape == (24, 28)
        for exporter in ("hspy", "tiff", "csv"):
            subprocess.run(
                [PROGRAM, "export", folder / "run", "--to", exporter, "-o", folder / exporter],
                check=True,
                capture_output=True,
            )
            assert any((folder / exporter).iterdir())
    brought = [name for name in KEPT_OUT if find_spec(name) is not None]
    assert not brought, f"{brought} came with unmix4d"
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"works: unmix4d {unmix4d.__version__}, Python {python};", ", ".join(f"{n} {version(n)}" for n in SHOWN))


if __name__ == "__main__":
    main()
