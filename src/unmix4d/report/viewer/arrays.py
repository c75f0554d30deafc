"""Arrays as the browser reads them: a header in JSON, then the values, little-endian.

Kinds: ``f4`` as it is; ``f2`` and ``q1`` as shares of the largest value along the first axis, of 16 bits, or of 8
bits and the square root taken; ``i1``, ``i2``, ``u1``, ``u2`` whole numbers.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unmix4d.records import AnyArray, BoolArray, FloatArray

Kind = Literal["f4", "f2", "q1", "i1", "i2", "u1", "u2"]

ALIGNED = 8
STEPS = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """An array, and how its values are to be stored."""

    values: AnyArray
    kind: Kind


def pack(arrays: Mapping[str, Stored]) -> bytes:
    """Pack arrays for the browser: length of the header (uint32), header, values, each at a multiple of 8."""
    entries: dict[str, Any] = {}
    pieces: list[bytes] = []
    at = 0
    for name, stored in arrays.items():
        values, scale = _coded(stored)
        piece = values.tobytes()
        entries[name] = {"kind": stored.kind, "shape": list(values.shape), "at": at}
        if scale is not None:
            entries[name]["scale"] = [float(s) for s in scale]
        pieces.append(piece + bytes(-len(piece) % ALIGNED))
        at += len(pieces[-1])
    header = json.dumps(entries).encode()
    header += b" " * (-(len(header) + 4) % ALIGNED)
    return struct.pack("<I", len(header)) + header + b"".join(pieces)


def unpack(data: bytes) -> dict[str, AnyArray]:
    """Read packed arrays back, as the browser does."""
    (length,) = struct.unpack_from("<I", data)
    arrays = {}
    for name, entry in json.loads(data[4 : 4 + length]).items():
        kind, shape = entry["kind"], entry["shape"]
        stored = np.frombuffer(data, _type(kind), int(np.prod(shape)), 4 + length + entry["at"]).reshape(shape)
        arrays[name] = _decoded(stored, kind, entry.get("scale"))
    return arrays


def strided(maps: AnyArray, stride: int) -> AnyArray:
    """Take every ``stride``-th probe of maps (..., scan_y, scan_x)."""
    return maps[..., ::stride, ::stride]


def binned(patterns: FloatArray, side: int) -> FloatArray:
    """Add up squares of pixels of patterns (..., y, x); incomplete squares at the edge are left out."""
    if side == 1:
        return patterns
    ny, nx = patterns.shape[-2] // side, patterns.shape[-1] // side
    squares = patterns[..., : ny * side, : nx * side].reshape(*patterns.shape[:-2], ny, side, nx, side)
    return np.asarray(squares.sum(axis=(-3, -1)))


def binned_mask(mask: BoolArray, side: int) -> BoolArray:
    """Tell which squares of pixels hold one that is used."""
    return binned(mask.astype(np.float32), side) > 0


def _type(kind: Kind) -> np.dtype[Any]:
    return np.dtype("<u1" if kind == "q1" else f"<{kind}")


def _coded(stored: Stored) -> tuple[AnyArray, FloatArray | None]:
    if stored.kind not in {"f2", "q1"}:
        return np.ascontiguousarray(stored.values, _type(stored.kind)), None
    values = np.nan_to_num(np.asarray(stored.values, np.float64))
    rest = tuple(range(1, values.ndim))
    scale = values.max(axis=rest, initial=0.0)
    shares = values / np.where(scale > 0, scale, 1.0).reshape(-1, *[1] * len(rest))
    if stored.kind == "q1":
        shares = np.round(np.sqrt(np.maximum(shares, 0)) * STEPS)
    return shares.astype(_type(stored.kind)), scale


def _decoded(stored: AnyArray, kind: Kind, scale: list[float] | None) -> AnyArray:
    if scale is None:
        return stored
    shares = np.square(stored / STEPS) if kind == "q1" else stored.astype(np.float64)
    return np.asarray(shares * np.reshape(scale, (-1, *[1] * (stored.ndim - 1))), np.float32)
