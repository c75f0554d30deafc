"""What is freed goes back to the system."""

import sys
from pathlib import Path

import numpy as np
import pytest

from unmix4d.execute import give_back_memory


def resident() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do so by themselves")
def test_memory_between_what_is_in_use_goes_back():
    size = 64 * 2**10  # too small for a mapping of its own
    held = [np.ones(size, np.uint8) for _ in range(1024)]
    full = resident()
    held = held[::8]
    give_back_memory()
    assert full - resident() > 40 * 2**20
    assert all(one.all() for one in held)
