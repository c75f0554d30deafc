"""``result.h5``: the whole answer in one file, a contract with other programs (design, section 7)."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unmix4d.errors import InputError
from unmix4d.records import (
    ComponentRoles,
    Decision,
    Factorization,
    RunRecord,
    RunResult,
    Survey,
)
from unmix4d.report.comparison_store import save_comparison
from unmix4d.report.files import written_whole
from unmix4d.report.mixing_store import save_mixing
from unmix4d.report.paper_store import save_paper
from unmix4d.report.restore import restore
from unmix4d.report.spots import save_spots

if TYPE_CHECKING:
    import h5py

FORMAT_VERSION = 1
FORMAT_NAME = "unmix4d result"

Keep = Literal["chosen", "range", "all"]


def kept(decision: Decision, fits: Mapping[int, Factorization], keep: Keep) -> list[int]:
    """List the k whose factors are stored."""
    if keep == "chosen":
        return [decision.k]
    if keep == "range":
        return [k for k in fits if decision.k_low <= k <= decision.k_high or k == decision.k]
    return list(fits)


def save_result(result: RunResult, path: Path, *, keep: Keep = "range") -> None:
    """Write a result.

    Parameters
    ----------
    result : RunResult
    path : Path
    keep : {"chosen", "range", "all"}
        Whose components and weights are stored; the labels of every k always are.

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    import h5py  # noqa: PLC0415 - only when something is stored

    fit = result.factorization
    # In memory first: on a full disk HDF5 can neither finish nor close a file without noise of its own.
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        file.attrs["format"] = FORMAT_NAME
        file.attrs["format_version"] = FORMAT_VERSION
        _put(file, "components", fit.component_patterns().astype(np.float32))
        _put(file, "weights", fit.weight_maps().astype(np.float32))
        _put(file, "labels", result.clusters.labels.astype(np.int16))
        _put_strings(file, "component_role", result.clusters.roles.roles)
        _put(file, "component_crystal", result.clusters.roles.crystals.astype(np.int16))
        _put(file, "crystals/patterns", result.clusters.crystal_patterns.astype(np.float32))
        _put(file, "crystals/weights", result.clusters.crystal_weights.astype(np.float32))
        _save_overlap(file, result)
        _save_decision(file, result.decision)
        _save_sweep(file, result, kept(result.decision, result.fits, keep))
        _save_geometry(file, result)
        _save_survey(file, result.survey)
        save_comparison(file.create_group("comparison"), result.comparison)
        if result.paper is not None:
            save_paper(file.create_group("paper"), result.paper)
        if result.spots is not None:
            save_spots(file.create_group("spots"), result.spots)
        file["provenance"] = json.dumps(provenance(result.record))
        file.flush()
        image = file.id.get_file_image()
    with written_whole(path) as part:
        part.write_bytes(image)


