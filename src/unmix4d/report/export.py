"""Files for other programs: HyperSpy signals, ImageJ hyperstacks, tables (design, section 7)."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unmix4d.records import AnyArray, Mixing, RunResult
from unmix4d.report.files import reserve, written_whole
from unmix4d.report.tables import (
    Table,
    cleaning_table,
    clusters_table,
    comparison_table,
    decision_table,
    overlap_table,
    pairs_table,
)


@dataclass(frozen=True, slots=True)
class Hspy:
    """``components.hspy`` and ``weights.hspy``, which HyperSpy opens as calibrated Signal2D."""

    name: ClassVar[str] = "hspy"

    def write(self, result: RunResult, folder: Path, /) -> tuple[Path, ...]:
        """Write both signals into ``folder``."""
        fit, geometry = result.factorization, result.geometry
        index = {"name": "component", "size": fit.k, "offset": 0, "scale": 1, "units": "", "navigate": True}
        scan_axes = [
            _axis(name, size, geometry.scan_step_nm, "nm", 0.0)
            for name, size in zip(("scan_y", "scan_x"), geometry.scan_shape, strict=True)
        ]
        source = Path(result.record.source).name
        components, weights = folder / "components.hspy", folder / "weights.hspy"
        write_signal(
            components, fit.component_patterns(), [index, *pattern_axes(result)], f"components of {source}"
        )
        write_signal(weights, fit.weight_maps(), [index, *scan_axes], f"weights of {source}")
        return components, weights


def pattern_axes(result: RunResult) -> list[dict[str, Any]]:
    """Give the axes of a pattern, in 1/Å from the direct beam where the step is known."""
    geometry, beam = result.geometry, result.survey.beam
    step = geometry.pattern_step_inv_angstrom
    center = (0.0, 0.0) if beam is None or step is None else beam.center
    return [
        _axis(name, size, step, "1/Å", -middle * (step or 1.0))
        for name, size, middle in zip(("pattern_y", "pattern_x"), geometry.pattern_shape, center, strict=True)
    ]


def _axis(name: str, size: int, step: float | None, unit: str, offset: float) -> dict[str, Any]:
    scale, units = (1.0, "") if step is None else (step, unit)
    return {"name": name, "size": size, "offset": offset, "scale": scale, "units": units, "navigate": False}


def write_signal(path: Path, data: AnyArray, axes: list[dict[str, Any]], title: str) -> None:
    """Write a file that HyperSpy opens: the data in float32, one axis for each dimension.

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    from rsciio.hspy import file_writer  # noqa: PLC0415 - only when something is exported

    numbered = [
        {"_type": "UniformDataAxis", "is_binned": False, "index_in_array": i, **axis} for i, axis in enumerate(axes)
    ]
    signal = {
        "data": np.ascontiguousarray(data, dtype=np.float32),
        "axes": numbered,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "", "package_version": ""},
        "models": {},
        "tmp_parameters": {},
    }
    with written_whole(path) as part:
        reserve(part, data.nbytes)
        file_writer(str(part), signal, show_progressbar=False)


@dataclass(frozen=True, slots=True)
class ImageJTiff:
    """``clusters.tif`` and ``overlap.tif``, ImageJ hyperstacks with scale.

    ImageJ has no negative integers: labels and levels are stored one higher, so that 0 means none. Each plane has
    its meaning as label; where nothing was assessed, measured planes are NaN.
    """

    name: ClassVar[str] = "tiff"

    def write(self, result: RunResult, folder: Path, /) -> tuple[Path, ...]:
        """Write both stacks into ``folder``."""
        step, overlap = result.geometry.scan_step_nm, result.overlap
        clusters_of = result.clusters
        # By their numbers: edits by hand may have taken away some that came before.
        numbers = np.array([clusters_of.number(i) for i in range(-1, clusters_of.n_crystals)])
        labels = _one_higher(numbers[clusters_of.labels.astype(np.intp) + 1])
        weights = result.clusters.crystal_weights
        names = ["label + 1 (0 = none)", *(f"Bragg counts of {clusters_of.name(i)}" for i in range(len(weights)))]
        clusters, levels = folder / "clusters.tif", folder / "overlap.tif"
        _write_stack(clusters, [labels, *weights], names, step)
        planes = {
            "ratio second / first": overlap.ratio,
            "level + 1 (0 = not assessed)": _one_higher(overlap.level),
            "first + 1 (0 = none)": _one_higher(numbers[overlap.first.astype(np.intp) + 1]),
            "second + 1 (0 = none)": _one_higher(numbers[overlap.second.astype(np.intp) + 1]),
            **_measured_planes(overlap.measured, numbers),
        }
        _write_stack(levels, list(planes.values()), list(planes), step)
        return clusters, levels


def _measured_planes(mixing: Mixing | None, numbers: AnyArray) -> dict[str, AnyArray]:
    """Give what was measured of the overlap, by labels of planes; ``numbers`` of crystals begin with none."""
    if mixing is None:
        return {}
    first, second, third = (
        _one_higher(numbers[one.astype(np.intp) + 1])
        for one in (mixing.first, mixing.second, mixing.unexplained.third)
    )
    return {
        "measured: first + 1 (0 = none)": first,
        "measured: second + 1 (0 = none)": second,
        "measured: share of the second in both": mixing.fraction,
        "measured: share, 95 % interval from": mixing.low,
        "measured: share, 95 % interval to": mixing.high,
        "measured: p that one crystal is enough": mixing.p_value,
        "measured: kind (0 = not significant, 1 = boundary, 2 = stacked)": mixing.kind,
        "measured: third + 1 (0 = none)": third,
        "measured: two do not suffice and no third is known (1 = yes)": mixing.unexplained.unknown,
    }


def _one_higher(values: AnyArray) -> AnyArray:
    return values.astype(np.float32) + 1


def _write_stack(path: Path, planes: list[AnyArray], names: list[str], step_nm: float | None) -> None:
    from tifffile import imwrite  # noqa: PLC0415 - only when something is exported

    metadata: dict[str, Any] = {"axes": "CYX", "Labels": names, "mode": "grayscale"}
    resolution: dict[str, Any] = {}
    if step_nm is not None:
        metadata |= {"unit": "nm"}
        resolution = {"resolution": (1 / step_nm, 1 / step_nm)}
    stack = np.stack([np.asarray(plane, dtype=np.float32) for plane in planes])
    with written_whole(path) as part:
        imwrite(part, stack, imagej=True, metadata=metadata, **resolution)


@dataclass(frozen=True, slots=True)
class Csv:
    """Every table as a file: ``decision.csv``, ``clusters.csv`` and others; UTF-8, units in the header."""

    name: ClassVar[str] = "csv"

    def write(self, result: RunResult, folder: Path, /) -> tuple[Path, ...]:
        """Write the tables into ``folder``."""
        tables = {
            "decision.csv": decision_table(result),
            "clusters.csv": clusters_table(result),
            "comparison.csv": comparison_table(result),
            "overlap.csv": overlap_table(result),
            "overlap_pairs.csv": pairs_table(result),
            "cleaning.csv": cleaning_table(result),
        }
        for name, table in tables.items():
            write_table(folder / name, table)
        return tuple(folder / name for name in tables)


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV, whole or not at all."""
    with written_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.header)
        writer.writerows(table.rows)
