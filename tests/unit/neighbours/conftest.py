"""A small finished run on a file that other programs look at."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.write.convert import write_scan

SPEC = PhantomSpec(
    scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, n_minority=0, counts_per_pattern=20000
)


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory):
    """The phantom as a calibrated file."""
    scan = make_phantom(SPEC).scan
    geometry = replace(scan.geometry, scan_step_nm=2.5, pattern_step_inv_angstrom=0.04)
    path = tmp_path_factory.mktemp("scan") / "phantom.hspy"
    write_scan(replace(scan, geometry=geometry, metadata={"beam_energy_kev": 200.0}, reopen=None), path)
    return path


@pytest.fixture(scope="session")
def run(scan_file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(scan_file, k_max=7, threads=1)


@pytest.fixture(scope="session")
def truth():
    return np.asarray(make_phantom(SPEC).scan.patterns)
