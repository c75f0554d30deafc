"""The group ``/paper`` of ``result.h5``: what the paper's procedure found, written and read back."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.records import Agreement, Change, PaperAnswer, PaperMap, PaperScores

if TYPE_CHECKING:
    import h5py

SCORES = ("values", "means", "reported_if_permuted")
MAPS = ("labels", "second", "ratio", "level", "passed_over")
ARRAYS = ("components", "weights", "mean_patterns", "component_patterns", "counts")
NO_KNEE = -1


def save_paper(group: "h5py.Group", answer: PaperAnswer) -> None:
    """Write an answer into an empty group."""
    for name in ARRAYS:
        _put(group, name, getattr(answer, name))
    for name in MAPS:
        _put(group, name, getattr(answer.map, name))
    group.attrs["background"] = answer.map.background
    group.attrs["thresholds"] = np.array(answer.map.thresholds)
    for name in ("knee_used", "k", "k_how", "converged", "background_how"):
        group.attrs[name] = getattr(answer, name)
    group.attrs["knee"] = NO_KNEE if answer.knee is None else answer.knee
    _put(group, "sweep/ks", np.array(list(answer.losses), dtype=np.int32))
    _put(group, "sweep/loss", np.array(list(answer.losses.values())))
    _put(group, "sweep/n_iterations", np.array(list(answer.n_iterations.values()), dtype=np.int32))
    scores = group.create_group("scores", track_order=True)
    for score in answer.scores:
        own = scores.create_group(score.metric)
        for name in SCORES:
            _put(own, name, getattr(score, name))
        own.attrs["first"] = score.first
        own.attrs["reported"] = score.reported
    metrics = group.create_group("metrics", track_order=True)
    for name, values in answer.metrics.items():
        _put(metrics, name, values)
    group.attrs["changes"] = json.dumps([asdict(change) for change in answer.changes])
    group.attrs["agreement"] = json.dumps(asdict(answer.agreement))
    group.attrs["steps"] = json.dumps(list(answer.steps))


def restore_paper(group: "h5py.Group") -> PaperAnswer:
    """Read an answer back; raises KeyError or ValueError where something is missing."""
    told = group.attrs
    ks = [int(k) for k in group["sweep/ks"][()]]
    knee, agreement = int(told["knee"]), json.loads(told["agreement"])
    agreement["matched"] = tuple((int(there), int(here)) for there, here in agreement["matched"])
    return PaperAnswer(
        losses=dict(zip(ks, map(float, group["sweep/loss"][()]), strict=True)),
        n_iterations=dict(zip(ks, map(int, group["sweep/n_iterations"][()]), strict=True)),
        knee=None if knee == NO_KNEE else knee,
        knee_used=int(told["knee_used"]),
        scores=tuple(_scores(metric, own) for metric, own in group["scores"].items()),
        k=int(told["k"]),
        k_how=str(told["k_how"]),
        converged=bool(told["converged"]),
        map=PaperMap(
            background=int(told["background"]),
            thresholds=tuple(float(t) for t in told["thresholds"]),
            **{name: group[name][()] for name in MAPS},
        ),
        background_how=str(told["background_how"]),
        metrics={name: values[()] for name, values in group["metrics"].items()},
        changes=tuple(Change(**change) for change in json.loads(told["changes"])),
        agreement=Agreement(**agreement),
        steps=tuple(json.loads(told["steps"])),
        **{name: group[name][()] for name in ARRAYS},
    )


def _scores(metric: str, group: "h5py.Group") -> PaperScores:
    return PaperScores(
        metric=metric,
        first=int(group.attrs["first"]),
        reported=int(group.attrs["reported"]),
        **{name: group[name][()] for name in SCORES},
    )


def _put(group: "h5py.Group", name: str, values: Any) -> None:  # noqa: ANN401 - any array
    array = np.asarray(values)
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size > 1 else {}
    group.create_dataset(name, data=array, **options)
