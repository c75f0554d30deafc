"""A run as the explorer reads it: what is said of it, and its arrays in parts that are fetched when needed."""

import gzip
import math
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from unmix4d.quality.material import find_material
from unmix4d.records import NO_CRYSTAL, BoolArray, Factorization, IntArray, RunResult
from unmix4d.report import palette
from unmix4d.report.viewer.arrays import Kind, Stored, binned, binned_mask, pack, strided

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of a run is handed on.

    Attributes
    ----------
    chosen, others : Kind or None
        How components and weights are stored, of the chosen k and of the other k; None = not at all.
    side, others_side : int or None
        Longest side of patterns, of the chosen k and of the others; larger ones are binned.
    stride : int
        One of every ``stride`` probes is handed on, along both axes.
    """

    chosen: Kind = "f4"
    others: Kind | None = "f4"
    side: int | None = None
    others_side: int | None = None
    stride: int = 1


EVERYTHING = Detail()
LADDER = (
    Detail(chosen="f2", others="q1", side=256, others_side=128),
    Detail(chosen="f2", others="q1", side=128, others_side=64),
    Detail(chosen="q1", others="q1", side=128, others_side=64),
    Detail(chosen="f2", others=None, side=128),
    Detail(chosen="q1", others=None, side=128),
    Detail(chosen="q1", others=None, side=64),
)
"""From much to little: a report takes the first that fits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """A run for the browser: ``manifest`` is plain JSON, ``part(name)`` gives arrays for `arrays.unpack`.

    The run is handed on as it was found; the browser applies the edits of the manifest, and can undo them.
    """

    result: RunResult
    detail: Detail = EVERYTHING

    def __post_init__(self) -> None:
        object.__setattr__(self, "result", self.result.as_found)

    @property
    def names(self) -> list[str]:
        """Names of all parts: the maps, and the factors of each k that has any."""
        return ["maps", *(f"k{k}" for k in self.kept)]

    @property
    def kept(self) -> list[int]:
        """Every k whose components and weights are handed on."""
        chosen, decision = self.result.decision.k, self.result.decision
        if self.detail.others is None:
            return [chosen]
        return [k for k in self.result.fits if k == chosen or decision.k_low <= k <= decision.k_high]

    def part(self, name: str) -> bytes:
        """Pack one part.

        Raises
        ------
        KeyError
            If there is none of this name.
        """
        if name not in self.names:
            raise KeyError(name)
        return pack(self._maps() if name == "maps" else self._factors(int(name[1:])))

    def manifest(self) -> dict[str, Any]:
        """Say what the browser must know before it asks for any part."""
        result = self.result
        geometry, beam, stride = result.geometry, result.survey.beam, self.detail.stride
        return {
            "name": PurePath(result.record.source).name or result.record.source,
            "scan": {
                "shape": list(strided(result.clusters.labels, stride).shape),
                "step_nm": None if geometry.scan_step_nm is None else geometry.scan_step_nm * stride,
                "stride": stride,
            },
            "pattern": {
                "shape": list(geometry.pattern_shape),
                "step_inv_angstrom": geometry.pattern_step_inv_angstrom,
                "beam": None if beam is None else [*beam.center, beam.radius],
            },
            "decision": _decision(result),
            "sweep": {str(k): self._told(k) for k in result.component_labels},
            "thresholds": list(result.overlap.thresholds),
            "compared_to": result.comparison.compared_to,
            "identity": dict(result.identity),
            "filter": str(result.record.settings.get("filter", "raw")),
            "colors": {
                "crystals": list(palette.CRYSTAL_COLORS),
                "none": palette.NO_LABEL,
                "levels": list(palette.OVERLAP_COLORS),
                "levels_safe": list(palette.OVERLAP_COLORS_SAFE),
            },
        }

    @property
    def rough_bytes(self) -> float:
        """Estimated bytes of all weights as they are stored, to leave out what cannot fit."""
        n_probes = self.result.geometry.n_probes / self.detail.stride**2
        counts = self.result.clusters.n_crystals * n_probes * (4 if self.detail.chosen == "f4" else 2)
        return counts + sum(k * n_probes * {"f4": 4, "f2": 2}.get(self._kind(k), 1) for k in self.kept)

    def _told(self, k: int) -> dict[str, Any]:
        fit = self.result.fits.get(k)
        if fit is None or k not in self.kept:
            return {"has": "labels"}
        roles = self.result.decision.roles.get(k)
        return {
            "has": "factors",
            "exact": self._kind(k) == "f4",
            "bin": self._bin(k),
            "start": fit.start,
            "stability": None if math.isnan(fit.stability) else fit.stability,
            "roles": ["component"] * k if roles is None else list(roles.roles),
            "crystals": list(range(k)) if roles is None else roles.crystals.tolist(),
            "shares": _shares(self.result, k),
        }

    def _kind(self, k: int) -> Kind:
        return self.detail.chosen if k == self.result.decision.k else self.detail.others or "f4"

    def _bin(self, k: int) -> int:
        side = self.detail.side if k == self.result.decision.k else self.detail.others_side
        return 1 if side is None else max(1, math.ceil(max(self.result.geometry.pattern_shape) / side))

    def _maps(self) -> dict[str, Stored]:
        result, stride = self.result, self.detail.stride
        survey, overlap, by_k = result.survey, result.overlap, result.component_labels
        side = self._bin(result.decision.k)
        whole = np.stack([strided(labels, stride) for labels in by_k.values()])
        bright = np.maximum(survey.total_counts - survey.dark_field, 0)
        counts: Kind = "f4" if self.detail.chosen == "f4" else "f2"
        means = np.nan_to_num(result.comparison.mean_patterns)
        return {
            "labels": Stored(strided(result.clusters.labels, stride), "i2"),
            "ratio": Stored(strided(overlap.ratio, stride), "f4"),
            "first": Stored(strided(overlap.first, stride), "i2"),
            "second": Stored(strided(overlap.second, stride), "i2"),
            "component_labels": Stored(whole, "i2" if whole.max(initial=0) > np.iinfo(np.int8).max else "i1"),
            "bright_field": Stored(strided(bright, stride)[None], counts),
            "dark_field": Stored(strided(survey.dark_field, stride)[None], counts),
            "probes": Stored(strided(result.probe_mask, stride), "u1"),
            "pixels": Stored(result.pixel_mask, "u1"),
            "means": Stored(binned(means, side), counts),
        }

    def _factors(self, k: int) -> dict[str, Stored]:
        fit, kind, side = self.result.fits[k], self._kind(k), self._bin(k)
        # In 8 bits the crystals that are nearly as strong as each other could not be told apart.
        counts = Stored(
            strided(self.result.clusters.crystal_weights, self.detail.stride), "f4" if kind == "f4" else "f2"
        )
        return {
            **({"crystal_weights": counts} if k == self.result.decision.k else {}),
            "components": Stored(binned(fit.component_patterns(), side), kind),
            "weights": Stored(strided(fit.weight_maps(), self.detail.stride), kind),
            "seen": Stored(strided(_seen(self.result, fit), self.detail.stride), "u1"),
            "pixels": Stored(binned_mask(fit.pixel_mask, side), "u1"),
        }


