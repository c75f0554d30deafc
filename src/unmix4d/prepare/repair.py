"""What is done to every pattern before it is used: bad pixels, the camera's offset, the descan."""

from dataclasses import dataclass

import numpy as np

from unmix4d.records import AnyArray, BoolArray, FloatArray, IntArray

MOST_NEIGHBOURS = 8
LINE = 3  # neighbours on the next scan line are others too


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Descan:
    """How the direct beam wanders over the scan: a polynomial of second order in the place of the probe.

    Attributes
    ----------
    scan_shape : (scan_y, scan_x)
    terms : (2, 6) float64
        Of the beam's (y, x) relative to its middle place, in detector pixels as stored; factors of 1, v, u, v**2,
        v u and u**2 with v and u from -1 to 1 along scan_y and scan_x.
    """

    scan_shape: tuple[int, int]
    terms: FloatArray

    def at(self, y: IntArray, x: IntArray) -> FloatArray:
        """Give how far the beam is from its middle place at probes, (n, 2) float64."""
        return np.asarray(powers(y, x, self.scan_shape) @ self.terms.T)

    def everywhere(self) -> FloatArray:
        """Give how far the beam is from its middle place at every probe, (n_probes, 2)."""
        y, x = np.indices(self.scan_shape)
        return self.at(y.ravel(), x.ravel())

    @property
    def reach(self) -> float:
        """How far the beam wanders along the detector axis where it is more: largest less smallest, pixels."""
        return float(np.ptp(self.everywhere(), axis=0).max())

    def always_there(self, pattern_shape: tuple[int, int]) -> BoolArray:
        """Pixels (pattern_y, pattern_x) whose place was on the detector at every probe."""
        moved = np.rint(self.everywhere())
        sides = []
        for size, low, high in zip(pattern_shape, moved.min(axis=0), moved.max(axis=0), strict=True):
            place = np.arange(size)
            sides.append((place + low >= 0) & (place + high <= size - 1))
        return np.asarray(sides[0][:, None] & sides[1][None, :])


def powers(y: FloatArray | IntArray, x: FloatArray | IntArray, scan_shape: tuple[int, int]) -> FloatArray:
    """Terms of a polynomial of second order at probes, (n, 6); places run from -1 to 1."""
    v, u = (
        2.0 * np.asarray(place) / max(1, size - 1) - 1.0 if size > 1 else np.zeros(np.shape(place))
        for place, size in zip((y, x), scan_shape, strict=True)
    )
    return np.stack([np.ones_like(v), v, u, v * v, v * u, u * u], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repair:
    """What is done to every pattern, in this order, before it is binned.

    Attributes
    ----------
    bad : (n,) int64
        Pixels of the stored pattern, flattened, that take the value of a good neighbour, from probe to probe
        another one: so counts stay counts, and their mean is that of the neighbours.
    around : (n, 8) int64
        Those neighbours; if there are fewer, some twice.
    level : float
        Taken from every value; what falls below 0 is 0.
    descan : Descan or None
        Patterns are moved back by it, by whole pixels.
    """

    bad: IntArray
    around: IntArray
    level: float = 0.0
    descan: Descan | None = None

    @classmethod
    def of(cls, bad: BoolArray, *, level: float = 0.0, descan: Descan | None = None) -> "Repair":
        """Prepare for bad pixels (pattern_y, pattern_x)."""
        return cls(bad=np.flatnonzero(bad), around=good_neighbours(bad), level=level, descan=descan)

    def apply(self, patterns: AnyArray, rows: slice, columns: slice) -> AnyArray:
        """Repair patterns (y, x, pattern_y, pattern_x) of a rectangle of the window; the type stays."""
        from unmix4d.prepare.kernels import as_rows, mend  # noqa: PLC0415 - half a second that a look can do without

        y, x = (axis.ravel() for axis in np.mgrid[rows, columns])
        moved = np.zeros((0, 2)) if self.descan is None else np.rint(self.descan.at(y, x))
        out = np.empty(patterns.shape, dtype=patterns.dtype.newbyteorder("="))
        probes = (LINE * y + x).astype(np.int64), patterns.shape[3]
        flat = out.reshape(len(y), -1)
        mend(as_rows(patterns), (self.bad, self.around), self.level, moved.astype(np.int64), probes, flat)
        return out


def good_neighbours(bad: BoolArray) -> IntArray:
    """Good pixels in the smallest square about each bad one that holds any, (n_bad, 8); if fewer, some twice."""
    places = np.argwhere(bad)
    around = np.zeros((len(places), MOST_NEIGHBOURS), dtype=np.int64)
    for i, (y, x) in enumerate(places.tolist()):
        for reach in range(1, max(bad.shape)):
            top, left = max(0, y - reach), max(0, x - reach)
            good = np.argwhere(~bad[top : y + reach + 1, left : x + reach + 1])
            if len(good):
                pixels = (good[:, 0] + top) * bad.shape[1] + good[:, 1] + left
                around[i] = np.resize(pixels, MOST_NEIGHBOURS)
                break
    return around


def fill(image: FloatArray, bad: BoolArray) -> FloatArray:
    """Give an image with bad pixels replaced by the mean of their good neighbours."""
    if not bad.any():
        return image
    filled = image.copy()
    filled[bad] = image.ravel()[good_neighbours(bad)].mean(axis=1)
    return filled
