"""A smaller matrix to try starts on: neighbouring probes and neighbouring pixels added up.

Sums are divided by the root of their number, which keeps the length of what is constant over them, so that an error
here means what it means in the matrix itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from unmix4d.factorize.groups import SIDE, Groups, group
from unmix4d.records import BoolArray, FactoredMatrix, FloatArray, Geometry

MOST_PIXELS = 2048
"""Detector pixels that are left, about."""

SPARE_RANK = 16
"""Directions beyond twice k that a fit of k components may use."""

FEW_PROBES = 2048
"""Up to that many are tried as they are: so few groups would not tell the starts apart."""

MOST_PROBES = 8192
"""With more squares than that every second line of them is passed over."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coarse:
    """A matrix made smaller, and how to get back."""

    matrix: FactoredMatrix
    probes: Groups
    pixels: Groups

    def leading(self, k: int) -> FactoredMatrix:
        """Give the matrix in the directions that k components can need, which is faster than in all."""
        rank = 2 * k + SPARE_RANK
        if rank >= self.matrix.rank:
            return self.matrix
        scores = np.ascontiguousarray(self.matrix.scores[:, :rank])
        return replace(self.matrix, scores=scores, basis=self.matrix.basis[:rank])

    def with_all_pixels(self, factored: FactoredMatrix) -> FactoredMatrix:
        """Give the matrix with its probes grouped and its pixels as they are."""
        return _grouped(factored, self.probes.gather(factored.scores), factored.basis, self.probes, None)


def coarsen(factored: FactoredMatrix) -> Coarse:
    """Add up squares of probes, and of pixels until few are left.

    Parameters
    ----------
    factored : FactoredMatrix

    Returns
    -------
    Coarse
    """
    n_pixels = factored.basis.shape[1]
    side = SIDE if len(factored.scores) > FEW_PROBES and factored.of is None else 1
    probes = group(factored.probe_mask, side)
    if len(probes.scale) > MOST_PROBES:
        probes = group(factored.probe_mask, side, every=2)
    pixels = group(factored.pixel_mask, max(1, int(np.ceil(np.sqrt(n_pixels / MOST_PIXELS)))))
    basis, triangle = np.linalg.qr(pixels.gather(factored.basis.T))
    scores = probes.gather(factored.scores) @ triangle.T
    _, turn = np.linalg.eigh(scores.T.astype(np.float64) @ scores)
    turn = turn[:, ::-1].astype(np.float32)
    scores, basis = scores @ turn, basis @ turn
    return Coarse(matrix=_grouped(factored, scores, basis.T, probes, pixels), probes=probes, pixels=pixels)


def _grouped(
    factored: FactoredMatrix, scores: FloatArray, basis: FloatArray, probes: Groups, pixels: Groups | None
) -> FactoredMatrix:
    """Put grouped scores and basis together; what lies outside of them shrinks with the number of values."""
    shrunk = len(scores) * basis.shape[1] / (len(factored.scores) * factored.basis.shape[1])
    outside = factored.norm2 - _squares(factored.scores)
    pixel_mask = factored.pixel_mask if pixels is None else pixels.mask
    return replace(
        factored,
        scores=np.ascontiguousarray(scores, dtype=np.float32),
        basis=np.ascontiguousarray(basis, dtype=np.float32),
        row=np.ones(len(scores), dtype=np.float32),
        column=np.ones(basis.shape[1], dtype=np.float32),
        norm2=_squares(scores) + max(0.0, outside) * shrunk,
        geometry=Geometry(scan_shape=_shape(probes.mask), pattern_shape=_shape(pixel_mask)),
        probe_mask=probes.mask,
        pixel_mask=pixel_mask,
        of=None,
    )


def _squares(values: FloatArray) -> float:
    return float(np.einsum("ij,ij->", values, values, dtype=np.float64))


def _shape(mask: BoolArray) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]
