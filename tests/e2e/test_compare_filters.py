"""Several filters on one scan, from the command line to the folder, interrupted and resumed."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from unmix4d import Run

from .conftest import PROGRAM, Start
from .test_resume import assert_same_result

QUICK = ("--k-max", "4", "--threads", "1", "--filters", "raw,mean", "--starts", "spa,warm")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, unmix4d: Start, scan: Path) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("compared") / "out"
    done = unmix4d("compare-filters", scan, "-o", out, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_it_says_what_each_filter_finds_and_which_to_use(compared: tuple[Path, dict]) -> None:
    out, said = compared
    assert said["recommended"] in said["filters"]
    assert set(said["filters"]) == {"raw", "mean"}
    assert set(said["others"]) == {"raw", "mean"} - {said["recommended"]}
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert f"Recommended: <strong>{said['recommended']}</strong>" in page
    with (out / "filters.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["filter"]: row for row in csv.DictReader(file)}
    for name, found in said["filters"].items():
        run = Run.load(out / name)
        assert run.settings.filter == name
        assert run.decision.n_crystals == found["n_crystals"] == int(rows[name]["n_crystals"])
    assert not out.with_name("out.unfinished").exists()


def test_its_runs_are_ordinary_runs(
    compared: tuple[Path, dict], unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    out, _ = compared
    done = unmix4d("run", scan, "-o", tmp_path / "again", "--config", out / "mean" / "run.yaml")
    assert done.returncode == 0, done.stderr
    assert_same_result(out / "mean", tmp_path / "again")
    done = unmix4d("report", out / "mean")
    assert done.returncode == 0, done.stderr


def test_an_interrupted_comparison_goes_on_and_repeats_no_filter(
    compared: tuple[Path, dict], unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / "out.unfinished"
    command = [PROGRAM, "compare-filters", scan, "-o", out, "--config", compared[0] / "compare.yaml"]
    environment = {name: value for name, value in os.environ.items() if name != "UNMIX4D_DEBUG"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        while process.poll() is None and not any(kept.glob("mean%2Fsketch-*.npz")):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=600)
    assert (process.returncode, said) == (5, "")
    assert errors.splitlines()[-1] == f"interrupted; go on with: unmix4d compare-filters --resume {out}"
    assert not out.exists()
    written = (kept / "raw" / "result.h5").stat().st_mtime_ns
    done = unmix4d("run", "--resume", out)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.endswith("that of a comparison of filters: go on with unmix4d compare-filters --resume")
    done = unmix4d("compare-filters", "--resume", out, "--threads", "2")
    assert done.returncode == 0, done.stderr
    assert (out / "raw" / "result.h5").stat().st_mtime_ns == written
    for name in ("raw", "mean"):
        assert_same_result(out / name, compared[0] / name)
    for name in ("overlap", "agreement", "losses", "clusters"):
        assert (out / f"{name}.csv").read_bytes() == (compared[0] / f"{name}.csv").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_settings_are_kept(compared: tuple[Path, dict]) -> None:
    asked = yaml.safe_load((compared[0] / "compare.yaml").read_text(encoding="utf-8"))
    assert asked["filters"] == ["raw", "mean"]
    assert (asked["k_max"], asked["starts"]) == (4, ["spa", "warm"])


@pytest.mark.parametrize(
    "named", [("--filters", "raw mean"), ("--filters", "raw,mean"), ("--filters", "raw", "--filters", "mean")]
)
def test_a_plan_names_every_filter_and_does_nothing(
    unmix4d: Start, scan: Path, tmp_path: Path, named: tuple[str, ...]
) -> None:
    done = unmix4d("compare-filters", scan, "--dry-run", "--json", *named, cwd=tmp_path)
    plan = json.loads(done.stdout)
    assert plan["filters"] == ["raw", "mean"]
    assert plan["seconds"] == pytest.approx(plan["raw_seconds"] + plan["mean_seconds"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--filters", "raw"), 2, "filters: got raw, expected two or more names"),
        (("--filters", "raw,median"), 2, "no unmix4d.filters named 'median'"),
        (("--reference", "median"), 2, "reference: median is not one of the filters"),
        (("--filter", "mean"), 2, "--filter"),
        (("--k", "500"), 2, "--k 500 is more than this scan allows"),
        (("--memory", "1MB"), 4, "this run needs at least"),
        (("--resume", "nowhere", "-o", "out"), 2, "leave --out out"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(
    unmix4d: Start, scan: Path, tmp_path: Path, *, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = unmix4d("compare-filters", scan, *arguments, "--quiet", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_scan_that_is_not_there_is_refused(unmix4d: Start, tmp_path: Path) -> None:
    done = unmix4d("compare-filters", tmp_path / "none.npy", "-o", tmp_path / "out")
    assert done.returncode == 3
    assert not list(tmp_path.iterdir())
