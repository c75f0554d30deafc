"""The table of spots that ePattern kept: stored, exported, and told about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import AnyArray, Geometry, RunResult, SpotTable
from unmix4d.report.files import written_whole

if TYPE_CHECKING:
    import h5py

LINES = 65536


def save_spots(group: "h5py.Group", spots: SpotTable) -> None:
    """Write a table, one dataset for each column."""
    for name, values in spots.as_arrays().items():
        if values.ndim:
            group.create_dataset(name, data=values, compression="gzip", compression_opts=1, shuffle=True)
        else:
            group.attrs[name] = values


def restore_spots(group: "h5py.Group", geometry: Geometry) -> SpotTable:
    """Read a table back."""
    arrays: dict[str, AnyArray] = {name: group[name][()] for name in group}
    return SpotTable.from_arrays({**arrays, **group.attrs}, geometry)


@dataclass(frozen=True, slots=True)
class Spots:
    """``spots.csv``: one line for each spot of each pattern, as ePattern gives; indices begin at 0."""

    name: ClassVar[str] = "spots"
    suffix: ClassVar[str] = ".csv"

    def write(self, result: RunResult, folder: Path, /) -> tuple[Path, ...]:
        """Write the table into ``folder``."""
        spots = result.spots
        if spots is None:
            raise UsageError("this run has no table of spots: run with --filter epattern")
        scan_y, scan_x = np.divmod(spots.probe, spots.geometry.scan_shape[1])
        columns: dict[str, AnyArray] = {
            "scan_y": scan_y,
            "scan_x": scan_x,
            "y_px": spots.y,
            "x_px": spots.x,
            "intensity_counts": spots.intensity,
            "intensity_noise_counts": spots.intensity_noise,
            "prominence_counts": spots.prominence,
            "is_direct_beam": spots.is_direct_beam,
            "flags": spots.flags,
            "noise_counts": spots.noise[scan_y, scan_x],
            "least_prominence_counts": spots.least_prominence[scan_y, scan_x],
        }
        path = folder / "spots.csv"
        with written_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(columns) + "\r\n")
            for start in range(0, spots.n_spots, LINES):
                rows = np.column_stack([values[start : start + LINES] for values in columns.values()])
                np.savetxt(file, rows, fmt="%.7g", delimiter=",", newline="\r\n")
        return (path,)


def facts(result: RunResult) -> Mapping[str, str]:
    """Say how many spots there are, and how much smaller the table is than the patterns."""
    spots = result.spots
    assert spots is not None
    per_pattern = np.diff(spots.first)
    usual, most = np.median(per_pattern), per_pattern.max()
    values = spots.geometry.n_probes * spots.geometry.n_pixels
    return {
        "spots": f"{spots.n_spots:,}; {usual:.0f} in the median pattern, at most {most}",
        "without any": f"{(per_pattern == 0).sum():,} patterns",
        "direct beam": f"found in {spots.is_direct_beam.sum():,} patterns",
        "disc of a spot": f"radius {spots.radius:.2f} px",
        "table": f"{spots.n_bytes / 2**20:.1f} MiB, one byte for {values / spots.n_bytes:,.0f} pixels",
    }
