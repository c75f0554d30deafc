"""TVIPS recordings: one or several files of frames, each with a header, mapped into memory."""

import re
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from math import isqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Microscope, positive
from unmix4d.read.found import NO_AXIS, Found
from unmix4d.read.lazy import Joined
from unmix4d.read.mapped import map_records, read_head
from unmix4d.records import AnyArray

PART_NAME = re.compile(r"(?P<start>.+_)(?P<part>\d{3})(?P<end>\.tvips)", re.IGNORECASE)
HEADER = np.dtype(
    [
        *((name, "<u4") for name in ("size", "version", "width", "height", "bits", "offset_x", "offset_y")),
        *((name, "<u4") for name in ("bin_x", "bin_y", "pixel_size", "high_tension", "magnification")),
        ("frame_header_bytes", "<u4"),
    ]
)
OLD_FRAME_HEADER_BYTES = 12
FRAME_FIELDS_BYTES = 60
MODE_AT, ROTATOR_AT = 24, 48
"""Where the header of a frame has the mode of the microscope and the number that the scan generator counts."""
TYPES: Mapping[int, str] = MappingProxyType({8: "<u1", 16: "<u2"})
DIFFRACTION = 2
MOST_LOOKED_AT = 500
LARGEST_STEP_INV_NM = 1000
VOLTS_FROM = 10_000


def read_tvips(path: Path) -> Found:
    """Map a recording with all its parts (``NAME_000.tvips``, ``NAME_001.tvips`` ...).

    Where the scan generator counted a square scan, that is the scan shape, and frames before and after it are left
    out; all else needs a scan shape. The pixel size of the header is taken as a pattern step in 1/nm where it can
    be one; cameras write the size of their pixels there, in nm, which tells nothing without a camera length.

    Raises
    ------
    InputError
        If a part is missing or cut short, or the header is no recording's.
    """
    head = _header(path)
    files = parts_of(path)
    records = [_records(file, head, first=file == files[0]) for file in files]
    sizes = [len(each) for each, _ in records]
    for file, (_, rest), following in zip(files, records, files[1:], strict=False):
        if rest:
            raise InputError(f"{file} is cut short, and {following.name} goes on after it: copy it again")
    frames = [each for each, _ in records]
    cut = records[-1][1] > 0
    counted = not cut and "rotator" in (frames[0].dtype.names or ())
    start, side = _square(Joined([each["rotator"] for each in frames])) if counted else (0, 0)
    n = side**2 or sum(sizes)
    offsets = (0, *accumulate(sizes))
    parts = [
        each["pattern"][max(start - offset, 0) : max(start + n - offset, 0)]
        for each, offset in zip(frames, offsets, strict=False)
    ]
    trimmed = (
        f" (its frames {start} to {start + n - 1}, which the scan generator counted)" if n < sum(sizes) else ""
    )
    axis, notes = _detector(head, frames[0])
    volts = float(head["high_tension"])
    return Found(
        patterns=Joined([part for part in parts if len(part)]),
        name=f"{path}{trimmed}",
        path=path,
        format="TVIPS .tvips",
        reader="unmix4d (memory map)",
        axes=(NO_AXIS, axis, axis),
        microscope=Microscope(beam_energy_kev=positive(volts / 1e3 if volts >= VOLTS_FROM else volts)),
        scan_shape=(side, side) if side else None,
        announced=n + 1 if cut else None,
        extra={"n_files": len(files)},
        notes=notes,
    )


def _header(path: Path) -> np.void:
    head: np.void = np.frombuffer(read_head(path, HEADER.itemsize), HEADER)[0]
    sizes = (int(head["width"]), int(head["height"]))
    if int(head["version"]) not in {1, 2} or int(head["bits"]) not in TYPES or 0 in sizes:
        raise InputError(f"{path} is no TVIPS recording: its header does not begin as one")
    return head


def parts_of(path: Path) -> list[Path]:
    """List the parts of a recording in order, and see that none is missing."""
    named = PART_NAME.fullmatch(path.name)
    if named is None:
        return [path]
    others = (PART_NAME.fullmatch(file.name) for file in path.parent.iterdir())
    numbers = sorted(int(each["part"]) for each in others if each and each["start"] == named["start"])
    missing = sorted(set(range(numbers[-1])) - set(numbers))
    if missing:
        raise InputError(f"{path} is a recording whose part {missing[0]:03} is missing beside it: copy it too")
    return [path.with_name(f"{named['start']}{number:03}{named['end']}") for number in numbers]


def _records(path: Path, head: np.void, *, first: bool) -> tuple[AnyArray, int]:
    """Map the frames of a file with what their headers tell, and count the bytes after the last whole one."""
    pattern = np.dtype((TYPES[int(head["bits"])], (int(head["height"]), int(head["width"]))))
    header_bytes = OLD_FRAME_HEADER_BYTES if int(head["version"]) == 1 else int(head["frame_header_bytes"])
    fields: dict[str, tuple[np.dtype[Any], int]] = {"pattern": (pattern, header_bytes)}
    if header_bytes >= FRAME_FIELDS_BYTES:
        fields |= {"mode": (np.dtype("<u4"), MODE_AT), "rotator": (np.dtype("<u4"), ROTATOR_AT)}
    record = np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [at for _, at in fields.values()],
            "itemsize": header_bytes + pattern.itemsize,
        }
    )
    return map_records(path, record, offset=int(head["size"]) if first else 0)


def _square(rotator: Joined) -> tuple[int, int]:
    """Find first frame and side of a square scan that was counted without a gap; (0, 0) if there is none.

    The numbers never fall, so a search and a look at some frames will do: to ask all would read the whole file.
    """
    n_frames = rotator.shape[0]
    n = int(rotator[n_frames - 1])
    side = isqrt(n)
    if side < 2 or side**2 != n:  # noqa: PLR2004 - one probe is no scan
        return 0, 0
    start = bisect_left(range(n_frames), 2, key=lambda i: int(rotator[i])) - 1
    looked_at = np.unique(np.linspace(0, n - 1, min(n, MOST_LOOKED_AT)).round().astype(int))
    counted = start >= 0 and start + n <= n_frames and all(int(rotator[start + i]) == i + 1 for i in looked_at)
    return (start, side) if counted else (0, 0)


def _detector(head: np.void, frames: AnyArray) -> tuple[Axis, tuple[str, ...]]:
    """Take the pixel size for what it can be."""
    size = int(head["pixel_size"])
    diffraction = "mode" not in (frames.dtype.names or ()) or int(frames["mode"][0]) == DIFFRACTION
    if size == 0 or (diffraction and size < LARGEST_STEP_INV_NM):
        return Axis(step=float(size) or None, unit="1/nm"), ()
    note = (
        f"the header gives pixels of {size} nm, which is no step in 1/Å: give --pattern-step, or --voltage, "
        "--camera-length and --pixel"
    )
    return NO_AXIS, (note,)
