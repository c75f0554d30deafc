"""Measured overlap in ``result.h5``: the group ``/overlap/measured``."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.records import AnyArray, Interval, Mixing, NoiseModel, PairOverlap, Trajectory, Unexplained

if TYPE_CHECKING:
    import h5py

MAPS = ("weights", "first", "second", "fraction", "low", "high", "p_value", "significant", "kind")
UNEXPLAINED = ("third", "misfit", "unknown", "residual")
LINE = (
    *("probes", "points", "weights", "fraction", "low", "high"),
    *("raw", "filtered", "part_first", "part_second", "background", "fitted"),
)
TUPLES = ("spot_error", "scale_error")


def save_mixing(group: "h5py.Group", mixing: Mixing) -> None:
    """Write what was measured into a group."""
    for name in MAPS:
        _put(group, name, getattr(mixing, name))
    group.attrs["false_positive_rate"] = mixing.false_positive_rate
    group.attrs["boundary_width"] = mixing.boundary_width
    group.attrs["noise"] = json.dumps(asdict(mixing.noise))
    group.attrs["pairs"] = json.dumps([asdict(pair) for pair in mixing.pairs])
    group["areas"] = np.array([(area.value, area.low, area.high) for area in mixing.areas]).reshape(-1, 3)
    left = group.create_group("unexplained")
    for name in UNEXPLAINED:
        _put(left, name, getattr(mixing.unexplained, name))
    left.attrs["n_averaged"] = mixing.unexplained.n_averaged
    if mixing.trajectory is not None:
        line = group.create_group("trajectory")
        for name in LINE:
            _put(line, name, getattr(mixing.trajectory, name))
        for name in ("first", "second", "chosen"):
            line.attrs[name] = getattr(mixing.trajectory, name)


def _put(group: "h5py.Group", name: str, values: AnyArray) -> None:
    options: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    group.create_dataset(name, data=values, **(options if values.size > 1 else {}))


def restore_mixing(group: "h5py.Group") -> Mixing:
    """Read a group back; raises KeyError or ValueError where something is missing."""
    noise = json.loads(group.attrs["noise"])
    left = group["unexplained"]
    return Mixing(
        **{name: group[name][()] for name in MAPS},
        false_positive_rate=float(group.attrs["false_positive_rate"]),
        boundary_width=float(group.attrs["boundary_width"]),
        areas=tuple(_interval(*values) for values in group["areas"][()].tolist()),
        pairs=tuple(_pair(pair) for pair in json.loads(group.attrs["pairs"])),
        noise=NoiseModel(**{**noise, **{name: tuple(noise[name]) for name in TUPLES}}),
        unexplained=Unexplained(
            **{name: left[name][()] for name in UNEXPLAINED}, n_averaged=int(left.attrs["n_averaged"])
        ),
        trajectory=_line(group["trajectory"]) if "trajectory" in group else None,
    )


def _interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def _pair(plain: dict[str, Any]) -> PairOverlap:
    return PairOverlap(**{**plain, **{name: Interval(**plain[name]) for name in ("area", "fraction")}})


def _line(group: "h5py.Group") -> Trajectory:
    return Trajectory(
        **{name: group[name][()] for name in LINE},
        first=int(group.attrs["first"]),
        second=int(group.attrs["second"]),
        chosen=bool(group.attrs["chosen"]),
    )
