"""Scans from one format into another."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unmix4d.api import open_scan
from unmix4d.config import Settings
from unmix4d.errors import UsageError
from unmix4d.plan import SHARE_OF_FREE, free_memory
from unmix4d.read.calibration import require_positive
from unmix4d.records import Scan
from unmix4d.watch import Progress, silent
from unmix4d.write.convert import write_scan
from unmix4d.write.values import Scale


def convert(
    source: Any,  # noqa: ANN401 - as open_scan
    path: str | Path,
    *,
    to: str | None = None,
    scale: Scale = "auto",
    dtype: str | None = None,
    beam_energy: float | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    **options: Any,  # noqa: ANN401 - reading settings and memory by name
) -> dict[str, Any]:
    """Write a scan in another format, block by block, with its calibration.

    Parameters
    ----------
    source : path, array, dask array, HyperSpy signal or Scan
    path : path
        File to write; without a suffix, a folder of frames.
    to : str, optional
        One of blo, mib, mrc, hspy, zspy, h5, npy, npz, tif, bmp, png, tifs; by default the suffix says.
    scale : {"auto", "clip", "linear", "sqrt"}
        What happens to counts that the format cannot hold. "auto" changes nothing where it can, and scales linearly
        where it must.
    dtype : str, optional
        Type to write, such as "uint16".
    beam_energy : float, optional
        keV, where the file does not say; a .blo keeps 1/Å only with it.
    overwrite : bool
        Replace what is there.
    progress : callable
        ``progress(stage, done, total)``.
    **options
        Reading settings and ``memory`` (MiB) by name.

    Returns
    -------
    dict
        What was written: ``path``, ``format``, ``scan_shape``, ``pattern_shape``, ``dtype``, ``values`` (what was
        done to the counts), ``files`` (beside it) and ``notes``.

    Raises
    ------
    InputError, UsageError, ResourceError
        One sentence each; nothing half-written is left.
    """
    chosen = Settings().updated(**options)
    scan = with_energy(open_scan(source, chosen), beam_energy)
    budget = chosen.memory or int(SHARE_OF_FREE * free_memory())
    return write_scan(
        scan, Path(path), to=to, scale=scale, dtype=dtype, overwrite=overwrite, budget=budget, tell=progress
    )


def with_energy(scan: Scan, beam_energy_kev: float | None) -> Scan:
    """Give the scan with a beam energy, keV, in place of what its file says.

    Raises
    ------
    UsageError
        If it is not a positive number.
    """
    if beam_energy_kev is None:
        return scan
    require_positive(beam_energy_kev, "the beam energy in keV")
    if beam_energy_kev > 1e4:  # noqa: PLR2004 - nobody's microscope: volts were meant
        raise UsageError(f"the beam energy is given in keV; {beam_energy_kev:g} looks like volts")
    return replace(scan, metadata=MappingProxyType({**scan.metadata, "beam_energy_kev": beam_energy_kev}))
