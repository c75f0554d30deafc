"""MATLAB .mat files: version 7.3, which is HDF5 and read on demand, and older ones, which are read as a whole."""

from math import prod
from pathlib import Path
from typing import Any

from unmix4d.errors import InputError, UsageError
from unmix4d.read.arrays import LARGE_BYTES
from unmix4d.read.found import REAL_KINDS, SCAN_NDIM, STACK_NDIM, Found
from unmix4d.read.hdf import read_hdf
from unmix4d.read.lazy import Reordered, Transposed

HDF5_MARK = b"MATLAB 7.3"
REAL_CLASSES = frozenset(
    {"double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)


def read_mat(path: Path, dataset: str | None) -> Found:
    """Open the largest 3-D or 4-D variable of a .mat file, or the one named ``dataset``.

    The axes are those that MATLAB shows: (scan_y, scan_x, pattern_y, pattern_x), or (n, pattern_y, pattern_x).

    Raises
    ------
    InputError
        If the file is damaged or holds no such variable.
    UsageError
        If there is no variable named ``dataset``.
    """
    with path.open("rb") as file:
        head = file.read(len(HDF5_MARK))
    return _read_new(path, dataset) if head == HDF5_MARK else _read_old(path, dataset)


def _read_new(path: Path, dataset: str | None) -> Found:
    """Read version 7.3, in which HDF5 lists the axes backwards."""
    found = read_hdf(path, dataset)
    stored: Any = found.patterns
    scan = len(stored.shape) == SCAN_NDIM
    return Found(
        patterns=Reordered(stored, (3, 2, 1, 0)) if scan else Transposed(stored),
        name=found.name,
        path=path,
        format="MATLAB 7.3",
        reader="h5py",
        extra=found.extra,
        notes=("MATLAB stores the scan axes last, so every read goes over the whole file: convert it once",),
    )


def _read_old(path: Path, dataset: str | None) -> Found:
    from scipy.io import loadmat, whosmat  # noqa: PLC0415 - only for this format

    try:
        variables = {name: (tuple(shape), kind) for name, shape, kind in whosmat(str(path))}
    except Exception as error:  # scipy raises anything on files that are not MATLAB's
        raise InputError(f"{path} is no complete MATLAB file ({error}); save or copy it again") from error
    stacks = {
        name: shape
        for name, (shape, kind) in variables.items()
        if len(shape) in {STACK_NDIM, SCAN_NDIM} and kind in REAL_CLASSES
    }
    listed = ", ".join(f"{name} {shape}" for name, (shape, _) in variables.items()) or "nothing"
    if dataset is not None and dataset not in stacks:
        raise UsageError(f"{path} has no 3-D or 4-D variable {dataset!r}; it holds {listed}")
    if not stacks:
        raise InputError(f"{path} holds no 3-D or 4-D variable of real numbers, only {listed}")
    name = dataset or max(stacks, key=lambda key: (prod(stacks[key]), len(stacks[key])))
    patterns = loadmat(str(path), variable_names=[name])[name]
    if patterns.dtype.kind not in REAL_KINDS:
        raise InputError(f"{path} holds complex values in {name}; patterns must be real numbers (counts)")
    note = (
        f"a .mat before version 7.3 is read as a whole: {patterns.nbytes / 1e9:.1f} GB are held in memory; "
        "convert it once"
    )
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="MATLAB 5",
        reader="scipy",
        extra={"dataset": name},
        notes=(note,) if patterns.nbytes > LARGE_BYTES else (),
    )
