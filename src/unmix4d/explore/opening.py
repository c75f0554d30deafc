"""What is to be explored: the folder of a run, or a scan."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmix4d.config import Settings
from unmix4d.errors import InputError, UsageError
from unmix4d.read.calibration import Camera
from unmix4d.read.frames import FRAME_SUFFIXES
from unmix4d.read.readers import open_scan
from unmix4d.records import RunResult, Scan

if TYPE_CHECKING:
    from unmix4d.explore.server import BaseRoutes, Routes

RESULT = "result.h5"
UNFINISHED_FILE = "source.json"
ZARR = ".zspy"


def need(*packages: str) -> None:
    """Make sure that optional packages are installed.

    Raises
    ------
    UsageError
        If one is missing.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UsageError(f"the explorer needs {' and '.join(missing)}: pip install 'unmix4d[ui]'")


def read_scan(source: Any, settings: Settings) -> Scan:  # noqa: ANN401 - a path, an array or a signal
    """Open a scan with the reading settings among ``settings``; raises as `read.readers.open_scan`."""
    camera = None
    if settings.voltage and settings.camera_length and settings.pixel:
        camera = Camera(
            voltage_kv=settings.voltage, camera_length_mm=settings.camera_length, pixel_um=settings.pixel
        )
    return open_scan(
        source,
        scan_shape=settings.scan_shape,
        scan_step_nm=settings.scan_step,
        pattern_step_inv_angstrom=settings.pattern_step,
        dataset=settings.dataset,
        camera=camera,
    )


def open_path(
    path: Path, scan: Path | None = None, *, runs: Path | None = None, options: Mapping[str, str]
) -> "BaseRoutes":
    """Open what a path names, for the server: the folder of a run, or a scan.

    Parameters
    ----------
    path : Path
    scan : Path, optional
        The scan of the run, if it is not where it was.
    runs : Path, optional
        Folder to write runs of a scan into; its own by default.
    options : mapping of str to str
        Reading settings by name.

    Raises
    ------
    UsageError
        If the extra ``ui`` is not installed, or an option does not go with what the path names.
    InputError
        If it is neither, or cannot be read.
    """
    need("starlette", "uvicorn")
    if (path / RESULT).is_file():
        if runs is not None:
            raise UsageError(f"{path} is the folder of a run: --runs goes with a scan")
        return open_run(path, scan, options)
    _refuse(path)
    if scan is not None:
        raise UsageError(f"{path} is not the folder of a finished run, which --scan goes with: give the scan alone")
    from unmix4d.explore.scan import scan_routes  # noqa: PLC0415 - needs the extra

    return scan_routes(read_scan(path, Settings().updated(**options)), reading=options, parent=runs)


def _refuse(path: Path) -> None:
    """Refuse what is neither the folder of a finished run nor a scan, as far as its place tells."""
    if path.name == RESULT:
        raise InputError(f"{path} is the file of a finished run: give its folder")
    if not path.is_dir() or path.suffix.lower() == ZARR:
        return
    if (path / UNFINISHED_FILE).is_file():
        out = path.with_name(path.stem)
        raise InputError(f"{path} holds an interrupted run: go on with unmix4d run --resume {out}")
    if not any(file.suffix.lower() in FRAME_SUFFIXES for file in path.iterdir()):
        raise InputError(
            f"{path} holds neither {RESULT} nor frames ({', '.join(FRAME_SUFFIXES)}): "
            "give the folder of a finished run, or a scan"
        )


def open_run(folder: Path, scan: Any, options: Mapping[str, Any]) -> "Routes":  # noqa: ANN401 - as open_scan
    """Open a run folder, and its scan where it can be found; raises as `open_path`."""
    from unmix4d.report.store import load_result  # noqa: PLC0415 - loads h5py

    result = load_result(folder / RESULT)
    settings = Settings.model_validate(dict(result.record.settings)).updated(**options)
    return run_routes(result, scan, settings, folder=folder)


def run_routes(
    result: RunResult,
    scan: Any,  # noqa: ANN401 - as open_scan
    settings: Settings,
    *,
    folder: Path | None = None,
) -> "Routes":
    """Make ready to show a run with its scan, which is looked for where it was if none is given.

    Edits are kept in ``folder``, that of the run.
    """
    from unmix4d.explore.server import make_routes  # noqa: PLC0415 - needs the extra

    found = Path(result.record.source) if scan is None else scan
    if scan is None and not found.exists():
        return make_routes(result, settings, None, folder=folder)
    opened = found if isinstance(found, Scan) else read_scan(found, settings)
    return make_routes(result, settings, opened, folder=folder)
