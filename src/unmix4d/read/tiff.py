"""Multipage TIFF: mapped where it is uncompressed, else read page by page."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.found import AXES_WANTED, STACK_NDIM, Found
from unmix4d.read.frames import grey
from unmix4d.read.lazy import PATTERN_NDIM, Frames
from unmix4d.records import AnyArray

if TYPE_CHECKING:
    import tifffile

BROKEN_WORDS = ("invalid page offset", "corrupt", "circular reference", "failed to reshape")


class _Complaints(logging.Handler):
    """Keeps what tifffile logs: it reports a broken chain of pages there and goes on with fewer pages."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    logger, complaints = logging.getLogger("tifffile"), _Complaints()
    propagates = logger.propagate
    logger.addHandler(complaints)
    logger.propagate = False
    try:
        yield complaints.lines
    finally:
        logger.removeHandler(complaints)
        logger.propagate = propagates


def read_tiff(path: Path) -> Found:
    """Open a multipage TIFF; pages are patterns in the order of the scan.

    A file that states four axes itself is a scan of that shape, all others are stacks.

    Raises
    ------
    InputError
        If the file is damaged, cut short, in colour, or holds one image only.
    """
    with _listening() as complaints:
        try:
            patterns = _open(path)
        except InputError:
            raise
        except Exception as error:  # tifffile raises anything on damaged files
            raise InputError(f"{path} is no complete TIFF file ({error}); save or copy it again") from error
    broken = [line for line in complaints if any(word in line for word in BROKEN_WORDS)]
    if broken:
        raise InputError(f"{path} is cut short or damaged ({broken[0]}); save or copy it again")
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="multipage TIFF",
        reader="tifffile" if isinstance(patterns, Frames) else "tifffile (memory map)",
    )


def _open(path: Path) -> AnyArray | Frames:
    """Map the largest series, or keep the file open for its pages until nobody uses them any more."""
    import tifffile  # noqa: PLC0415 - slow to import

    file = tifffile.TiffFile(path)
    try:
        series = max(file.series, key=lambda each: (each.size, each.ndim))
        mapped = _mapped(path, file, series)
        if mapped is None:
            frames = _paged(path, file, series)
            finalize(frames, file.close)
            return frames
    except BaseException:
        file.close()
        raise
    file.close()
    return mapped


def _mapped(path: Path, file: "tifffile.TiffFile", series: "tifffile.TiffPageSeries") -> AnyArray | None:
    """Map a series that lies in one piece, uncompressed; None if it does not."""
    if series.ndim < STACK_NDIM or series.dataoffset is None or not series.keyframe.is_memmappable:
        return None
    if not series.axes.endswith("YX"):
        raise InputError(
            f"{path} has the axes {series.axes}; patterns must be grey and their rows and columns last"
        )
    _require_bytes(path, series.dataoffset + series.nbytes)
    dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
    mapped: AnyArray = np.memmap(path, dtype=dtype, mode="r", offset=series.dataoffset, shape=series.shape)
    return mapped.reshape(-1, *mapped.shape[-2:]) if mapped.ndim > STACK_NDIM + 1 else mapped


def _paged(path: Path, file: "tifffile.TiffFile", series: "tifffile.TiffPageSeries") -> Frames:
    """Read pages on demand; writers that append pages one by one leave a series for each."""
    alike = len({(each.shape, each.dtype) for each in file.series}) == 1
    pages: Sequence[Any] = (
        [each.pages[0] for each in file.series] if alike and len(file.series) > 1 else series.pages
    )
    n_pages = len(pages)
    if n_pages == 1:
        raise InputError(f"{path} holds a single image of shape {series.shape}; {AXES_WANTED}")
    last = pages[n_pages - 1]
    if last is None:
        raise InputError(f"{path} announces {n_pages} pages, but the last one is missing: copy it again")
    _require_bytes(path, max(a + b for a, b in zip(last.dataoffsets, last.databytecounts, strict=True)))
    lock = Lock()

    def read(i: int) -> AnyArray:
        with lock:  # the pages share one file position
            page = pages[i]
            try:
                frame = np.asarray(page.asarray())
            except Exception as error:  # a damaged page or a compression without decoder
                raise InputError(f"page {i} of {path} could not be read ({error})") from error
        return grey(frame, f"page {i} of {path}")

    first = read(0)
    if first.ndim != PATTERN_NDIM:
        raise InputError(f"the pages of {path} have the shape {first.shape}; patterns are 2-D")
    return Frames(read, n_pages, first.shape, first.dtype)


def _require_bytes(path: Path, needed: int) -> None:
    size = path.stat().st_size
    if size < needed:
        raise InputError(f"{path} is cut short: it has {size} bytes of {needed}; save or copy it again")
