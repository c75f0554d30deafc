"""Where the tests find the scans, and what every test shares."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from unmix4d.records import RunResult

# Machines that run tests are shared: time says nothing about an example.
settings.register_profile("unmix4d", deadline=None)
settings.load_profile("unmix4d")

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("UNMIX4D_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the test scans; skips where it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"no test scans at {DATA}: set UNMIX4D_DATA")
    return DATA


@pytest.fixture(scope="session")
def reference(data: Path) -> Path:
    """The folder with the metric reference values; skips where it is missing."""
    folder = data.parent / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference values at {folder}")
    return folder


@pytest.fixture(scope="session")
def without_crystals() -> Callable[[RunResult], RunResult]:
    """Make a result that holds no crystal of one that does: all components are background."""
    return _without_crystals


def _without_crystals(result: RunResult) -> RunResult:
    shape, k = result.geometry.scan_shape, result.decision.k
    none, nothing = np.full(shape, -1, np.int16), np.zeros((0, *result.geometry.pattern_shape), np.float32)
    roles = replace(result.clusters.roles, roles=("background",) * k, crystals=np.full(k, -1, np.int16))
    return replace(
        result,
        decision=replace(result.decision, n_crystals=0, roles={**result.decision.roles, k: roles}),
        clusters=replace(
            result.clusters,
            labels=none,
            roles=roles,
            crystal_patterns=nothing,
            crystal_weights=np.zeros((0, *shape), np.float32),
        ),
        overlap=replace(
            result.overlap, ratio=np.zeros(shape, np.float32), first=none, second=none, level=none.astype(np.int8)
        ),
        comparison=replace(
            result.comparison,
            counts=np.zeros(0, int),
            mean_patterns=nothing,
            reconstructed_patterns=nothing,
            metrics={},
            null_zero={},
            null_global={},
            columns={},
        ),
    )
