"""unmix4d with two components only: nearly all of its time goes into reading the patterns and projecting them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clock import Clock
from benchmarks.matrix import Factors
from unmix4d import api
from unmix4d.execute import executor
from unmix4d.factorize.alternate import Hals
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import Raw

WATCHED = ("factorize", "prepare", "execute", "read", "numpy")
TITLE = "the streaming part"


def run(path: Path, _ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Survey the scan and fit k = 2."""
    pool = executor(int(str(options.get("threads", 1))))
    with clock.part("prepare"):
        matrix = prepare(api.open_scan(path), executor=pool).matrix(filter=Raw())
    with clock.part("sweep"):
        Hals(executor=pool).fit_many(matrix, (2,), rng=np.random.default_rng(0))
    return {}
