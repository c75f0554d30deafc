"""The benchmarks are run from the project's root; scans of made-up crystals, which need no diffsims."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the benchmarks sets the number of threads for good; here only while a test runs."""
    monkeypatch.syspath_prepend(ROOT)
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "VECLIB_MAXIMUM"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")


@pytest.fixture
def small_library():
    """Twelve orientations each of two made-up phases."""
    from benchmarks.accuracy.crystals import Crystal, Library, ewald

    rng = np.random.default_rng(0)
    crystals = {}
    for phase in ("gold", "iron"):
        crystals[phase] = []
        for _ in range(12):
            flat = rng.uniform(-1, 1, (14, 2))
            vectors = np.column_stack([flat, ewald(np.pad(flat, ((0, 0), (0, 1))))])
            rotation = rng.normal(size=4)
            rotation /= np.linalg.norm(rotation)
            crystals[phase].append(
                Crystal(vectors=vectors, strength=rng.uniform(0.2, 1, 14), rotation=rotation, phase=phase)
            )
    return Library(crystals=crystals, symmetries=dict.fromkeys(crystals, np.eye(4)[:1]))


@pytest.fixture
def spec():
    from benchmarks.accuracy.spec import Spec

    return Spec(scan_side=32, pattern_side=32, n_crystals=4, n_minority=1, phases=("gold", "iron"), boundary=8.0)


@pytest.fixture
def make(monkeypatch, small_library):
    from benchmarks.accuracy import scan

    monkeypatch.setattr(scan, "library", lambda: small_library)
    return scan.make_scan
