"""One look at every pattern: sums, masks, faults and the input checks of method 1.1."""

from dataclasses import dataclass, replace

import numpy as np

from unmix4d.errors import InputError
from unmix4d.execute import Executor
from unmix4d.prepare.beam import find_beam, find_vacuum
from unmix4d.prepare.cleaning import (
    Cleaning,
    Faults,
    at_rest,
    cleaning_table,
    find_faults,
    leave_out,
    lowest_level,
    spare_beam,
)
from unmix4d.prepare.condition import NanPolicy, NegativePolicy, bin_pixels
from unmix4d.prepare.faults import Pixels, find_hot
from unmix4d.prepare.repair import fill
from unmix4d.prepare.source import Source
from unmix4d.prepare.tally import Tally, tally_tiles, unbinned
from unmix4d.prepare.tiles import Tile
from unmix4d.records import Beam, BoolArray, FloatArray, Scan, Survey

SAMPLE_LINES = 8
SAMPLE_COLUMNS = 64
CLIP_WARNING = 1e-3
MIN_SIDE = 2
EVERY_STEP = Cleaning()


def survey_scan(
    source: Source,
    *,
    executor: Executor,
    nan: NanPolicy = "error",
    negative: NegativePolicy = "clip",
    cleaning: Cleaning = EVERY_STEP,
) -> tuple[Survey, Source, BoolArray]:
    """Read every pattern once and check it; once more, repaired, if a fault was found that changes the sums.

    Parameters
    ----------
    source : Source
    executor : Executor
    nan, negative : str
        What to do with NaN or infinite, and with negative values (method 1.1).
    cleaning : Cleaning
        Which faults to look for.

    Returns
    -------
    survey : Survey
    source : Source
        With the offset that the ``shift`` policy needs, and with the repair of what was found.
    nan_pixels : (pattern_y, pattern_x) bool
        Pixels to leave out under ``nan="mask"``.

    Raises
    ------
    InputError
        NaN under ``nan="error"``, negative values under ``negative="error"``, no counts at all, or fewer than two
        probes or pixels.
    """
    geometry = source.geometry
    if min(geometry.n_probes, geometry.n_pixels) < MIN_SIDE:
        raise InputError(
            f"the scan has {geometry.n_probes} probes of {geometry.n_pixels} pixels; at least 2 of each are needed"
        )
    if negative == "shift":
        source = replace(source, window=replace(source.window, offset=_smallest_offset(source, executor)))
    sample = _sample(source)
    skip = spare_beam(find_hot(sample), sample) if cleaning.hot_pixels == "auto" else np.zeros_like(sample.mean > 0)
    look = _Look(executor=executor, with_cells=cleaning.descan == "auto")
    first = look(source, sample, skip)
    _check(first.tally, source.scan, nan=nan, negative=negative)
    faults = find_faults(first.tally, source, first.beam, cleaning)
    side, last = source.window.bin, first
    repair = faults.repair(side)
    if repair is not None or not np.array_equal(faults.hot, skip):
        source = replace(source, window=replace(source.window, repair=repair))
        last = look(source, _sample(source), faults.bad & ~faults.replaced(side))
    if faults.shadow.any():
        last = replace(last, beam=None)
    elif last.beam is not None:
        faults = at_rest(faults, last.tally, unbinned(last.beam, side))
    return _make_survey(first, last, faults, source, cleaning), source, _nan_pixels(first.tally, nan)


