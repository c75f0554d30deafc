"""The spots of a scan as a table: what ePattern keeps of every pattern (method, section 2.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from unmix4d.records.base import AnyArray, BoolArray, FloatArray, IntArray, require
from unmix4d.records.measured import Geometry

DIRECT_BEAM = 1
KEPT_AT_PIXEL = 2
DOUBTFUL_BEAM = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpotTable:
    """Spots of all probes of a scan, or of a rectangle of it, one probe after the other in C order.

    Attributes
    ----------
    geometry : Geometry
        Of the probes that are listed; with the scan shape of the rectangle.
    first : (n_probes + 1,) int64
        Probe p has the spots ``first[p]:first[p + 1]``.
    y, x : (n_spots,) float32
        Place, pixels; whole numbers are the middles of pixels.
    intensity, intensity_noise : (n_spots,) float32
        Counts of the spot above its surroundings, and their standard deviation.
    prominence : (n_spots,) float32
        How far the smoothed spot rises above the lowest place about it, counts per pixel.
    flags : (n_spots,) uint8
        Sum of 1 for the direct beam, 2 for a spot that was left at its brightest pixel, 4 for a direct beam that is
        not the spot nearest to the middle but a much brighter one.
    noise, least_prominence : (scan_y, scan_x) float32
        Standard deviation of the pixels in the corners of each pattern, and what spots had to rise by, counts.
    radius : float
        Of the disc that stands for a spot, pixels.
    """

    geometry: Geometry
    first: IntArray
    y: FloatArray
    x: FloatArray
    intensity: FloatArray
    intensity_noise: FloatArray
    prominence: FloatArray
    flags: IntArray
    noise: FloatArray
    least_prominence: FloatArray
    radius: float
    COLUMNS: ClassVar[tuple[str, ...]] = ("y", "x", "intensity", "intensity_noise", "prominence")

    def __post_init__(self) -> None:
        n_spots = int(self.first[-1])
        require(len(self.first) == self.geometry.n_probes + 1, "first must have one element more than probes")
        require(
            all(len(getattr(self, name)) == n_spots for name in (*self.COLUMNS, "flags")),
            "columns differ in length",
        )
        maps = self.noise.shape, self.least_prominence.shape
        require(maps == (self.geometry.scan_shape,) * 2, "maps must have the scan shape")

    @classmethod
    def joined(cls, parts: Sequence["SpotTable"], geometry: Geometry) -> "SpotTable":
        """Put the tables of rectangles that follow one another in C order together."""
        counts = np.concatenate([np.diff(part.first) for part in parts])
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*cls.COLUMNS, "flags")
        }
        maps = {
            name: np.concatenate([getattr(part, name).ravel() for part in parts]).reshape(geometry.scan_shape)
            for name in ("noise", "least_prominence")
        }
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(geometry=geometry, first=first, radius=parts[0].radius, **columns, **maps)

    def as_arrays(self) -> dict[str, AnyArray]:
        """Give everything but the geometry as arrays, by name."""
        return {one.name: np.asarray(getattr(self, one.name)) for one in fields(self) if one.name != "geometry"}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray], geometry: Geometry) -> "SpotTable":
        """Give back what `as_arrays` gave."""
        known: dict[str, Any] = {one.name: arrays[one.name] for one in fields(cls) if one.name != "geometry"}
        return cls(geometry=geometry, **{**known, "radius": float(known["radius"])})

    @property
    def n_spots(self) -> int:
        """Number of spots."""
        return int(self.first[-1])

    @property
    def is_direct_beam(self) -> BoolArray:
        """(n_spots,) whether a spot is the direct beam."""
        return np.asarray((self.flags & DIRECT_BEAM) > 0)

    @property
    def probe(self) -> IntArray:
        """(n_spots,) probe that each spot belongs to, in C order."""
        return np.repeat(np.arange(self.geometry.n_probes), np.diff(self.first))

    @property
    def n_bytes(self) -> int:
        """Bytes that the table takes."""
        arrays = (getattr(self, name) for name in (*self.COLUMNS, "flags", "first", "noise", "least_prominence"))
        return sum(int(array.nbytes) for array in arrays)

    def count_map(self) -> IntArray:
        """(scan_y, scan_x) number of spots, the direct beam not counted."""
        return self._map(~self.is_direct_beam).astype(np.int32)

    def bright_field(self) -> FloatArray:
        """(scan_y, scan_x) float64 intensity of the direct beam, 0 where none was found."""
        return self._map(np.where(self.is_direct_beam, self.intensity, 0))

    def dark_field(self) -> FloatArray:
        """(scan_y, scan_x) float64 intensity of all other spots."""
        return self._map(np.where(self.is_direct_beam, 0, self.intensity))

    def prominence_map(self) -> FloatArray:
        """(scan_y, scan_x) float64 sum of the prominences of all spots but the direct beam."""
        return self._map(np.where(self.is_direct_beam, 0, self.prominence))

    def _map(self, values: FloatArray | BoolArray) -> FloatArray:
        sums = np.bincount(self.probe, weights=values, minlength=self.geometry.n_probes)
        return np.asarray(sums.reshape(self.geometry.scan_shape))
