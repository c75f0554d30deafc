"""NanoMEGAS Topspin .app5: HDF5 with a group for each scan and, in it, a dataset for each pattern."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from unmix4d.errors import InputError, UsageError
from unmix4d.read.calibration import Axis
from unmix4d.read.found import Found
from unmix4d.read.hdf import open_hdf
from unmix4d.read.lazy import Frames
from unmix4d.records import AnyArray

if TYPE_CHECKING:
    import h5py

SCAN_NAME = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SAME_LINE = 1e-3
"""Positions of one scan line differ by less than this part of a probe step."""


def read_app5(path: Path, dataset: str | None) -> Found:
    """Open the scan of an .app5 file, or the one at ``dataset``; each pattern is read on demand.

    Raises
    ------
    InputError
        If the file is damaged or holds no scan.
    UsageError
        If there is no scan at ``dataset``, or several and none is named.
    """
    file = open_hdf(path)
    scans = _scans(file)
    names = {group.name for group in scans}
    listed = ", ".join(f"{group.name} ({len(group)} patterns)" for group in scans) or "none"
    if dataset is not None and f"/{dataset.strip('/')}" not in names:
        raise UsageError(f"{path} has no scan at {dataset!r}; scans: {listed}")
    if not scans:
        raise InputError(f"{path} holds no 4D-STEM scan, only images")
    if dataset is None and len(scans) > 1:
        raise UsageError(
            f"{path} holds {len(scans)} scans: choose one with --dataset (dataset= in Python) from {listed}"
        )
    group = file[dataset] if dataset is not None else scans[0]
    first = group["0"]["Data"]

    def read(i: int) -> AnyArray:
        return np.asarray(group[str(i)]["Data"][()])

    scan_axes, scan_shape = _scan(group)
    return Found(
        patterns=Frames(read, len(group), first.shape, first.dtype),
        name=str(path),
        path=path,
        format="NanoMEGAS Topspin .app5",
        reader="h5py",
        axes=(*scan_axes, *_pattern_axes(group["0"])),
        scan_shape=scan_shape,
        extra={"dataset": group.name},
    )


def _scans(file: "h5py.File") -> list["h5py.Group"]:
    """Every group that is named as Topspin names scans and holds patterns numbered from 0."""
    import h5py  # noqa: PLC0415 - loads a C library

    found: list[h5py.Group] = []

    def look(group: "h5py.Group") -> None:
        for name, node in group.items():
            if not (SCAN_NAME.fullmatch(name) and isinstance(node, h5py.Group)):
                continue
            if "0" in node and "Data" in node["0"]:
                found.append(node)
            else:
                look(node)

    look(file)
    return found


def _metadata(pattern: "h5py.Group") -> ET.Element:
    text = pattern["Metadata"][()]
    return ET.fromstring(text.decode() if isinstance(text, bytes) else text)  # noqa: S314 - Python's expat refuses entity bombs


def _pattern_axes(pattern: "h5py.Group") -> tuple[Axis, Axis]:
    """Read the calibration of the detector: first element, first and second entry."""
    y, x = _metadata(pattern)[0][0], _metadata(pattern)[0][1]
    return _detector_axis(y), _detector_axis(x)


def _detector_axis(entry: ET.Element) -> Axis:
    unit = entry[2][1].text or ""
    return Axis(step=float(entry[1].text or 0), unit=unit.removesuffix("s") if unit.endswith("rads") else unit)


def _position(pattern: "h5py.Group") -> tuple[float, float]:
    """Read where the probe was, (y, x) in m."""
    point = _metadata(pattern)[1][0][1]
    return float(point[1].text or 0), float(point[0].text or 0)


def _scan(group: "h5py.Group") -> tuple[tuple[Axis, Axis], tuple[int, int] | None]:
    """Find the length of a line from the first probe that starts a new one, and the steps in nm."""
    n = len(group)
    y, x = _position(group["0"])
    places = [(y, x)]
    for i in range(1, n):
        places.append(_position(group[str(i)]))
        if _starts_line(places):
            break
    width = len(places) - 1 if _starts_line(places) else n
    step_x = abs(places[width - 1][1] - x) / max(width - 1, 1) * 1e9
    step_y = abs(places[-1][0] - y) * 1e9
    axes = (Axis(step=step_y or step_x, unit="nm"), Axis(step=step_x or step_y, unit="nm"))
    return axes, (n // width, width) if n % width == 0 else None


def _starts_line(places: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the last probe lies on another line than the first."""
    if len(places) < 2:  # noqa: PLR2004 - one probe is no line
        return False
    rise = abs(places[-1][0] - places[0][0])
    step = abs(places[1][1] - places[0][1])
    return rise > SAME_LINE * step
