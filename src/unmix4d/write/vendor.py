"""Vendor files with one record for each pattern: NanoMEGAS .blo, Merlin .mib, MRC."""

import struct
from pathlib import Path

import numpy as np

from unmix4d.electrons import wavelength_angstrom
from unmix4d.errors import UsageError
from unmix4d.records import AnyArray
from unmix4d.write.stream import Stream

# as in read/binary.py: identifier, magic, offsets of image and patterns, flags, pattern size, pattern rotation,
# scan x, scan y, scan rotation, step x and y in nm, volts, detector pixels per metre, camera length in tenths of
# mm, date
BLO_HEADER = struct.Struct("<6sHIIIHHHHHddIHId")
BLO_MAGIC, BLO_FLAGS = 0x0102, 131141
BLO_IMAGE_AT, BLO_ALIGNED = 0x1000, 16
BLO_DATE = 25570.0
BLO_MARK = np.dtype([("mark", "<u2"), ("number", "<u4")])
BLO_MARK_VALUE = 0x55AA
BLO_MOST = 2**16 - 1
NOMINAL_LENGTH_MM = 100.0

MIB_HEADER_BYTES = 384
MIB_TYPES = {"uint8": "U08", "uint16": "U16", "uint32": "U32"}
MIB_DATE = "2000-01-01"

MRC_HEADER_BYTES = 1024
MRC_MODES = {"int16": 1, "float32": 2, "uint16": 6}
LITTLE_ENDIAN_STAMP = bytes((0x44, 0x44, 0, 0))


