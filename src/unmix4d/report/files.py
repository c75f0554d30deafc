"""Files that appear whole or not at all: written beside their final name, then renamed."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from unmix4d.errors import ResourceError, UsageError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
RESERVE_STEP = 2**20
RUN_MARK = "result.h5"
OWN_NAMES = {
    RUN_MARK,
    "run.yaml",
    "provenance.json",
    "report.html",
    "figures",
    *("decision.csv", "clusters.csv", "comparison.csv", "overlap.csv", "overlap_pairs.csv", "cleaning.csv"),
    *("components.hspy", "weights.hspy", "clusters.tif", "overlap.tif"),
}


def as_resource_error(error: OSError, path: Path) -> ResourceError:
    """Say in one sentence why ``path`` could not be written."""
    if error.errno in DISK_FULL or "No space left" in str(error):
        return ResourceError(
            f"{path} could not be written: the disk is full; free some space or choose another place"
        )
    reason = error.strerror or str(error)
    return ResourceError(f"{path} could not be written: {reason}; choose a place that you may write to")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        yield part
        _flush(part)
        part.replace(path)
    except OSError as error:
        raise as_resource_error(error, path) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def reserve(path: Path, n_bytes: int) -> None:
    """Make sure that ``n_bytes`` fit, for writers that cannot report a full disk cleanly themselves (HDF5)."""
    with path.open("wb") as file:
        for _ in range(0, n_bytes, RESERVE_STEP):
            file.write(bytes(RESERVE_STEP))
    path.unlink()


def _flush(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name is."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Make sure that a folder can be made or replaced, by trying it, before any work is done.

    Raises
    ------
    UsageError
        If it exists, is not empty, and ``overwrite`` is False or it holds anything but an earlier run; or if it
        is a file.
    ResourceError
        If nothing can be written there.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UsageError(f"{folder} exists and is not empty; give another folder, or --overwrite to replace it")
    foreign = _foreign(folder)
    if foreign:
        raise UsageError(
            f"{folder} holds {foreign[0]}, which no run has written, so it is not replaced; give another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        probe = _beside(folder)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise as_resource_error(error, folder) from error


def _foreign(folder: Path) -> list[str]:
    """List what is not from a run: a folder that is replaced must hold nothing of the user's."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name not in OWN_NAMES] if RUN_MARK in names else names


@contextmanager
def folder_written_whole(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` that takes its place when the block ends well.

    A folder that is replaced stays until the new one is complete.

    Raises
    ------
    UsageError, ResourceError
        As in :func:`check_folder`; nothing half-written is left.
    """
    folder = folder.resolve()
    check_folder(folder, overwrite=overwrite)
    part, old = _beside(folder), _beside(folder)
    try:
        part.mkdir()
        yield part
        if folder.exists():
            folder.replace(old)
        try:
            part.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
    except ResourceError as error:
        raise ResourceError(str(error).replace(str(part), str(folder))) from error
    except OSError as error:
        raise as_resource_error(error, folder) from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Give a hidden name in the same folder that nobody else uses."""
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
