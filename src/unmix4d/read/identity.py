"""What a scan is, in words and as a digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unmix4d.records import Scan

if TYPE_CHECKING:
    from hashlib import _Hash

WHOLE_FILE_BYTES = 64 << 20
PIECE_BYTES = 1 << 20
N_SAMPLES = 64
KNOWN_DIGEST = "source_digest"


def source_digest(scan: Scan) -> str:
    """Digest that tells whether two runs saw the same data.

    What is hashed (SHA-256): a file up to 64 MB whole; a larger one by its size and 64 evenly spaced pieces of
    1 MB, the first and the last among them; a folder by the names and sizes of all its files and the first MB of
    64 evenly spaced ones; data in memory by shape, type and 64 evenly spaced patterns. A scan whose metadata has
    a ``source_digest`` was looked at already: see `identified`.

    Parameters
    ----------
    scan : Scan

    Returns
    -------
    str
        ``"sha256:"`` and 64 hexadecimal digits.
    """
    if KNOWN_DIGEST in scan.metadata:
        return str(scan.metadata[KNOWN_DIGEST])
    digest = hashlib.sha256()
    path = Path(scan.metadata["path"]) if "path" in scan.metadata else None
    if path is None:
        _add_patterns(digest, scan)
    elif path.is_dir():
        _add_folder(digest, path)
    else:
        _add_file(digest, path)
    return f"sha256:{digest.hexdigest()}"


def identified(scan: Scan) -> Scan:
    """Give the same scan with its digest in its metadata, so that several runs of it look at the file once."""
    return replace(scan, metadata={**scan.metadata, KNOWN_DIGEST: source_digest(scan)})


def _spread(n: int, wanted: int = N_SAMPLES) -> Sequence[int]:
    """At most ``wanted`` of the numbers 0 ... n - 1, evenly spaced, first and last included."""
    return [int(i) for i in np.unique(np.linspace(0, n - 1, min(n, wanted)).round())]


def _add_file(digest: "_Hash", path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_FILE_BYTES:
            digest.update(file.read())
            return
        digest.update(f"{size}\n".encode())
        for start in _spread(size - PIECE_BYTES + 1):
            file.seek(start)
            digest.update(file.read(PIECE_BYTES))


def _add_folder(digest: "_Hash", path: Path) -> None:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
    for i in _spread(len(files)):
        with files[i].open("rb") as stream:
            digest.update(stream.read(PIECE_BYTES))


def _add_patterns(digest: "_Hash", scan: Scan) -> None:
    digest.update(f"{tuple(scan.patterns.shape)} {scan.patterns.dtype}\n".encode())
    for i in _spread(scan.geometry.n_probes):
        digest.update(np.ascontiguousarray(scan.pattern(*divmod(i, scan.geometry.scan_shape[1]))).tobytes())


def describe(scan: Scan) -> dict[str, object]:
    """Tell what was found, ready for JSON and for ``unmix4d info``.

    Parameters
    ----------
    scan : Scan

    Returns
    -------
    dict
        Shapes, number and type of the patterns, sizes in bytes (in memory and on disk), steps in nm and 1/Å and
        field of view in nm (None where unknown), and all metadata of the scan.
    """
    geometry = scan.geometry
    step = geometry.scan_step_nm
    path = Path(str(scan.metadata["path"])) if "path" in scan.metadata else None
    return {
        "path": str(path) if path else None,
        **{key: value for key, value in scan.metadata.items() if key not in {"path", "notes"}},
        "scan_shape": list(geometry.scan_shape),
        "pattern_shape": list(geometry.pattern_shape),
        "n_patterns": geometry.n_probes,
        "dtype": str(scan.patterns.dtype),
        "n_bytes": scan.n_bytes,
        "file_bytes": _file_bytes(path) if path else None,
        "scan_step_nm": step,
        "field_of_view_nm": [size * step for size in geometry.scan_shape] if step is not None else None,
        "pattern_step_inv_angstrom": geometry.pattern_step_inv_angstrom,
        "notes": list(scan.metadata.get("notes", ())),
    }


def _file_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
