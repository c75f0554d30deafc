"""Compiled code gives the same bits in the process that compiles it and in those that load it from the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
import numpy as np
from unmix4d.factorize import kernels, losses

rng = np.random.default_rng(0)
patterns = rng.poisson(0.5, (37, 3000)).astype(np.uint8)
weights, components = rng.random((37, 11), np.float32), rng.random((11, 3000), np.float32)
bounds = np.array([0, 2, 5, 11])
factor = weights.T.copy()
made = [losses.absolute_errors(patterns, weights, components.T.copy(), bounds, np.arange(3000))]
made += kernels.unpack(patterns, 0, components[0], components[1], np.empty((37, 3000), np.float32))
made += kernels.alternate_ahead(weights, components, components[:4].copy(), factor[:4].copy(), 9e6, (20, 0.0, 5, 2))
kernels.hals_sweep(factor, components @ components.T, components @ patterns.T.astype(np.float32))
bright = np.zeros((1, 3000), np.bool_)
losses.exceed_one(weights, components.T.copy(), weights[0].copy(), components[:3].copy(), bounds, bright)
made += [factor, bright]
print([np.asarray(one).tobytes().hex() for one in made])
"""

ONE_TYPE = """
import sys
import numpy as np
from unmix4d.factorize.losses import pick_columns

print(pick_columns(np.ones((2, 3), sys.argv[1]), np.arange(2)).sum())
"""


def run(script: str, kept: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "NUMBA_CACHE_DIR": str(kept)},
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return said


def test_compiled_and_loaded_code_gives_the_same_bits(tmp_path: Path) -> None:
    first = answer(run(KERNELS, tmp_path))
    assert len(list(tmp_path.rglob("*.nbc"))) >= 5
    assert answer(run(KERNELS, tmp_path)) == first
    assert answer(run(KERNELS, tmp_path)) == first


def test_processes_that_compile_at_the_same_time_do_not_take_the_same_file(tmp_path: Path) -> None:
    for process in [run(ONE_TYPE, tmp_path, kind) for kind in ("uint8", "uint16", "float32", "float64")]:
        answer(process)
    names = [path.name for path in tmp_path.rglob("*pick_columns*.nbc")]
    assert len(names) == 4


@pytest.mark.parametrize("switch", ["NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_DISABLE_JIT"])
def test_works_where_nothing_can_be_kept_or_compiled(tmp_path: Path, switch: str) -> None:
    value = {"NUMBA_CACHE_LOCATOR_CLASSES": "_IPythonCacheLocator", "NUMBA_DISABLE_JIT": "1"}[switch]

    done = subprocess.run(
        [sys.executable, "-c", ONE_TYPE, "uint8"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), switch: value},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "4\n", done.stderr
    assert not list(tmp_path.rglob("*.nbc"))
