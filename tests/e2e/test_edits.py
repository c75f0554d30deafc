"""`unmix4d report` and `export` follow edits.yaml of the run folder; the result of the run stays as it is."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unmix4d import api
from unmix4d.edit.file import save_edits
from unmix4d.records import Edit, Edits

Start = Callable[..., object]


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy of the run folder with edits in it."""
    copy = Path(shutil.copytree(folder, tmp_path / "own"))
    run = api.Run.load(copy)
    edits = (Edit(do="rename", crystals=(1,), name="Ferrite"), Edit(do="merge", crystals=(0, 2)))
    save_edits(Edits(run=run.result.identity, operations=edits), copy / "edits.yaml")
    return copy


def rows(folder: Path) -> list[tuple[str, str]]:
    with (folder / "clusters.csv").open(encoding="utf-8") as file:
        return [(row["crystal"], row["name"]) for row in csv.DictReader(file)]


def test_report_and_figures_follow_the_edits(unmix4d: Start, own: Path) -> None:
    before = {name: (own / name).read_bytes() for name in ("result.h5", "figures/clusters.png")}
    done = unmix4d("report", own)
    assert done.returncode == 0, done.stderr
    assert "crystal 1 is called Ferrite" in (own / "report.html").read_text(encoding="utf-8")
    assert "Ferrite" in (own / "figures" / "clusters.svg").read_text(encoding="utf-8")
    assert (own / "result.h5").read_bytes() == before["result.h5"]
    assert (own / "figures" / "clusters.png").read_bytes() != before["figures/clusters.png"]
    done = unmix4d("report", own, "--no-edits")
    assert done.returncode == 0, done.stderr
    assert "Ferrite" not in (own / "report.html").read_text(encoding="utf-8")
    assert (own / "figures" / "clusters.png").read_bytes() == before["figures/clusters.png"]


def test_export_follows_the_edits(unmix4d: Start, own: Path, tmp_path: Path) -> None:
    n = len(rows(own))
    assert unmix4d("export", own, "--to", "csv", "-o", tmp_path / "out").returncode == 0
    assert rows(tmp_path / "out")[:2] == [("0", "crystal 0"), ("1", "Ferrite")]
    assert len(rows(tmp_path / "out")) == n - 1
    assert unmix4d("export", own, "--to", "csv", "-o", tmp_path / "plain", "--no-edits").returncode == 0
    assert rows(tmp_path / "plain") == rows(own)
    moved = tmp_path / "mine.yaml"
    (own / "edits.yaml").rename(moved)
    assert unmix4d("export", own, "--to", "csv", "-o", tmp_path / "named", "--edits", moved).returncode == 0
    assert rows(tmp_path / "named") == rows(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("nonsense", 3, "must hold version, run and edits"),
        ('version: 1\nrun: {"labels": "0", "source": "b.npy", "k": 2}\nedits: []', 3, "belongs to another run"),
        (None, 2, "there is no "),
    ],
)
def test_edits_that_are_none_end_it_in_a_sentence(
    unmix4d: Start, own: Path, text: str | None, code: int, words: str
) -> None:
    path = own / "wrong.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    before = (own / "report.html").read_bytes()
    done = unmix4d("report", own, "--edits", path)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (own / "report.html").read_bytes() == before


def test_a_folder_with_edits_is_not_replaced_by_a_new_run(unmix4d: Start, own: Path, scan: Path) -> None:
    done = unmix4d("run", scan, "-o", own, "--overwrite", "--k-max", "3")
    assert done.returncode == 2
    assert "edits.yaml" in done.stderr
    assert (own / "edits.yaml").exists()
