"""Rank of the data: directions that hold more than the noise, whose size is measured between neighbouring probes.

Directions are those of the largest ratio of variance to noise (minimum noise fraction: Green et al., IEEE Trans.
Geosci. Remote Sens. 26 (1988) 65), and the noise edge is that of the same scan with its probes shuffled, in which
neighbours have nothing in common (parallel analysis).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unmix4d.decide.coherence import without_beam
from unmix4d.records import Beam, Better, BoolArray, CriterionCurve, FactoredMatrix, FloatArray, IntArray, Sweep

SHUFFLES = 4
MARGIN = 1.02
"""By which the largest ratio of shuffled probes is raised: its own scatter."""

FULL = 0.95
"""Share of all directions above the edge from which on it means nothing: a filter made neighbours alike."""

LEAST_ROWS_A_DIRECTION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalToNoise:
    """Variance of direction k of the data over that of its noise, as a multiple of the noise edge.

    Attributes
    ----------
    beam : Beam or None
        Left out.
    """

    name: ClassVar[str] = "signal_to_noise"
    better: ClassVar[Better] = "higher"

    beam: Beam | None = None

    def curve(self, sweep: Sweep, /) -> CriterionCurve:
        """Give the ratio of every direction up to the largest k; the choice is how many lie above 1.

        It may exceed every k of the sweep. Empty without a low-rank form, or where probes are too few.
        """
        ratios = np.empty(0) if sweep.factored is None else ratios_to_edge(without_beam(sweep.factored, self.beam))
        if not ratios.size:
            return self._curve((), ratios, None, "not measured: too few probes, or no low-rank form")
        ks = tuple(k for k in sweep.ks if k <= len(ratios))
        above = int((ratios > 1).sum())
        if above >= FULL * len(ratios):
            return self._curve(ks, ratios, None, "neighbours share their noise, or there are too few directions")
        note = f"above 1: signal; {above} of {len(ratios)} directions hold signal, more than there are patterns"
        return self._curve(ks, ratios, max(1, above), note)

    def _curve(self, ks: tuple[int, ...], ratios: FloatArray, choice: int | None, note: str) -> CriterionCurve:
        values = tuple(float(ratios[k - 1]) for k in ks)
        return CriterionCurve(name=self.name, better=self.better, ks=ks, values=values, choice=choice, note=note)


def ratios_to_edge(factored: FactoredMatrix) -> FloatArray:
    """Variance over noise of each direction, in descending order, over the largest ratio that noise alone has.

    Parameters
    ----------
    factored : FactoredMatrix
        The low-rank form; its first direction is about the mean pattern, which counts as one.

    Returns
    -------
    (r,) float64
        Above 1: signal. Empty if there are too few probes, or no neighbours.
    """
    here, there = _neighbours(factored.probe_mask)
    scores = factored.scores
    if len(here) < LEAST_ROWS_A_DIRECTION * factored.rank or len(scores) < LEAST_ROWS_A_DIRECTION * factored.rank:
        return np.empty(0)
    found = _ratios(scores, here, there)
    rng = np.random.default_rng(0)
    varying = scores - scores.mean(axis=0)
    edge = max(_ratios(varying[rng.permutation(len(varying))], here, there)[0] for _ in range(SHUFFLES))
    return np.asarray(found / (MARGIN * edge))


def _neighbours(probe_mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows of all pairs of probes that are neighbours along either axis of the scan."""
    row = np.cumsum(probe_mask).reshape(probe_mask.shape) - 1
    below, beside = probe_mask[:-1] & probe_mask[1:], probe_mask[:, :-1] & probe_mask[:, 1:]
    here = np.concatenate([row[:-1][below], row[:, :-1][beside]])
    return here, np.concatenate([row[1:][below], row[:, 1:][beside]])


def _ratios(scores: FloatArray, here: IntArray, there: IntArray) -> FloatArray:
    """Ratios of mean square to noise variance in the directions where they are largest, descending."""
    from scipy.linalg import eigh  # noqa: PLC0415 - slow import

    scale = np.maximum(np.sqrt(np.mean(scores**2, axis=0)), np.finfo(np.float32).tiny)
    even = scores / scale  # so that single precision does for weak directions too
    apart = even[here] - even[there]
    noise = (apart.T @ apart).astype(np.float64) / (2 * len(here))
    noise += np.finfo(np.float32).eps * np.eye(len(noise))
    return np.asarray(eigh((even.T @ even).astype(np.float64) / len(even), noise, eigvals_only=True)[::-1])
