"""A mean over neighbouring probes that keeps boundaries sharp: over patterns that are the same within noise."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.prepare.alike import NEIGHBOURS, Cells, Noise, mean_of, measure_noise, pair_sums
from unmix4d.prepare.spotsize import spot_width
from unmix4d.records import FloatArray, IntArray, Survey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatedMean:
    """Mean of each pattern and those of its eight neighbours that differ from it by no more than noise.

    Attributes
    ----------
    gate : float
        Share of the neighbours that see the same and are rejected by chance.
    cells : Cells
        Squares of pixels that are compared; about as large as a spot after `fit`.
    noise : Noise
        That of counting, or as measured by `fit`.
    """

    gate: float = 0.01
    cells: Cells = Cells()  # noqa: RUF009 - frozen
    noise: Noise = Noise()  # noqa: RUF009 - frozen
    name: ClassVar[str] = "gated-mean"

    def __post_init__(self) -> None:
        if not 0 < self.gate < 1:
            raise UsageError(f"the gate is a share above 0 and below 1, not {self.gate:g}")

    @property
    def halo(self) -> int:
        """One neighbour on each side."""
        return 1

    def fit(self, patches: Iterable[FloatArray], survey: Survey, /) -> "GatedMean":
        """Measure the noise between neighbours, and the size of a spot."""
        side = max(1, round(2 * spot_width(survey)))
        cells = Cells(side=side, bad=survey.left_out)
        return replace(self, cells=cells, noise=measure_noise(patches, cells))

    def __call__(self, patterns: FloatArray, /) -> FloatArray:
        """Average (y, x, pattern_y, pattern_x); the same shape, float32."""
        flat = np.ascontiguousarray(patterns, dtype=np.float32).reshape(patterns.shape[0] * patterns.shape[1], -1)
        out = np.empty_like(flat)
        mean_of(flat, self.partners(patterns), out)
        return out.reshape(patterns.shape)

    def partners(self, patterns: FloatArray) -> IntArray:
        """Neighbours that each pattern is averaged with, (n, 8) as probes in C order; -1 is none."""
        pooled = self.cells.of(patterns)
        partners = np.full((pooled.shape[0] * pooled.shape[1], 2 * len(NEIGHBOURS)), -1, dtype=np.int64)
        for i, step in enumerate(NEIGHBOURS):
            pairs, sums = pair_sums(pooled, step)
            same = pairs[self.noise.are_same(sums, self.gate)]
            partners[same[:, 0], 2 * i], partners[same[:, 1], 2 * i + 1] = same[:, 1], same[:, 0]
        return partners
