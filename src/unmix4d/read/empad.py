"""EMPAD: an .xml file that names a .raw file of patterns, which is mapped into memory."""

import re
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.found import Found
from unmix4d.read.rosetta import read_rosetta
from unmix4d.records import AnyArray

SIDE = 128
FOOTER_ROWS = 2
RAW_NAME = re.compile(r"<raw_file[^>]*filename=\"(?P<name>[^\"]+)\"")
SHAPE_IN_NAME = re.compile(r"x(?P<x>\d+)_y(?P<y>\d+)", re.IGNORECASE)
RECORD = np.dtype([("pattern", "<f4", (SIDE, SIDE)), ("footer", "<f4", (FOOTER_ROWS, SIDE))])


def read_empad(path: Path) -> Found:
    """Open an EMPAD scan by its .xml file, which has shape and calibration, or by its .raw file.

    A .raw file without its .xml gives the patterns alone; its name gives the scan shape if it says ``x10_y12``.

    Raises
    ------
    InputError
        If one of the two files is missing, cut short, or not EMPAD's.
    """
    if path.suffix.lower() == ".xml":
        return _read_pair(path, path.parent / _raw_name(path))
    for beside in sorted(path.parent.glob("*.xml")):
        if raw_name_in(beside) == path.name:
            return _read_pair(beside, path)
    patterns, whole = _map(path)
    if not whole:
        raise InputError(
            f"{path} does not consist of EMPAD patterns ({SIDE + FOOTER_ROWS} x {SIDE} float32), and other raw "
            "files do not say what is in them: give the file that describes it, or save the patterns as .npy"
        )
    named = SHAPE_IN_NAME.search(path.stem)
    shape = (int(named["y"]), int(named["x"])) if named else None
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="EMPAD .raw",
        reader="unmix4d (memory map)",
        scan_shape=shape if shape and prod(shape) == len(patterns) else None,
        notes=("there is no .xml file that names this .raw file: the calibration is unknown",),
    )


def raw_name_in(path: Path) -> str | None:
    """Give the name of the file of patterns that an .xml file names; None if it names none."""
    found = RAW_NAME.search(path.read_text(encoding="utf-8", errors="replace"))
    return Path(found["name"]).name if found else None


def _raw_name(path: Path) -> str:
    name = raw_name_in(path)
    if name is None:
        raise InputError(f"{path} is no EMPAD file: it names no file of patterns (raw_file)")
    return name


def _read_pair(path: Path, raw: Path) -> Found:
    """Take shape and calibration from RosettaSciIO, and map the patterns."""
    if not raw.is_file():
        raise InputError(f"{path} keeps its patterns in {raw.name}, which is missing beside it: copy it too")
    patterns, _ = _map(raw)
    try:
        found = read_rosetta(path)
    except InputError as error:
        raise InputError(
            f"{path} announces more patterns than the {len(patterns)} that {raw.name} holds: "
            "interrupted acquisition or incomplete copy"
        ) from error
    shape = tuple(found.patterns.shape)
    mapped = patterns[: prod(shape[:-2])].reshape(shape)
    return replace(found, patterns=mapped, format="EMPAD .xml", reader="unmix4d (memory map)", notes=())


def _map(path: Path) -> tuple[AnyArray, bool]:
    """Map the patterns (n, pattern_y, pattern_x) without their footers, and tell whether the size is theirs."""
    n, rest = divmod(path.stat().st_size, RECORD.itemsize)
    if n == 0:
        return np.empty((0, SIDE, SIDE), np.float32), False
    return np.memmap(path, dtype=RECORD, mode="r", shape=(n,))["pattern"], rest == 0
