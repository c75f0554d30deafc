"""Results are kept, reused and forgotten when they should be; tables say what the results say."""

from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path) -> None:
    """Results of tests go elsewhere."""
    from benchmarks import scans
    from benchmarks.accuracy import summary

    monkeypatch.setattr(scans, "CACHE", tmp_path)
    summary.everything.cache_clear()
    summary.faulty.cache_clear()


def test_a_result_is_made_once_and_kept(monkeypatch, make, spec) -> None:
    from benchmarks.accuracy import faults, store, work
    from benchmarks.accuracy.cells import CELLS, Cell
    from benchmarks.accuracy.run import missing_by_scan

    monkeypatch.setattr(work, "make_scan", make)
    cells = {**CELLS, "small": Cell(name="small", factor="test", spec=spec)}
    monkeypatch.setattr(faults, "CELLS", cells)
    wanted = store.jobs(["small"], [3], ["oracle", "clustering"])
    assert missing_by_scan(wanted) == {("small", 3): ["oracle", "clustering"]}
    assert work.work("small", 3, ["oracle"]) == []
    assert missing_by_scan(wanted) == {("small", 3): ["clustering"]}
    result = wanted[0].result()
    assert result["scores"]["ari"] > 0.9
    assert result["n_crystals"] == 4
    assert wanted[0].path.parent.name == "tuning"
    cells["small"] = replace(cells["small"], spec=replace(spec, n_hot=7))
    assert wanted[0].result() is None


def test_a_method_that_fails_does_not_stop_the_others(monkeypatch, make, spec) -> None:
    from benchmarks.accuracy import faults, methods, store, work
    from benchmarks.accuracy.cells import Cell

    def broken(_scan):
        raise ValueError("nothing fits")

    monkeypatch.setattr(work, "make_scan", make)
    cells = {"small": Cell(name="small", factor="test", spec=spec)}
    monkeypatch.setattr(faults, "CELLS", cells)
    monkeypatch.setattr(methods.load("clustering"), "run", broken)
    failed = work.work("small", 3, ["clustering", "oracle"])
    assert len(failed) == 1
    assert "nothing fits" in failed[0]
    assert store.Job(cell="small", seed=3, method="oracle").result() is not None


def test_comments_do_not_change_the_version_of_code(tmp_path) -> None:
    from benchmarks.accuracy.store import _code

    texts = ['"""What it is."""\nx = 1\n', "# another one\n\nx = 1\n", "x = 2\n"]
    digests = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.py"
        path.write_text(text, encoding="utf-8")
        digests.append(_code([path]))
    assert digests[0] == digests[1] != digests[2]


def test_every_method_says_what_it_depends_on() -> None:
    from benchmarks.accuracy import methods
    from benchmarks.accuracy.store import method_version

    assert {method_version(name) for name in methods.WITHOUT} == {method_version("uncleaned")}
    assert len({method_version(name) for name in methods.NAMES}) == len(methods.NAMES)
    assert set(methods.TOLD) | set(methods.COSTLY) <= set(methods.NAMES)


def test_who_runs_where() -> None:
    from benchmarks.accuracy import methods
    from benchmarks.accuracy.run import chosen, main  # noqa: F401 - main must exist for the command
    from benchmarks.accuracy.store import jobs

    found = jobs(["middle", "film", "one-crystal"], range(100, 105), [*methods.NAMES, *methods.WITHOUT])
    methods_of = {(job.cell, job.seed): set() for job in found}
    for job in found:
        methods_of[job.cell, job.seed].add(job.method)
    assert "paper_rule" in methods_of["middle", 102]
    assert "paper_rule" not in methods_of["middle", 103]
    assert "paper_rule" not in methods_of["film", 100]
    assert methods_of["one-crystal", 100] == {"ours", "clustering"}
    assert [job.seed for job in found] == sorted(job.seed for job in found)


def test_steps_are_switched_off_on_their_own_fault_and_on_no_fault() -> None:
    from benchmarks.accuracy import methods
    from benchmarks.accuracy.faults import EVERY_FAULT, FAULTS, NO_FAULT
    from benchmarks.accuracy.store import jobs

    runs = {name: set() for name in FAULTS}
    for job in jobs(FAULTS, [100], [*methods.NAMES, *methods.WITHOUT]):
        runs[job.cell].add(job.method)
    assert runs.pop(NO_FAULT) == {"ours", *methods.WITHOUT}
    assert runs.pop(EVERY_FAULT) == {"ours", "without_all"}
    for name, found in runs.items():
        assert found == {"ours", f"without_{FAULTS[name].factor}"}
    assert {cell.factor for cell in FAULTS.values()} == {"", *methods.STEPS, "all"}


def _one(cell: str, seed: int, method: str, **result):
    from benchmarks.accuracy.faults import cell_of
    from benchmarks.accuracy.summary import One

    plain = {"confidence": "high", "votes": {}, "seconds": {"whole": 4.0, "factorize": 2.0}, "cpu": 3.0}
    return One(cell=cell_of(cell), seed=seed, method=method, result=plain | result)


