"""The comparison of clusters with the measured patterns in ``result.h5``, to it and back."""

from typing import TYPE_CHECKING

import numpy as np

from unmix4d.records import AnyArray, ClusterComparison, ClusterMembers

if TYPE_CHECKING:
    import h5py

PATTERNS = ("reconstructed_patterns", "crystal_patterns")
TABLES = ("metrics", "crystal_metrics", "null_zero", "null_global", "null_other", "columns")
MEMBERS = ("typical", "atypical")
PARTS = ("places", "patterns", "cosines")

FORMER = {"intensity_ratio": "crystal_intensity_ratio", "cosine": "crystal_cosine"}
"""Columns of files in which the reconstruction was that of the own crystal alone."""


def save_comparison(group: "h5py.Group", comparison: ClusterComparison) -> None:
    """Write a comparison into its group, and that with the other patterns into one inside it."""
    _save(group, comparison, PATTERNS)
    if comparison.other is not None:
        _save(group.create_group("other"), comparison.other, ())  # what the model says is the same for both


def _save(group: "h5py.Group", comparison: ClusterComparison, patterns: tuple[str, ...]) -> None:
    group.attrs["data_range"] = comparison.data_range
    group.attrs["compared_to"] = comparison.compared_to
    for name in ("counts", "mean_patterns", *patterns):
        if getattr(comparison, name) is not None:
            _put(group, name, getattr(comparison, name))
    for name in TABLES:
        columns = group.create_group(name, track_order=True)
        for key, values in getattr(comparison, name).items():
            _put(columns, key, values)
    for name in MEMBERS:
        members = getattr(comparison, name)
        for part in PARTS if members is not None else ():
            _put(group, f"{name}/{part}", getattr(members, part))


def _put(group: "h5py.Group", name: str, values: AnyArray) -> None:
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.size > 1 else {}
    group.create_dataset(name, data=values, **options)


def restore_comparison(group: "h5py.Group") -> ClusterComparison:
    """Build the comparison of a group.

    In files of before the own crystal had a place of its own, it stood where the reconstruction is now; it is put
    there, and the reconstruction is not known.
    """
    tables = {name: {key: values[()] for key, values in group.get(name, {}).items()} for name in TABLES}
    rebuilt = group["reconstructed_patterns"][()]
    if "crystal_patterns" in group:
        crystals = group["crystal_patterns"][()]
    else:
        rebuilt, crystals = np.full_like(rebuilt, np.nan), rebuilt
        tables = _former(tables)
    other = None
    if "other" in group:
        inner = group["other"]
        others = {name: {key: values[()] for key, values in inner[name].items()} for name in TABLES}
        other = _restored(inner, rebuilt, crystals, others)
    return _restored(group, rebuilt, crystals, tables, other)


def _restored(
    group: "h5py.Group",
    rebuilt: AnyArray,
    crystals: AnyArray,
    tables: dict[str, dict[str, AnyArray]],
    other: ClusterComparison | None = None,
) -> ClusterComparison:
    members = {
        name: ClusterMembers(**{part: group[f"{name}/{part}"][()] for part in PARTS}) if name in group else None
        for name in MEMBERS
    }
    return ClusterComparison(
        counts=group["counts"][()],
        mean_patterns=group["mean_patterns"][()],
        reconstructed_patterns=rebuilt,
        crystal_patterns=crystals,
        data_range=float(group.attrs["data_range"]),
        compared_to=str(group.attrs["compared_to"]),
        typical=members["typical"],
        atypical=members["atypical"],
        other=other,
        **tables,
    )


def _former(tables: dict[str, dict[str, AnyArray]]) -> dict[str, dict[str, AnyArray]]:
    columns = {
        FORMER.get(name, name): values
        for name, values in tables["columns"].items()
        if not name.endswith("_reconstruction")
    }
    unknown = {name: np.full_like(values, np.nan) for name, values in tables["metrics"].items()}
    return {**tables, "metrics": unknown, "crystal_metrics": tables["metrics"], "columns": columns}
