"""What a pattern panel shows, as a file for HyperSpy."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.explore.source import PatternSource
from unmix4d.records import FloatArray, RunResult
from unmix4d.report.export import pattern_axes, write_signal

PANELS = ("measured", "filtered", "reconstruction", "residual")


def pattern_hspy(
    result: RunResult, source: PatternSource | None, *, what: str, k: int, probe: tuple[int, int]
) -> bytes:
    """Write the pattern of a probe as a calibrated Signal2D.

    Parameters
    ----------
    result : RunResult
    source : PatternSource or None
        The scan; without it there is only the reconstruction.
    what : str
        "measured", "filtered", "reconstruction", or "residual" = filtered, or else measured, minus reconstruction.
    k : int
        Whose components reconstruct.
    probe : (int, int)
        Within the scan.

    Returns
    -------
    bytes
        A file ``.hspy``; the title says scan, probe and what it is.

    Raises
    ------
    UsageError
        If there is no such pattern.
    """
    if what not in PANELS:
        raise UsageError(f"there is no pattern named {what!r}; known: {', '.join(PANELS)}")
    pattern = _pattern(result, source, what, k, probe)
    title = f"{what} at ({probe[0]}, {probe[1]}) of {result.identity['source']}"
    title += f", k = {k}" if what in {"reconstruction", "residual"} else ""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pattern.hspy"
        write_signal(path, pattern, pattern_axes(result), title)
        return path.read_bytes()


def _pattern(
    result: RunResult, source: PatternSource | None, what: str, k: int, probe: tuple[int, int]
) -> FloatArray:
    if what == "reconstruction":
        return _reconstruction(result, k, probe)
    if source is None:
        raise UsageError("the scan of this run was not found: name it with --scan")
    filtered = None if what == "measured" else source.filtered(*probe)
    if what == "filtered" and filtered is None:
        raise UsageError("this run has no filter that is worked out for one pattern")
    seen = source.measured(*probe) if filtered is None else filtered
    return seen if what != "residual" else np.asarray(seen - _reconstruction(result, k, probe))


def _reconstruction(result: RunResult, k: int, probe: tuple[int, int]) -> FloatArray:
    if k not in result.fits:
        raise UsageError(f"components and weights were not kept at k = {k}: run with --keep all")
    fit = result.fits[k]
    row = int(fit.probe_mask.ravel()[: np.ravel_multi_index(probe, fit.probe_mask.shape)].sum())
    pattern = np.zeros(fit.pixel_mask.shape, np.float32)
    if fit.probe_mask[probe]:
        pattern[fit.pixel_mask] = fit.weights[row] @ fit.components
    return pattern