def provenance(record: RunRecord) -> dict[str, Any]:
    """Everything needed to understand and repeat a run, as plain values."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(record), default=dict))
    return plain


def load_result(path: Path) -> RunResult:
    """Read a result back.

    Factorizations of k that were not kept are absent.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged, not a result, or of a newer version.
    """
    import h5py  # noqa: PLC0415 - only when something is read

    if not path.is_file():
        raise InputError(f"there is no {path}; give the folder of a finished run")
    try:
        with h5py.File(path, "r") as file:
            version = _version(file, path)
            if version > FORMAT_VERSION:
                raise InputError(
                    f"{path} has format version {version}; this unmix4d reads up to {FORMAT_VERSION}: update it"
                )
            return restore(file)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is damaged or incomplete: {error}") from error


def _version(file: "h5py.File", path: Path) -> int:
    if file.attrs.get("format") != FORMAT_NAME:
        raise InputError(f"{path} is an HDF5 file, but not a result of unmix4d")
    return int(file.attrs["format_version"])


def _put(group: "h5py.Group", name: str, values: Any) -> None:  # noqa: ANN401 - any array
    array = np.asarray(values)
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size > 1 else {}
    group.create_dataset(name, data=array, **options)


def _put_strings(group: "h5py.Group", name: str, values: tuple[str, ...]) -> None:
    import h5py  # noqa: PLC0415 - loaded already

    group.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


def _save_overlap(file: "h5py.File", result: RunResult) -> None:
    overlap = result.overlap
    _put(file, "overlap/ratio", overlap.ratio.astype(np.float32))
    _put(file, "overlap/first", overlap.first.astype(np.int16))
    _put(file, "overlap/second", overlap.second.astype(np.int16))
    _put(file, "overlap/level", overlap.level.astype(np.int8))
    file["overlap"].attrs["thresholds"] = np.array(overlap.thresholds)
    if overlap.measured is not None:
        save_mixing(file.create_group("overlap/measured"), overlap.measured)


def _save_decision(file: "h5py.File", decision: Decision) -> None:
    group = file.create_group("decision", track_order=True)  # curves come back in the order of the table
    for name in ("k", "n_crystals", "k_low", "k_high", "confidence", "reason"):
        group.attrs[name] = getattr(decision, name)
    group.attrs["warnings"] = json.dumps(list(decision.warnings))
    group.attrs["votes"] = json.dumps(dict(decision.votes))
    group.attrs["counts"] = json.dumps(list(decision.counts.items()))
    ks = sorted({k for curve in decision.curves for k in curve.ks})
    _put(group, "ks", np.array(ks, dtype=np.int32))
    for curve in decision.curves:
        at = dict(zip(curve.ks, curve.values, strict=True))
        name = curve.name.replace("/", " per ")
        _put(group, name, np.array([at.get(k, np.nan) for k in ks]))
        group[name].attrs["better"] = curve.better
        group[name].attrs["note"] = curve.note
        group[name].attrs["choice"] = -1 if curve.choice is None else curve.choice
        group[name].attrs["ks"] = np.array(curve.ks, dtype=np.int32)
        if curve.errors:
            group[name].attrs["errors"] = np.array(curve.errors)
    for k, scores in decision.pairwise.items():
        for score in scores:
            name = f"pairwise/{k}/{score.metric}"
            _put(group, name, score.values)
            group[name].attrs["better"] = score.better
    for k, roles in decision.roles.items():
        _save_roles(group.create_group(f"roles/{k}"), roles)


def _save_roles(group: "h5py.Group", roles: ComponentRoles) -> None:
    _put_strings(group, "role", roles.roles)
    _put(group, "crystal", roles.crystals)
    _put(group, "similarity", roles.similarity)
    _put(group, "spot_patterns", roles.spot_patterns)


def _save_sweep(file: "h5py.File", result: RunResult, with_factors: list[int]) -> None:
    for k, labels in result.component_labels.items():
        _put(file, f"sweep/{k}/labels", labels)
    for k, fit in result.fits.items():
        group = file[f"sweep/{k}"]
        group.attrs["loss"] = fit.loss
        for name in ("converged", "solver", "start", "seed", "stability"):
            group.attrs[name] = getattr(fit, name)
        group.attrs["start_losses"] = json.dumps(dict(fit.start_losses))
        _put(group, "loss_history", np.array(fit.loss_history))
        if k in with_factors:
            _put(group, "components", fit.component_patterns().astype(np.float32))
            _put(group, "weights", fit.weight_maps().astype(np.float32))


def _save_geometry(file: "h5py.File", result: RunResult) -> None:
    group = file.create_group("geometry")
    for name in ("scan_shape", "pattern_shape"):
        group.attrs[name] = np.array(getattr(result.geometry, name))
    for name in ("scan_step_nm", "pattern_step_inv_angstrom"):
        value = getattr(result.geometry, name)
        group.attrs[name] = np.nan if value is None else value
    group.attrs["steps"] = json.dumps(list(result.steps))
    _put(group, "pixel_mask", result.pixel_mask)
    _put(group, "probe_mask", result.probe_mask)


def _save_survey(file: "h5py.File", survey: Survey) -> None:
    group = file.create_group("survey")
    for name in ("mean_pattern", "total_counts", "dark_field", "vacuum", "empty"):
        _put(group, name, getattr(survey, name))
    for name in ("data_range", "clipped_fraction", "clipped_min", "saturated_fraction"):
        group.attrs[name] = getattr(survey, name)
    group.attrs["warnings"] = json.dumps(list(survey.warnings))
    group.attrs["cleaning"] = json.dumps([asdict(step) for step in survey.cleaning])
    if survey.left_out is not None:
        _put(group, "left_out", survey.left_out)
    if survey.beam is not None:
        group.attrs["beam"] = np.array([*survey.beam.center, survey.beam.radius])
