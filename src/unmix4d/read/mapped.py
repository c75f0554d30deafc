"""Files of equal records behind a header, mapped into memory."""

from pathlib import Path
from typing import Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.records import AnyArray


def read_head(path: Path, n_bytes: int) -> bytes:
    """Read a header.

    Raises
    ------
    InputError
        If the file ends within it.
    """
    with path.open("rb") as file:
        head = file.read(n_bytes)
    if len(head) < n_bytes:
        raise InputError(f"{path} ends within its header: it is cut short, copy it again")
    return head


def map_records(path: Path, record: np.dtype[Any], *, offset: int, most: int | None = None) -> tuple[AnyArray, int]:
    """Map whole records (n, ...), ``most`` of them if that is given, and count the bytes after the last whole one.

    Raises
    ------
    InputError
        If there is not one.
    """
    n, rest = divmod(max(path.stat().st_size - offset, 0), record.itemsize)
    n = n if most is None else min(n, most)
    if n == 0:
        raise InputError(f"{path} ends before its first pattern: it is cut short, copy it again")
    return np.memmap(path, dtype=record, mode="r", offset=offset, shape=(n,)), rest
