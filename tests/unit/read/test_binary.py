import struct
from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError, UsageError
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(0).integers(0, 200, (3, 4, 6, 6), dtype=np.uint8)


def write_blo(path: Path, scan: np.ndarray = SCAN, *, volts: int = 200_000, length: int = 2000) -> None:
    """A block file as NanoMEGAS documents it: header, image, then patterns of which each has a 6-byte mark."""
    n_y, n_x, size, _ = scan.shape
    offset = 4096 + n_y * n_x
    fields = (b"IMGBLO", 0x0102, 4096, offset, 131141, size, 0, n_x, n_y, 0, 2.0, 1.5, volts, 10_000, length)
    header = struct.pack("<6sHIIIHHHHHddIHI", *fields)
    marks = (struct.pack("<HI", 0x55AA, i) for i in range(n_y * n_x))
    patterns = b"".join(
        mark + each.tobytes() for mark, each in zip(marks, scan.reshape(-1, size, size), strict=True)
    )
    path.write_bytes(header.ljust(offset, b"\0") + patterns)


def write_mib(path: Path, scan: np.ndarray = SCAN, *, kind: str = "U16", header_bytes: int = 384) -> None:
    """Merlin frames: a text header and the rows from the bottom up, big-endian."""
    height, width = scan.shape[-2:]
    frames = scan.reshape(-1, height, width)[:, ::-1]
    stored = frames.astype({"U08": ">u1", "U16": ">u2", "U32": ">u4"}.get(kind, ">u2"))
    header = f"MQ1,000001,{header_bytes:05d},01,{width:04d},{height:04d},{kind},   1x1,01,".ljust(header_bytes)
    path.write_bytes(b"".join(header.encode() + frame.tobytes() for frame in stored))


def write_hdr(path: Path, *, frames: int, per_trigger: int) -> None:
    path.write_text(
        f"HDR,\t\nFrames in Acquisition (Number):\t{frames}\nFrames per Trigger (Number):\t{per_trigger}\nEnd\t",
    )


def cut(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:-n_bytes])


def test_blo(tmp_path: Path) -> None:
    write_blo(tmp_path / "scan.blo")
    scan = open_scan(tmp_path / "scan.blo")
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])
    assert scan.geometry.scan_step_nm == 1.5  # the header has x before y
    # 1/10000 m on the camera, 200 mm away, at 200 kV: 0.1 mm / (0.0250793 Å x 200 mm)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.0199368, rel=1e-4)
    assert scan.metadata["notes"] == ["the scan steps differ, 1.5 nm in y and 2 nm in x: y is used"]


def test_blo_without_camera_length_says_what_to_give(tmp_path: Path) -> None:
    write_blo(tmp_path / "scan.blo", length=0)
    scan = open_scan(tmp_path / "scan.blo")
    assert scan.geometry.pattern_step_inv_angstrom is None
    assert "give --pattern-step, or --voltage, --camera-length and --pixel" in scan.metadata["notes"][-1]


def test_truncated_blo_names_both_numbers_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "scan.blo"
    write_blo(path)
    cut(path, 42 + 10)  # one pattern with its mark, and a part of the one before
    with pytest.raises(InputError, match=r"10 whole patterns of the 12.*can be read with --scan-shape 2,4"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(2, 4))
    np.testing.assert_array_equal(scan.rows(0, 2), SCAN[:2])
    assert "8 of 12 patterns are used" in scan.metadata["notes"][0]
    with pytest.raises(InputError, match="cut short"):
        open_scan(path, scan_shape=(3, 4))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"IMGBLO\x02\x01", "ends within its header"),
        (b"GIF89a".ljust(5000, b"\0"), "is no NanoMEGAS block file"),
    ],
)
def test_file_that_is_no_blo(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "scan.blo").write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_scan(tmp_path / "scan.blo")


def test_blo_of_nothing_but_its_header(tmp_path: Path) -> None:
    path = tmp_path / "scan.blo"
    write_blo(path)
    path.write_bytes(path.read_bytes()[:4100])
    with pytest.raises(InputError, match="ends before its first pattern"):
        open_scan(path)


@pytest.mark.parametrize(("kind", "header_bytes"), [("U08", 384), ("U16", 384), ("U32", 768)])
def test_mib_with_lines(tmp_path: Path, kind: str, header_bytes: int) -> None:
    wide = np.concatenate([SCAN, SCAN], axis=-1)
    write_mib(tmp_path / "scan.mib", wide, kind=kind, header_bytes=header_bytes)
    write_hdr(tmp_path / "scan.hdr", frames=12, per_trigger=4)
    scan = open_scan(tmp_path / "scan.mib")
    np.testing.assert_array_equal(scan.rows(0, 3), wide)
    np.testing.assert_array_equal(scan.pattern(1, 2), wide[1, 2])


@pytest.mark.parametrize("per_trigger", [None, 1, 12, 0, 5])
def test_mib_whose_lines_are_unknown_needs_a_scan_shape(tmp_path: Path, per_trigger: int | None) -> None:
    write_mib(tmp_path / "scan.mib")
    if per_trigger is not None:
        write_hdr(tmp_path / "scan.hdr", frames=12, per_trigger=per_trigger)
    with pytest.raises(UsageError, match=r"holds 12 patterns and no scan shape: give --scan-shape ROWS,COLS"):
        open_scan(tmp_path / "scan.mib")
    np.testing.assert_array_equal(open_scan(tmp_path / "scan.mib", scan_shape=(3, 4)).rows(0, 3), SCAN)


def test_mib_with_more_frames_than_announced(tmp_path: Path) -> None:
    write_mib(tmp_path / "scan.mib")
    write_hdr(tmp_path / "scan.hdr", frames=8, per_trigger=4)
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(tmp_path / "scan.mib")
    scan = open_scan(tmp_path / "scan.mib", scan_shape=(3, 4))
    assert scan.metadata["notes"] == ["the .hdr announces 8 patterns and the .mib holds 12: it is not relied on"]


def test_interrupted_mib(tmp_path: Path) -> None:
    write_mib(tmp_path / "scan.mib", SCAN.reshape(12, 6, 6)[:10])
    write_hdr(tmp_path / "scan.hdr", frames=12, per_trigger=4)
    with pytest.raises(InputError, match=r"10 whole patterns of the 12.*--scan-shape 2,4"):
        open_scan(tmp_path / "scan.mib")
    np.testing.assert_array_equal(open_scan(tmp_path / "scan.mib", scan_shape=(2, 4)).rows(0, 2), SCAN[:2])


def test_mib_cut_within_a_frame(tmp_path: Path) -> None:
    write_mib(tmp_path / "scan.mib")
    cut(tmp_path / "scan.mib", 5)
    with pytest.raises(InputError, match="11 whole patterns of the 12"):
        open_scan(tmp_path / "scan.mib")


def test_mib_of_an_unsupported_kind(tmp_path: Path) -> None:
    write_mib(tmp_path / "scan.mib", kind="F32")
    with pytest.raises(InputError, match=r"values of type 'F32'; supported are U08, U16, U32, U64, R64"):
        open_scan(tmp_path / "scan.mib")


def test_file_that_is_no_mib(tmp_path: Path) -> None:
    (tmp_path / "scan.mib").write_bytes(b"\xff" * 1000)
    with pytest.raises(InputError, match="does not begin with a Merlin header"):
        open_scan(tmp_path / "scan.mib")
