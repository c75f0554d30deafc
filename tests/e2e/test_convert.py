"""`unmix4d convert` as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest

from unmix4d.cli import exit_code
from unmix4d.read.readers import open_scan

COUNTS = np.random.default_rng(0).poisson(300, (4, 5, 12, 12)).astype(np.uint16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.save(tmp_path / "s.npy", COUNTS)
    return tmp_path / "s.npy"


def test_it_says_what_it_wrote(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.blo"
    options = ["--scan-step", "2.5", "--pattern-step", "0.02", "--beam-energy", "200", "--scale", "sqrt", "--json"]
    assert exit_code(["convert", str(source), str(out), *options]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["values"] == f"uint8: 255 x sqrt(counts / {COUNTS.max()}), so that weak spots stay visible"
    assert "look" in captured.err
    assert "write" in captured.err
    back = open_scan(out)
    assert back.geometry.scan_step_nm == 2.5
    assert back.geometry.pattern_step_inv_angstrom == pytest.approx(0.02, rel=1e-4)
    expected = np.rint(255 * np.sqrt(COUNTS / COUNTS.max()))
    np.testing.assert_array_equal(back.rows(0, 4), expected)


@pytest.mark.parametrize(
    "refusal",
    [
        (["s.npy", "s.dm4"], 2, "names no format that scans are written in"),
        (["nothing.npy", "s.blo"], 3, "there is no file or folder nothing.npy"),
        (["s.npy", "s.npy"], 2, "is the scan itself"),
        (["s.npy", "t.npy", "--memory", "1KB"], 4, "raise --memory"),
    ],
)
def test_refusals_are_one_sentence(
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refusal: tuple[list[str], int, str],
) -> None:
    arguments, code, words = refusal
    monkeypatch.chdir(source.parent)
    assert exit_code(["convert", *arguments, "--quiet"]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert [path.name for path in source.parent.iterdir()] == ["s.npy"]
