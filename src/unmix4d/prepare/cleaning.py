"""Faults of a scan: what was found, how patterns are repaired, which pixels are left out, and a table of it all."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unmix4d.prepare.beam import find_beam
from unmix4d.prepare.condition import bin_pixels
from unmix4d.prepare.descan import beam_places, find_descan, reach_of
from unmix4d.prepare.faults import Pixels, find_dead, find_hot, find_offset, find_saturated, find_shadow
from unmix4d.prepare.repair import Descan, Repair, fill
from unmix4d.prepare.source import Source
from unmix4d.prepare.tally import Tally, unbinned
from unmix4d.records import Beam, BoolArray, CleaningStep

Switch = Literal["auto", "none"]

BEAM_CORE = 1.5
OFF = "switched off"
NOTHING = "nothing found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """Which faults are looked for and mended; ``offset`` may be the level itself."""

    hot_pixels: Switch = "auto"
    offset: Switch | float = "auto"
    descan: Switch = "auto"
    saturation: Switch = "auto"
    vacuum: Switch = "auto"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faults:
    """What was found; masks are of stored pixels.

    Attributes
    ----------
    level : float
        The camera's offset, 0 = none.
    hot, dead, saturated, shadow : (pixel_y, pixel_x) bool
    descan : Descan or None
    reach : float
        How far the beam wanders, pixels; NaN if it was not looked at.
    """

    level: float
    hot: BoolArray
    dead: BoolArray
    saturated: BoolArray
    shadow: BoolArray
    descan: Descan | None
    reach: float

    @property
    def bad(self) -> BoolArray:
        """Pixels whose values say nothing."""
        return self.hot | self.dead

    def replaced(self, side: int) -> BoolArray:
        """Bad pixels that must be replaced, because they would be mixed with others: by binning or moving."""
        mixed = side > 1 or self.descan is not None
        return self.bad if mixed else np.zeros_like(self.bad)

    def repair(self, side: int) -> Repair | None:
        """Give what is to be done to every pattern; None if nothing."""
        replaced = self.replaced(side)
        if not (self.level or self.descan is not None or replaced.any()):
            return None
        return Repair.of(replaced, level=self.level, descan=self.descan)


def pixels_of(tally: Tally) -> Pixels:
    """Mean, variance and noise of every stored pixel."""
    mean = tally.mean
    variance = np.maximum(tally.squares / tally.n_probes - mean**2, 0)
    return Pixels(
        mean=mean,
        variance=variance,
        noise=tally.changes / (2 * tally.n_pairs) if tally.n_pairs else variance,
        largest=tally.largest,
        times=tally.times,
        n_probes=tally.n_probes,
    )


def spare_beam(hot: BoolArray, pixels: Pixels) -> BoolArray:
    """Take a hot pixel back if it is all there is of a direct beam."""
    if not hot.any() or find_beam(fill(pixels.mean, hot)) is not None:
        return hot
    beam = find_beam(pixels.mean)
    return hot if beam is None else hot & ~Beam(center=beam.center, radius=BEAM_CORE).disc(hot.shape)


def find_faults(tally: Tally, source: Source, beam: Beam | None, cleaning: Cleaning) -> Faults:
    """Look for every fault that is not switched off.

    Parameters
    ----------
    tally : Tally
        Of patterns that were not repaired.
    source : Source
    beam : Beam or None
        After binning.
    cleaning : Cleaning

    Returns
    -------
    Faults
    """
    pixels = pixels_of(tally)
    nothing = np.zeros(pixels.mean.shape, dtype=bool)
    look_at_pixels = cleaning.hot_pixels == "auto"
    hot = find_hot(pixels) if look_at_pixels else nothing
    level = _level(pixels, tally, source, hot, cleaning)
    if look_at_pixels and level:
        hot |= find_hot(pixels, level)
    hot = spare_beam(hot, pixels)
    shadow = find_shadow(fill(pixels.mean, hot) - level) if cleaning.saturation == "auto" else nothing
    full = nothing
    if beam is not None and not shadow.any():
        full = find_saturated(pixels, unbinned(beam, source.window.bin), hot)
    saturated = full if cleaning.saturation == "auto" else nothing
    dead = find_dead(pixels, level) & ~(hot | full | shadow) if look_at_pixels else nothing
    descan, reach = None, np.nan
    if tally.cells is not None and not shadow.any():
        places = beam_places(tally, hot | dead)
        descan, reach = find_descan(places, tally.cells), reach_of(places, tally.cells)
    return Faults(
        level=level, hot=hot & ~saturated, dead=dead, saturated=saturated, shadow=shadow, descan=descan, reach=reach
    )


def _level(pixels: Pixels, tally: Tally, source: Source, hot: BoolArray, cleaning: Cleaning) -> float:
    """Give the camera's offset: as set, or as found in values of which none is negative."""
    if not isinstance(cleaning.offset, str):
        return cleaning.offset
    if cleaning.offset == "none" or source.window.offset or tally.negative_count or tally.nan_count:
        return 0.0
    return find_offset(pixels, hot, integers=source.scan.patterns.dtype.kind in "ui")


