"""Merlin's raw mode. What is expected here was also decoded by LiberTEM 0.16, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest

from unmix4d.errors import InputError
from unmix4d.read.chips import Layout, RawFrames, decode
from unmix4d.read.readers import open_scan

RNG = np.random.default_rng(0)
SLOTS = {1: 1, 6: 8, 12: 16, 24: 16}


def encode(image: np.ndarray, bits: int) -> bytes:
    """Put the pixels of each word into a whole number, the first one lowest, and store it big-endian."""
    slot = SLOTS[bits]
    words = image.reshape(-1, 64 // slot).tolist()
    return b"".join(sum(count << (slot * i) for i, count in enumerate(word)).to_bytes(8, "big") for word in words)


def stored(detector: np.ndarray, bits: int, *, square: bool) -> np.ndarray:
    """Lay an image of the detector (first row first) out as the chips send it."""
    if bits == 24:
        return np.stack([detector >> 12, detector & 4095])
    if not square:
        return detector
    half = detector.shape[0] // 2
    above, below = detector[:half], detector[half:][::-1, ::-1]
    return np.concatenate([below[:, :half], below[:, half:], above[:, half:], above[:, :half]], axis=1)


def write_raw(path: Path, detector: np.ndarray, bits: int, *, square: bool, layout: str | None = None) -> None:
    side = detector.shape[-1]
    height, width = (side // 2, 2 * side) if square else (side, 2 * side if bits == 24 else side)
    chips, header_bytes = (4, 768) if square else (1, 384)
    layout = layout or ("2x2" if square else "1x1")
    head = (
        f"MQ1,000001,{header_bytes:05},{chips:02},{width:04},{height:04},R64,   {layout},01,2021-05-07 18:51:10,"
        f"0.1,0,0,0,4.0E+1,3RX,068,511,MQ1A,2021-05-07T16:51:10.9Z,100000ns,{bits},"
    )
    frames = (encode(stored(each, bits, square=square), bits) for each in detector)
    path.write_bytes(b"".join(head.encode().ljust(header_bytes, b"\0") + frame for frame in frames))


@pytest.mark.parametrize(
    ("bits", "square", "dtype"),
    [
        (1, False, np.uint8),
        (6, False, np.uint8),
        (12, False, np.uint16),
        (24, False, np.uint32),
        (1, True, np.uint8),
        (6, True, np.uint8),
        (12, True, np.uint16),
    ],
)
def test_raw_counts_are_decoded_when_they_are_read(tmp_path: Path, bits: int, *, square: bool, dtype: type) -> None:
    side = 128 if square else 64
    detector = RNG.integers(0, 2**bits, (6, side, side))
    write_raw(tmp_path / "scan.mib", detector, bits, square=square)
    scan = open_scan(tmp_path / "scan.mib", scan_shape=(2, 3))
    patterns = detector[:, ::-1].reshape(2, 3, side, side)  # Merlin counts rows from the bottom
    np.testing.assert_array_equal(scan.rows(0, 2), patterns)
    np.testing.assert_array_equal(scan.pattern(1, 2), patterns[1, 2])
    assert scan.patterns.dtype == dtype
    assert scan.metadata["format"] == "Merlin .mib (raw)"


def test_first_pixel_has_the_lowest_bits() -> None:
    words = np.arange(16, dtype=np.uint8)[None]
    six = Layout(bits=6, height=1, width=16, square=False)
    assert decode(words, six)[0, 0].tolist() == [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8]
    one = Layout(bits=1, height=1, width=64, square=False)
    lit = decode(np.array([[0, 0, 0, 0, 0, 0, 2, 1]], np.uint8), one)
    assert np.flatnonzero(lit).tolist() == [0, 9]


def test_only_what_is_asked_for_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(bits=6, height=2, width=64, square=False)
    seen = []
    monkeypatch.setattr(
        "unmix4d.read.chips.decode", lambda raw, _: seen.append(raw.shape) or raw.reshape(-1, 2, 64)
    )
    RawFrames(np.zeros((500, layout.n_bytes), np.uint8), layout)[7:9]
    assert seen == [(2, 128)]


@pytest.mark.parametrize(("bits", "layout", "square"), [(14, "1x1", False), (24, "2x2", True), (6, "3x1", True)])
def test_raw_data_of_another_kind_say_what_is_read(
    tmp_path: Path, bits: int, layout: str, *, square: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SLOTS, 14, 16)
    detector = np.zeros((1, 128, 128), int)
    write_raw(tmp_path / "scan.mib", detector, bits, square=square, layout=layout)
    with pytest.raises(InputError, match=rf"chips in {layout} with {bits} bits .* save it as processed counts"):
        open_scan(tmp_path / "scan.mib", scan_shape=(1, 1))


def test_raw_file_that_is_cut_short(tmp_path: Path) -> None:
    write_raw(tmp_path / "scan.mib", np.zeros((3, 64, 64), int), 12, square=False)
    content = (tmp_path / "scan.mib").read_bytes()
    (tmp_path / "scan.mib").write_bytes(content[:-10])
    with pytest.raises(InputError, match="2 whole patterns of the 3 that it announces"):
        open_scan(tmp_path / "scan.mib")
