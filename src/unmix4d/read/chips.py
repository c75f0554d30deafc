"""Merlin's raw mode (R64): counters as the chips send them, in big-endian words of 64 bits."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.records import AnyArray

CHIPS_IN_SQUARE = 4
FIELDS: Mapping[str, int] = MappingProxyType({"chips": 3, "width": 4, "height": 5, "layout": 7})
TYPES: Mapping[int, str] = MappingProxyType({1: "u1", 6: "u1", 12: "u2", 24: "u4"})
"""Counts of 1 bit are packed, those of 6 and 12 take 8 and 16, those of 24 come as two images of 12."""
COUNTER_BITS = 12
WORD_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one raw image is stored.

    Attributes
    ----------
    bits : int
        1, 6, 12 or 24, of a counter.
    height, width : int
        Of the stored image: four chips stand side by side, two images of 12 bits too.
    square : bool
        Whether there are four chips, two by two.
    """

    bits: int
    height: int
    width: int
    square: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of an image."""
        return self.height * self.width * {1: 1, 6: 8, 12: 16, 24: 16}[self.bits] // 8

    @property
    def shape(self) -> tuple[int, int]:
        """Size (pattern_y, pattern_x) of the image as it lies on the detector."""
        if self.square:
            return 2 * self.height, self.width // 2
        return self.height, self.width // (2 if self.bits == 2 * COUNTER_BITS else 1)


def raw_layout(header: bytes, name: str) -> Layout:
    """Read from the header of a frame how the raw image is stored.

    Raises
    ------
    InputError
        If the depth of the counters or the arrangement of the chips is not known.
    """
    fields = header.decode("ascii", errors="replace").split(",")
    chips, width, height = (int(fields[FIELDS[key]]) for key in ("chips", "width", "height"))
    arrangement = fields[FIELDS["layout"]].strip().removesuffix("G")
    bits = [int(field) for field in fields if field.strip("\0 ").isdecimal()][-1]  # the depth comes last
    square = arrangement == "2x2" and chips == CHIPS_IN_SQUARE
    known = bits in TYPES and (square or chips == 1) and not (square and bits == 2 * COUNTER_BITS)
    if not known or width % (8 * WORD_BYTES * (CHIPS_IN_SQUARE if square else 1)):
        raise InputError(
            f"{name} holds raw chip data (R64) of {chips} chips in {arrangement} with {bits} bits and "
            f"{width} x {height} pixels; raw data are read from one chip with 1, 6, 12 or 24 bits, or from all "
            "four of 2x2 with 1, 6 or 12: save it as processed counts"
        )
    return Layout(bits=bits, height=height, width=width, square=square)


class RawFrames:
    """A stack of raw images (n, bytes) as patterns (n, pattern_y, pattern_x), decoded when they are read."""

    def __init__(self, stored: AnyArray, layout: Layout) -> None:
        self.stored, self.layout = stored, layout
        self.shape = (len(stored), *layout.shape)
        self.dtype = np.dtype(TYPES[layout.bits])

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        return decode(np.asarray(self.stored[key]), self.layout)[..., ::-1, :]


def decode(stored: AnyArray, layout: Layout) -> AnyArray:
    """Turn stored bytes (..., bytes) into images (..., pattern_y, pattern_x), the lowest detector row first.

    In each word the first pixel has the lowest bits. Of four chips in a stored row, the last two are the first half
    of the detector's rows, from right to left; the first two are the other half, turned by 180 degrees.
    """
    leading = stored.shape[:-1]
    if layout.bits == 1:
        words = stored.reshape(*leading, -1, WORD_BYTES)[..., ::-1]
        pixels = np.unpackbits(words, axis=-1, bitorder="little")
    else:
        counters = np.ascontiguousarray(stored).view("u1" if layout.bits < COUNTER_BITS else ">u2")
        pixels = counters.reshape(*leading, -1, WORD_BYTES // counters.itemsize)[..., ::-1]
    if layout.bits == 2 * COUNTER_BITS:
        halves = pixels.reshape(*leading, 2, *layout.shape).astype(TYPES[layout.bits])
        return np.asarray((halves[..., 0, :, :] << COUNTER_BITS) + halves[..., 1, :, :])
    images = pixels.reshape(*leading, layout.height, layout.width).astype(TYPES[layout.bits], copy=False)
    if not layout.square:
        return images
    chip = np.split(images, CHIPS_IN_SQUARE, axis=-1)
    first = np.concatenate([chip[3], chip[2]], axis=-1)
    turned = np.concatenate([chip[1][..., ::-1, ::-1], chip[0][..., ::-1, ::-1]], axis=-1)
    return np.concatenate([first, turned], axis=-2)
