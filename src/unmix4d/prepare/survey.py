"""One look at every pattern: sums, masks and the input checks of method 1.1."""

from dataclasses import dataclass, replace

import numpy as np

from unmix4d.errors import InputError
from unmix4d.execute import Executor
from unmix4d.prepare.beam import find_beam, find_vacuum
from unmix4d.prepare.condition import NanPolicy, NegativePolicy, Window, bin_pixels
from unmix4d.prepare.kernels import as_rows, tally_counts
from unmix4d.prepare.source import Source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, Beam, BoolArray, FloatArray, Scan, Survey

SAMPLE_LINES = 8
SAMPLE_COLUMNS = 64
CLIP_WARNING = 1e-3
MIN_SIDE = 2


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What the tiles add up to."""

    mean_sum: FloatArray
    total: FloatArray
    dark: FloatArray
    nan_pixels: BoolArray
    nan_count: int = 0
    nan_first: tuple[int, ...] = ()
    negative_count: int = 0
    negative_min: float = 0.0
    negative_sum: float = 0.0
    largest: float = 0.0
    saturated: int = 0


def survey_scan(
    source: Source,
    *,
    executor: Executor,
    nan: NanPolicy = "error",
    negative: NegativePolicy = "clip",
    find_vacuum_probes: bool = True,
) -> tuple[Survey, Source, BoolArray]:
    """Read every pattern once and check it.

    Parameters
    ----------
    source : Source
    executor : Executor
    nan, negative : str
        What to do with NaN or infinite, and with negative values (method 1.1).
    find_vacuum_probes : bool
        Whether to look for vacuum.

    Returns
    -------
    survey : Survey
    source : Source
        With the offset that the ``shift`` policy needs.
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
    beam = find_beam(_sample_mean(source))
    tally = _tally_tiles(source, beam, executor)
    _check(tally, source.scan, nan=nan, negative=negative)
    usable = tally.total > 0
    vacuum = find_vacuum(tally.dark, usable) if find_vacuum_probes and beam is not None else np.zeros_like(usable)
    survey = _make_survey(tally, source, beam, vacuum)
    return survey, source, tally.nan_pixels if nan == "mask" else np.zeros_like(tally.nan_pixels)


