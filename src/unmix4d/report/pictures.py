"""Maps and patterns as pictures: colours, contrast, frames and scale bars that all figures share."""

from typing import Any, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from unmix4d.records import AnyArray, BoolArray, ClusterMap, FloatArray, Geometry, IntArray, RunResult, Survey
from unmix4d.report.looks import color_of, shortened
from unmix4d.report.palette import NO_LABEL, crystal_color, rgb, text_on
from unmix4d.report.scalebar import draw_below, draw_inside, pattern_bar, scan_bar
from unmix4d.report.sheet import INK, SMALL_FONT, Corner, Sheet, Size

PATTERN_COLORS = "magma"
MASKED = "#5b7083"
"""Slate blue: pixels of a pattern that were left out."""

GAMMA = 0.4
BRIGHTEST_PERCENT = 99.8
SHARPEST = 512
BAR_STRIP = 0.26
"""Inches under a map that its scale bar takes."""

FRAME_POINTS = 3.0
LETTERS_PER_INCH = 13
"""Letters of a heading that surely fit."""

HEADING = 0.2
"""Inches above a picture that its heading takes."""


class Pictured(Protocol):
    """What pictures need to know of a run, or of several runs on one scan."""

    @property
    def geometry(self) -> Geometry: ...  # noqa: D102
    @property
    def survey(self) -> Survey: ...  # noqa: D102
    @property
    def pixel_mask(self) -> BoolArray: ...  # noqa: D102


def class_colors(labels: IntArray) -> FloatArray:
    """Give the colours (..., 3) of labels of crystals that no run numbers; -1 is grey."""
    table = np.array([rgb(crystal_color(i)) for i in range(-1, int(labels.max(initial=-1)) + 1)])
    return np.asarray(table[labels.astype(np.intp) + 1])


def label_colors(clusters: ClusterMap) -> FloatArray:
    """Give the colour of every probe of a cluster map, (scan_y, scan_x, 3)."""
    table = np.array([rgb(color_of(clusters, i)) for i in range(-1, clusters.n_crystals)])
    return np.asarray(table[clusters.labels.astype(np.intp) + 1])


def label_greys(labels: IntArray) -> FloatArray:
    """Give a cluster map in greys, neighbours in number well apart; no label in the usual light grey."""
    greys = np.array([0.36, 0.60, 0.45, 0.69, 0.52])
    shade = np.repeat(greys[labels.astype(np.intp) % len(greys)][..., None], 3, axis=-1)
    return np.where((labels < 0)[..., None], rgb(NO_LABEL), shade)


def show_map(
    sheet: Sheet,
    corner: Corner,
    size: Size,
    image: AnyArray,
    *,
    result: Pictured,
    **style: Any,  # noqa: ANN401 - what imshow takes
) -> AxesImage:
    """Show a map over the scan, its scale bar below it in `BAR_STRIP` inches more."""
    axes = sheet.axes(*corner, size)
    scan_x = result.geometry.scan_shape[1]
    shown = axes.imshow(image, aspect="auto", interpolation=_interpolation(image.shape), **style)
    _bare(axes)
    draw_below(axes, scan_bar(scan_x, result.geometry.scan_step_nm), scan_x, height=size[1])
    return shown


def show_pattern(
    sheet: Sheet,
    corner: Corner,
    size: Size,
    pattern: FloatArray,
    *,
    result: Pictured,
    bar: bool = True,
    **style: Any,  # noqa: ANN401 - what imshow takes
) -> AxesImage:
    """Show a pattern with strong contrast for weak spots; masked pixels in slate blue."""
    axes = sheet.axes(*corner, size)
    if "norm" not in style:
        style["norm"] = pattern_norm(pattern, result)
    style["cmap"] = colors_with_gaps(style.get("cmap", PATTERN_COLORS), MASKED)
    image = np.where(result.pixel_mask, pattern, np.nan)
    shown = axes.imshow(image, aspect="auto", interpolation=_interpolation(pattern.shape), **style)
    _bare(axes)
    if bar:
        n_pixels = pattern.shape[1]
        draw_inside(axes, pattern_bar(n_pixels, result.geometry.pattern_step_inv_angstrom), n_pixels)
    return shown


