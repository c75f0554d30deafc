import json
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.beside import companions_of, patterns_of
from unmix4d.read.readers import open_scan

STACK = np.random.default_rng(0).poisson(5, (12, 6, 8)).astype(np.uint8)
TOLD = {
    "scan_shape": [3, 4],
    "scan_step_nm": 2.5,
    "pattern_step_inv_angstrom": 0.02,
    "beam_energy_kev": 200,
    "camera_length_mm": 150,
    "made_by": "hand",
}


def write(tmp_path: Path, told: object) -> Path:
    np.save(tmp_path / "s.npy", STACK)
    (tmp_path / "s.npy.json").write_text(told if isinstance(told, str) else json.dumps(told))
    return tmp_path / "s.npy"


def test_sidecar_gives_shape_and_calibration(tmp_path: Path) -> None:
    scan = open_scan(write(tmp_path, TOLD))
    assert scan.geometry.scan_shape == (3, 4)
    assert (scan.geometry.scan_step_nm, scan.geometry.pattern_step_inv_angstrom) == (2.5, 0.02)
    assert (scan.metadata["beam_energy_kev"], scan.metadata["camera_length_mm"]) == (200, 150)


def test_options_go_before_the_sidecar(tmp_path: Path) -> None:
    scan = open_scan(write(tmp_path, TOLD), scan_shape=(4, 3), scan_step_nm=1.0)
    assert (scan.geometry.scan_shape, scan.geometry.scan_step_nm) == ((4, 3), 1.0)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("{", "is no JSON"),
        ("[1]", "is no JSON object"),
        ({"scan_shape": "3x4"}, "must be two whole numbers"),
        ({"scan_step_nm": -1}, "must be a positive number"),
    ],
)
def test_sidecar_that_cannot_be_meant(tmp_path: Path, told: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_scan(write(tmp_path, told))


def test_sidecar_whose_shape_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"5 x 5 needs 25 patterns"):
        open_scan(write(tmp_path, {"scan_shape": [5, 5]}))


def test_header_stands_for_its_patterns(tmp_path: Path) -> None:
    (tmp_path / "s.hdr").touch()
    with pytest.raises(InputError, match=r"its patterns should be in s.mib beside it, which is missing"):
        patterns_of(tmp_path / "s.hdr")
    (tmp_path / "s.mib").touch()
    assert patterns_of(tmp_path / "s.hdr") == tmp_path / "s.mib"


def test_later_part_stands_for_the_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is part 002 of a scan whose first part s_000.tvips is missing"):
        patterns_of(tmp_path / "s_002.tvips")
    (tmp_path / "s_000.tvips").touch()
    assert patterns_of(tmp_path / "s_002.tvips").name == "s_000.tvips"


def test_companions(tmp_path: Path) -> None:
    for name in ("s.mib", "s.hdr", "s.mib.json", "a_master.h5", "a.h5", "a_data_1.h5", "b_data_1.h5"):
        (tmp_path / name).touch()
    assert [path.name for path in companions_of(tmp_path / "s.mib")] == ["s.hdr", "s.mib.json"]
    assert [path.name for path in companions_of(tmp_path / "a_master.h5")] == ["a.h5", "a_data_1.h5"]
