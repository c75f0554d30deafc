"""What a plugin must keep, as checks that its author calls: in a test, one line for each plugin.

Each check raises AssertionError with one sentence about the first thing that is not kept. They need no test
framework, take some seconds, and work on a phantom of two crystals.

Examples
--------
>>> from unmix4d.testing import check_filter
>>> from unmix4d.prepare.filters import Raw
>>> check_filter(Raw())
"""

import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from unmix4d.api import unmix
from unmix4d.decide.sweep import run_sweep
from unmix4d.execute import Serial
from unmix4d.factorize.alternate import Hals
from unmix4d.prepare.chain import Prepared, prepare
from unmix4d.prepare.filters import Raw
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import Factorization, FloatArray, PatternMatrix, RunResult, Scan, SpotTable, Sweep
from unmix4d.registry import Criterion, Exporter, Filter, Registering, Solver

__all__ = [
    "check_criterion",
    "check_exporter",
    "check_filter",
    "check_solver",
    "small_matrix",
    "small_result",
    "small_scan",
    "small_sweep",
]

_KS = (1, 2, 3)
_TOLERANCE = 1e-3


@cache
def small_scan() -> Scan:
    """Give a scan of 11 x 13 probes and 32 x 32 pixels, uint16, with two crystals."""
    return make_phantom(PhantomSpec(scan_shape=(11, 13), pattern_shape=(32, 32), n_crystals=2)).scan


def small_matrix() -> PatternMatrix:
    """Give its patterns as a matrix of several blocks."""
    return _prepared(3).matrix(filter=Raw())


@cache
def small_sweep() -> Sweep:
    """Give its factorizations for k = 1 to 4, with the right to ask for more."""
    matrix = small_matrix()

    def fit(ks: Sequence[int]) -> Mapping[int, Factorization]:
        return Hals().fit_many(matrix, ks, rng=np.random.default_rng(0))

    return run_sweep(matrix, fit=fit, k_max=4, extend=False)


@cache
def small_result() -> RunResult:
    """Give the whole result of a run on it."""
    return unmix(small_scan(), k_max=4, threads=1).result


def check_filter(made: Filter) -> None:
    """Check a filter: shapes, signs, repeatability, independence of blocks, and that it travels between processes.

    Parameters
    ----------
    made : Filter
        As it comes from its class; one that looks at the scan first is shown the small one.

    Raises
    ------
    AssertionError
    """
    assert isinstance(made, Filter), f"{made!r} has not the names of a filter: name, halo, __call__"
    _check_name(made.name)
    assert isinstance(made.halo, int) and made.halo >= 0, f"halo must be a whole number from 0, it is {made.halo!r}"  # noqa: PT018 - one sentence
    for shape in ((1, 1, 4, 4), (2, 1, 1, 6), (1, 3, 3, 2)):
        empty = np.zeros(shape, dtype=np.float32)
        assert np.array_equal(made(empty), empty), f"patterns {shape} without counts must stay without counts"
    used = _prepared(3).fitted(made)
    patterns = np.asarray(small_scan().patterns[:4, :5], dtype=np.float32)
    before = patterns.copy()
    out = used(patterns)
    assert np.array_equal(patterns, before), "the patterns that it is given must not be written to"
    assert out.shape == patterns.shape, f"patterns of shape {patterns.shape} became {out.shape}"
    assert out.dtype == np.float32, f"float32 became {out.dtype}"
    assert np.isfinite(out).all(), "filtered patterns must be finite"
    assert out.min() >= 0, f"filtered patterns must not be negative, the lowest value is {out.min()}"
    assert np.array_equal(used(patterns), out), "the same patterns must give the same values again"
    again = pickle.loads(pickle.dumps(used))  # noqa: S301 - what was pickled here
    assert np.array_equal(again(patterns), out), "a copy in another process must give the same values"
    whole = _rows(used, 11)
    for lines in (1, 3):
        parts = _rows(used, lines)
        assert np.array_equal(parts, whole), (
            f"blocks of {lines} lines give other values than the whole: is halo right?"
        )


def check_solver(make: Callable[..., Solver]) -> None:
    """Check a solver: what it gives has the right shapes, signs and order, is repeatable, and explains the data.

    Parameters
    ----------
    make : callable
        The class: it is called with the arguments that a run gives, which it may ignore by ``**_``: ``starts``,
        ``weighting``, ``l1``, ``max_iter``, ``tol``, ``executor``, ``progress``.

    Raises
    ------
    AssertionError
    """
    options = {"starts": ("spa",), "weighting": "poisson", "l1": 0.0, "max_iter": None, "tol": 1e-4}
    made = make(**options, executor=Serial(), progress=lambda _done, _total: None)
    assert isinstance(made, Solver), f"{made!r} has not the names of a solver: name, fit_many"
    _check_name(made.name)
    matrix = small_matrix()
    before = _all_rows(matrix)
    fits = made.fit_many(matrix, _KS, rng=np.random.default_rng(0))
    assert np.array_equal(_all_rows(matrix), before), "the matrix must not be written to"
    assert set(_KS) <= set(fits), f"asked for k = {list(_KS)}, got {sorted(fits)}"
    for k in _KS:
        _check_factorization(fits[k], matrix, k)
    errors = {k: _error(before, fits[k]) for k in _KS}
    assert errors[3] < errors[1], f"three components leave more ({errors[3]:.4g}) than one ({errors[1]:.4g})"
    for k in _KS:
        assert np.isclose(fits[k].loss, errors[k], rtol=_TOLERANCE), (
            f"k = {k}: loss must be the mean of |V - V'| in counts, {errors[k]:.6g}; it says {fits[k].loss:.6g}"
        )
    again = made.fit_many(matrix, _KS, rng=np.random.default_rng(0))
    same = all(np.array_equal(again[k].weights, fits[k].weights) for k in _KS)
    assert same, "the same random generator must give the same weights, bit for bit"


