"""Opening by a flat disc, in steps of three by three pixels."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from unmix4d.records import BoolArray, FloatArray

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
_SQUARE = np.ones((3, 3), dtype=bool)
_T = np.array([[1, 1, 1], [0, 1, 0], [0, 1, 0]], dtype=bool)
_TURNED_T = tuple(np.rot90(_T, turns) for turns in range(4))


def open_by_disc(images: FloatArray, radius: int) -> FloatArray:
    """Give the opening of each image by a flat disc: what lies under it, where the disc fits.

    Parameters
    ----------
    images : array (n, y, x)
        Mirrored at their edges.
    radius : int
        Of the disc, pixels, 1 or more.

    Returns
    -------
    array (n, y, x), nowhere above the images

    References
    ----------
    Park, Chin, *IEEE Workshop on Nonlinear Signal and Image Processing* 1997, ND26: discs from steps of 3 by 3.
    """
    from scipy.ndimage import grey_dilation, grey_erosion  # noqa: PLC0415 - slow import

    # A disc as wide as both sides together covers the image from everywhere; a larger one changes nothing.
    steps = disc_steps(min(radius, sum(images.shape[1:])))
    opened = images
    for narrow_or_widen in (grey_erosion, grey_dilation):
        for step in steps:
            opened = narrow_or_widen(opened, footprint=step[None])
    return opened


@lru_cache(maxsize=8)
def disc_steps(radius: int) -> tuple[BoolArray, ...]:
    """Give the shapes (3, 3) that come nearest to the disc when one is moved along the other.

    A disc holds the pixels whose centres are at most ``radius`` + 1/2 from its own; of equally near shapes the one
    with the most T is taken.
    """
    reach = np.arange(-radius, radius + 1)
    disc = reach[:, None] ** 2 + reach**2 <= (radius + 0.5) ** 2
    return min(_choices(radius), key=lambda steps: int((_moved_along(steps, radius) != disc).sum()))


def _choices(radius: int) -> Iterator[tuple[BoolArray, ...]]:
    """All steps that together reach as far as the disc, those with the most T first."""
    for rounds in range(radius // 4, -1, -1):
        left = radius - 4 * rounds  # four T, one each way, reach as far as four others
        ts = tuple(t for t in _TURNED_T for _ in range(rounds))
        for squares in range(left + 1):
            yield ts + (_CROSS,) * (left - squares) + (_SQUARE,) * squares


def _moved_along(steps: tuple[BoolArray, ...], radius: int) -> BoolArray:
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - slow import

    shape = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=bool)
    shape[radius, radius] = True
    for step in steps:
        shape = binary_dilation(shape, step)
    return shape
