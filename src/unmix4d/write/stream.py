"""A scan on its way into a file: blocks of whole patterns in the order of the scan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.records import AnyArray, Geometry, Scan
from unmix4d.write.values import Values

Told = Callable[[str, float, float], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """What a writer is given.

    Attributes
    ----------
    scan : Scan
    values : Values
    block_bytes : int
        What a block may take as it is stored.
    tell : callable
        ``tell(stage, done, total)``.
    notes : list of str
        What the user should know; writers add to it.
    """

    scan: Scan
    values: Values
    block_bytes: int
    tell: Told
    notes: list[str] = field(default_factory=list)

    @property
    def geometry(self) -> Geometry:
        """Shapes and calibration."""
        return self.scan.geometry

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """All four sizes."""
        return (*self.geometry.scan_shape, *self.geometry.pattern_shape)

    @property
    def n_bytes(self) -> int:
        """Size of all patterns as they are written."""
        return prod(self.shape) * self.values.dtype.itemsize

    @property
    def beam_energy_kev(self) -> float | None:
        """Beam energy, keV; None if unknown."""
        return self._number("beam_energy_kev")

    @property
    def camera_length_mm(self) -> float | None:
        """Camera length, mm; None if unknown."""
        return self._number("camera_length_mm")

    def _number(self, name: str) -> float | None:
        value = self.scan.metadata.get(name)
        return None if value is None else float(value)

    def blocks(self, stage: str = "write") -> Iterator[tuple[int, AnyArray]]:
        """Give blocks in order: number of the first probe, and patterns (n, pattern_y, pattern_x) to be written."""
        for first, patterns in stored_blocks(self.scan, self.block_bytes):
            yield first, self.values(patterns)
            self.tell(stage, float(first + len(patterns)), float(self.geometry.n_probes))

    def sidecar(self) -> dict[str, Any]:
        """Say what formats without a place for it cannot hold."""
        geometry = self.geometry
        told = {
            "scan_shape": list(geometry.scan_shape),
            "scan_step_nm": geometry.scan_step_nm,
            "pattern_step_inv_angstrom": geometry.pattern_step_inv_angstrom,
            "beam_energy_kev": self.beam_energy_kev,
            "camera_length_mm": self.camera_length_mm,
        }
        return {name: value for name, value in told.items() if value is not None} | {"values": self.values.said}


def stored_blocks(scan: Scan, block_bytes: int) -> Iterator[tuple[int, AnyArray]]:
    """Read whole lines, or parts of one where a line is too large, as (n, pattern_y, pattern_x).

    Raises
    ------
    InputError
        If the scan can be read no further.
    """
    rows, columns = scan.geometry.scan_shape
    pattern_bytes = scan.geometry.n_pixels * int(scan.patterns.dtype.itemsize)
    at_once = max(1, block_bytes // pattern_bytes)
    lines = max(1, at_once // columns)
    width = min(columns, at_once)
    for y in range(0, rows, lines):
        for x in range(0, columns, width):
            try:
                part = np.asarray(scan.patterns[y : min(rows, y + lines), x : min(columns, x + width)])
            except OSError as error:
                name = scan.metadata.get("path", "the scan")
                raise InputError(f"{name} could be read only up to line {y} ({error})") from error
            yield y * columns + x, part.reshape(-1, *scan.geometry.pattern_shape)


def extremes(scan: Scan, block_bytes: int, tell: Told) -> tuple[float, float]:
    """Find the smallest and the largest finite count in one pass."""
    low, high = np.inf, -np.inf
    for first, patterns in stored_blocks(scan, block_bytes):
        known = patterns[np.isfinite(patterns)] if patterns.dtype.kind == "f" else patterns
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
        tell("look", float(first + len(patterns)), float(scan.geometry.n_probes))
    return (0.0, 0.0) if low > high else (low, high)
