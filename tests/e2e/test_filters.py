"""The filters as a user meets them: from the command line to the report, on any number of threads, resumed."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score

from unmix4d import Run, unmix
from unmix4d.read.phantom import PhantomSpec, make_phantom

from .conftest import QUICK, Start
from .test_resume import assert_same_result, interrupt

EPATTERN = ("--filter", "epattern", "--spot-background", "radial", "--spot-radius", "1.8")
GATED = ("--filter", "gated-mean", "--gate", "0.02")


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory, unmix4d: Start, scan: Path) -> Path:
    out = tmp_path_factory.mktemp("redrawn") / "out"
    done = unmix4d("run", scan, "-o", out, *QUICK, *EPATTERN, "--threads", "1")
    assert done.returncode == 0, done.stderr
    return out


def test_epattern_goes_from_the_command_line_to_the_report(redrawn: Path, unmix4d: Start) -> None:
    asked = yaml.safe_load((redrawn / "run.yaml").read_text(encoding="utf-8"))
    assert (asked["filter"], asked["spot_background"], asked["spot_radius"]) == ("epattern", "radial", 1.8)
    spots = Run.load(redrawn).result.spots
    assert spots is not None
    assert spots.radius == pytest.approx(1.8)
    assert (redrawn / "figures" / "spots.png").is_file()
    assert 'id="figure-spots"' in (redrawn / "report.html").read_text(encoding="utf-8")
    done = unmix4d("export", redrawn, "--to", "spots")
    assert done.returncode == 0, done.stderr
    lines = (redrawn / "spots.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == spots.n_spots + 1


def test_a_run_is_repeated_by_its_settings_on_other_threads(
    redrawn: Path, unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "again", "--config", redrawn / "run.yaml", "--threads", "3")
    assert done.returncode == 0, done.stderr
    assert_same_result(redrawn, tmp_path / "again")


def test_an_interrupted_run_does_not_register_again(
    redrawn: Path, unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    interrupt(out, "spots", signal.SIGKILL, scan, *QUICK, *EPATTERN, "--threads", "1")
    assert (tmp_path / "out.unfinished" / "spots.npz").is_file()
    done = unmix4d("run", "--resume", out)
    assert done.returncode == 0, done.stderr
    assert_same_result(redrawn, out)


def test_gated_mean_gives_the_same_on_any_number_of_threads(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    for threads in ("1", "3"):
        done = unmix4d("run", scan, "-o", tmp_path / threads, *QUICK, *GATED, "--threads", threads)
        assert done.returncode == 0, done.stderr
    assert_same_result(tmp_path / "1", tmp_path / "3")
    assert "filter: gated-mean" in Run.load(tmp_path / "1").result.steps


@pytest.mark.parametrize("name", ["epattern", "gated-mean"])
@pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")
def test_worker_processes_give_the_same(scan: Path, name: str) -> None:
    pytest.importorskip("distributed")
    here, there = (unmix(scan, k_max=4, threads=1, workers=workers, filter=name).result for workers in (0, 2))
    np.testing.assert_array_equal(here.clusters.labels, there.clusters.labels)
    np.testing.assert_array_equal(here.factorization.weights, there.factorization.weights)


def test_bad_options_are_refused_in_one_sentence(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    for option, value, words in (
        ("--gate", "1.5", "a number above 0 and below 1"),
        ("--spot-background", "flat", "paraboloid, ball, top-hat, radial or none"),
        ("--spot-radius", "-1", "auto or a radius in pixels above 0"),
    ):
        done = unmix4d("run", scan, "-o", tmp_path / "out", "--filter", "epattern", option, value)
        assert done.returncode == 2
        assert words in done.stderr


def test_a_plan_of_a_filtered_run_is_printed(unmix4d: Start, scan: Path) -> None:
    plans = [
        json.loads(unmix4d("run", scan, "--dry-run", "--json", "--filter", name).stdout)
        for name in ("raw", "epattern")
    ]
    raw, epattern = (plan.get("plan", plan) for plan in plans)
    assert epattern["needed"] > raw["needed"]


@pytest.mark.parametrize("name", ["epattern", "gated-mean"])
@pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")
def test_the_phantom_is_still_found(name: str) -> None:
    spec = PhantomSpec(scan_shape=(40, 48), pattern_shape=(64, 64), counts_per_pattern=5000)
    phantom = make_phantom(spec)
    labels = unmix(phantom.scan, filter=name, k_max=10).clusters.labels
    truth = phantom.labels
    both = (labels >= 0) & (truth >= 0)
    assert both.mean() > 0.7
    assert adjusted_rand_score(truth[both], labels[both]) > 0.85


@pytest.mark.data
@pytest.mark.parametrize("name", ["epattern", "gated-mean"])
@pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")
def test_a_mosaic_at_a_very_low_dose_passes(name: str, data: Path) -> None:
    with np.load(data / "tiny_mosaic" / "scan_32.npz") as file:
        patterns = next(file[key] for key in file.files if file[key].ndim == 4)
        grains = file["grain_id"]
    run = unmix(patterns, filter=name, k_max=10)
    labels = run.clusters.labels
    assert labels.shape == grains.shape
    assert adjusted_rand_score(grains[labels >= 0], labels[labels >= 0]) > 0.7
