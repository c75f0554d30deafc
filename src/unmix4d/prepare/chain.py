"""The order of preparation: crop and bin, survey, masks, filter, matrix."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.execute import Executor
from unmix4d.prepare.cleaning import Cleaning
from unmix4d.prepare.condition import NanPolicy, NegativePolicy
from unmix4d.prepare.filters import Raw, ScanMean
from unmix4d.prepare.matrix import make_matrix
from unmix4d.prepare.source import BLOCK_BYTES, Source, make_source, sample_patches
from unmix4d.prepare.survey import survey_scan
from unmix4d.prepare.tiles import Tile
from unmix4d.records import Beam, BoolArray, PatternMatrix, Scan, SpotTable, Survey
from unmix4d.registry import Filter, Fitting, Registering

EVERY_STEP = Cleaning()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A scan that was cropped, binned and surveyed, ready to be filtered and masked."""

    source: Source
    survey: Survey
    nan_pixels: BoolArray

    def fitted(self, filter: Filter) -> Filter:  # noqa: A002 - the option's name
        """Let a filter look at the scan, if it wants to."""
        return filter.fit(sample_patches(self.source), self.survey) if isinstance(filter, Fitting) else filter

    def spots(self, filter: Registering, executor: Executor) -> SpotTable:  # noqa: A002 - the option's name
        """Register the spots of every pattern, block by block."""
        parts = list(executor.map_blocks(_Register(source=self.source, filter=filter), self.source.tiles))
        return SpotTable.joined(parts, self.source.geometry)

    def without_spotless(self, spots: SpotTable) -> "Prepared":
        """Give the same scan; patterns without any spot count as empty."""
        spotless = (np.diff(spots.first) == 0).reshape(self.survey.empty.shape)
        return replace(self, survey=replace(self.survey, empty=self.survey.empty | spotless))

    def matrix(
        self,
        *,
        filter: Filter,  # noqa: A002 - the option's name
        beam: Literal["none", "auto"] | float = "none",
        mask: BoolArray | None = None,
        cache_bytes: int = 0,
        spots: SpotTable | None = None,
    ) -> PatternMatrix:
        """Mask, filter and give the patterns as a matrix.

        Parameters
        ----------
        filter : Filter
        beam : "none", "auto" or float
            Keep the beam, mask the disc that was found, or mask a disc of this radius (pixels after binning).
        mask : (pattern_y, pattern_x) bool, optional
            True for detector pixels to use, of the file's patterns or of the binned ones.
        cache_bytes : int
            Memory that the blocks may keep between passes.
        spots : SpotTable, optional
            What a filter that registers draws the patterns from.

        Returns
        -------
        PatternMatrix
        """
        survey, shape = self.survey, self.source.geometry.pattern_shape
        pixel_mask = (survey.mean_pattern > 0) & ~self.nan_pixels
        if survey.left_out is not None:
            pixel_mask &= ~survey.left_out
        steps = self._reading_steps()
        disc = _beam_to_mask(beam, survey.beam)
        if disc is not None:
            pixel_mask &= ~disc.disc(shape)
            steps.append(
                f"direct beam masked: {disc.radius:.1f} px about ({disc.center[0]:.1f}, {disc.center[1]:.1f})"
            )
        if mask is not None:
            pixel_mask &= _fit_mask(mask, self.source.window.bin, shape)
            steps.append(f"detector mask: {int((~mask).sum())} pixels left out")
        probe_mask = ~(survey.empty | survey.vacuum)
        if survey.vacuum.any():
            steps.append(f"vacuum left out: {int(survey.vacuum.sum())} probes")
        if survey.empty.any():
            steps.append(f"empty patterns left out: {int(survey.empty.sum())} probes")
        steps.append(f"filter: {filter.name}")
        return make_matrix(
            self.source,
            filter=filter,
            probe_mask=probe_mask,
            pixel_mask=pixel_mask,
            cache_bytes=cache_bytes,
            steps=tuple(steps),
            column_means=survey.mean_pattern[pixel_mask] if isinstance(filter, Raw | ScanMean) else None,
            spots=spots,
        )

    def beam_share(self) -> float:
        """Share of all counts that lie in the direct beam disc; 0 where there is no beam."""
        beam, mean = self.survey.beam, self.survey.mean_pattern
        return 0.0 if beam is None else float(mean[beam.disc(mean.shape)].sum() / mean.sum())

    def _reading_steps(self) -> list[str]:
        full, window, geometry = self.source.scan.geometry, self.source.window, self.source.geometry
        steps = []
        if geometry.scan_shape != full.scan_shape:
            steps.append(
                f"cropped to scan lines {window.y.start}-{window.y.stop - 1}, "
                f"columns {window.x.start}-{window.x.stop - 1}"
            )
        if window.bin > 1:
            py, px = full.pattern_shape
            lost = full.n_pixels - geometry.n_pixels * window.bin**2
            steps.append(
                f"detector binned {window.bin} x {window.bin}: {py} x {px} to {geometry.pattern_shape[0]} x "
                f"{geometry.pattern_shape[1]} pixels, {lost} pixels at the edge left out"
            )
        if window.offset:
            steps.append(f"offset of {window.offset:g} added to make every value non-negative")
        if self.nan_pixels.any():
            steps.append(f"NaN: {int(self.nan_pixels.sum())} pixels left out")
        mended = (step for step in self.survey.cleaning if step.found and step.name != "vacuum")
        return [*steps, *(f"{step.name}: {step.action}" for step in mended)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Register:
    """Registers the spots of one tile."""

    source: Source
    filter: Registering

    def __call__(self, tile: Tile) -> SpotTable:
        return self.filter.register(self.source.read(tile))


def prepare(
    scan: Scan,
    *,
    executor: Executor,
    crop: tuple[int, int, int, int] | None = None,
    bin: int = 1,  # noqa: A002 - the option's name
    nan: NanPolicy = "error",
    negative: NegativePolicy = "clip",
    cleaning: Cleaning = EVERY_STEP,
    block_bytes: int = BLOCK_BYTES,
) -> Prepared:
    """Crop, bin and survey a scan (method 1.1).

    Parameters
    ----------
    scan : Scan
    executor : Executor
    crop : (top, bottom, left, right), optional
        In probes.
    bin : int
        Detector binning; counts are added up.
    nan : {"error", "zero", "mask"}
    negative : {"clip", "shift", "error"}
    cleaning : Cleaning
        Which faults to look for and mend; all of them by default.
    block_bytes : int
        What one block of patterns may take as it is stored.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError, UsageError
        One sentence each: what was found and which option mends it.
    """
    survey, source, nan_pixels = survey_scan(
        make_source(scan, crop=crop, bin=bin, block_bytes=block_bytes),
        executor=executor,
        nan=nan,
        negative=negative,
        cleaning=cleaning,
    )
    return Prepared(source=source, survey=survey, nan_pixels=nan_pixels)


def _beam_to_mask(beam: Literal["none", "auto"] | float, found: Beam | None) -> Beam | None:
    if beam == "none":
        return None
    if found is None:
        raise UsageError("no direct beam was found to mask; leave --beam none or give a --mask file")
    return found if isinstance(beam, str) else Beam(center=found.center, radius=float(beam))


def _fit_mask(mask: BoolArray, side: int, shape: tuple[int, int]) -> BoolArray:
    """Bring a mask of the file's patterns to the binned ones: a binned pixel is used if all its pixels are."""
    if mask.shape == shape:
        return mask
    binned = (mask.shape[0] // side, mask.shape[1] // side)
    if binned != shape:
        raise UsageError(
            f"the mask has {mask.shape[0]} x {mask.shape[1]} pixels, the patterns {shape[0]} x {shape[1]}"
        )
    squares = mask[: shape[0] * side, : shape[1] * side].reshape(shape[0], side, shape[1], side)
    return np.asarray(squares.all(axis=(1, 3)))
