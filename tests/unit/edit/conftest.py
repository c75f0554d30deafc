"""One small finished run, as edits change it."""

import json
import warnings
from pathlib import Path

import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom

SPEC = PhantomSpec(
    scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, n_minority=0, counts_per_pattern=20000
)


@pytest.fixture(scope="session")
def cases():
    return json.loads((Path(__file__).parents[2] / "edits" / "cases.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def run():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(make_phantom(SPEC).scan, k_max=6, threads=1)


@pytest.fixture(scope="session")
def folder(run, tmp_path_factory):
    return run.save(tmp_path_factory.mktemp("edited") / "run")
