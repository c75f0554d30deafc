"""The benchmarks measure what they say: scans, dense HALS, losses, interpolation and resuming."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The benchmarks are run from the project's root; here they keep their files elsewhere."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("UNMIX4D_DATA", str(tmp_path / "nothing"))
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "VECLIB_MAXIMUM"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")  # importing the benchmarks sets them for good
    from benchmarks import scans

    monkeypatch.setattr(scans, "CACHE", tmp_path)
    monkeypatch.setenv("UNMIX4D_BENCHMARKS", str(tmp_path))  # for the processes of the cells
    yield
    assert "benchmarks" in sys.modules


def test_scans_drawn_by_the_electron_are_poisson_about_the_expectation() -> None:
    from benchmarks import scans

    from unmix4d.read.phantom import make_phantom

    made = scans.make("tiny")
    truth = make_phantom(scans.PHANTOMS["tiny"])
    counts = np.load(made.patterns).astype(float)
    expected = np.array([[truth.expected(y, x) for x in range(20)] for y in range(20)])
    assert_array_equal(made.labels(), truth.labels)
    enough = expected > 0.05
    chi = (counts - expected)[enough] ** 2 / expected[enough]
    assert abs(chi.mean() - 1) < 5 * chi.std() / np.sqrt(enough.sum())
    facts = made.facts()
    assert facts["density"] == np.count_nonzero(counts) / counts.size
    assert facts["counts"] == counts.sum() / 400
    assert not list(made.patterns.parent.glob("*.part"))


def test_dense_hals_finds_factors_that_fit_exactly() -> None:
    from benchmarks.methods.dense_hals import fit

    rng = np.random.default_rng(0)
    values = (rng.random((60, 3)) ** 3 @ rng.random((3, 40)) ** 3).astype(np.float32)
    components, weights = fit(values, 3, iterations=1000)
    assert min(components.min(), weights.min()) >= 0
    assert np.linalg.norm(weights @ components - values) < 1e-2 * np.linalg.norm(values)


def test_losses_are_those_of_the_weighted_and_plain_residual() -> None:
    from benchmarks import measure, scans
    from benchmarks.matrix import dense, open_matrix

    path = scans.make("tiny").patterns
    _, matrix = open_matrix(path)
    weighted = dense(path)
    rng = np.random.default_rng(0)
    components, weights = rng.random((2, matrix.n_pixels)), rng.random((matrix.n_probes, 2))
    plain = np.concatenate([block for _, block in matrix.blocks()]).astype(float)
    found = measure.losses(matrix, {2: (components, weights)})[2]
    assert found["counts"] == pytest.approx(np.abs(plain - weights @ components).mean(), rel=1e-5)
    scaled = (plain - weights @ components) * weighted.row[:, None] * weighted.column
    assert found["weighted"] == pytest.approx((scaled**2).sum() / (weighted.values**2).sum(), rel=1e-5)
    back = weighted.in_counts(components.astype(np.float32), weights.astype(np.float32))
    assert_allclose(back[1] @ back[0] * weighted.row[:, None] * weighted.column, weights @ components, rtol=1e-4)


def test_one_pass_reads_everything() -> None:
    from benchmarks import scans
    from benchmarks.methods.one_pass import one_pass

    path = scans.make("tiny").patterns
    for block_bytes in (1, 2**12, 2**24):
        assert_array_equal(one_pass(path, block_bytes), np.load(path).sum(axis=(0, 1)).ravel())


def test_cost_between_the_timed_k_lies_on_straight_lines() -> None:
    from benchmarks.results import interpolated

    # Cost 2 k + 1 at every k: the sum over k = 2 to 20 is 2 * 209 + 19.
    assert interpolated((4, 12, 20), (9, 25, 41)) == pytest.approx(437)
    assert interpolated((4, 12, 20), (0, 8, 8)) == pytest.approx(sum(range(1, 9)) + 8 * 8)


def test_a_cell_runs_in_its_own_process_and_once() -> None:
    from benchmarks.plan import Cell
    from benchmarks.run import run_cells

    cell = Cell(method="dense_hals", scan="tiny", ks=(2,))
    assert not cell.path.exists()
    assert run_cells([cell], minutes=0.0) == [cell]
    assert run_cells([cell]) == []
    result = cell.result()
    assert result["parts"]["k=2"]["cpu"] > 0
    assert 0 < result["losses"]["2"]["weighted"] < 1
    assert result["peak"] > result["own_peak"] >= 0
    stamp = cell.path.stat().st_mtime_ns
    run_cells([cell])
    assert cell.path.stat().st_mtime_ns == stamp
    assert Cell(method="dense_hals", scan="tiny", ks=(3,)).path != cell.path


def test_the_page_has_a_place_for_every_table() -> None:
    from benchmarks import tables

    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    missing = [name for name in tables.TABLES if f"<!-- table: {name} -->\n" not in text]
    assert not missing


def test_a_promise_is_judged_on_its_own_side() -> None:
    from benchmarks.pages import Check

    def judged(value: float | None, *, at_least: bool) -> str:
        return Check(name="", value=value, limit=20, goal=40 if at_least else 10, at_least=at_least).verdict()

    assert [judged(value, at_least=True) for value in (19, 20, 40)] == ["NOT MET", "met", "goal met"]
    assert [judged(value, at_least=False) for value in (21, 20, 10)] == ["NOT MET", "met", "goal met"]
    assert judged(None, at_least=True) == "not measured"
