"""The scan as the paper's scripts read it: 8-bit images, all of them in memory."""

from dataclasses import dataclass, replace

import numpy as np

from unmix4d.prepare.chain import Prepared
from unmix4d.prepare.matrix import make_matrix
from unmix4d.records import AnyArray, Geometry, PatternMatrix
from unmix4d.registry import Filter

FULL_SCALE = 255
SWEEP_SIDE = 128
WHITE_QUANTILE = 0.999
MOST_LOOKED_AT, MOST_VALUES = 1000, 2**23
ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """8-bit images: ``values`` (n_probes, n_pixels) uint8, the shape of one, and how they were made.

    ``white`` is the number of counts that became 255, ``steps`` say in words what was done.
    """

    values: AnyArray
    shape: tuple[int, int]
    white: float = float(FULL_SCALE)
    steps: tuple[str, ...] = ()


def all_patterns(prepared: Prepared, filter: Filter) -> PatternMatrix:  # noqa: A002 - the option's name
    """Give every probe and every pixel after cropping, binning and the filter: nothing is cleaned or left out."""
    window = replace(prepared.source.window, repair=None)
    source = replace(prepared.source, window=window)
    geometry: Geometry = source.geometry
    return make_matrix(
        source,
        filter=filter,
        probe_mask=np.ones(geometry.scan_shape, dtype=bool),
        pixel_mask=np.ones(geometry.pattern_shape, dtype=bool),
    )


def white_level(matrix: PatternMatrix, *, is_eight_bit: bool) -> float:
    """Give the value that becomes 255: 255 for scans that are 8-bit already, else the 99.9 % grey level.

    That level is one for the whole scan, from probes evenly over it: a thousand, or fewer of large patterns.
    Method, section 2.1.
    """
    if is_eight_bit:
        return float(FULL_SCALE)
    n_rows = max(1, min(MOST_LOOKED_AT, MOST_VALUES // matrix.n_pixels))
    step = -(-matrix.n_probes // n_rows)
    level = float(np.quantile(matrix.rows(np.arange(0, matrix.n_probes, step)), WHITE_QUANTILE))
    return level if level > 0 else 1.0


def to_eight_bit(patterns: AnyArray, white: float) -> AnyArray:
    """Scale patterns (n, ...) so that ``white`` is 255, round, and clip; uint8."""
    grey = np.empty(np.shape(patterns), dtype=np.uint8)
    for low in range(0, len(grey), ROWS):  # a whole block as float32, several times, would be large
        scaled = np.asarray(patterns[low : low + ROWS], dtype=np.float32) * np.float32(FULL_SCALE / white)
        grey[low : low + ROWS] = np.clip(np.rint(scaled), 0, FULL_SCALE)
    return grey


def read_images(matrix: PatternMatrix, *, is_eight_bit: bool) -> Images:
    """Read all patterns as 8-bit images.

    Parameters
    ----------
    matrix : PatternMatrix
        Of every probe and pixel.
    is_eight_bit : bool
        Whether counts are 0 to 255 as they are.

    Returns
    -------
    Images
    """
    white = white_level(matrix, is_eight_bit=is_eight_bit)
    values = np.empty((matrix.n_probes, matrix.n_pixels), dtype=np.uint8)
    for rows, block in matrix.blocks():
        values[rows] = block if block.dtype == np.uint8 else to_eight_bit(block, white)
    step = "8-bit as recorded" if is_eight_bit else f"8-bit, white is the 99.9 % grey level, {white:.6g} counts"
    return Images(values=values, shape=matrix.geometry.pattern_shape, white=white, steps=(step,))


def shrunk(images: Images, side: int = SWEEP_SIDE) -> Images:
    """Resize images to ``side`` x ``side`` as torchvision does, unless they are no larger; then as they are."""
    from PIL import Image  # noqa: PLC0415 - slow to load

    if max(images.shape) <= side:
        step = f"sweep on images as they are, not enlarged to {side} x {side}"
        return replace(images, steps=(step,) if min(images.shape) < side else ())
    values = np.empty((len(images.values), side * side), dtype=np.uint8)
    for row, pattern in zip(values, images.values, strict=True):
        picture = Image.fromarray(pattern.reshape(images.shape))
        row[:] = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)).ravel()
    return Images(
        values=values, shape=(side, side), white=images.white, steps=(f"sweep on {side} x {side} images",)
    )
