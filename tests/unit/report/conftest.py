"""One small finished run that every test of the report looks at."""

import warnings
from dataclasses import replace

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


@pytest.fixture(scope="session")
def with_both(result):
    """A result as a run with a filter gives it: compared with the patterns after it and before it."""
    other = replace(
        result.comparison,
        mean_patterns=1.5 * result.comparison.mean_patterns,
        metrics={name: values / 2 for name, values in result.comparison.metrics.items()},
        typical=replace(result.comparison.typical, places=result.comparison.atypical.places),
    )
    return replace(result, comparison=replace(result.comparison, compared_to="mean", other=other))
