"""Velox .emd: images of many frames, which are stored last; RosettaSciIO tells what they are."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unmix4d.read.found import STACK_NDIM, Found
from unmix4d.read.hdf import open_hdf
from unmix4d.read.lazy import Frames
from unmix4d.read.rosetta import read_rosetta
from unmix4d.records import AnyArray

if TYPE_CHECKING:
    import h5py

IMAGES = "Data/Image"


def is_velox(path: Path) -> bool:
    """Tell a Velox file by its group of images."""
    import h5py  # noqa: PLC0415 - loads a C library

    try:
        with h5py.File(path, "r") as file:
            return IMAGES in file
    except OSError:
        return False


def read_velox(path: Path) -> Found:
    """Open the largest image of a Velox file; each frame is a pattern and is read on demand.

    Raises
    ------
    InputError
        If it holds single images only, or no plugin can read it.
    """
    found = read_rosetta(path)
    n, *shape = found.patterns.shape
    file = open_hdf(path)
    stored = next((node for node in _images(file) if node.shape == (*shape, n)), None)
    if stored is None or len(found.patterns.shape) != STACK_NDIM:
        file.close()
        return found

    def read(i: int) -> AnyArray:
        return np.asarray(stored[:, :, i])

    frames = Frames(read, n, shape, stored.dtype)
    return replace(found, patterns=frames, reader=f"{found.reader}, h5py", extra={"dataset": stored.name})


def _images(file: "h5py.File") -> list["h5py.Dataset"]:
    return [group["Data"] for group in file[IMAGES].values() if "Data" in group]
