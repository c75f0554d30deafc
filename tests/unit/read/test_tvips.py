"""TVIPS recordings that the tests write themselves; RosettaSciIO is the judge where it reads them."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.readers import open_scan
from unmix4d.read.tvips import HEADER

STACK = np.random.default_rng(0).integers(0, 200, (12, 6, 8)).astype(np.uint16)
FRAME_BYTES = 64


def write(
    path: Path,
    stack: np.ndarray = STACK,
    *,
    rotator: object = 0,
    pixel: int = 2,
    mode: int = 2,
    volts: int = 200,
    version: int = 2,
    parts: tuple[int, ...] = (),
) -> Path:
    """Write frames with their headers, and go on in a new part before each of the frames that are named."""
    head = np.zeros(1, [*HEADER.descr, ("spare", "V204")])
    head["size"], head["version"], head["bits"] = head.itemsize, version, 8 * stack.itemsize
    head["height"], head["width"] = stack.shape[1:]
    head["pixel_size"], head["high_tension"], head["frame_header_bytes"] = pixel, volts, FRAME_BYTES
    frames = np.zeros(len(stack), [("head", "<u4", FRAME_BYTES // 4), ("pattern", stack.dtype, stack.shape[1:])])
    frames["head"][:, 6], frames["head"][:, 12], frames["pattern"] = mode, rotator, stack
    if version == 1:
        old = np.zeros(len(stack), [("head", "V12"), ("pattern", stack.dtype, stack.shape[1:])])
        old["pattern"] = stack
        frames = old
    for i, part in enumerate(np.split(frames, parts)):
        name = path.with_name(path.name.replace("_000", f"_{i:03}"))
        name.write_bytes((head.tobytes() if i == 0 else b"") + part.tobytes())
    return path


def test_parts_are_one_recording(tmp_path: Path) -> None:
    path = write(tmp_path / "s_000.tvips", parts=(5, 6))
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), STACK.reshape(3, 4, 6, 8))
    np.testing.assert_array_equal(scan.pattern(1, 1), STACK[5])
    signal = import_module("rsciio.tvips").file_reader(str(path))[0]
    np.testing.assert_array_equal(signal["data"], STACK)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.2)
    assert signal["axes"][2]["scale"] == 2  # 1/nm
    assert all(isinstance(part, np.memmap) for part in scan.patterns.stack.parts)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("volts", "kev"), [(200, 200.0), (200_000, 200.0), (0, None)])
def test_beam_energy(tmp_path: Path, volts: int, kev: float | None) -> None:
    scan = open_scan(write(tmp_path / "s_000.tvips", volts=volts), scan_shape=(3, 4))
    assert scan.metadata["beam_energy_kev"] == kev


@pytest.mark.parametrize("parts", [(), (4, 9)])
def test_a_square_scan_is_found_by_the_numbers_of_the_scan_generator(
    tmp_path: Path, parts: tuple[int, ...]
) -> None:
    rotator = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    path = write(tmp_path / "s_000.tvips", rotator=rotator, parts=parts)
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.rows(0, 3), STACK[2:11].reshape(3, 3, 6, 8))
    signal = import_module("rsciio.tvips").file_reader(str(path), scan_shape="auto")[0]
    np.testing.assert_array_equal(scan.rows(0, 3), signal["data"])
    with pytest.raises(UsageError, match=r"\(its frames 2 to 10, which the scan generator counted\) holds 9"):
        open_scan(path, scan_shape=(3, 4))


@pytest.mark.parametrize("rotator", [0, range(12), range(1, 13), [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9]])
def test_numbers_that_make_no_square_tell_nothing(tmp_path: Path, rotator: object) -> None:
    path = write(tmp_path / "s_000.tvips", rotator=rotator)
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)


@pytest.mark.parametrize(("pixel", "mode"), [(15_600, 2), (5, 1)])
def test_size_of_the_camera_is_no_step(tmp_path: Path, pixel: int, mode: int) -> None:
    scan = open_scan(write(tmp_path / "s_000.tvips", pixel=pixel, mode=mode), scan_shape=(3, 4))
    assert scan.geometry.pattern_step_inv_angstrom is None
    assert f"the header gives pixels of {pixel} nm, which is no step in 1/Å" in scan.metadata["notes"][0]


def test_old_version_with_short_headers_and_eight_bits(tmp_path: Path) -> None:
    path = write(tmp_path / "s_000.tvips", STACK.astype(np.uint8), version=1)
    np.testing.assert_array_equal(open_scan(path, scan_shape=(12, 1)).rows(0, 12)[:, 0], STACK)


def test_part_that_is_missing_or_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path / "s_000.tvips", parts=(4, 8))
    whole = (tmp_path / "s_001.tvips").read_bytes()
    (tmp_path / "s_001.tvips").write_bytes(whole[:-3])
    with pytest.raises(InputError, match=r"s_001.tvips is cut short, and s_002.tvips goes on after it"):
        open_scan(path)
    (tmp_path / "s_001.tvips").unlink()
    with pytest.raises(InputError, match=r"part 001 is missing beside it"):
        open_scan(path)


def test_recording_that_was_interrupted(tmp_path: Path) -> None:
    path = write(tmp_path / "s_000.tvips")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="11 whole patterns of the 12 that it announces"):
        open_scan(path)
    assert open_scan(path, scan_shape=(2, 5)).geometry.scan_shape == (2, 5)
    path.write_bytes(path.read_bytes()[:280])
    with pytest.raises(InputError, match="ends before its first pattern"):
        open_scan(path)


def test_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "s_000.tvips").write_bytes(b"x" * 20)
    with pytest.raises(InputError, match="ends within its header"):
        open_scan(tmp_path / "s_000.tvips")
    (tmp_path / "s_000.tvips").write_bytes(b"x" * 500)
    with pytest.raises(InputError, match="is no TVIPS recording"):
        open_scan(tmp_path / "s_000.tvips")
