"""unmix4d: every k with its exact loss, with the default starts."""

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
TITLE = "unmix4d, default starts, exact losses"


def run(path: Path, ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit all k together."""
    pool = executor(int(str(options.get("threads", 1))))
    with clock.part("prepare"):
        matrix = prepare(api.open_scan(path), executor=pool).matrix(filter=Raw())
    with clock.part("sweep"):
        fits = Hals(executor=pool).fit_many(matrix, ks, rng=np.random.default_rng(0))
    clock.facts["own losses"] = {k: fit.loss for k, fit in fits.items()}
    return {k: (fit.components, fit.weights) for k, fit in fits.items()}
