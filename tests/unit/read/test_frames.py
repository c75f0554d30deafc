from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unmix4d.errors import InputError, UsageError
from unmix4d.read.frames import natural_key
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(1).integers(0, 255, (3, 4, 5, 6), dtype=np.uint8)
STACK = SCAN.reshape(12, 5, 6)


def write(folder: Path, suffix: str, stack: np.ndarray = STACK) -> Path:
    """Names without leading zeros, so that only a natural sort finds the order."""
    for i, frame in enumerate(stack):
        Image.fromarray(frame).save(folder / f"frame{i}{suffix}")
    return folder


def test_natural_order() -> None:
    names = ["Frame10.bmp", "frame2.bmp", "frame1b.bmp", "frame1.bmp"]
    assert sorted(names, key=natural_key) == ["frame1.bmp", "frame1b.bmp", "frame2.bmp", "Frame10.bmp"]
    assert sorted(["b1", "2", "a"], key=natural_key) == ["2", "a", "b1"]


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif", ".PNG"])
def test_folder_in_the_order_of_the_numbers(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, suffix)
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / f"._hidden{suffix}").write_bytes(b"passed over")
    scan = open_scan(tmp_path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 3), SCAN[2, 3])
    assert (scan.metadata["first_frame"], scan.metadata["last_frame"]) == (f"frame0{suffix}", f"frame11{suffix}")


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    stack = STACK.astype(np.uint16) * 200
    scan = open_scan(write(tmp_path, ".png", stack), scan_shape=(3, 4))
    assert scan.patterns.dtype == np.uint16
    np.testing.assert_array_equal(scan.rows(0, 3).reshape(12, 5, 6), stack)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_with_equal_channels_is_grey(tmp_path: Path, channels: int) -> None:
    stack = np.repeat(STACK[..., None], channels, axis=-1)
    stack[..., 3:] = 255
    np.testing.assert_array_equal(open_scan(write(tmp_path, ".png", stack), scan_shape=(3, 4)).rows(0, 3), SCAN)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    for i, frame in enumerate(STACK):
        image = Image.fromarray(frame, mode=None)
        image.putpalette([255 - value for value in range(256) for _ in range(3)])
        image.save(tmp_path / f"{i}.png")
    np.testing.assert_array_equal(open_scan(tmp_path, scan_shape=(3, 4)).rows(0, 3), 255 - SCAN)


def test_folder_needs_the_scan_shape(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds 12 patterns and no scan shape: give --scan-shape ROWS,COLS"):
        open_scan(write(tmp_path, ".bmp"))


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
def test_colour_frame_is_named(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, suffix)
    colour = np.repeat(STACK[0][..., None], 3, axis=-1)
    colour[0, 0] = (1, 2, 3)
    Image.fromarray(colour).save(tmp_path / f"frame7{suffix}")
    with pytest.raises(InputError, match=rf"frame7{suffix} is a colour image of shape \(5, 6, 3\)"):
        open_scan(tmp_path, scan_shape=(3, 4))


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif"])
def test_frame_of_another_shape_is_named(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, suffix)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / f"frame7{suffix}")
    with pytest.raises(
        InputError, match=rf"frame7{suffix} is \(9, 9\) uint8, but frame0{suffix} is \(5, 6\) uint8"
    ):
        open_scan(tmp_path, scan_shape=(3, 4))


def test_frame_that_changes_later_is_named_when_read(tmp_path: Path) -> None:
    scan = open_scan(write(tmp_path, ".png"), scan_shape=(3, 4))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "frame7.png")
    np.testing.assert_array_equal(scan.rows(0, 1), SCAN[:1])
    with pytest.raises(InputError, match=r"frame7\.png"):
        scan.rows(1, 2)


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif"])
def test_truncated_frame_is_named(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix) / f"frame7{suffix}"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=rf"frame7{suffix} could not be read as an image"):
        open_scan(tmp_path, scan_shape=(3, 4))


def test_empty_frame_is_named(tmp_path: Path) -> None:
    write(tmp_path, ".bmp")
    (tmp_path / "frame7.bmp").write_bytes(b"")
    with pytest.raises(InputError, match=r"frame7.bmp is empty \(0 bytes\)"):
        open_scan(tmp_path, scan_shape=(3, 4))


def test_frame_with_pages(tmp_path: Path) -> None:
    for i in range(3):
        tifffile.imwrite(tmp_path / f"{i}.tif", STACK[:2])
    with pytest.raises(InputError, match=r"0.tif has 2 pages"):
        open_scan(tmp_path, scan_shape=(1, 3))


def test_folder_without_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no frames \(.bmp, .png"):
        open_scan(tmp_path)


def test_folder_with_two_kinds(tmp_path: Path) -> None:
    write(tmp_path, ".bmp")
    write(tmp_path, ".png")
    with pytest.raises(InputError, match=r"several kinds of frames \(12 .bmp, 12 .png\)"):
        open_scan(tmp_path, scan_shape=(3, 4))