@pytest.fixture
def results(monkeypatch):
    from benchmarks.accuracy import summary

    found = (
        _one("middle", 100, "oracle", scores={"error": 0, "ari": 0.8}),
        _one("middle", 101, "oracle", scores={"error": 0, "ari": 1.0}),
        _one("middle", 100, "ours", scores={"error": 0, "ari": 0.72, "cosine": [0.5, 1.0]}, votes={"knee": 9}),
        _one("middle", 101, "ours", scores={"error": -1, "ari": 0.7, "cosine": [1.0]}, votes={"knee": 8}),
        _one("crystals-20", 100, "ours", scores={"error": -2, "ari": 0.5}, confidence="low"),
        _one("one-crystal", 100, "ours", scores={"error": 1}, n_crystals=2),
        _one("one-crystal", 101, "ours", scores={"error": 1}, n_crystals=2, confidence="low"),
    )
    monkeypatch.setattr(summary, "everything", lambda: found)
    return found


def test_sums_over_results(results) -> None:
    from benchmarks.accuracy import summary

    ours = summary.of("ours", summary.ordinary)
    assert ours == list(results[2:4])
    assert summary.relative(ours) == pytest.approx([0.9, 0.7])
    assert summary.beyond(ours, "ari") == pytest.approx([-0.08, -0.3])
    assert summary.scores(ours, "cosine") == [0.75, 1.0]
    assert summary.errors("ours", "knee", summary.ordinary, less=1) == [1, 0]
    assert summary.worst_tenth([0.0, 1.0]) == pytest.approx(0.1)
    assert summary.mean([]) is None


def test_promises_are_judged_by_the_results(results) -> None:
    from benchmarks.accuracy.tables import checks

    assert results
    values = {check.name: check.value for check in checks()}
    assert values["number exact, 2 to 12 crystals, 400 electrons or more"] == 0.5
    assert values["the same within 1"] == 1
    assert values["high confidence is right"] == 0.5
    assert values["negative controls: no confident number above 1"] == 0.5
    assert values["mean error of the number, more than 12 crystals"] == 2
    assert values["ARI over the oracle's, mean"] == pytest.approx(0.8)
    assert values["matched cosine"] == pytest.approx(0.875)
    assert values["minority grains found"] is None
    assert values["whole run over the sweep alone, seconds"] == 2


@pytest.fixture
def faulty(monkeypatch):
    from benchmarks.accuracy import summary

    def ran(cell: str, seed: int, method: str, ari: float, *faults: str):
        return _one(cell, seed, method, scores={"error": round(10 * ari - 9), "ari": ari}, faults=faults)

    found = (
        ran("no-fault", 100, "ours", 0.9),
        ran("no-fault", 100, "without_descan", 0.9),
        ran("no-fault", 101, "ours", 0.9),
        ran("no-fault", 101, "without_descan", 0.904),
        ran("no-fault", 101, "without_vacuum", 0.8),
        ran("descan-strong", 100, "ours", 0.9, "descan", "vacuum"),
        ran("descan-strong", 101, "ours", 0.8, "descan"),
        ran("descan-strong", 100, "without_descan", 0.6),
        ran("descan-strong", 101, "without_descan", 0.9),
    )
    monkeypatch.setattr(summary, "faulty", lambda: found)
    return found


def test_a_step_is_judged_by_scans_with_and_without_it(faulty, results) -> None:
    from benchmarks.accuracy import summary, tables

    assert results
    found = summary.pairs("descan-strong", "without_descan")
    assert found == [(faulty[5], faulty[7]), (faulty[6], faulty[8])]
    assert summary.gains(found) == pytest.approx([0.3, -0.1])
    assert summary.worst_cost(found) == pytest.approx(0.1)
    assert summary.worst_cost(summary.pairs("no-fault", "without_vacuum")) == 0
    assert summary.worst_cost([]) is None
    values = {check.name: check.value for check in tables.checks()}
    assert values["cleaning steps: largest cost where the fault is absent, ARI"] == pytest.approx(0.004)
    row = next(line for line in tables.cleaning_table().splitlines() if "descan-strong" in line)
    assert "| 1, 1 of 2 | 0.850, 0.750 | +0.100 (-0.100 to +0.300) |" in row
    assert row.endswith("| 2, 2 of 2 | 0.900, 0.902 | -0.002 (-0.004 to +0.000) | 0.0040 |")
    assert "| descan-strong | `descan` 3.0 | 0 | 0 | 0 | 2 | 0 | 0 | 1 | 2 |" in tables.found_table()


def test_every_table_is_made_and_has_its_place(results) -> None:
    from benchmarks.accuracy import tables

    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, make in tables.TABLES.items():
        assert f"<!-- table: {name} -->\n" in text
        assert make().count("|") > 6
    assert "| high | 2 | 50 % | 100 % | 1 |" in tables.confidence_table()
    assert "2 high, 2 low | 1 of 2" in tables.negative_table()
    assert results


def test_filters_are_compared_on_scans_of_different_dose() -> None:
    from benchmarks.accuracy import methods
    from benchmarks.accuracy.cells import DOSES
    from benchmarks.accuracy.store import jobs, method_version

    found = jobs(["middle", "dose-50", "film", "no-fault"], range(100, 105), methods.FILTERED)
    assert {job.cell for job in found} == {"middle", "dose-50"} <= set(DOSES)
    assert {job.seed for job in found} == {100, 101, 102}
    assert {job.method for job in found} == set(methods.FILTERED)
    assert {method_version(name) for name in methods.FILTERED} == {method_version("filtered")}
