"""Masks of detector pixels from a file."""

from pathlib import Path

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.frames import read_frame
from unmix4d.records import BoolArray

IMAGE_NDIM = 2


def read_mask(path: Path) -> BoolArray:
    """Read which detector pixels to use from an image or a ``.npy`` file.

    Parameters
    ----------
    path : Path
        A 2-D image or array; pixels that are not 0 are to be left out, as in a NumPy masked array.

    Returns
    -------
    (pattern_y, pattern_x) bool
        True for pixels to use.

    Raises
    ------
    InputError
        If the file cannot be read or is not two-dimensional.
    """
    if path.suffix.lower() != ".npy":
        return np.asarray(read_frame(path) == 0)
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a mask: {error}") from error
    if values.ndim != IMAGE_NDIM:
        raise InputError(f"{path} holds an array of {values.ndim} dimensions; a mask has 2")
    return np.asarray(values == 0)
