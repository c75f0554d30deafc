"""Files beside the one that is named: whose patterns they belong to, and what they say about it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Microscope, positive
from unmix4d.read.empad import raw_name_in
from unmix4d.read.found import NO_AXIS, STACK_NDIM, Found
from unmix4d.read.mrc import companions_of_mrc
from unmix4d.read.tvips import PART_NAME, parts_of

HEADER, PATTERNS = ".hdr", ".mib"
IN_FOLDER = "scan.json"
KEYS = ("scan_shape", "scan_step_nm", "pattern_step_inv_angstrom", "beam_energy_kev", "camera_length_mm")


def patterns_of(path: Path) -> Path:
    """Give the file to open where a header or a later part of a scan is named.

    Raises
    ------
    InputError
        If that file is missing.
    """
    if path.suffix.lower() == HEADER:
        found = path.with_suffix(PATTERNS)
        if not found.is_file():
            raise InputError(
                f"{path} is a header; its patterns should be in {found.name} beside it, which is missing"
            )
        return found
    part = PART_NAME.fullmatch(path.name)
    if part is None or part["part"] == "000":
        return path
    first = path.with_name(f"{part['start']}000{part['end']}")
    if not first.is_file():
        raise InputError(
            f"{path} is part {part['part']} of a scan whose first part {first.name} is missing: copy it too"
        )
    return first


def sidecar_of(path: Path) -> Path:
    """Give the name of the file that says what a format cannot: shape and calibration.

    ``scan.json`` in a folder of frames, ``NAME.SUFFIX.json`` beside a file.
    """
    return path / IN_FOLDER if path.is_dir() else path.with_name(f"{path.name}.json")


def read_sidecar(path: Path) -> Mapping[str, Any]:
    """Read what the sidecar of a scan says, of `KEYS`; nothing if there is none.

    Raises
    ------
    InputError
        If it is no JSON object or a value in it cannot be meant.
    """
    file = sidecar_of(path)
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"{file} describes the scan beside it but is no JSON ({error}): mend or remove it"
        ) from error
    if not isinstance(told, dict):
        raise InputError(f"{file} describes the scan beside it but is no JSON object: mend or remove it")
    known = {key: value for key, value in told.items() if key in KEYS and value is not None}
    shape = known.get("scan_shape")
    if shape is not None and not _is_shape(shape):
        raise InputError(f"{file} gives the scan shape {shape}; it must be two whole numbers [rows, columns]")
    for key in KEYS[1:]:
        if key in known and positive(known[key]) is None:
            raise InputError(f"{file} gives {key} {known[key]!r}; it must be a positive number")
    return known


def _is_shape(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2  # noqa: PLR2004 - rows and columns
        and all(isinstance(size, int) and size > 0 for size in value)
    )


def with_sidecar(found: Found) -> Found:
    """Add what the sidecar of a file says; where both tell, the sidecar holds."""
    told = {} if found.path is None else read_sidecar(found.path)
    if not told:
        return found
    steps = (told.get("scan_step_nm"), told.get("pattern_step_inv_angstrom"))
    scan, pattern = (
        (Axis(step=float(step), unit=unit),) * 2 if step is not None else known
        for step, unit, known in zip(steps, ("nm", "1/Å"), (found.scan_axes, found.pattern_axes), strict=True)
    )
    shape = told.get("scan_shape")
    stack = len(found.patterns.shape) == STACK_NDIM
    known = found.microscope
    return replace(
        found,
        axes=(*scan, *pattern) if (*scan, *pattern) != (NO_AXIS,) * 4 else found.axes,
        scan_shape=(int(shape[0]), int(shape[1])) if shape is not None and stack else found.scan_shape,
        microscope=Microscope(
            beam_energy_kev=positive(told.get("beam_energy_kev")) or known.beam_energy_kev,
            camera_length_mm=positive(told.get("camera_length_mm")) or known.camera_length_mm,
        ),
    )


def companions_of(path: Path) -> list[Path]:
    """List the other files of a scan: headers, parts, descriptions, a sidecar."""
    stem = path.name.removesuffix("_master.h5")
    named = raw_name_in(path) if path.suffix.lower() == ".xml" else None
    files = [path.with_suffix(HEADER), path.with_suffix(".raw"), sidecar_of(path)]
    files += [path.parent / named] if named else []
    files += companions_of_mrc(path) if path.suffix.lower() == ".mrc" else []
    files += parts_of(path) if path.suffix.lower() == ".tvips" else []
    files += [path.with_name(f"{stem}.h5"), *path.parent.glob(f"{stem}_data_*.h5")] if stem != path.name else []
    return sorted({file for file in files if file.is_file() and file != path})
