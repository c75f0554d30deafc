import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unmix4d.errors import InputError, UsageError
from unmix4d.read.lazy import Folded, Frames
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(2).integers(0, 9, (3, 4, 32, 33), dtype=np.uint16)
STACK = SCAN.reshape(12, 32, 33)
KINDS = {
    "contiguous": {},
    "big_endian": {"byteorder": ">"},
    "imagej": {"imagej": True},
    "compressed": {"compression": "zlib"},
    "tiled": {"tile": (16, 16)},
    "separate": None,
    "plain": {"metadata": None},
}


def write(path: Path, kind: str, stack: np.ndarray = STACK) -> Path:
    options = KINDS[kind]
    if options is None:  # one series for each page
        with tifffile.TiffWriter(path) as file:
            for frame in stack:
                file.write(frame, contiguous=False)
    else:
        tifffile.imwrite(path, stack, **options)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_stack_of_pages(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "stack.tif", kind)
    with pytest.raises(UsageError, match="holds 12 patterns and no scan shape"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 3), SCAN)
    np.testing.assert_array_equal(scan.pattern(2, 1), SCAN[2, 1])


@pytest.mark.parametrize(("kind", "mapped"), [("contiguous", True), ("imagej", True), ("compressed", False)])
def test_uncompressed_is_mapped(tmp_path: Path, kind: str, *, mapped: bool) -> None:
    patterns = open_scan(write(tmp_path / "stack.tif", kind), scan_shape=(3, 4)).patterns
    assert isinstance(patterns, Folded)
    assert isinstance(patterns.stack, np.memmap if mapped else Frames)


def test_file_that_states_four_axes_is_a_scan(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "scan.tif", SCAN, photometric="minisblack")
    scan = open_scan(tmp_path / "scan.tif")
    assert scan.geometry.scan_shape == (3, 4)
    np.testing.assert_array_equal(scan.rows(1, 3), SCAN[1:3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_truncated_file_is_found_at_open(
    tmp_path: Path, kind: str, keep: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "stack.tif", kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with caplog.at_level(logging.ERROR), pytest.raises(InputError, match=r"stack.tif") as caught:
        open_scan(path, scan_shape=(3, 4))
    assert "\n" not in str(caught.value)
    assert caplog.records == []


def test_imagej_file_without_its_last_page_tables_has_all_its_patterns(tmp_path: Path) -> None:
    path = write(tmp_path / "stack.tif", "imagej")
    path.write_bytes(path.read_bytes()[:-100])  # the patterns lie in one piece before the tables
    np.testing.assert_array_equal(open_scan(path, scan_shape=(3, 4)).rows(0, 3), SCAN)


def test_single_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", STACK[0])
    with pytest.raises(InputError, match=r"single image of shape \(32, 33\); a scan has the four axes"):
        open_scan(tmp_path / "image.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colour_is_refused(tmp_path: Path, compression: str | None) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb", compression=compression)
    with pytest.raises(InputError, match=r"must be grey"):
        open_scan(tmp_path / "colour.tif", scan_shape=(2, 2))


def test_pages_can_be_read_by_several_threads(tmp_path: Path) -> None:
    scan = open_scan(write(tmp_path / "stack.tif", "compressed"), scan_shape=(3, 4))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda i: scan.pattern(*divmod(i % 12, 4)), range(120)))
    np.testing.assert_array_equal(np.stack(read), np.concatenate([STACK] * 10))


def test_damaged_page_is_named_when_read(tmp_path: Path) -> None:
    path = write(tmp_path / "stack.tif", "compressed")
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[5].dataoffsets[0], file.pages[5].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)
    scan = open_scan(path, scan_shape=(3, 4))
    np.testing.assert_array_equal(scan.rows(0, 1), SCAN[:1])
    with pytest.raises(InputError, match=r"page 5 of .*stack.tif could not be read"):
        scan.rows(1, 2)
