"""The streaming part of unmix4d: what reads every pattern, without the fits between the passes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clock import Clock
from benchmarks.matrix import Factors
from unmix4d import api
from unmix4d.execute import executor
from unmix4d.factorize.alternate import RANK, Hals
from unmix4d.factorize.exact import Problem
from unmix4d.factorize.factored import Candidate, unit_rows
from unmix4d.factorize.refine import measure
from unmix4d.factorize.rules import hals
from unmix4d.factorize.sketch import Sketch, prime, sketch_matrix
from unmix4d.factorize.weighting import find_weighting, take_sample
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import Raw
from unmix4d.records import Factorization

WATCHED = ("factorize", "prepare", "execute", "read", "numpy")
TITLE = "the streaming part"
SWEEP = range(2, 21)


def run(path: Path, _ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Survey the scan, project it, and take the exact losses of k = 2...20."""
    pool = executor(int(str(options.get("threads", 1))))
    with clock.part("prepare"):
        matrix = prepare(api.open_scan(path), executor=pool).matrix(filter=Raw())
    sample = take_sample(matrix, in_pairs=False)
    weighting = find_weighting(matrix, sample, "poisson", executor=pool)
    directions = prime(sample, weighting, rank=RANK, rng=np.random.default_rng(0))
    with clock.part("project"):
        sketch = sketch_matrix(matrix, weighting, directions, executor=pool)
    quick = Hals(executor=pool, starts=("spa",), max_iter=10)
    fits = quick.fit_factored(sketch.factored, SWEEP, rng=np.random.default_rng(0))
    problem = Problem(
        matrix=matrix,
        row=sketch.row,
        column=sketch.factored.column,
        norm2=sketch.norm2,
        rule=hals,
        penalty=0.0,
        executor=pool,
    )
    candidates = [_weighted(fit, sketch) for fit in fits.values()]
    with clock.part("losses"):
        measure(problem, candidates, max_passes=0, tol=1e-4)
    return {}


def _weighted(fit: Factorization, sketch: Sketch) -> Candidate:
    components, lengths = unit_rows(fit.components * sketch.factored.column)
    weights = np.asfortranarray(fit.weights * sketch.factored.row[:, None] * lengths)
    return Candidate(start="spa", components=components, weights=sketch.to_probes(weights), history=[1.0])
