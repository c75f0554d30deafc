"""What several filters found, held against the unfiltered counts: one pass for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.records import NO_CRYSTAL, ClusterMap, FloatArray, IntArray, PatternMatrix, Survey
from unmix4d.records.base import spread
from unmix4d.resolve.dictionary import Dictionary
from unmix4d.resolve.spots import Rings

TOGETHER = 256
FEWEST = 20
"""Probes that a crystal must hold for another filter to be asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refit:
    """What the unfiltered counts make of the crystals of one filter.

    Attributes
    ----------
    weights : (n_crystals, scan_y, scan_x) float32
        Bragg counts of its crystals, fitted to the counts of each probe alone; 0 where the probe is masked.
    explained : float
        How well its clusters stand for every crystal that any of the other filters found: of what sets the mean
        unfiltered pattern of that crystal apart from the mean of all, the share that the nearest cluster has too,
        beyond noise, for the crystal that fares worst; 0 to 1. A crystal that a filter lost shows however small it
        is, and whatever patterns the filter drew.
    """

    weights: FloatArray
    explained: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one block gives for each filter: Bragg counts (n, n_crystals), and sums of the patterns of clusters."""

    rows: slice
    bragg: Sequence[FloatArray]
    sums: Sequence[FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """Works on one block for all filters; small enough to travel.

    ``across`` is (n_pixels, all crystals and then the rings), ``labels`` (n_probes,) for each filter.
    """

    matrix: PatternMatrix
    dictionaries: Sequence[Dictionary]
    across: FloatArray
    labels: Sequence[IntArray]

    def __call__(self, block: int) -> _Part:
        patterns, rows = self.matrix.read_block(block), self.matrix.rows_of(block)
        n_all = sum(d.n_crystals for d in self.dictionaries)
        bragg = [np.empty((len(patterns), d.n_crystals), dtype=np.float32) for d in self.dictionaries]
        sums = [np.zeros((d.n_crystals, self.matrix.n_pixels)) for d in self.dictionaries]
        for first in range(0, len(patterns), TOGETHER):
            own = slice(first, first + TOGETHER)
            counts = patterns[own].astype(np.float32)
            cross = counts @ self.across
            at = 0
            for i, (dictionary, labels) in enumerate(zip(self.dictionaries, self.labels, strict=True)):
                n = dictionary.n_crystals
                weights = dictionary.solve(np.concatenate([cross[:, at : at + n], cross[:, n_all:]], axis=1))
                bragg[i][own] = weights[:, :n] * dictionary.bragg
                here = labels[rows][own]
                sums[i] += (here == np.arange(n)[:, None]).astype(np.float32) @ counts
                at += n
        return _Part(rows=rows, bragg=bragg, sums=sums)


def refit(
    matrix: PatternMatrix, clusters: Sequence[ClusterMap], survey: Survey, *, executor: Executor
) -> tuple[Refit, ...]:
    """Fit the crystals of several filters to the unfiltered counts, and see how well their clusters part these.

    The fit is by non-negative least squares, each pixel weighted by one over its mean counts, with rings of
    background, as in the fit of the crystals themselves. Nothing is averaged over probes, so that what neighbours
    would mix in shows by its absence; in return the weights carry the noise of single patterns.

    Parameters
    ----------
    matrix : PatternMatrix
        Unfiltered counts.
    clusters : sequence of ClusterMap
        One for each filter; it may hold no crystal.
    survey : Survey
    executor : Executor
        For the one pass.

    Returns
    -------
    tuple of Refit
        In the order of ``clusters``.
    """
    rings = Rings.about(survey.beam, matrix.pixel_mask)
    mean = survey.mean_pattern[rings.allowed]
    pixel = np.divide(1, mean, out=np.zeros_like(mean), where=mean > 0)
    entries = rings.entries()
    dictionaries = [
        Dictionary.of(own.crystal_patterns[:, rings.allowed].astype(np.float64), entries, pixel) for own in clusters
    ]
    background = Dictionary.of(np.zeros((0, len(mean))), entries, pixel).across
    stacked = np.concatenate([*(d.across[: d.n_crystals] for d in dictionaries), background])
    kept = rings.allowed[matrix.pixel_mask]
    across = np.zeros((matrix.n_pixels, len(stacked)), dtype=np.float32)
    across[kept] = stacked.T
    labels = _common([own.labels[matrix.probe_mask] for own in clusters])
    bragg = [np.empty((matrix.n_probes, d.n_crystals), dtype=np.float32) for d in dictionaries]
    sums = [np.zeros((d.n_crystals, matrix.n_pixels)) for d in dictionaries]
    work = _Fit(matrix=matrix, dictionaries=dictionaries, across=across, labels=labels)
    for part in executor.map_blocks(work, range(matrix.n_blocks)):
        for i in range(len(clusters)):
            bragg[i][part.rows] = part.bragg[i]
            sums[i] += part.sums[i]
    numbers = [
        np.bincount(own[own >= 0], minlength=d.n_crystals) for own, d in zip(labels, dictionaries, strict=True)
    ]
    explained = _explained([_means(own[:, kept], n) for own, n in zip(sums, numbers, strict=True)], pixel)
    maps = [np.moveaxis(spread(own, matrix.probe_mask, 0), -1, 0) for own in bragg]
    return tuple(Refit(weights=own, explained=share) for own, share in zip(maps, explained, strict=True))


def _common(labels: Sequence[IntArray]) -> list[IntArray]:
    """Leave out the probes that not every filter labels, so that all are judged by the same patterns."""
    everywhere = np.all([own != NO_CRYSTAL for own in labels], axis=0)
    return [np.where(everywhere, own, NO_CRYSTAL) for own in labels]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Means:
    """Mean patterns (n, n_pixels) of the clusters that hold any probe, and how many they hold (n,)."""

    patterns: FloatArray
    numbers: IntArray


def _means(sums: FloatArray, numbers: IntArray) -> _Means:
    used = numbers > 0
    return _Means(patterns=sums[used] / numbers[used, None], numbers=numbers[used])


def _explained(found: Sequence[_Means], pixel: FloatArray) -> list[float]:
    """Give how well the clusters of each filter stand for the worst crystal of the others; see `Refit`."""
    total = sum(int(own.numbers.sum()) for own in found[:1])
    middle = found[0].numbers @ found[0].patterns / max(total, 1) if total else np.zeros(len(pixel))
    noise = float((middle * pixel).sum())  # expected square of one pattern's counting noise
    shares = []
    for own in found:
        worst = 1.0
        for pattern, number in _others(found, own):
            apart = float((pattern - middle) ** 2 @ pixel) - noise / number
            if apart <= 0:
                continue
            left = ((own.patterns - pattern) ** 2) @ pixel - noise * (1 / own.numbers + 1 / number)
            nearest = float(left.min(initial=apart))
            worst = min(worst, 1 - max(nearest, 0.0) / apart)
        shares.append(max(worst, 0.0))
    return shares


def _others(found: Sequence[_Means], own: _Means) -> Iterator[tuple[FloatArray, int]]:
    """Every crystal of the other filters that is not tiny: its mean pattern and number of probes."""
    for other in found:
        if other is not own:
            for pattern, number in zip(other.patterns, other.numbers.tolist(), strict=True):
                if number >= FEWEST:
                    yield pattern, number
