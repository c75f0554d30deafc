"""One small finished run that every test of the report looks at."""

import warnings

import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom

SPEC = PhantomSpec(
    scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, n_minority=0, counts_per_pattern=20000
)


@pytest.fixture(scope="session")
def finished():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(make_phantom(SPEC).scan, k_max=7, threads=1)


@pytest.fixture(scope="session")
def result(finished):
    return finished.result
