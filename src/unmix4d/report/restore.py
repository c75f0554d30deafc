"""From the groups of ``result.h5`` back to records."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.records import (
    AnyArray,
    Beam,
    CleaningStep,
    ClusterMap,
    ComponentRoles,
    CriterionCurve,
    Decision,
    Factorization,
    Geometry,
    OverlapMap,
    PairwiseScores,
    RunRecord,
    RunResult,
    StageCost,
    Survey,
)
from unmix4d.report.comparison_store import restore_comparison
from unmix4d.report.mixing_store import restore_mixing
from unmix4d.report.paper_store import restore_paper
from unmix4d.report.spots import restore_spots

if TYPE_CHECKING:
    import h5py

DECISION_GROUPS = ("ks", "pairwise", "roles")


def restore(file: "h5py.File") -> RunResult:
    """Build the result that a file holds; raises KeyError or ValueError where something is missing."""
    geometry = _geometry(file["geometry"])
    probe_mask, pixel_mask = file["geometry/probe_mask"][()], file["geometry/pixel_mask"][()]
    fits = _fits(file, geometry, probe_mask, pixel_mask)
    decision = _decision(file["decision"])
    return RunResult(
        record=_record(json.loads(file["provenance"].asstr()[()])),
        geometry=geometry,
        survey=_survey(file["survey"]),
        steps=tuple(json.loads(file["geometry"].attrs["steps"])),
        pixel_mask=pixel_mask,
        probe_mask=probe_mask,
        fits=fits,
        decision=decision,
        clusters=ClusterMap(
            labels=file["labels"][()],
            roles=decision.roles[decision.k],
            crystal_patterns=file["crystals/patterns"][()],
            crystal_weights=file["crystals/weights"][()],
        ),
        overlap=_overlap(file["overlap"]),
        comparison=restore_comparison(file["comparison"]),
        paper=restore_paper(file["paper"]) if "paper" in file else None,
        swept_labels={int(k): group["labels"][()] for k, group in file["sweep"].items()},
        spots=restore_spots(file["spots"], geometry) if "spots" in file else None,
    )


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _shape(values: AnyArray) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _geometry(group: "h5py.Group") -> Geometry:
    return Geometry(
        scan_shape=_shape(group.attrs["scan_shape"]),
        pattern_shape=_shape(group.attrs["pattern_shape"]),
        scan_step_nm=_optional(group.attrs["scan_step_nm"]),
        pattern_step_inv_angstrom=_optional(group.attrs["pattern_step_inv_angstrom"]),
    )


def _fits(
    file: "h5py.File", geometry: Geometry, probe_mask: AnyArray, pixel_mask: AnyArray
) -> dict[int, Factorization]:
    fits = {}
    for name, group in file["sweep"].items():
        if "components" not in group:
            continue
        weights = np.moveaxis(group["weights"][()], 0, -1)[probe_mask]
        fits[int(name)] = Factorization(
            components=group["components"][()][:, pixel_mask],
            weights=np.ascontiguousarray(weights),
            geometry=geometry,
            probe_mask=probe_mask,
            pixel_mask=pixel_mask,
            loss=float(group.attrs["loss"]),
            loss_history=tuple(float(v) for v in group["loss_history"][()]),
            converged=bool(group.attrs["converged"]),
            solver=str(group.attrs["solver"]),
            start=str(group.attrs["start"]),
            seed=int(group.attrs["seed"]),
            start_losses=json.loads(group.attrs["start_losses"]),
            stability=float(group.attrs.get("stability", np.nan)),
        )
    return dict(sorted(fits.items()))


def _decision(group: "h5py.Group") -> Decision:
    ks = [int(k) for k in group["ks"][()]]
    pairwise = {
        int(k): tuple(
            PairwiseScores(metric=metric, better=str(scores.attrs["better"]), values=scores[()])  # type: ignore[arg-type]
            for metric, scores in matrices.items()
        )
        for k, matrices in group.get("pairwise", {}).items()
    }
    return Decision(
        k=int(group.attrs["k"]),
        n_crystals=int(group.attrs["n_crystals"]),
        k_low=int(group.attrs["k_low"]),
        k_high=int(group.attrs["k_high"]),
        confidence=str(group.attrs["confidence"]),  # type: ignore[arg-type]
        reason=str(group.attrs["reason"]),
        curves=tuple(_curve(name, ks, group[name]) for name in group if name not in DECISION_GROUPS),
        pairwise=dict(sorted(pairwise.items())),
        votes=json.loads(group.attrs["votes"]),
        counts=dict(json.loads(group.attrs.get("counts", "[]"))),
        roles={int(k): _roles(roles) for k, roles in sorted(group["roles"].items(), key=lambda item: int(item[0]))},
        warnings=tuple(json.loads(group.attrs["warnings"])),
    )


def _curve(name: str, ks: list[int], values: "h5py.Dataset") -> CriterionCurve:
    at = dict(zip(ks, values[()], strict=True))
    own = tuple(int(k) for k in values.attrs["ks"])
    choice = int(values.attrs["choice"])
    return CriterionCurve(
        name=name,
        better=str(values.attrs["better"]),  # type: ignore[arg-type]
        ks=own,
        values=tuple(float(at[k]) for k in own),
        choice=None if choice < 0 else choice,
        note=str(values.attrs["note"]),
        errors=tuple(float(error) for error in values.attrs.get("errors", ())),
    )


def _roles(group: "h5py.Group") -> ComponentRoles:
    return ComponentRoles(
        roles=tuple(group["role"].asstr()[()]),
        crystals=group["crystal"][()],
        spot_patterns=group["spot_patterns"][()],
        similarity=group["similarity"][()],
    )


def _overlap(group: "h5py.Group") -> OverlapMap:
    return OverlapMap(
        ratio=group["ratio"][()],
        first=group["first"][()],
        second=group["second"][()],
        level=group["level"][()],
        thresholds=tuple(float(t) for t in group.attrs["thresholds"]),
        measured=restore_mixing(group["measured"]) if "measured" in group else None,
    )


def _survey(group: "h5py.Group") -> Survey:
    beam = None
    if "beam" in group.attrs:
        y, x, radius = (float(v) for v in group.attrs["beam"])
        beam = Beam(center=(y, x), radius=radius)
    return Survey(
        mean_pattern=group["mean_pattern"][()],
        total_counts=group["total_counts"][()],
        dark_field=group["dark_field"][()],
        beam=beam,
        vacuum=group["vacuum"][()],
        empty=group["empty"][()],
        data_range=float(group.attrs["data_range"]),
        clipped_fraction=float(group.attrs["clipped_fraction"]),
        clipped_min=float(group.attrs["clipped_min"]),
        saturated_fraction=float(group.attrs["saturated_fraction"]),
        warnings=tuple(json.loads(group.attrs["warnings"])),
        left_out=group["left_out"][()] if "left_out" in group else None,
        cleaning=tuple(CleaningStep(**step) for step in json.loads(group.attrs.get("cleaning", "[]"))),
    )


def _record(plain: dict[str, Any]) -> RunRecord:
    costs = tuple(StageCost(**cost) for cost in plain.pop("costs"))
    return RunRecord(costs=costs, warnings=tuple(plain.pop("warnings")), **plain)
