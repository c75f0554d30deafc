"""Images: a multipage TIFF for ImageJ, and folders with a frame for each probe."""

from collections.abc import Iterator
from pathlib import Path

from unmix4d.records import AnyArray
from unmix4d.write.stream import Stream

IMAGEJ_LIMIT = 2**32 - 2**20
IMAGEJ_TYPES = frozenset({"uint8", "uint16", "float32"})
FEWEST_DIGITS = 5


def write_tiff(path: Path, stream: Stream) -> None:
    """Write a page for each pattern: an ImageJ stack up to 4 GB, a BigTIFF beyond."""
    from tifffile import imwrite  # noqa: PLC0415 - slow to import

    n = stream.geometry.n_probes
    imagej = stream.n_bytes < IMAGEJ_LIMIT and stream.values.dtype.name in IMAGEJ_TYPES
    if not imagej:
        stream.notes.append("larger than 4 GB or of a type that ImageJ does not know: written as a BigTIFF")
    step = stream.geometry.pattern_step_inv_angstrom
    imwrite(
        path,
        data=_pages(stream),
        shape=(n, *stream.geometry.pattern_shape),
        dtype=stream.values.dtype,
        photometric="minisblack",
        imagej=imagej,
        bigtiff=not imagej,
        metadata={"axes": "ZYX", "unit": "pixel" if step is None else "1/A"} if imagej else None,
        resolution=None if step is None else (1 / step, 1 / step),
    )


def _pages(stream: Stream) -> Iterator[AnyArray]:
    for _, patterns in stream.blocks():
        yield from patterns


def write_folder(path: Path, stream: Stream, *, suffix: str) -> None:
    """Write a frame for each probe, in the order of the scan: ``00000.bmp`` ..."""
    path.mkdir()
    digits = max(FEWEST_DIGITS, len(str(stream.geometry.n_probes - 1)))
    for first, patterns in stream.blocks():
        for i, pattern in enumerate(patterns):
            _write_frame(path / f"{first + i:0{digits}}{suffix}", pattern)


def _write_frame(path: Path, pattern: AnyArray) -> None:
    if path.suffix == ".tif":
        from tifffile import imwrite  # noqa: PLC0415 - slow to import

        imwrite(path, pattern)
        return
    from PIL import Image  # noqa: PLC0415 - slow to import

    Image.fromarray(pattern).save(path)
