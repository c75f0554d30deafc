"""A scan into a file of another format, in one pass, whole or not at all."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unmix4d.errors import ResourceError, UsageError
from unmix4d.records import Scan
from unmix4d.write.arrays import write_npy, write_npz
from unmix4d.write.hdf import write_hspy, write_py4dstem, write_zspy
from unmix4d.write.images import write_folder, write_tiff
from unmix4d.write.stream import Stream, Told, extremes
from unmix4d.write.values import DTYPES, SCALES, Scale, choose_values
from unmix4d.write.vendor import MIB_TYPES, mib_companion, write_blo, write_mib, write_mrc
from unmix4d.write.whole import as_resource_error, beside, written_whole

BLOCK_BYTES = 16 << 20
TIMES_A_BLOCK = 24
"""What a block takes while it is changed, as a multiple of its stored size: two copies of float64 from 8 bits."""

SCAN_FILE = "scan.json"
HEADER = ".hdr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format that scans are written in.

    Attributes
    ----------
    suffix : str
        Of the file; "" for a folder of frames.
    what : str
        What it is.
    write : callable
        ``write(path, stream)``.
    dtypes : tuple of str
        Types that it holds, the preferred first; none = all.
    sidecar : bool
        Whether a sidecar must say shape or calibration.
    folder : bool
        Whether it is a folder.
    """

    suffix: str
    what: str
    write: Callable[[Path, Stream], None]
    dtypes: tuple[str, ...] = ()
    sidecar: bool = False
    folder: bool = False


def _frames(suffix: str, *dtypes: str) -> Format:
    what = f"folder of {suffix} frames"
    write = partial(write_folder, suffix=suffix)
    return Format(suffix="", what=what, write=write, dtypes=dtypes, sidecar=True, folder=True)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "blo": Format(suffix=".blo", what="NanoMEGAS block file", write=write_blo, dtypes=("uint8",)),
        "mib": Format(suffix=".mib", what="Merlin file", write=write_mib, dtypes=tuple(MIB_TYPES), sidecar=True),
        "mrc": Format(
            suffix=".mrc",
            what="MRC stack",
            write=write_mrc,
            dtypes=("uint16", "int16", "float32"),
            sidecar=True,
        ),
        "hspy": Format(suffix=".hspy", what="HyperSpy signal", write=write_hspy),
        "zspy": Format(suffix=".zspy", what="HyperSpy signal in zarr", write=write_zspy, folder=True),
        "h5": Format(suffix=".h5", what="py4DSTEM data cube (EMD 1.0)", write=write_py4dstem),
        "npy": Format(suffix=".npy", what="NumPy array", write=write_npy, sidecar=True),
        "npz": Format(suffix=".npz", what="NumPy archive", write=write_npz, sidecar=True),
        "tif": Format(
            suffix=".tif",
            what="multipage TIFF",
            write=write_tiff,
            dtypes=("uint8", "uint16", "float32"),
            sidecar=True,
        ),
        "bmp": _frames(".bmp", "uint8"),
        "png": _frames(".png", "uint8", "uint16"),
        "tifs": _frames(".tif", "uint8", "uint16", "float32"),
    }
)
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {form.suffix: name for name, form in FORMATS.items() if form.suffix} | {".tiff": "tif", ".emd": "h5"}
)


def format_of(path: Path, to: str | None = None) -> tuple[str, Format]:
    """Choose the format by its name, or by the suffix of the file; no suffix = a folder of .bmp frames.

    Raises
    ------
    UsageError
        If there is no such format; the message lists those that exist.
    """
    name = to or SUFFIXES.get(path.suffix.lower()) or ("bmp" if not path.suffix else None)
    if name is None or name not in FORMATS:
        listed = ", ".join(f"{key} ({form.what})" for key, form in FORMATS.items())
        asked = f"--to {to}" if to else f"the suffix {path.suffix} of {path}"
        raise UsageError(f"{asked} names no format that scans are written in; there are {listed}")
    return name, FORMATS[name]