def pattern_norm(pattern: FloatArray, result: Pictured) -> Normalize:
    """Give a contrast in which the brightest spots are white and weak ones visible, whatever the direct beam does.

    White is the `BRIGHTEST_PERCENT` percentile outside the direct beam; between, values count to the power `GAMMA`.
    """
    values = pattern[outside_beam(result) & np.isfinite(pattern)]
    white = float(np.percentile(values, BRIGHTEST_PERCENT)) if values.size else 0.0
    if white <= 0:
        white = float(np.nanmax(pattern, initial=0.0))
    return PowerNorm(GAMMA, vmin=0, vmax=white if white > 0 else 1.0, clip=True)


def outside_beam(result: Pictured) -> BoolArray:
    """Give the pixels that are used and not in twice the radius of the direct beam: (pattern_y, pattern_x)."""
    beam = result.survey.beam
    if beam is None:
        return result.pixel_mask
    y, x = np.ogrid[: result.geometry.pattern_shape[0], : result.geometry.pattern_shape[1]]
    distance = np.hypot(y - beam.center[0], x - beam.center[1])
    outside = result.pixel_mask & (distance > 2 * beam.radius)
    return outside if outside.any() else result.pixel_mask


def frame(axes: Axes, color: str, width: float = FRAME_POINTS) -> None:
    """Draw a coloured frame around a picture."""
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(color)
        spine.set_linewidth(width)


def heading(sheet: Sheet, corner: Corner, width: float, words: str, *, color: str) -> None:
    """Write words on a band of one colour above a picture, `HEADING` inches high."""
    # As wide as the frame below it, whose line is drawn half outside.
    over = FRAME_POINTS / 2 / 72
    axes = sheet.axes(corner[0] - over, corner[1], (width + 2 * over, HEADING))
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), 1, 1, color=color, linewidth=0))
    words = shortened(words, int(LETTERS_PER_INCH * width))
    axes.text(0.5, 0.45, words, ha="center", va="center", fontsize=SMALL_FONT, color=text_on(color))


def add_colorbar(sheet: Sheet, corner: Corner, height: float, shown: AxesImage, words: str) -> None:
    """Draw an upright colour bar with its quantity and unit, about 0.8 inches wide with its numbers."""
    axes = sheet.axes(*corner, (0.13, height))
    bar = sheet.figure.colorbar(shown, cax=axes)
    bar.ax.tick_params(labelsize=SMALL_FONT, colors=INK)
    bar.outline.set_linewidth(0.5)
    bar.set_label(words, fontsize=SMALL_FONT, color=INK)


def colors_with_gaps(name: str, gap: str) -> Colormap:
    """Give a colour map that draws missing values in the colour ``gap``."""
    return colormaps[name].with_extremes(bad=gap)


def _bare(axes: Axes) -> None:
    """Leave nothing but a thin frame around a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    frame(axes, INK, 0.5)


def _interpolation(shape: tuple[int, ...]) -> str:
    """Show every element as a square unless there are too many for the page."""
    return "nearest" if max(shape[:2]) <= SHARPEST else "auto"


def component_label(result: RunResult, component: int, *, brief: bool = False) -> tuple[str, str]:
    """Say what a component is: its number with crystal or role, and its colour."""
    roles = result.clusters.roles
    role, crystal = roles.roles[component], int(roles.crystals[component])
    words = result.clusters.name(crystal) if crystal >= 0 else role
    if crystal >= 0 and role != "crystal" and not brief:
        words += f", {role}"
    return f"{component}: {words}", color_of(result.clusters, crystal)
