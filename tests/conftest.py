"""Where the tests find the scans, and what every test shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
