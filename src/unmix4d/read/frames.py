"""A folder with one image file for each probe, in the order of the scan."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.found import Found
from unmix4d.read.lazy import PATTERN_NDIM, Frames
from unmix4d.records import AnyArray

TIFF_SUFFIXES = (".tif", ".tiff")
FRAME_SUFFIXES = (".bmp", ".png", *TIFF_SUFFIXES)
DIGITS = re.compile(r"(\d+)")
MAX_CHECKED = 200


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that reads digits as numbers: frame2 comes before frame10."""
    parts = DIGITS.split(name.lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def read_folder(path: Path) -> Found:
    """Open a folder of frames (.bmp, .png, .tif), sorted by the numbers in their names; each is read on demand.

    Frames must be grey (colour with equal channels counts as grey) and of one shape and type. Files of other
    kinds are passed over.

    Raises
    ------
    InputError
        If there are no frames, several kinds of them, or one that is empty, coloured or of another shape.
    """
    files = _frame_files(path)
    for file in files:
        if file.stat().st_size == 0:
            raise InputError(f"{file} is empty (0 bytes): write that frame again")
    first = read_frame(files[0])
    frames = _FrameFiles(files, first)
    for i in _suspects(files):
        frames.read(i)
    return Found(
        patterns=Frames(frames.read, len(files), first.shape, first.dtype),
        name=str(path),
        path=path,
        format=f"folder of {files[0].suffix} frames",
        reader="tifffile" if files[0].suffix.lower() in TIFF_SUFFIXES else "Pillow",
        extra={"first_frame": files[0].name, "last_frame": files[-1].name},
    )


def _frame_files(path: Path) -> list[Path]:
    files = [file for file in path.iterdir() if file.suffix.lower() in FRAME_SUFFIXES and file.name[0] != "."]
    kinds = Counter(file.suffix.lower().replace(".tiff", ".tif") for file in files)
    if not kinds:
        raise InputError(f"the folder {path} holds no frames ({', '.join(FRAME_SUFFIXES)})")
    if len(kinds) > 1:
        listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
        raise InputError(f"the folder {path} holds several kinds of frames ({listed}): leave one kind in it")
    return sorted(files, key=lambda file: (natural_key(file.name), file.name))


class _FrameFiles:
    """Reads a frame and holds it against the first one."""

    def __init__(self, files: Sequence[Path], first: AnyArray) -> None:
        self.files = files
        self.expected = (first.shape, first.dtype)

    def read(self, i: int) -> AnyArray:
        frame = read_frame(self.files[i])
        if (frame.shape, frame.dtype) != self.expected:
            shape, dtype = self.expected
            raise InputError(
                f"{self.files[i]} is {frame.shape} {frame.dtype}, but {self.files[0].name} is {shape} {dtype}: "
                "all frames of a scan must have one shape and type"
            )
        return frame


def _suspects(files: Sequence[Path]) -> list[int]:
    """Frames to look at before the scan is used: the odd ones by size on disk, or some spread over all."""
    sizes = [file.stat().st_size for file in files]
    common, count = Counter(sizes).most_common(1)[0]
    if count > len(files) // 2:  # uncompressed frames have one size
        return [i for i, size in enumerate(sizes) if size != common][:MAX_CHECKED]
    return sorted({round(i) for i in np.linspace(0, len(files) - 1, MAX_CHECKED)})


def read_frame(path: Path) -> AnyArray:
    """Read one frame as a 2-D array.

    Raises
    ------
    InputError
        If it is damaged, has several pages or is in colour.
    """
    try:
        frame = _decode_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _decode(path)
    except InputError:
        raise
    except Exception as error:  # image libraries raise anything on damaged files
        raise InputError(f"{path} could not be read as an image ({error}): write that frame again") from error
    return grey(frame, str(path))


def _decode(path: Path) -> AnyArray:
    from PIL import Image  # noqa: PLC0415 - slow to import

    with Image.open(path) as image:
        # a palette holds colours, transparency holds no counts
        without_alpha = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L", "1": "L"}
        return np.asarray(image.convert(without_alpha[image.mode]) if image.mode in without_alpha else image)


def _decode_tiff(path: Path) -> AnyArray:
    import tifffile  # noqa: PLC0415 - slow to import

    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise InputError(f"{path} has {len(file.pages)} pages, but a folder of frames needs one each")
        return np.asarray(file.asarray())


def grey(frame: AnyArray, name: str) -> AnyArray:
    """Give the one channel of an image (pattern_y, pattern_x) or (pattern_y, pattern_x, channel).

    Raises
    ------
    InputError
        If the channels differ.
    """
    if frame.ndim == PATTERN_NDIM:
        return frame
    if frame.ndim > PATTERN_NDIM + 1 or np.any(frame != frame[..., :1]):
        raise InputError(f"{name} is a colour image of shape {frame.shape}; patterns must be grey")
    return frame[..., 0]