def write_blo(path: Path, stream: Stream) -> None:
    """Write a block file: 8-bit, square patterns; others are padded with zeros at the bottom or on the right.

    The pattern step is kept as the size of a detector pixel, by beam energy and camera length. Without a beam
    energy it cannot be kept; without a camera length a nominal one is written, with the pixel that belongs to it.

    Raises
    ------
    UsageError
        If the scan has more lines or columns, or its patterns more pixels, than the format can say.
    """
    scan_y, scan_x, pattern_y, pattern_x = stream.shape
    side = max(pattern_y, pattern_x)
    if max(scan_y, scan_x, side) > BLO_MOST:
        raise UsageError(f"a .blo holds at most {BLO_MOST} lines, columns or pixels; this scan is {stream.shape}")
    if pattern_y != pattern_x:
        stream.notes.append(f"patterns of {pattern_y} x {pattern_x} are padded with zeros to {side} x {side}")
    n = scan_y * scan_x
    patterns_at = -(-(BLO_IMAGE_AT + n) // BLO_ALIGNED) * BLO_ALIGNED
    volts, per_metre, tenths = _camera(stream)
    step = stream.geometry.scan_step_nm or 0.0
    if not step:
        stream.notes.append("the scan step is unknown, and is 0 in the file")
    header = BLO_HEADER.pack(
        *(b"IMGBLO", BLO_MAGIC, BLO_IMAGE_AT, patterns_at, BLO_FLAGS, side, 0, scan_x, scan_y, 0, step, step),
        *(volts, per_metre, tenths, BLO_DATE),
    )
    brightness = np.zeros(n)
    with path.open("wb") as file:
        file.write(header.ljust(patterns_at, b"\0"))
        for first, patterns in stream.blocks():
            records = np.zeros(len(patterns), [("mark", BLO_MARK), ("pattern", np.uint8, (side, side))])
            records["mark"]["mark"] = BLO_MARK_VALUE
            records["mark"]["number"] = np.arange(first, first + len(patterns))
            records["pattern"][:, :pattern_y, :pattern_x] = patterns
            brightness[first : first + len(patterns)] = patterns.mean(axis=(1, 2))
            file.write(records.tobytes())
        file.seek(BLO_IMAGE_AT)
        file.write(np.rint(brightness * (255 / max(brightness.max(), 1e-9))).astype(np.uint8).tobytes())


def _camera(stream: Stream) -> tuple[int, int, int]:
    """Give volts, detector pixels per metre and camera length in tenths of mm; 0 = unknown."""
    energy, step, length = (
        stream.beam_energy_kev,
        stream.geometry.pattern_step_inv_angstrom,
        stream.camera_length_mm,
    )
    volts, tenths = round((energy or 0.0) * 1e3), round((length or 0.0) * 10)
    if step is None:
        stream.notes.append("the pattern step is unknown, and is 0 in the file")
        return volts, 0, tenths
    if energy is None:
        stream.notes.append(
            "a .blo keeps the pattern step only with a beam energy, which is unknown: give --beam-energy"
        )
        return 0, 0, tenths
    per_metre = _per_metre(step, energy, length or NOMINAL_LENGTH_MM)
    if length is not None and 1 <= round(per_metre) <= BLO_MOST:
        return volts, round(per_metre), tenths
    nominal = NOMINAL_LENGTH_MM
    while _per_metre(step, energy, nominal) > BLO_MOST:
        nominal *= 2
    pixels = max(1, round(_per_metre(step, energy, nominal)))
    stream.notes.append(
        f"a nominal camera length of {nominal:g} mm is written, with the pixel size that gives {step:.6g} 1/Å"
    )
    return volts, pixels, round(nominal * 10)


def _per_metre(step: float, energy_kev: float, length_mm: float) -> float:
    """Detector pixels per metre for a pattern step in 1/Å: pixel = step x wavelength x camera length."""
    return 1e3 / (step * wavelength_angstrom(energy_kev) * length_mm)


def write_mib(path: Path, stream: Stream) -> None:
    """Write Merlin records, lowest detector row first, big-endian, with a header of 384 bytes each."""
    _, _, height, width = stream.shape
    stored = MIB_TYPES[stream.values.dtype.name]
    big_endian = stream.values.dtype.newbyteorder(">")
    record = np.dtype([("header", f"S{MIB_HEADER_BYTES}"), ("pattern", big_endian, (height, width))])
    with path.open("wb") as file:
        for first, patterns in stream.blocks():
            records = np.zeros(len(patterns), record)
            records["header"] = [_mib_header(first + i + 1, width, height, stored) for i in range(len(patterns))]
            records["pattern"] = patterns[:, ::-1]
            file.write(records.tobytes())


def _mib_header(number: int, width: int, height: int, stored: str) -> bytes:
    """Describe one frame as a single chip with one counter."""
    unused = ",".join(["0.000000E+0"] * 6)
    dacs = ",".join(["000"] * 27)
    depth = 6 if stored == "U08" else 12
    fields = (
        f"MQ1,{number:06},{MIB_HEADER_BYTES:05},01,{width:04},{height:04},{stored},   1x1,01,"
        f"{MIB_DATE} 00:00:00.000000,0.001000,0,0,0,0.000000E+0,5.110000E+2,{unused},3RX,{dacs},"
        f"MQ1A,{MIB_DATE}T00:00:00.000000000Z,1000000ns,{depth},"
    )
    return fields.encode("ascii").ljust(MIB_HEADER_BYTES)


def mib_companion(stream: Stream) -> str:
    """Give the text of the .hdr: how many frames, and how many in each line."""
    scan_y, scan_x = stream.geometry.scan_shape
    lines = (
        "HDR,\t",
        "Chip Type (Medipix 3.0, Medipix 3.1, Medipix 3RX):\tMedipix 3RX",
        "Assembly Size (NX1, 2X2):\t   1x1",
        f"Frames in Acquisition (Number):\t{scan_y * scan_x}",
        f"Frames per Trigger (Number):\t{scan_x}",
        "End\t",
    )
    return "\n".join(lines)


def write_mrc(path: Path, stream: Stream) -> None:
    """Write an MRC stack: one section for each pattern, in the order of the scan."""
    scan_y, scan_x, height, width = stream.shape
    n = scan_y * scan_x
    header = np.zeros(MRC_HEADER_BYTES // 4, "<i4")
    header[:4] = width, height, n, MRC_MODES[stream.values.dtype.name]
    header[7:10] = width, height, n
    header[13:16] = np.array([90, 90, 90], "<f4").view("<i4")  # the cell stays 0, unknown: it could only be in Å
    header[16:19] = 1, 2, 3
    low, high, total = np.inf, -np.inf, 0.0
    with path.open("wb") as file:
        file.write(bytes(MRC_HEADER_BYTES))
        for _, patterns in stream.blocks():
            low, high, total = _seen(patterns, low, high, total)
            file.write(patterns.tobytes())
        header[19:22] = np.array([low, high, total / (n * height * width)], "<f4").view("<i4")
        header[27] = 20140  # version of the format
        raw = bytearray(header.tobytes())
        raw[208:212], raw[212:216] = b"MAP ", LITTLE_ENDIAN_STAMP
        file.seek(0)
        file.write(raw)


def _seen(patterns: AnyArray, low: float, high: float, total: float) -> tuple[float, float, float]:
    return (
        min(low, float(patterns.min())),
        max(high, float(patterns.max())),
        total + float(patterns.sum(dtype=np.float64)),
    )
