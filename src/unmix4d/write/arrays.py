"""NumPy's own files, written as a stream of bytes."""

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from unmix4d.write.stream import Stream

MEMBER = "data.npy"


def write_npy(path: Path, stream: Stream) -> None:
    """Write a .npy file of four axes."""
    with path.open("wb") as file:
        _write(file, stream)


def write_npz(path: Path, stream: Stream) -> None:
    """Write a .npz with one array, ``data``, uncompressed, so that it can be mapped."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as file,
    ):
        _write(file, stream)


def _write(file: IO[bytes], stream: Stream) -> None:
    header: dict[str, Any] = {
        "descr": np.lib.format.dtype_to_descr(stream.values.dtype),
        "fortran_order": False,
        "shape": stream.shape,
    }
    np.lib.format.write_array_header_1_0(file, header)
    for _, patterns in stream.blocks():
        file.write(patterns.tobytes())
