"""A small writer of Gatan's .dm3 and .dm4: a tree of tags, of which a reader needs those of the image alone."""

import struct
from pathlib import Path

import numpy as np

SHORT, UNSIGNED_SHORT, UNSIGNED_LONG, FLOAT, DOUBLE = 2, 4, 5, 6, 7
ARRAY = 20
GROUP, DATA = 20, 21
ELEMENTS = {"int16": SHORT, "uint16": UNSIGNED_SHORT, "uint32": UNSIGNED_LONG, "float32": FLOAT}
IMAGE_TYPES = {"int16": 1, "float32": 2, "uint16": 10, "uint32": 11}
Dimensions = list[tuple[float, str]]


class Tags:
    """Packs tags for one version of the format: numbers of the tree are big-endian, values little-endian."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.long = ">Q" if version == 4 else ">I"

    def number(self, value: int) -> bytes:
        return struct.pack(self.long, value)

    def members(self, tags: list[tuple[str, object]]) -> bytes:
        return b"\1\0" + self.number(len(tags)) + b"".join(self.tag(name, value) for name, value in tags)

    def tag(self, name: str, value: object) -> bytes:
        group = isinstance(value, list)
        content = self.members(value) if isinstance(value, list) else self.value(value)
        length = self.number(len(content)) if self.version == 4 else b""
        return struct.pack(">BH", GROUP if group else DATA, len(name)) + name.encode() + length + content

    def value(self, value: object) -> bytes:
        if isinstance(value, str):
            return self.array(UNSIGNED_SHORT, len(value), value.encode("utf-16-le"))
        if isinstance(value, np.ndarray):
            little = value.astype(value.dtype.newbyteorder("<"))
            return self.array(ELEMENTS[value.dtype.name], value.size, little.tobytes())
        kind, packed = (FLOAT, "<f") if isinstance(value, float) else (UNSIGNED_LONG, "<I")
        return b"%%%%" + self.number(1) + self.number(kind) + struct.pack(packed, value)

    def array(self, kind: int, size: int, content: bytes) -> bytes:
        return b"%%%%" + b"".join(self.number(each) for each in (3, ARRAY, kind, size)) + content


def write_gatan(path: Path, data: np.ndarray, dimensions: Dimensions, *, volts: float = 200_000.0) -> Path:
    """Write one image of any number of axes; ``dimensions`` are step and unit of each, in the order of ``data``."""
    backwards = dimensions[::-1]
    calibrations = [("", [("Origin", 0.0), ("Scale", step), ("Units", unit)]) for step, unit in backwards]
    image: list[tuple[str, object]] = [
        (
            "Calibrations",
            [("Brightness", [("Origin", 0.0), ("Scale", 1.0), ("Units", "")]), ("Dimension", calibrations)],
        ),
        ("Data", data),
        ("DataType", IMAGE_TYPES[data.dtype.name]),
        ("Dimensions", [("", size) for size in data.shape[::-1]]),
        ("PixelDepth", data.itemsize),
    ]
    tags = Tags(4 if path.suffix == ".dm4" else 3)
    microscope = [("Microscope Info", [("Voltage", volts), ("Indicated Magnification", 100.0)])]
    tree = tags.members(
        [("ImageList", [("", [("ImageData", image), ("ImageTags", microscope), ("Name", "scan")])])]
    )
    content = tree + bytes(8)
    path.write_bytes(struct.pack(">I", tags.version) + tags.number(len(content)) + struct.pack(">I", 1) + content)
    return path
