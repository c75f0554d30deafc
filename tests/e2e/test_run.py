"""From a file to a report, and from a run folder to everything else."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from unmix4d import Run

from .conftest import QUICK, Start

FILES = {
    "run.yaml",
    "provenance.json",
    "result.h5",
    "report.html",
    "decision.csv",
    "clusters.csv",
    "comparison.csv",
    "overlap.csv",
    "overlap_pairs.csv",
    "cleaning.csv",
    "components.hspy",
    "weights.hspy",
    "clusters.tif",
    "overlap.tif",
    "figures",
}


def labels(folder: Path) -> np.ndarray:
    with h5py.File(folder / "result.h5") as file:
        return file["labels"][()]


def test_the_run_folder_holds_what_is_promised(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".png", ".svg"}


def test_the_report_needs_nothing_from_outside(folder: Path) -> None:
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "<html" in report
    for outside in ('src="http', "src='http", "url(http", "@import", '<link rel="stylesheet"'):
        assert outside not in report


def test_the_result_has_the_promised_layout(folder: Path) -> None:
    with h5py.File(folder / "result.h5") as file:
        k, n = int(file["decision"].attrs["k"]), int(file["decision"].attrs["n_crystals"])
        shapes = {
            "components": (k, 32, 32),
            "weights": (k, 16, 20),
            "labels": (16, 20),
            "component_role": (k,),
            "component_crystal": (k,),
            "crystals/patterns": (n, 32, 32),
            "crystals/weights": (n, 16, 20),
            "overlap/ratio": (16, 20),
            "overlap/first": (16, 20),
            "overlap/second": (16, 20),
            "overlap/level": (16, 20),
        }
        assert {name: file[name].shape for name in shapes} == shapes
        assert file["components"].dtype == file["weights"].dtype == np.float32
        assert file["labels"].dtype == file["component_crystal"].dtype == np.int16
        assert list(file["overlap"].attrs["thresholds"]) == [0.75, 0.80, 0.85, 0.90, 0.95]
        assert {"k_low", "k_high", "confidence", "reason"} <= set(file["decision"].attrs)
        assert file["decision/ks"][()].tolist() == [1, 2, 3, 4, 5, 6]  # --k-max 6 is obeyed
        assert {"sweep", "geometry", "provenance"} <= set(file)
        assert "format_version" in file.attrs


def test_the_crystals_of_the_phantom_are_found(folder: Path) -> None:
    run = Run.load(folder)
    assert run.decision.n_crystals == 3
    assert set(np.unique(run.clusters.labels)) <= {-1, 0, 1, 2}


def values(path: Path) -> dict[str, object]:
    """Every array and attribute of a result, as bytes with type and shape."""
    found: dict[str, object] = {}

    def see(name: str, node: h5py.Group | h5py.Dataset) -> None:
        listed = {f"{name}@{key}": value for key, value in node.attrs.items()}
        if isinstance(node, h5py.Dataset):
            listed[name] = node[()]
        for key, value in listed.items():
            array = np.asarray(value)
            found[key] = (
                array.dtype.str,
                array.shape,
                array.tolist() if array.dtype.kind == "O" else array.tobytes(),
            )

    with h5py.File(path) as file:
        see("", file)
        file.visititems(see)
    return found


def told(path: Path) -> dict[str, object]:
    """What a result says about its making, but for the time and memory that it took."""
    with h5py.File(path) as file:
        record = json.loads(file["provenance"][()])
    return {key: value for key, value in record.items() if key not in {"started", "costs"}}


def test_a_run_replayed_from_its_yaml_is_the_same_in_every_number(
    unmix4d: Start, scan: Path, tmp_path: Path
) -> None:
    options = ("--filter", "mean", "--seed", 5, "--threads", 2)
    first, again = tmp_path / "first", tmp_path / "again"
    for out, how in ((first, (*QUICK, *options)), (again, ("--config", first / "run.yaml"))):
        done = unmix4d("run", scan, "-o", out, *how, "--quiet")
        assert done.returncode == 0, done.stderr
    results = [values(out / "result.h5") for out in (first, again)]
    assert len(results[0]) > 100
    assert results[0].keys() == results[1].keys()
    assert [key for key in results[0] if results[0][key] != results[1][key]] == ["provenance"]
    assert told(first / "result.h5") == told(again / "result.h5")
    assert (first / "run.yaml").read_bytes() == (again / "run.yaml").read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(
    unmix4d: Start, scan: Path, folder: Path, tmp_path: Path, threads: int
) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", *QUICK, "--threads", threads, "--quiet")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(labels(tmp_path / "out"), labels(folder))


def test_json_is_one_object_that_agrees_with_the_folder(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", "--k", 4, "--k-max", 5, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    decision = Run.load(tmp_path / "out").decision
    assert answer["k"] == decision.k == 4
    assert answer["n_crystals"] == decision.n_crystals
    assert Path(answer["report"]).is_file()
    assert " s  factorize" in done.stderr


def test_the_summary_says_where_the_report_is(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    done = unmix4d("run", scan, *QUICK, "--keep", "chosen", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {Path('small-run') / 'report.html'}"
    assert (tmp_path / "small-run" / "report.html").is_file()


def test_a_folder_is_overwritten_only_when_asked(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    refused = unmix4d("run", scan, "-o", out, *QUICK)
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_dry_run_tells_the_plan_and_writes_nothing(unmix4d: Start, scan: Path, tmp_path: Path) -> None:
    done = unmix4d("run", scan, "-o", tmp_path / "out", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["n_blocks"] >= 1
    assert plan["matrix"] == 16 * 20 * 32 * 32 * 2  # as stored
    assert not list(tmp_path.iterdir())


def test_the_report_can_be_written_again(unmix4d: Start, folder: Path) -> None:
    report = folder / "report.html"
    before = report.read_text(encoding="utf-8")
    report.unlink()
    done = unmix4d("report", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"report: {report}\n"
    assert len(report.read_text(encoding="utf-8")) == pytest.approx(len(before), rel=0.01)


@pytest.mark.parametrize(
    ("to", "names"),
    [
        ("hspy", {"components.hspy", "weights.hspy"}),
        ("tiff", {"clusters.tif", "overlap.tif"}),
        (
            "csv",
            {"decision.csv", "clusters.csv", "comparison.csv", "overlap.csv", "overlap_pairs.csv", "cleaning.csv"},
        ),
    ],
)
def test_each_export_writes_its_files(
    unmix4d: Start, folder: Path, tmp_path: Path, to: str, names: set[str]
) -> None:
    done = unmix4d("export", folder, "--to", to, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert all(path.stat().st_size > 0 for path in (tmp_path / "out").iterdir())


def test_info_tells_shapes_and_type(unmix4d: Start, scan: Path) -> None:
    done = unmix4d("info", scan, "--scan-step", "2.5", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["scan_shape"] == [16, 20]
    assert said["pattern_shape"] == [32, 32]
    assert said["scan_step_nm"] == 2.5
    assert "uint16" in str(said)
