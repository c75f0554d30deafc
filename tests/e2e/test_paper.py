"""``--mode paper``, from the command line to the report; and the published answer on the paper's scan."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from .conftest import Start

FIGURES = {f"paper_{name}" for name in ("beside", "loss", "matrices", "clusters", "patterns", "overlap", "weights")}


@pytest.fixture(scope="module")
def out(unmix4d: Start, tmp_path_factory: pytest.TempPathFactory, scan: Path) -> Path:
    folder = tmp_path_factory.mktemp("paper") / "out"
    done = unmix4d("run", scan, "-o", folder, "--k-max", "6", "--mode", "paper", "--background", "0")
    assert done.returncode == 0, done.stderr
    said = re.search(
        r"^the paper's procedure: .*\(k = (\d+)\); ([\d.]+)% of the probes as here$", done.stdout, re.MULTILINE
    )
    assert said is not None
    with h5py.File(folder / "result.h5") as file:
        assert int(said[1]) == file["paper"].attrs["k"]
        assert float(said[2]) / 100 == pytest.approx(
            json.loads(file["paper"].attrs["agreement"])["share"], abs=6e-4
        )
    assert re.search(r"s  paper", done.stderr)
    return folder


def test_one_command_writes_both_answers(out: Path, unmix4d: Start) -> None:
    assert {path.stem for path in (out / "figures").iterdir()} >= FIGURES
    with h5py.File(out / "result.h5") as file:
        paper = file["paper"]
        k = int(paper.attrs["k"])
        assert paper["components"].shape == (k, 32, 32)
        assert paper["weights"].shape == (k, 16, 20)
        assert paper["labels"].shape == file["labels"].shape
        assert paper.attrs["background"] == 0
        assert paper["sweep/ks"][()].tolist() == [3, 4, 5, 6]
        assert file["decision"].attrs["n_crystals"] == 3  # an index names the paper's background, not one of ours
    before = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="paper"' in before
    assert unmix4d("report", out).returncode == 0
    assert (out / "report.html").read_text(encoding="utf-8") == before  # all of it is in result.h5


def test_the_plan_says_what_it_takes(unmix4d: Start, scan: Path) -> None:
    done = unmix4d("run", scan, "--mode", "paper", "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert plan["needed"] > plan["dense"] > 16 * 20 * 32 * 32


def test_too_little_memory_is_refused_with_the_number_and_what_to_do(
    unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", "--mode", "paper", "--memory", "400MiB")
    assert done.returncode == 4
    assert re.search(r"--mode paper holds all patterns in memory.*at least \d+ MiB.*--bin or --crop", done.stderr)
    assert not (tmp_path / "out").exists()


def test_an_unknown_mode_is_refused(unmix4d: Start, scan: Path) -> None:
    done = unmix4d("run", scan, "--mode", "literal")
    assert done.returncode == 2
    assert "mode: got 'literal', expected sound or paper" in done.stderr


@pytest.mark.data
@pytest.mark.slow
def test_tiny_mosaic_runs_and_the_report_says_where_both_differ(unmix4d: Start, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = unmix4d("run", data / "tiny_mosaic" / "scan_32.npz", "-o", out, "--mode", "paper", "--k-max", "12")
    assert done.returncode == 0, done.stderr
    with h5py.File(out / "result.h5") as file:
        agreement = json.loads(file["paper"].attrs["agreement"])
        changes = json.loads(file["paper"].attrs["changes"])
        reported = {name: scores["reported_if_permuted"][()] for name, scores in file["paper/scores"].items()}
    text = (out / "report.html").read_text(encoding="utf-8")
    assert f"{100 * agreement['share']:.1f} % of all probes" in text
    assert {change["reason"] for change in changes} == {
        *("scaling", "component order", "background rule", "filter", "fit")
    }
    assert any(change["n_changed"] for change in changes if change["reason"] == "scaling")
    assert all(len(set(orders.tolist())) > 1 for orders in reported.values())  # k follows the order of components


@pytest.mark.data
@pytest.mark.slow
def test_the_papers_scan_gives_the_published_map(unmix4d: Start, data: Path, tmp_path: Path) -> None:
    # Every third probe, binned by two: the whole scan takes a quarter of an hour (decision 0017).
    from rsciio.hspy import file_reader

    step = slice(None, None, 3)
    patterns = np.asarray(file_reader(str(data / "paper_scan" / "scan.hspy"))[0]["data"])[step, step]
    np.save(tmp_path / "scan.npy", patterns)
    out = tmp_path / "out"
    done = unmix4d("run", tmp_path / "scan.npy", "-o", out, "--mode", "paper", "--k", "8", "--bin", "2")
    assert done.returncode == 0, done.stderr
    truth = np.load(data / "paper_scan" / "truth.npz")
    label, alone = truth["label"][step, step], truth["overlap_bin"][step, step] == 1
    with h5py.File(out / "result.h5") as file:
        found, knee = file["paper/labels"][()], int(file["paper"].attrs["knee"])
        background = int(file["paper"].attrs["background"])
    assert 6 <= knee <= 10
    table = np.zeros((8, 8))
    np.add.at(table, (found[alone], label[alone]), 1)
    rows, columns = linear_sum_assignment(-table)
    assert table[rows, columns].sum() / table.sum() >= 0.95
    published = label == int(truth["background"])
    assert ((found == background) & published).sum() >= 0.95 * published.sum()
