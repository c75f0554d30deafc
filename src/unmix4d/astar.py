"""Patterns of a run for indexing by ASTAR: cleaned, averaged, or of the second crystal alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from unmix4d.api import Run, open_scan
from unmix4d.conversion import with_energy
from unmix4d.errors import UsageError
from unmix4d.execute import executor
from unmix4d.pipeline import CLEANING
from unmix4d.plan import SHARE_OF_FREE, free_memory
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.cleaning import Cleaning
from unmix4d.prepare.source import Source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, FloatArray, Geometry, RunResult, Scan
from unmix4d.watch import Progress, silent
from unmix4d.write.convert import write_scan
from unmix4d.write.values import Scale
from unmix4d.write.whole import written_whole

if TYPE_CHECKING:
    from unmix4d.config import Settings

Patterns = Literal["cleaned", "second", "class-mean", "classes"]
LEAST_RATIO = 0.25
WHAT: Mapping[str, str] = MappingProxyType(
    {
        "cleaned": "The measured patterns after cleaning, crop and binning of the run, before any filter.",
        "second": "At each probe, the share of the cleaned pattern that the model gives to the second strongest "
        "crystal: counts x (its spots / all of the model), pixel by pixel. Empty where the second crystal has less "
        "than {least:g} of the Bragg counts of the first.",
        "class-mean": "At each probe, the mean of all patterns of its cluster. Empty where no crystal is.",
        "classes": "One line with one pattern for each crystal, in the order of the run's cluster map: the mean of "
        "all patterns of its cluster.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cleaned:
    """Patterns (scan_y, scan_x, pattern_y, pattern_x) as cleaning leaves them, read on demand."""

    source: Source
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: tuple[slice, slice], /) -> AnyArray:
        return self.source.read_counts(_tile(key))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Second:
    """The part of each pattern that belongs to the second crystal, made on demand."""

    source: Source
    result: RunResult
    least_ratio: float
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: tuple[slice, slice], /) -> FloatArray:
        tile = _tile(key)
        part = np.s_[tile.rows, tile.columns]
        clusters, overlap = self.result.clusters, self.result.overlap
        seen = (overlap.second[part] >= 0) & (overlap.ratio[part] >= self.least_ratio)
        patterns = self.source.read(tile)
        shared = np.zeros_like(patterns)
        n_crystals = clusters.n_crystals
        spots = clusters.crystal_patterns.reshape(n_crystals, -1)
        bragg = clusters.crystal_weights[:, tile.rows, tile.columns][:, seen].T
        second = overlap.second[part][seen]
        own = bragg[np.arange(len(second)), second][:, None] * spots[second]
        model = np.maximum(self._model(part, seen), bragg @ spots)
        share = np.divide(own, model, out=np.zeros_like(own), where=model > 0)
        shared[seen] = patterns[seen] * share.reshape(-1, *patterns.shape[2:])
        return shared

    def _model(self, part: tuple[slice, slice], seen: AnyArray) -> FloatArray:
        """Give what the factorization makes of these probes: (n, pattern_y x pattern_x)."""
        fit = self.result.factorization
        weights = fit.weight_maps()[(slice(None), *part)][:, seen].T
        return np.asarray(weights @ fit.component_patterns().reshape(fit.k, -1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Means:
    """The mean pattern of its cluster at each probe."""

    labels: AnyArray
    means: FloatArray
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: tuple[slice, slice], /) -> FloatArray:
        return np.asarray(self.means[self.labels[key]])


def _tile(key: tuple[slice, slice]) -> Tile:
    return Tile(rows=key[0], columns=key[1])


def export_astar(
    run: Run,
    path: str | Path,
    *,
    patterns: Patterns = "cleaned",
    scan: Any = None,  # noqa: ANN401 - as open_scan
    scale: Scale = "auto",
    least_ratio: float = LEAST_RATIO,
    progress: Progress = silent,
    **options: Any,  # noqa: ANN401 - of reading and writing, by name
) -> dict[str, Any]:
    """Write patterns of a run for ASTAR, and beside them a text that says what they are.

    Parameters
    ----------
    run : Run
    path : path
        A .blo file, or without a suffix a folder of .bmp frames; any format of `convert` will do.
    patterns : {"cleaned", "second", "class-mean", "classes"}
        Measured patterns after cleaning; the second crystal's share of them; the mean of the cluster at each probe;
        one mean for each crystal.
    scan : path, array, signal or Scan, optional
        For the first two; by default the file that was run on.
    scale : {"auto", "clip", "linear", "sqrt"}
        As in `convert`.
    least_ratio : float
        From which share of the first crystal's Bragg counts a second one counts, for "second".
    progress : callable
        ``progress(stage, done, total)``.
    **options
        ``to``, ``overwrite`` and ``beam_energy`` as in `convert`, and reading settings.

    Returns
    -------
    dict
        As of `convert`, with ``patterns`` and ``text``, the path of the text.

    Raises
    ------
    InputError, UsageError, ResourceError
        One sentence each; nothing half-written is left.
    """
    if patterns not in get_args(Patterns):
        raise UsageError(f"no patterns named {patterns!r} for ASTAR; there are {', '.join(get_args(Patterns))}")
    if not 0 <= least_ratio <= 1:
        raise UsageError(f"the least ratio of the second crystal lies between 0 and 1, not at {least_ratio:g}")
    if run.decision.n_crystals == 0 and patterns != "cleaned":
        raise UsageError(f"the run found no crystals, so there are no {patterns} patterns")
    writing = {name: options.pop(name) for name in ("to", "overwrite") if name in options}
    energy = options.pop("beam_energy", None)
    settings = run.settings.updated(**options)
    made = _made(run, patterns, scan, settings, least_ratio=least_ratio, progress=progress)
    budget = settings.memory or int(SHARE_OF_FREE * free_memory())
    told = write_scan(with_energy(made, energy), Path(path), scale=scale, budget=budget, tell=progress, **writing)
    text = Path(path).with_name(f"{Path(path).name}.txt")
    what = WHAT[patterns].format(least=least_ratio)
    with written_whole(text) as part:
        part.write_text(_text(run, told, made.geometry, what), encoding="utf-8")
    return {**told, "patterns": patterns, "text": str(text)}


def _made(
    run: Run,
    patterns: Patterns,
    scan: Any,  # noqa: ANN401 - as open_scan
    settings: "Settings",
    *,
    least_ratio: float,
    progress: Progress,
) -> Scan:
    """Give the patterns as a scan that is made block by block."""
    result = run.result
    if patterns in {"class-mean", "classes"}:
        return _of_means(result, each_probe=patterns == "class-mean")
    found = Path(result.record.source) if scan is None else scan
    if scan is None and not found.exists():
        raise UsageError(f"the scan of this run is not at {found} any more: give it with --scan (scan= in Python)")
    opened = open_scan(found, settings)
    progress("prepare", 0.0, 1.0)
    prepared = prepare(
        opened,
        executor=executor(settings.threads or 1),
        crop=settings.crop,
        bin=settings.bin,
        nan=settings.nan,
        negative=settings.negative,
        cleaning=Cleaning(**{name: getattr(settings, name) for name in CLEANING}),
    )
    source, geometry = prepared.source, prepared.source.geometry
    if (geometry.scan_shape, geometry.pattern_shape) != (
        result.geometry.scan_shape,
        result.geometry.pattern_shape,
    ):
        raise UsageError(
            f"the scan has {geometry.scan_shape} probes, the run {result.geometry.scan_shape}: give its scan"
        )
    shape = (*geometry.scan_shape, *geometry.pattern_shape)
    lazy: _Cleaned | _Second
    if patterns == "cleaned":
        dtype = opened.patterns.dtype if source.is_plain else np.dtype(np.float32)
        lazy = _Cleaned(source=source, shape=shape, dtype=dtype)
    else:
        dtype = np.dtype(np.float32)
        lazy = _Second(source=source, result=result, least_ratio=least_ratio, shape=shape, dtype=dtype)
    return Scan(patterns=lazy, geometry=geometry, metadata=opened.metadata)


def _of_means(result: RunResult, *, each_probe: bool) -> Scan:
    means = np.nan_to_num(result.comparison.mean_patterns).astype(np.float32)
    geometry = result.geometry
    labels = np.arange(len(means))[None]
    if each_probe:
        labels, means = result.clusters.labels, np.concatenate([means, np.zeros_like(means[:1])])  # -1 is the last
    else:
        geometry = Geometry(
            scan_shape=(1, len(means)),
            pattern_shape=geometry.pattern_shape,
            scan_step_nm=geometry.scan_step_nm,
            pattern_step_inv_angstrom=geometry.pattern_step_inv_angstrom,
        )
    shape = (*geometry.scan_shape, *geometry.pattern_shape)
    lazy = _Means(labels=labels, means=means, shape=shape, dtype=np.dtype(np.float32))
    return Scan(patterns=lazy, geometry=geometry)


def _text(run: Run, told: Mapping[str, Any], geometry: Geometry, what: str) -> str:
    """Say what the patterns are, for whoever indexes them."""

    def known(value: float | None, unit: str) -> str:
        return "unknown" if value is None else f"{value:.6g} {unit}"

    rows, columns = geometry.scan_shape
    height, width = geometry.pattern_shape
    step, pixel = known(geometry.scan_step_nm, "nm"), known(geometry.pattern_step_inv_angstrom, "1/Å")
    decision = run.decision
    lines = [
        what,
        "",
        f"Intensities: {told['values']}.",
        f"Format: {told['format']}, {told['dtype']}.",
        f"Scan: {rows} lines of {columns} probes, {step} apart.",
        f"Patterns: {height} x {width} pixels of {pixel}.",
        f"Run: {decision.n_crystals} crystals in {decision.k} components of {run.result.record.source}.",
        *(f"Note: {note}." for note in told["notes"]),
    ]
    return "\n".join(lines) + "\n"
