"""Neighbouring probes or pixels that are added up."""

from dataclasses import dataclass

import numpy as np

from unmix4d.records import BoolArray, FloatArray, IntArray

SIDE = 2
"""Probes are added up in squares of this side, never larger: small grains must not drown."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Which members of a mask belong together.

    Attributes
    ----------
    of : (n,) int
        Group of each member; of those that are passed over, a group nearby.
    counted : (n,) bool
        Members that are not passed over.
    scale : (n_groups,) float32
        One over the root of the size of each group.
    mask : (y, x) bool
        Groups that have members.
    """

    of: IntArray
    counted: BoolArray
    scale: FloatArray
    mask: BoolArray

    def gather(self, values: FloatArray) -> FloatArray:
        """Add up rows (n, r) by group: (n_groups, r) float32."""
        members = np.flatnonzero(self.counted)
        order = members[np.argsort(self.of[members], kind="stable")]
        first = np.concatenate([[0], np.flatnonzero(np.diff(self.of[order])) + 1])
        return np.asarray(np.add.reduceat(values[order], first, axis=0) * self.scale[:, None], dtype=np.float32)

    def spread(self, values: FloatArray) -> FloatArray:
        """Give every member of a group the same share: (k, n_groups) to (k, n) float32."""
        return np.ascontiguousarray((values * self.scale)[:, self.of])


def group(mask: BoolArray, side: int, every: int = 1) -> Groups:
    """Group the members of a mask by squares of ``side``, of which one line in ``every`` counts."""
    ny, nx = (-(-size // side) for size in mask.shape)
    y, x = (axis // side for axis in np.nonzero(mask))
    counted = y % every == y.min() % every
    squares, sizes = np.unique((y * nx + x)[counted], return_counts=True)
    of = np.searchsorted(squares, (y - (y - y.min()) % every) * nx + x).clip(max=len(squares) - 1)
    coarse = np.zeros(ny * nx, dtype=bool)
    coarse[squares] = True
    return Groups(
        of=of,
        counted=counted,
        scale=(1 / np.sqrt(sizes)).astype(np.float32),
        mask=coarse.reshape(ny, nx)[y.min() % every :: every],
    )
