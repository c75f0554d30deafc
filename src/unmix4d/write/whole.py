"""Files that appear whole or not at all: written beside their final name, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from unmix4d.errors import ResourceError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
RESERVE_STEP = 2**20


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
    part = beside(path)
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


def beside(path: Path) -> Path:
    """Give a hidden name in the same folder that nobody else uses."""
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
