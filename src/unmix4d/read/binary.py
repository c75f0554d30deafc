"""Vendor files with one record for each pattern, mapped into memory: NanoMEGAS .blo and Merlin .mib."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Microscope, blockfile_microscope
from unmix4d.read.chips import RawFrames, raw_layout
from unmix4d.read.found import Found
from unmix4d.read.mapped import map_records, read_head
from unmix4d.records import AnyArray, PatternArray

# identifier, magic, offsets of image and patterns, flags, pattern size, pattern rotation, scan x, scan y,
# scan rotation, step x and y in nm, volts, detector pixels per metre, camera length in tenths of mm
BLO_HEADER = struct.Struct("<6sHIIIHHHHHddIHI")
BLO_MAGIC = 0x0102
BLO_MARK_BYTES = 6

MIB_FIELDS_BYTES = 384
MIB_COLUMNS = {"header_bytes": 2, "width": 4, "height": 5, "type": 6}
MIB_TYPES = {"U08": ">u1", "U16": ">u2", "U32": ">u4", "U64": ">u8"}
MIB_RAW = "R64"


def _map_patterns(path: Path, *, header_bytes: int, pattern: np.dtype[Any], offset: int) -> tuple[AnyArray, int]:
    """Map the patterns (n, pattern_y, pattern_x) of equal records, and count them with a last incomplete one."""
    record = np.dtype([("header", f"V{header_bytes}"), ("pattern", pattern)])
    mapped, rest = map_records(path, record, offset=offset)
    return np.asarray(mapped["pattern"]), len(mapped) + (rest > 0)


def read_blo(path: Path) -> Found:
    """Map a NanoMEGAS block file.

    Its signal axes are centimetres on the camera; with beam energy and camera length from the header they become
    1/Å. The virtual bright-field image that it also holds is not read.

    Raises
    ------
    InputError
        If the header is no block file's, or the file ends before the first pattern.
    """
    head = read_head(path, BLO_HEADER.size)
    mark, magic, _, offset, _, size, _, n_x, n_y, _, step_x, step_y, volts, per_metre, length = BLO_HEADER.unpack(
        head
    )
    if (mark != b"IMGBLO" and magic != BLO_MAGIC) or 0 in (size, n_x, n_y):
        raise InputError(f"{path} is no NanoMEGAS block file: its header does not begin as one")
    pattern = np.dtype((np.uint8, (size, size)))
    patterns, _ = _map_patterns(path, header_bytes=BLO_MARK_BYTES, pattern=pattern, offset=offset)
    detector = Axis(step=100.0 / per_metre if per_metre else None, unit="cm")
    return Found(
        patterns=patterns[: n_y * n_x],
        name=str(path),
        path=path,
        format="NanoMEGAS .blo",
        reader="unmix4d (memory map)",
        axes=(Axis(step=step_y, unit="nm"), Axis(step=step_x, unit="nm"), detector, detector),
        microscope=blockfile_microscope(volts, length),
        scan_shape=(n_y, n_x),
        announced=n_y * n_x,
    )


def _head(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(n_bytes)


def read_mib(path: Path) -> Found:
    """Map a Merlin .mib file; the scan shape comes from the .hdr beside it, if that tells.

    Merlin stores the lowest detector row first, so the rows are flipped, as RosettaSciIO does.

    Raises
    ------
    InputError
        If the header is no Merlin header, the values are of an unknown kind, or the file ends before the first
        pattern.
    """
    fields = _head(path, MIB_FIELDS_BYTES).decode("ascii", errors="replace").split(",")
    try:
        header_bytes, width, height = (
            int(fields[MIB_COLUMNS[name]]) for name in ("header_bytes", "width", "height")
        )
        stored = fields[MIB_COLUMNS["type"]]
    except (IndexError, ValueError) as error:
        raise InputError(f"{path} does not begin with a Merlin header") from error
    patterns: PatternArray
    if stored == MIB_RAW:
        layout = raw_layout(_head(path, header_bytes), str(path))
        record = np.dtype((np.uint8, (layout.n_bytes,)))
        images, n_begun = _map_patterns(path, header_bytes=header_bytes, pattern=record, offset=0)
        patterns = RawFrames(images, layout)
    elif stored in MIB_TYPES:
        pattern = np.dtype((np.dtype(MIB_TYPES[stored]), (height, width)))
        images, n_begun = _map_patterns(path, header_bytes=header_bytes, pattern=pattern, offset=0)
        patterns = images[:, ::-1]
    else:
        kinds = ", ".join((*MIB_TYPES, MIB_RAW))
        raise InputError(f"{path} holds values of type {stored!r}; supported are {kinds}: save it as counts")
    announced, per_line = _merlin_header(path.with_suffix(".hdr"))
    scan_shape, notes = _merlin_scan(patterns.shape[0], announced, per_line)
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="Merlin .mib" if stored in MIB_TYPES else "Merlin .mib (raw)",
        reader="unmix4d (memory map)",
        microscope=Microscope(),
        scan_shape=scan_shape,
        announced=max(announced or 0, n_begun),
        notes=notes,
    )


def _merlin_header(path: Path) -> tuple[int | None, int | None]:
    """Frames of the acquisition and frames for each trigger, from the .hdr file; None where it is silent."""
    if not path.is_file():
        return None, None
    lines = (line.partition(":\t") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}
    numbers = (values.get(f"Frames {what} (Number)", "") for what in ("in Acquisition", "per Trigger"))
    frames, per_trigger = (int(number) if number.isdecimal() else 0 for number in numbers)
    return frames or None, per_trigger or None


def _merlin_scan(
    n_found: int, announced: int | None, per_line: int | None
) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Scan shape if one trigger started each line; a trigger for each pattern, or for all, tells nothing."""
    if announced is None or per_line is None or not 1 < per_line < announced or announced % per_line:
        return None, ()
    if n_found > announced:
        return None, (f"the .hdr announces {announced} patterns and the .mib holds {n_found}: it is not relied on",)
    return (announced // per_line, per_line), ()