def write_scan(
    scan: Scan,
    path: Path,
    *,
    to: str | None = None,
    scale: Scale = "auto",
    dtype: str | None = None,
    overwrite: bool = False,
    budget: int = BLOCK_BYTES * TIMES_A_BLOCK,
    tell: Told = lambda _stage, _done, _total: None,
) -> dict[str, Any]:
    """Write a scan in another format, in blocks of whole patterns, with its calibration.

    Parameters
    ----------
    scan : Scan
    path : Path
    to : str, optional
        Name in `FORMATS`; by default the suffix says.
    scale : {"auto", "clip", "linear", "sqrt"}
        How counts become numbers that the format can hold.
    dtype : str, optional
        Type to write, if the format holds several.
    overwrite : bool
        Replace a file, or a folder of frames that was written by this function.
    budget : int
        Bytes of memory that may be used.
    tell : callable
        ``tell(stage, done, total)``.

    Returns
    -------
    dict
        ``path``, ``format``, ``scan_shape``, ``pattern_shape``, ``dtype``, ``values`` (what was done to the
        counts), ``files`` (those beside it) and ``notes``.

    Raises
    ------
    UsageError
        If the format or type is unknown, or the path exists.
    ResourceError
        If there is too little memory or disk, or the path cannot be written; nothing half-written is left.
    """
    name, form = format_of(path, to)
    _check(scan, path, form, scale=scale, dtype=dtype, overwrite=overwrite)
    block_bytes = _block_bytes(scan, budget)
    values = choose_values(
        scan.patterns.dtype,
        allowed=(dtype,) if dtype else form.dtypes,
        scale=scale,
        extremes=lambda: extremes(scan, block_bytes, tell),
    )
    stream = Stream(scan=scan, values=values, block_bytes=block_bytes, tell=tell)
    _check_disk(path, stream.n_bytes)
    with _appearing(path, folder=form.folder, overwrite=overwrite) as part:
        form.write(part, stream)
        if form.sidecar and form.folder:
            _write_text(part / SCAN_FILE, json.dumps(stream.sidecar(), indent=1, ensure_ascii=False))
    beside_it = _write_companions(path, name, form, stream)
    return {
        "path": str(path),
        "format": form.what,
        "scan_shape": list(scan.geometry.scan_shape),
        "pattern_shape": list(scan.geometry.pattern_shape),
        "dtype": values.dtype.name,
        "values": values.said,
        "files": [file.name for file in beside_it],
        "notes": stream.notes,
    }


def _check(scan: Scan, path: Path, form: Format, *, scale: str, dtype: str | None, overwrite: bool) -> None:
    if scale not in SCALES:
        raise UsageError(f"--scale {scale} is unknown; there are {', '.join(SCALES)}")
    known = form.dtypes or DTYPES
    if dtype is not None and dtype not in known:
        raise UsageError(f"a {form.what} cannot hold {dtype}; it holds {', '.join(known)}")
    source = scan.metadata.get("path")
    if source is not None and path.exists() and Path(str(source)).samefile(path):
        raise UsageError(f"{path} is the scan itself; give another name to write to")
    beside_it = [
        path.with_name(f"{path.name}.json"),
        *([path.with_suffix(HEADER)] if form.suffix == ".mib" else []),
    ]
    for file in (path, *beside_it):
        if file.exists() and not overwrite:
            raise UsageError(f"{file} exists; give another name, or --overwrite to replace it")
    if path.is_dir() != form.folder and path.exists():
        kind = "a folder" if path.is_dir() else "a file"
        raise UsageError(f"{path} is {kind}, where a {form.what} is to be written; give another name")
    if path.is_dir() and path.suffix != ".zspy" and not (path / SCAN_FILE).is_file():
        raise UsageError(f"{path} holds files that no conversion has written, so it is not replaced")


def _block_bytes(scan: Scan, budget: int) -> int:
    """Size of a block so that its copies stay within the budget."""
    pattern = scan.geometry.n_pixels * int(scan.patterns.dtype.itemsize)
    block = min(BLOCK_BYTES, budget // TIMES_A_BLOCK)
    if block < pattern:
        raise ResourceError(
            f"one pattern takes {pattern * TIMES_A_BLOCK / 2**20:.1f} MiB while it is written, and "
            f"{budget / 2**20:.1f} MiB may be used; raise --memory"
        )
    return block


def _check_disk(path: Path, n_bytes: int) -> None:
    """Refuse what the disk cannot hold before anything is written."""
    folder = path.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise as_resource_error(error, path) from error
    if free < n_bytes:
        raise ResourceError(
            f"{path} needs up to {n_bytes / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; make room or "
            "choose another place"
        )


@contextmanager
def _appearing(path: Path, *, folder: bool, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path that takes its place when all is written."""
    if not folder:
        with written_whole(path) as part:
            yield part
        return
    part, old = beside(path), beside(path)
    try:
        yield part
        if overwrite and path.exists():
            path.replace(old)
        part.replace(path)
    except OSError as error:
        if old.exists() and not path.exists():
            old.replace(path)
        raise as_resource_error(error, path) from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _write_companions(path: Path, name: str, form: Format, stream: Stream) -> list[Path]:
    """Write what stands beside the file: Merlin's header, a sidecar; an old sidecar that no longer holds goes."""
    files = []
    if name == "mib":
        files.append(path.with_suffix(HEADER))
        _write_text(files[-1], mib_companion(stream))
    sidecar = path.with_name(f"{path.name}.json")
    if form.sidecar and not form.folder:
        files.append(sidecar)
        _write_text(sidecar, json.dumps(stream.sidecar(), indent=1, ensure_ascii=False))
    else:
        with suppress(OSError):
            sidecar.unlink(missing_ok=True)
    return files


def _write_text(path: Path, text: str) -> None:
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")
