"""One small run with the paper's procedure beside ours."""

import warnings

import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom

SPEC = PhantomSpec(
    scan_shape=(12, 14), pattern_shape=(32, 32), n_crystals=3, n_minority=0, counts_per_pattern=20000
)


@pytest.fixture(scope="session")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="session")
def unmixed(phantom):
    def unmix(**options):
        told = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Unmix4dWarning)
            run = api.unmix(
                phantom.scan, mode="paper", threads=1, progress=lambda *now: told.append(now), **options
            )
        return run, told

    return unmix


@pytest.fixture(scope="session")
def followed(unmixed):
    return unmixed(k_max=6)
