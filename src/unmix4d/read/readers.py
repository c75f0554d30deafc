"""Opening a scan: one entrance for every file format, for arrays and for HyperSpy signals."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unmix4d.errors import InputError, ResourceError, Unmix4dError, UsageError
from unmix4d.read.arina import is_arina, read_arina
from unmix4d.read.arrays import (
    from_array,
    from_labelled,
    from_signal,
    is_array,
    is_labelled,
    is_signal,
    read_npy,
    read_npz,
)
from unmix4d.read.beside import companions_of, patterns_of, with_sidecar
from unmix4d.read.binary import read_blo, read_mib
from unmix4d.read.calibration import Camera, Microscope, pattern_step, require_positive, scan_step
from unmix4d.read.empad import read_empad
from unmix4d.read.found import AXES_WANTED, Found, as_scan, check_array
from unmix4d.read.frames import FRAME_SUFFIXES, TIFF_SUFFIXES, read_folder
from unmix4d.read.hdf import read_hdf
from unmix4d.read.identity import describe, source_digest
from unmix4d.read.matlab import read_mat
from unmix4d.read.mrc import read_mrc
from unmix4d.read.rosetta import LISTED_SUFFIXES, plugins_for, read_rosetta
from unmix4d.read.tiff import read_tiff
from unmix4d.read.topspin import read_app5
from unmix4d.read.tvips import read_tvips
from unmix4d.read.velox import is_velox, read_velox
from unmix4d.records import Geometry, Scan

__all__ = ["Camera", "describe", "open_scan", "source_digest"]

HDF_SUFFIXES = (".hspy", ".h5", ".hdf5", ".hdf", ".emd", ".nxs")
IMAGE_SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".gif")
ZARR_FOLDER = ".zspy"
OWN_READERS: dict[str, Callable[[Path], Found]] = {
    ".blo": read_blo,
    ".mib": read_mib,
    ".mrc": read_mrc,
    ".npy": read_npy,
    ".tvips": read_tvips,
    ".xml": read_empad,
    ".raw": read_empad,
    **dict.fromkeys(TIFF_SUFFIXES, read_tiff),
}
DATASET_READERS: dict[str, Callable[[Path, str | None], Found]] = {
    ".npz": read_npz,
    ".mat": read_mat,
    ".app5": read_app5,
    **dict.fromkeys(HDF_SUFFIXES, read_hdf),
}
SUPPORTED = ", ".join(sorted({*OWN_READERS, *DATASET_READERS, *LISTED_SUFFIXES}))
N_REOPENED = 2

Stamp = tuple[int, int, int]
Given = tuple[tuple[int, int] | None, float | None, float | None, str | None, Camera | None]


def open_scan(
    source: object,
    *,
    scan_shape: tuple[int, int] | None = None,
    scan_step_nm: float | None = None,
    pattern_step_inv_angstrom: float | None = None,
    dataset: str | None = None,
    camera: Camera | None = None,
) -> Scan:
    """Open a 4D-STEM scan without reading its patterns.

    Parameters
    ----------
    source : path, array, dask array or HyperSpy/pyxem signal
        A file, a folder of frames (.bmp, .png, .tif in the order of the scan), or data in memory:
        (scan_y, scan_x, pattern_y, pattern_x), or a stack (n, pattern_y, pattern_x) with ``scan_shape``.
    scan_shape : (rows, columns), optional
        Needed where the file has none; elsewhere it refolds the same patterns.
    scan_step_nm, pattern_step_inv_angstrom : float, optional
        Probe step in nm and detector pixel in 1/Å, instead of what the file says.
    dataset : str, optional
        Path inside an HDF5 file, or name inside an .npz; without it the largest array is taken.
    camera : Camera, optional
        Gives the detector pixel in 1/Å from voltage, camera length and pixel size.

    Returns
    -------
    Scan
        ``metadata`` has ``path`` (absent for data in memory), ``format``, ``reader``, ``beam_energy_kev``,
        ``camera_length_mm``, ``notes`` (what the user should know, a list of sentences), and for some formats
        ``dataset``, ``chunks``, ``first_frame``, ``last_frame``. A scan from a file pickles as its path and
        these options, and is opened anew where it arrives.

    Raises
    ------
    InputError
        If the source is missing, empty, damaged, cut short, of an unsupported format, or no scan.
    UsageError
        If an option is wrong or does not fit the data, or a needed scan shape is missing.
    ResourceError
        If a format that must be read as a whole does not fit in memory.

    Notes
    -----
    What neither the file nor an option says stays None: nothing is guessed.
    """
    shape = _check_options(scan_shape, scan_step_nm, pattern_step_inv_angstrom, camera)
    given = (shape, scan_step_nm, pattern_step_inv_angstrom, dataset, camera)
    found = _find(source, dataset)
    check_array(found)
    patterns, shape_notes = as_scan(found, shape)
    microscope = found.microscope
    if camera is not None:
        microscope = Microscope(beam_energy_kev=camera.voltage_kv, camera_length_mm=camera.camera_length_mm)
        pattern_step_inv_angstrom = camera.pattern_step_inv_angstrom
    notes = [*found.notes, *shape_notes]
    if scan_step_nm is None:
        scan_step_nm, more = scan_step(found.scan_axes)
        notes += more
    if pattern_step_inv_angstrom is None:
        pattern_step_inv_angstrom, more = pattern_step(found.pattern_axes, microscope)
        notes += more
    geometry = Geometry(
        scan_shape=(patterns.shape[0], patterns.shape[1]),
        pattern_shape=(patterns.shape[2], patterns.shape[3]),
        scan_step_nm=scan_step_nm,
        pattern_step_inv_angstrom=pattern_step_inv_angstrom,
    )
    reopen = None
    if found.path is not None:
        reopen = partial(_reopen, str(found.path), _stamp(found.path), given)
    return Scan(patterns=patterns, geometry=geometry, metadata=_metadata(found, microscope, notes), reopen=reopen)


@lru_cache(maxsize=N_REOPENED)  # one open file for all blocks that a process works on
def _reopen(path: str, stamp: Stamp, given: Given) -> Scan:
    """Open a scan as before, usually in another process, if its file is still the same."""
    where = Path(path)
    if not where.exists():
        raise InputError(
            f"{path} is not there for process {os.getpid()} on {socket.gethostname()}: workers read the scan "
            "themselves, so put it on a file system that all of them share, under the same path"
        )
    if _stamp(where) != stamp:
        raise InputError(f"{path} has changed since the run opened it: start again when nothing writes to it")
    scan_shape, scan_step_nm, pattern_step_inv_angstrom, dataset, camera = given
    return open_scan(
        where,
        scan_shape=scan_shape,
        scan_step_nm=scan_step_nm,
        pattern_step_inv_angstrom=pattern_step_inv_angstrom,
        dataset=dataset,
        camera=camera,
    )


def _stamp(path: Path) -> Stamp:
    """Count the files of a scan and their bytes, and take the latest change (ns)."""
    folder = path.is_dir()
    files = [file for file in path.rglob("*") if file.is_file()] if folder else [path, *companions_of(path)]
    states = [file.stat() for file in files]
    return len(states), sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)


def _check_options(
    scan_shape: tuple[int, int] | None, step: float | None, pattern: float | None, camera: Camera | None
) -> tuple[int, int] | None:
    if step is not None:
        require_positive(step, "the scan step in nm")
    if pattern is not None:
        require_positive(pattern, "the pattern step in 1/Å")
    if pattern is not None and camera is not None:
        raise UsageError("give the pattern step or the camera (voltage, camera length, pixel size), not both")
    if scan_shape is None:
        return None
    sizes = tuple(scan_shape)
    if len(sizes) != 2 or any(int(size) != size or size < 1 for size in sizes):  # noqa: PLR2004 - rows, columns
        raise UsageError(f"the scan shape must be two positive whole numbers ROWS,COLS, not {scan_shape}")
    return int(sizes[0]), int(sizes[1])


def _find(source: object, dataset: str | None) -> Found:
    if isinstance(source, str | os.PathLike):
        return _find_path(Path(os.fspath(source)).expanduser(), dataset)
    if dataset is not None:
        raise UsageError("dataset names an array inside a file, but the source is data in memory")
    if is_signal(source):
        return from_signal(source)
    if is_labelled(source):
        return from_labelled(source)
    if is_array(source):
        return from_array(source)
    raise UsageError(f"cannot open a {type(source).__name__} as a scan: give a path, an array or a HyperSpy signal")


def _find_path(path: Path, dataset: str | None) -> Found:
    """Open a file or folder; whatever a library raises becomes one sentence."""
    _require_content(path)
    path = patterns_of(path)
    suffix = path.suffix.lower()
    if dataset is not None and suffix not in DATASET_READERS:
        raise UsageError(f"dataset only applies to {', '.join(DATASET_READERS)} files, not to {path}")
    try:
        return with_sidecar(replace(_dispatch(path, suffix, dataset), path=path.absolute()))
    except Unmix4dError:
        raise
    except MemoryError as error:
        raise ResourceError(
            f"{path} must be read as a whole and does not fit in memory: save it as .npy"
        ) from error
    except Exception as error:
        raise InputError(f"{path} could not be read ({type(error).__name__}: {error}); is it damaged?") from error


def _require_content(path: Path) -> None:
    if not path.exists():
        raise InputError(f"there is no file or folder {path}")
    if not os.access(path, os.R_OK):
        raise InputError(f"there is no permission to read {path}")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes): save or copy it again")


def _dispatch(path: Path, suffix: str, dataset: str | None) -> Found:
    if path.is_dir() and suffix != ZARR_FOLDER:
        return read_folder(path)
    if is_arina(path):
        return read_arina(path)
    if suffix == ".emd" and is_velox(path):
        return read_velox(path)
    if suffix in DATASET_READERS:
        return DATASET_READERS[suffix](path, dataset)
    if suffix in OWN_READERS:
        return OWN_READERS[suffix](path)
    if suffix in IMAGE_SUFFIXES:
        raise InputError(
            f"{path} is a single 2-D image; {AXES_WANTED}. For one frame per probe give the folder of the frames "
            f"({', '.join(FRAME_SUFFIXES)})"
        )
    if not plugins_for(suffix):
        kind = f"the format {suffix}" if suffix else "a file without suffix"
        raise InputError(f"{path}: {kind} is not supported; supported are {SUPPORTED} and folders of frames")
    return read_rosetta(path)


def _metadata(found: Found, microscope: Microscope, notes: list[str]) -> MappingProxyType[str, Any]:
    path = {} if found.path is None else {"path": str(found.path)}
    return MappingProxyType(
        {
            **path,
            "format": found.format,
            "reader": found.reader,
            "beam_energy_kev": microscope.beam_energy_kev,
            "camera_length_mm": microscope.camera_length_mm,
            **found.extra,
            "notes": notes,
        }
    )