def _sample_mean(source: Source) -> FloatArray:
    """Mean pattern of probes spread over a few scan lines, enough to find the beam."""
    sy, sx = source.geometry.scan_shape
    lines = np.unique(np.linspace(0, sy - 1, SAMPLE_LINES).astype(int))
    columns = range(0, sx, max(1, sx // SAMPLE_COLUMNS))
    total = np.zeros(source.geometry.pattern_shape)
    for y in lines:
        for x in columns:
            total += source.read(Tile(rows=slice(y, y + 1), columns=slice(x, x + 1)))[0, 0]
    return total / (len(lines) * len(columns))


def _smallest_offset(source: Source, executor: Executor) -> float:
    return -min(executor.map_blocks(_Smallest(source), source.tiles), default=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Smallest:
    """Gives the lowest finite value of a tile, 0 at most."""

    source: Source

    def __call__(self, tile: Tile) -> float:
        stored = self.source.window.read_stored(self.source.scan, tile.rows, tile.columns)
        return float(stored[np.isfinite(stored)].min(initial=0))


def _tally_tiles(source: Source, beam: Beam | None, executor: Executor) -> _Tally:
    geometry = source.geometry
    outside = np.ones(geometry.pattern_shape, dtype=bool) if beam is None else ~beam.disc(geometry.pattern_shape)
    tally = _Tally(
        mean_sum=np.zeros(geometry.pattern_shape),
        total=np.zeros(geometry.scan_shape),
        dark=np.zeros(geometry.scan_shape),
        nan_pixels=np.zeros(geometry.pattern_shape, dtype=bool),
    )

    look = _Look(source=source, outside=outside)
    for tile, part in zip(source.tiles, executor.map_blocks(look, source.tiles), strict=True):
        tally.mean_sum += part.pattern_sum
        tally.total[tile.rows, tile.columns] = part.total
        tally.dark[tile.rows, tile.columns] = part.dark
        _add_values(tally, part.values, tile)
    return tally


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one tile adds: sum of its patterns, counts of each pattern in all and outside the beam."""

    pattern_sum: FloatArray
    total: FloatArray
    dark: FloatArray
    values: "_Values"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """Looks at one tile."""

    source: Source
    outside: BoolArray

    def __call__(self, tile: Tile) -> _Part:
        window = self.source.window
        stored = window.read_stored(self.source.scan, tile.rows, tile.columns)
        if np.issubdtype(stored.dtype, np.unsignedinteger) and not window.offset:
            return self._counts(stored)
        counts = window.condition(stored)
        return _Part(
            pattern_sum=counts.sum(axis=(0, 1), dtype=np.float64),
            total=counts.sum(axis=(2, 3), dtype=np.float64),
            dark=(counts * self.outside).sum(axis=(2, 3), dtype=np.float64),
            values=_look_at_values(stored, window),
        )

    def _counts(self, stored: AnyArray) -> _Part:
        """Unsigned integers are counts as they are: one look gives everything."""
        side = self.source.window.bin
        used = np.zeros(stored.shape[2:], dtype=np.float32)
        ny, nx = self.outside.shape
        used[: ny * side, : nx * side] = 1
        outside = np.zeros_like(used)
        outside[: ny * side, : nx * side] = self.outside.repeat(side, axis=0).repeat(side, axis=1)
        rows = as_rows(stored)
        columns, total, dark, largest = tally_counts(rows, used.ravel(), outside.ravel())
        full = np.iinfo(stored.dtype).max
        return _Part(
            pattern_sum=bin_pixels(columns.reshape(used.shape), side),
            total=total.reshape(stored.shape[:2]),
            dark=dark.reshape(stored.shape[:2]),
            values=_Values(largest=largest, saturated=int((rows == full).sum()) if largest == full else 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """What is unusual about the stored values of one tile."""

    largest: float
    saturated: int = 0
    nan_count: int = 0
    nan_first: tuple[int, ...] = ()
    nan_pixels: BoolArray | None = None
    negative_count: int = 0
    negative_min: float = 0.0
    negative_sum: float = 0.0


def _look_at_values(stored: AnyArray, window: Window) -> _Values:
    if np.issubdtype(stored.dtype, np.unsignedinteger):
        return _Values(largest=float(stored.max(initial=0)))
    bad = ~np.isfinite(stored)
    finite = np.where(bad, 0, stored).astype(np.float64) + window.offset
    below = np.minimum(finite, 0)
    first = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else ()
    dropped = bad & ~bad.all(axis=(2, 3), keepdims=True)
    return _Values(
        largest=float(finite.max(initial=0)),
        nan_count=int(bad.sum()),
        nan_first=first,
        nan_pixels=bin_pixels(np.asarray(dropped.any(axis=(0, 1)), dtype=np.int64), window.bin) > 0
        if first
        else None,
        negative_count=int((below < 0).sum()),
        negative_min=float(below.min(initial=0)),
        negative_sum=float(-below.sum()),
    )


def _add_values(tally: _Tally, values: _Values, tile: Tile) -> None:
    tally.largest = max(tally.largest, values.largest)
    tally.saturated += values.saturated
    tally.negative_count += values.negative_count
    tally.negative_min = min(tally.negative_min, values.negative_min)
    tally.negative_sum += values.negative_sum
    if values.nan_count:
        if not tally.nan_count:
            y, x, *pixel = values.nan_first
            tally.nan_first = (tile.rows.start + y, tile.columns.start + x, *pixel)
        tally.nan_count += values.nan_count
        if values.nan_pixels is not None:
            tally.nan_pixels |= values.nan_pixels


def _check(tally: _Tally, scan: Scan, *, nan: NanPolicy, negative: NegativePolicy) -> None:
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


def _make_survey(tally: _Tally, source: Source, beam: Beam | None, vacuum: BoolArray) -> Survey:
    scan, window, geometry = source.scan, source.window, source.geometry
    n_values = geometry.n_probes * geometry.n_pixels * window.bin**2
    fraction = tally.negative_count / n_values
    warnings = []
    if tally.negative_count:
        share = tally.negative_sum / (tally.negative_sum + tally.total.sum())
        loud = " (more than 0.1 %: consider --negative shift)" if share > CLIP_WARNING else ""
        warnings.append(
            f"{fraction:.2%} of the values were negative, the lowest {tally.negative_min:g}, and were set to 0: "
            f"{share:.2%} of all counts{loud}"
        )
    if tally.nan_count:
        warnings.append(f"{tally.nan_count} values were NaN or infinite and were taken out")
    if beam is None:
        warnings.append("no direct beam was found near the centre of the mean pattern")
    is_byte = scan.patterns.dtype == np.uint8
    return Survey(
        mean_pattern=tally.mean_sum / geometry.n_probes,
        total_counts=tally.total,
        dark_field=tally.dark,
        beam=beam,
        vacuum=vacuum,
        empty=tally.total <= 0,
        data_range=float(np.iinfo(np.uint8).max * window.bin**2) if is_byte else tally.largest * window.bin**2,
        clipped_fraction=fraction,
        clipped_min=tally.negative_min,
        saturated_fraction=tally.saturated / n_values,
        warnings=tuple(warnings),
    )