def _nan_pixels(tally: Tally, nan: NanPolicy) -> BoolArray:
    return tally.nan_pixels if nan == "mask" else np.zeros_like(tally.nan_pixels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """One look: the beam in a sample, after binning; what all patterns add up to; and pixels without meaning."""

    beam: Beam | None
    tally: Tally
    skip: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Finds the beam in a sample, then reads everything."""

    executor: Executor
    with_cells: bool

    def __call__(self, source: Source, sample: Pixels, skip: BoolArray) -> _Seen:
        beam = find_beam(bin_pixels(fill(sample.mean, skip), source.window.bin))
        tally = tally_tiles(source, beam, skip, self.executor, with_cells=self.with_cells)
        return _Seen(beam=beam, tally=tally, skip=skip)


def _sample(source: Source) -> Pixels:
    """Look at stored pixels at probes spread over a few scan lines, enough to find the beam."""
    sy, sx = source.geometry.scan_shape
    lines = np.unique(np.linspace(0, sy - 1, SAMPLE_LINES).astype(int))
    columns = range(0, sx, max(1, sx // SAMPLE_COLUMNS))
    shape = source.scan.geometry.pattern_shape
    total, squares = np.zeros(shape), np.zeros(shape)
    for y in lines:
        for x in columns:
            counts = source.read_unbinned(Tile(rows=slice(y, y + 1), columns=slice(x, x + 1)))[0, 0]
            values = counts.astype(np.float64)
            total += values
            squares += values**2
    n = len(lines) * len(columns)
    mean = total / n
    unknown, variance = np.zeros(shape), np.maximum(squares / n - mean**2, 0)
    return Pixels(mean=mean, variance=variance, noise=variance, largest=unknown, times=unknown, n_probes=n)


def _smallest_offset(source: Source, executor: Executor) -> float:
    return -min(executor.map_blocks(_Smallest(source), source.tiles), default=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Smallest:
    """Gives the lowest finite value of a tile, 0 at most."""

    source: Source

    def __call__(self, tile: Tile) -> float:
        stored = self.source.window.read_stored(self.source.scan, tile.rows, tile.columns)
        return float(stored[np.isfinite(stored)].min(initial=0))


def _check(tally: Tally, scan: Scan, *, nan: NanPolicy, negative: NegativePolicy) -> None:
    where = scan.metadata.get("path", "the scan")
    if tally.nan_count and nan == "error":
        y, x, py, px = tally.nan_first
        raise InputError(
            f"{where} holds {tally.nan_count} values that are NaN or infinite, first at probe ({y}, {x}), pixel "
            f"({py}, {px}); use --nan zero to set them to 0 or --nan mask to leave those pixels out"
        )
    if tally.negative_count and negative == "error":
        raise InputError(
            f"{where} holds {tally.negative_count} negative values, the lowest {tally.negative_min:g}; "
            "use --negative clip or --negative shift"
        )
    if not tally.total.any():
        raise InputError(f"{where} holds no counts: every pattern is zero")


def _make_survey(first: _Seen, last: _Seen, faults: Faults, source: Source, cleaning: Cleaning) -> Survey:
    scan, side, tally = source.scan, source.window.bin, last.tally
    usable = tally.total > 0
    vacuum = np.zeros_like(usable)
    if cleaning.vacuum == "auto" and (last.beam is not None or faults.shadow.any()):
        vacuum = find_vacuum(_without_floor(last, faults), usable)
    largest = float(tally.largest[~last.skip].max())
    limit = float(np.iinfo(np.uint8).max) if scan.patterns.dtype == np.uint8 else largest
    n_values = source.geometry.n_probes * source.geometry.n_pixels * side**2
    return Survey(
        mean_pattern=bin_pixels(fill(tally.mean, last.skip), side),
        total_counts=tally.total,
        dark_field=tally.dark,
        beam=last.beam,
        vacuum=vacuum,
        empty=~usable,
        data_range=limit * side**2,
        clipped_fraction=first.tally.negative_count / n_values,
        clipped_min=first.tally.negative_min,
        saturated_fraction=_at_the_limit(first.tally, scan) / n_values,
        warnings=tuple(_warnings(first.tally, last, n_values)),
        left_out=leave_out(faults, side),
        cleaning=cleaning_table(
            faults,
            first.tally,
            tally,
            side=side,
            cleaning=cleaning,
            beam=None if last.beam is None else unbinned(last.beam, side),
            vacuum=vacuum,
        ),
    )


def _without_floor(seen: _Seen, faults: Faults) -> FloatArray:
    """Give counts outside the beam; where an offset was taken away, without what its noise leaves everywhere."""
    dark = seen.tally.dark
    return dark - seen.tally.n_outside * lowest_level(seen.tally) if faults.level else dark


def _at_the_limit(tally: Tally, scan: Scan) -> float:
    """Values at the largest value of an unsigned type."""
    if scan.patterns.dtype.kind != "u":
        return 0.0
    return float(tally.times[tally.largest == np.iinfo(scan.patterns.dtype).max].sum())


def _warnings(tally: Tally, last: _Seen, n_values: int) -> list[str]:
    warnings = []
    if tally.negative_count:
        share = tally.negative_sum / (tally.negative_sum + tally.total.sum())
        loud = " (more than 0.1 %: consider --negative shift)" if share > CLIP_WARNING else ""
        warnings.append(
            f"{tally.negative_count / n_values:.2%} of the values were negative, "
            f"the lowest {tally.negative_min:g}, and were set to 0: {share:.2%} of all counts{loud}"
        )
    if tally.nan_count:
        warnings.append(f"{tally.nan_count} values were NaN or infinite and were taken out")
    if last.beam is None:
        warnings.append("no direct beam was found near the centre of the mean pattern")
    return warnings
