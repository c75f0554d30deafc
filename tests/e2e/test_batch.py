"""Several scans in one command, and two runs side by side."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from unmix4d.api import Run

from .conftest import Start


@pytest.fixture(scope="module")
def several(unmix4d: Start, scan: Path, tmp_path_factory: pytest.TempPathFactory):
    """One scan that runs, one that is damaged, and one that runs again."""
    folder = tmp_path_factory.mktemp("batch")
    again = folder / "again.npy"
    np.save(again, np.load(scan)[:, ::-1])
    (folder / "broken.npy").write_bytes(b"nothing")
    scans = (scan, folder / "broken.npy", again)
    done = unmix4d("run", *scans, "-o", folder / "out", "--k", 4, "--k-max", 5, "--threads", 1)
    return done, folder / "out"


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scans.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_failing_scan_does_not_stop_the_others(several) -> None:
    done, out = several
    rows = table(out)
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert done.returncode == 3
    assert "broken.npy is no complete .npy file" in rows[1]["message"]
    assert "broken.npy is no complete .npy file" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["again", "scans.csv", "small"]


def test_the_table_says_what_the_runs_say(several) -> None:
    done, out = several
    for row in table(out):
        assert row["scan"] in done.stdout
        if row["status"] == "done":
            decision = Run.load(row["folder"]).decision
            assert (int(row["k"]), int(row["n_crystals"])) == (decision.k, decision.n_crystals)
            assert row["confidence"] == decision.confidence


def test_several_scans_need_a_folder(unmix4d: Start, scan: Path, several, tmp_path: Path) -> None:
    refused = unmix4d("run", scan, scan)
    assert (refused.returncode, "several scans need -o OUT" in refused.stderr) == (2, True)
    refused = unmix4d("run", scan, scan, "-o", tmp_path / "out")
    assert (refused.returncode, "several scans are named small.npy" in refused.stderr) == (2, True)
    refused = unmix4d("run", scan, several[1] / "other.npy", "-o", several[1] / "small")
    assert (refused.returncode, "is a run; several scans need a folder" in refused.stderr) == (2, True)


def test_a_run_compared_with_itself_is_the_same(unmix4d: Start, several) -> None:
    run = several[1] / "small"
    done = unmix4d("compare", run, run, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told["same_scan"], told["adjusted_rand"], told["same_probes"]) == (True, 1.0, 1.0)
    assert [(pair["first"], pair["second"]) for pair in told["components"]] == [(i, i) for i in range(4)]
    assert all(pair["cosine"] == pytest.approx(1) for pair in told["components"])
    assert told["settings"] == {}


def test_a_mirrored_scan_has_the_same_components(unmix4d: Start, several) -> None:
    done = unmix4d("compare", several[1] / "small", several[1] / "again")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "same scan: no"
    assert lines[1].startswith("k: 4 and 4; crystals: ")
    cosines = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("component ")]
    assert len(cosines) == 4
    assert sorted(cosines)[-3:] == pytest.approx([1, 1, 1], abs=0.02)


def test_what_is_no_run_is_refused(unmix4d: Start, several, tmp_path: Path) -> None:
    done = unmix4d("compare", several[1] / "small", tmp_path)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