def check_criterion(made: Criterion) -> None:
    """Check a criterion: one value for each k, a direction, a choice among them, and repeatability.

    Raises
    ------
    AssertionError
    """
    assert isinstance(made, Criterion), f"{made!r} has not the names of a criterion: name, better, curve"
    _check_name(made.name)
    assert made.better in {"higher", "lower"}, f"better must be 'higher' or 'lower', it is {made.better!r}"
    sweep = small_sweep()
    curve = made.curve(sweep)
    _check_name(curve.name)
    assert curve.better == made.better, "curve and criterion disagree on which direction is better"
    assert set(curve.ks) <= set(sweep.ks), f"the sweep has k = {list(sweep.ks)}, the curve {list(curve.ks)}"
    assert all(isinstance(value, float) for value in curve.values), (
        "values must be Python floats, NaN where there is none"
    )
    assert curve.choice is None or curve.choice in curve.ks, f"the choice {curve.choice} is not a k of the curve"
    assert np.array_equal(made.curve(sweep).values, curve.values, equal_nan=True), (
        "a second time gives other values"
    )


def check_exporter(made: Exporter, *, result: RunResult | None = None) -> None:
    """Check an exporter: it writes into its folder and nowhere else, says what, and can do so again.

    Parameters
    ----------
    made : Exporter
    result : RunResult, optional
        What it writes, where it needs more than `small_result` holds.

    Raises
    ------
    AssertionError
    """
    assert isinstance(made, Exporter), f"{made!r} has not the names of an exporter: name, write"
    _check_name(made.name)
    result = small_result() if result is None else result
    labels = result.clusters.labels.copy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder with a space"
        folder.mkdir()
        for _ in range(2):  # an earlier export is replaced
            written = made.write(result, folder)
            assert written, "write must give the paths of the files that it wrote"
            there = {path for path in folder.rglob("*") if path.is_file()}
            assert {Path(path) for path in written} == there, (
                f"it says {list(written)}, and there are {sorted(there)}"
            )
            assert all(path.stat().st_size for path in there), "a file is empty"
        assert {path.name for path in Path(name).iterdir()} == {folder.name}, "it wrote outside its folder"
    assert np.array_equal(result.clusters.labels, labels), "the result must not be written to"


def _check_name(name: object) -> None:
    assert isinstance(name, str) and name and not set(name) & set(" /,"), f"the name {name!r} must be one word"  # noqa: PT018 - one sentence


def _prepared(lines: int) -> Prepared:
    """Prepare the small scan in blocks of some lines."""
    scan = small_scan()
    return prepare(scan, executor=Serial(), block_bytes=lines * scan.patterns[0].nbytes)


def _rows(used: Filter, lines: int) -> FloatArray:
    """Give the filtered patterns (n_probes, n_pixels), read in blocks of some lines."""
    prepared = _prepared(lines)
    spots: SpotTable | None = None
    if isinstance(used, Registering):
        spots = prepared.spots(used, Serial())
    return _all_rows(prepared.matrix(filter=used, spots=spots))


def _all_rows(matrix: PatternMatrix) -> FloatArray:
    return np.concatenate([np.asarray(block, dtype=np.float32) for _, block in matrix.blocks()])


def _error(rows: FloatArray, fit: Factorization) -> float:
    """Mean of |V - V'|, in counts."""
    return float(np.abs(rows.astype(np.float64) - fit.weights.astype(np.float64) @ fit.components).mean())


def _check_factorization(fit: Factorization, matrix: PatternMatrix, k: int) -> None:
    shapes = (fit.components.shape, fit.weights.shape)
    wanted = ((k, matrix.n_pixels), (matrix.n_probes, k))
    assert shapes == wanted, f"k = {k}: components and weights must be {wanted}, they are {shapes}"
    assert fit.components.dtype == fit.weights.dtype == np.float32, f"k = {k}: factors must be float32"
    assert min(fit.components.min(), fit.weights.min()) >= 0, f"k = {k}: a factor is negative"
    sums = fit.components.sum(axis=1)[~fit.dead]
    assert np.allclose(sums, 1, rtol=_TOLERANCE), f"k = {k}: each component must sum to 1, they sum to {sums}"
    counts = fit.weights.sum(axis=0)
    assert (np.diff(counts) <= _TOLERANCE * counts.max()).all(), f"k = {k}: components must be sorted by counts"
