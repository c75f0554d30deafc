"""The program as a user starts it, a small scan, and one finished run of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unmix4d.read.phantom import PhantomSpec, make_phantom

PROGRAM = Path(sys.executable).with_name("unmix4d")
QUICK = ("--k-max", "6")

Finished = subprocess.CompletedProcess[str]
Start = Callable[..., Finished]


def start(*arguments: object, cwd: Path | None = None, limit: Callable[[], None] | None = None) -> Finished:
    """Run the program in a process of its own; ``limit`` runs in that process first."""
    environment = {name: value for name, value in os.environ.items() if name != "UNMIX4D_DEBUG"}
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        preexec_fn=limit,  # the limit must hold before the program begins
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def unmix4d() -> Start:
    return start


@pytest.fixture(scope="session")
def program() -> Path:
    return PROGRAM


@pytest.fixture(scope="session")
def patterns() -> np.ndarray:
    """(16, 20, 32, 32) uint16 counts of three crystals."""
    spec = PhantomSpec(scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, spot_sigma=0.03)
    return np.asarray(make_phantom(spec).scan.patterns)


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory, patterns: np.ndarray) -> Path:
    """A file with those patterns."""
    path = tmp_path_factory.mktemp("scan") / "small.npy"
    np.save(path, patterns)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, scan: Path) -> Path:
    """The folder of one finished run of that file."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = start("run", scan, "-o", out, *QUICK)
    assert done.returncode == 0, done.stderr
    return out