def book_within(result: RunResult, most_bytes: int) -> tuple[Book, dict[str, bytes]]:
    """Choose how much of a run is handed on so that its parts, compressed, take at most ``most_bytes``.

    Returns
    -------
    Book, mapping of name to bytes
        The book, and its parts, compressed with gzip. A scan of many probes is thinned out as the last resort.
    """
    ladder = [*LADDER, *(replace(LADDER[-1], stride=2**i) for i in range(1, 12))]
    for detail in ladder:
        book = Book(result=result, detail=detail)
        if book.rough_bytes > 8 * most_bytes:
            continue
        parts = {name: gzip.compress(book.part(name), 6, mtime=0) for name in book.names}
        if sum(map(len, parts.values())) <= most_bytes:
            break
    return book, parts


def _decision(result: RunResult) -> dict[str, Any]:
    decision = result.decision
    return {
        "k": decision.k,
        "n_crystals": decision.n_crystals,
        "k_low": decision.k_low,
        "k_high": decision.k_high,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "counts": [[int(n), int(ways)] for n, ways in sorted(decision.counts.items())],
        "curves": [
            {
                "name": curve.name,
                "better": curve.better,
                "note": curve.note,
                "choice": curve.choice,
                "ks": list(curve.ks),
                "values": [float(v) if math.isfinite(v) else None for v in curve.values],
            }
            for curve in decision.curves
        ],
    }


def _shares(result: RunResult, k: int) -> list[float]:
    """Share of each component that lies in its spots; all of it where nobody looked for spots."""
    roles = result.decision.roles.get(k)
    if roles is None:
        return [1.0] * k
    return [float(share) for share in roles.spot_patterns.sum(axis=(1, 2), dtype=np.float64)]


def _seen(result: RunResult, fit: Factorization) -> BoolArray:
    """Tell where there is a crystal to name: (scan_y, scan_x)."""
    roles = result.decision.roles.get(fit.k)
    if roles is None:
        return np.asarray(fit.component_labels() != NO_CRYSTAL)
    members: IntArray = np.flatnonzero(roles.crystals >= 0)
    shares = np.array(_shares(result, fit.k))
    total = np.tensordot(shares[members], fit.weight_maps()[members], axes=1)
    return np.asarray(find_material(total, fit.probe_mask) & (total > 0))