def leave_out(faults: Faults, side: int) -> BoolArray:
    """Pixels (pattern_y, pattern_x), after binning by ``side``, that cannot be used."""
    out = (faults.bad & ~faults.replaced(side)) | faults.shadow | faults.saturated
    if faults.descan is not None:
        out |= ~faults.descan.always_there(out.shape)
    return np.asarray(bin_pixels(out.astype(np.int64), side) > 0)


def at_rest(faults: Faults, tally: Tally, beam: Beam | None) -> Faults:
    """Give faults with the saturated pixels where they are once the patterns were moved back.

    Parameters
    ----------
    faults : Faults
    tally : Tally
        Of the repaired patterns.
    beam : Beam or None
        In them, in stored pixels.
    """
    if faults.descan is None or beam is None or not faults.saturated.any():
        return faults
    return replace(faults, saturated=find_saturated(pixels_of(tally), beam, np.zeros_like(faults.bad)))


def cleaning_table(
    faults: Faults,
    before: Tally,
    after: Tally,
    *,
    side: int,
    cleaning: Cleaning,
    beam: Beam | None,
    vacuum: BoolArray,
) -> tuple[CleaningStep, ...]:
    """Tell of every fault what was found and done.

    Parameters
    ----------
    faults : Faults
    before, after : Tally
        Of the patterns as stored, and as they are used.
    side : int
        Of the binning.
    cleaning : Cleaning
    beam : Beam or None
        In the patterns as they are used, in stored pixels.
    vacuum : (scan_y, scan_x) bool
        Probes without specimen.

    Returns
    -------
    tuple of CleaningStep
    """
    how = "replaced by their neighbours" if faults.replaced(side).any() else "left out"
    n_hot, n_dead, n_shadow = int(faults.hot.sum()), int(faults.dead.sum()), int(faults.shadow.sum())
    pixels = cleaning.hot_pixels
    return (
        _step("hot pixels", pixels, _many(n_hot, "pixel", how), _hot_share(before, faults), 0.0, "% of all counts"),
        _step("dead pixels", pixels, _many(n_dead, "pixel", how), n_dead, 0.0, "used pixels that never change"),
        _step(
            "camera offset",
            cleaning.offset,
            f"{faults.level:g} taken from every value" if faults.level else "",
            lowest_level(before),
            lowest_level(after),
            "counts, 2 % quantile of the mean pattern",
        ),
        _step(
            "descan",
            cleaning.descan,
            "patterns moved back" if faults.descan is not None else "",
            faults.reach,
            _reach(after, faults),
            "pixels that the direct beam wanders",
        ),
        _step(
            "saturation",
            cleaning.saturation,
            _many(int(faults.saturated.sum()), "pixel", "of the direct beam left out"),
            _full_share(after, faults.saturated, beam),
            0.0,
            "% of the used values of the direct beam at their limit",
        ),
        _step(
            "beam stop",
            cleaning.saturation,
            _many(n_shadow, "pixel", "in the shadow left out"),
            n_shadow,
            0.0,
            "used pixels in a shadow",
        ),
        _step(
            "vacuum",
            cleaning.vacuum,
            _many(int(vacuum.sum()), "probe", "left out"),
            float(vacuum.sum()),
            0.0,
            "used probes that see no specimen",
        ),
    )


def _step(  # noqa: PLR0917 - one line of a table
    name: str, switch: Switch | float, words: str, before: float, after: float, unit: str
) -> CleaningStep:
    """Make one line of the table; without words nothing was found, and the measure stays."""
    off = switch == "none"
    measures = (None, None) if off else (_known(before), _known(after if words else before))
    action = words or (OFF if off else NOTHING)
    return CleaningStep(
        name=name, found=bool(words), action=action, before=measures[0], after=measures[1], unit=unit
    )


def _known(measure: float) -> float | None:
    return None if np.isnan(measure) else float(measure)


def _many(n: int, what: str, done: str) -> str:
    """Say what was done to n things; nothing for none."""
    return f"{n} {what}{'' if n == 1 else 's'} {done}" if n else ""


def _hot_share(tally: Tally, faults: Faults) -> float:
    """Share of all counts, less the offset, that lie in hot pixels, percent."""
    counts = np.maximum(tally.mean - faults.level, 0)
    return 100 * float(counts[faults.hot].sum() / max(float(counts.sum()), np.finfo(float).tiny))


def lowest_level(tally: Tally) -> float:
    """2 % quantile of the pixels of the mean pattern that count at all."""
    mean = tally.mean
    return float(np.quantile(mean[mean > 0], 0.02)) if (mean > 0).any() else 0.0


def _full_share(tally: Tally, saturated: BoolArray, beam: Beam | None) -> float:
    """Share of the values in the direct beam's disc that are at the limit, percent."""
    if beam is None:
        return 0.0
    near = beam.disc(saturated.shape) | saturated
    return 100 * float(tally.times[saturated].sum() / (tally.n_probes * near.sum()))


def _reach(tally: Tally, faults: Faults) -> float:
    if tally.cells is None or faults.descan is None:
        return faults.reach
    return reach_of(beam_places(tally, np.zeros_like(faults.bad)), tally.cells)
