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


def test_a_result_is_made_once_and_kept(monkeypatch, make, spec) -> None:
    from benchmarks.accuracy import store, work
    from benchmarks.accuracy.cells import CELLS, Cell
    from benchmarks.accuracy.run import missing_by_scan

    monkeypatch.setattr(work, "make_scan", make)
    cells = {**CELLS, "small": Cell(name="small", factor="test", spec=spec)}
    monkeypatch.setattr(work, "CELLS", cells)
    monkeypatch.setattr(store, "CELLS", cells)
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
    from benchmarks.accuracy import methods, store, work
    from benchmarks.accuracy.cells import Cell

    def broken(_scan):
        raise ValueError("nothing fits")

    monkeypatch.setattr(work, "make_scan", make)
    cells = {"small": Cell(name="small", factor="test", spec=spec)}
    monkeypatch.setattr(work, "CELLS", cells)
    monkeypatch.setattr(store, "CELLS", cells)
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

    assert len({method_version(name) for name in methods.NAMES}) == len(methods.NAMES)
    assert set(methods.TOLD) | set(methods.COSTLY) <= set(methods.NAMES)


def test_who_runs_where() -> None:
    from benchmarks.accuracy.run import chosen, main  # noqa: F401 - main must exist for the command
    from benchmarks.accuracy.store import jobs

    found = jobs(["middle", "film", "one-crystal"], range(100, 105))
    methods_of = {(job.cell, job.seed): set() for job in found}
    for job in found:
        methods_of[job.cell, job.seed].add(job.method)
    assert "paper_rule" in methods_of["middle", 102]
    assert "paper_rule" not in methods_of["middle", 103]
    assert "paper_rule" not in methods_of["film", 100]
    assert methods_of["one-crystal", 100] == {"ours", "clustering"}
    assert [job.seed for job in found] == sorted(job.seed for job in found)


def _one(cell: str, seed: int, method: str, **result):
    from benchmarks.accuracy.cells import CELLS
    from benchmarks.accuracy.summary import One

    plain = {"confidence": "high", "votes": {}, "seconds": {"whole": 4.0, "factorize": 2.0}, "cpu": 3.0}
    return One(cell=CELLS[cell], seed=seed, method=method, result=plain | result)


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


def test_every_table_is_made_and_has_its_place(results) -> None:
    from benchmarks.accuracy import tables

    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, make in tables.TABLES.items():
        assert f"<!-- table: {name} -->\n" in text
        assert make().count("|") > 6
    assert "| high | 2 | 50 % | 100 % | 1 |" in tables.confidence_table()
    assert "2 high, 2 low | 1 of 2" in tables.negative_table()
    assert results
