"""Figures over the scan: clusters, overlap, ratio, weights and the survey."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from unmix4d.records import FloatArray, RunResult
from unmix4d.report.looks import color_of, shortened
from unmix4d.report.palette import (
    NO_LABEL,
    OVERLAP_COLORS,
    OVERLAP_COLORS_SAFE,
    level_colors,
    rgb,
)
from unmix4d.report.pictures import (
    BAR_STRIP,
    HEADING,
    add_colorbar,
    colors_with_gaps,
    component_label,
    heading,
    label_colors,
    label_greys,
    show_map,
    show_pattern,
)
from unmix4d.report.sheet import (
    FAINT_INK,
    MARGIN,
    PAGE_WIDTH,
    SMALL_FONT,
    Corner,
    Grid,
    Sheet,
    Size,
    even_columns,
    fit,
)

MAP_BOX = (6.2, 5.0)
LEGEND_WIDTH = 3.1
LEGEND_LETTERS = 18
LINE = 0.22
MOST_LINES = 32
WEIGHT_COLORS = "viridis"
BEAM = "#00e5ff"
WIDE = 2.0
"""A scan this many times wider than high is laid out for its width."""

LABEL_WIDTH = 1.3
"""Inches that the name of a component takes."""

COLORBAR = 0.85
"""Inches that a colour bar with its numbers takes."""

OVERLAP_NOTE = """\
Ratio of the second to the first
crystal's weight. Each row counts
all probes that reach it; areas are
of the assessed probes."""

Line = tuple[str, ...]


def clusters_figure(result: RunResult) -> Figure:
    """Draw the cluster map with a legend of crystals, their probes and areas."""
    clusters = result.clusters
    counts = clusters.counts
    n_none = int((clusters.labels < 0).sum())
    lines = [
        (
            color_of(clusters, i),
            shortened(clusters.name(i), LEGEND_LETTERS),
            f"{counts[i]:,}",
            percent(counts[i], clusters.labels.size),
        )
        for i in range(clusters.n_crystals)
    ]
    if n_none:
        lines.append((NO_LABEL, "no crystal", f"{n_none:,}", percent(n_none, clusters.labels.size)))
    sheet = map_with_legend(
        result, label_colors(clusters), lines, titles=("", "probes", "area"), note=step_note(result)
    )
    return sheet.figure


def overlap_figure(result: RunResult) -> Figure:
    """Draw the overlap levels in the colours of the paper over the cluster map in grey."""
    return _overlap_figure(result, OVERLAP_COLORS)


def overlap_colorblind_figure(result: RunResult) -> Figure:
    """Draw the overlap levels in a sequential scale that every kind of colour vision can read."""
    return _overlap_figure(result, OVERLAP_COLORS_SAFE)


def _overlap_figure(result: RunResult, palette: Sequence[str]) -> Figure:
    overlap = result.overlap
    colors = level_colors(len(overlap.thresholds), palette)
    image = label_greys(result.clusters.labels)
    n_assessed = int((overlap.level >= 0).sum())
    lines: list[Line] = []
    for level, (threshold, color) in enumerate(zip(overlap.thresholds, colors, strict=True), start=1):
        image[overlap.level == level] = rgb(color)
        n_reached = int((overlap.level >= level).sum())
        lines.insert(0, (color, f"≥ {threshold:.2f}", f"{n_reached:,}", percent(n_reached, n_assessed)))
    lines.append(("#7f7f7f", f"below {overlap.thresholds[0]:.2f}", f"{int((overlap.level == 0).sum()):,}", ""))
    lines.append((NO_LABEL, "not assessed", f"{int((overlap.level < 0).sum()):,}", ""))
    return map_with_legend(result, image, lines, titles=("ratio", "probes", "area"), note=OVERLAP_NOTE).figure


def ratio_figure(result: RunResult) -> Figure:
    """Draw the ratio of the second to the first crystal's weight."""
    ratio = np.where(result.overlap.level >= 0, result.overlap.ratio, np.nan)
    size = fit(result.geometry.scan_shape, (PAGE_WIDTH - COLORBAR - 2 * MARGIN, MAP_BOX[1]))
    sheet = Sheet(max(size[0], 2.4) + COLORBAR + 2 * MARGIN, max(size[1], 1.2) + BAR_STRIP + 2 * MARGIN)
    shown = show_map(
        sheet,
        (MARGIN, MARGIN),
        size,
        ratio,
        result=result,
        cmap=colors_with_gaps(WEIGHT_COLORS, NO_LABEL),
        vmin=0,
        vmax=1,
    )
    corner = (size[0] + 2 * MARGIN, MARGIN)
    add_colorbar(sheet, corner, max(size[1], 1.2), shown, "second / first weight")
    return sheet.figure


def weights_figure(result: RunResult) -> Figure:
    """Draw the weight map of every component: all on one scale, then each on its own."""
    maps = result.factorization.weight_maps()
    highest = float(np.percentile(maps, 99.9)) or float(maps.max()) or 1.0
    size, grid = grid_of_maps(result, len(maps))
    block = grid.size[1] + 0.35
    sheet = Sheet(max(grid.size[0], 4.4) + 2 * MARGIN + COLORBAR, 2 * block + MARGIN)
    _weight_maps(sheet, result, maps, size=size, grid=grid, top=MARGIN, highest=highest)
    _weight_maps(sheet, result, maps, size=size, grid=grid, top=MARGIN + block, highest=None)
    return sheet.figure


def grid_of_maps(result: RunResult, n: int) -> tuple[Size, Grid]:
    """Give the size of a map, and where ``n`` maps with their headings go, beside one colour bar."""
    scan_y, scan_x = result.geometry.scan_shape
    room = PAGE_WIDTH - COLORBAR - 2 * MARGIN
    columns = even_columns(n, 4 if scan_x > WIDE * scan_y else 6)
    size = fit((scan_y, scan_x), (min((room - (columns - 1) * MARGIN) / columns, 2.4), 2.4))
    cell = (max(size[0], LABEL_WIDTH), size[1] + HEADING + BAR_STRIP)
    return size, Grid(n=n, cell=cell, n_columns=columns)


def _weight_maps(
    sheet: Sheet, result: RunResult, maps: FloatArray, *, size: Size, grid: Grid, top: float, highest: float | None
) -> None:
    """Draw all weight maps, up to ``highest`` counts or, where that is None, each up to its own highest."""
    words = "Each from 0 to its own largest weight" if highest is None else "All on one scale"
    sheet.text(MARGIN, top, words, fontweight="bold")
    for i, (left, upper) in enumerate(grid.corners(MARGIN, top + 0.25)):
        words, color = component_label(result, i, brief=True)
        heading(sheet, (left, upper), grid.cell[0], words, color=color)
        shown = show_map(
            sheet,
            (left, upper + HEADING),
            size,
            np.where(result.probe_mask, maps[i], np.nan),
            result=result,
            cmap=colors_with_gaps(WEIGHT_COLORS, NO_LABEL),
            vmin=0,
            vmax=highest or float(maps[i].max()) or 1.0,
        )
    if highest is not None:
        corner = (MARGIN + grid.size[0] + MARGIN, top + 0.25 + HEADING)
        add_colorbar(sheet, corner, max(size[1], 1.0), shown, "counts")


def survey_figure(result: RunResult) -> Figure:
    """Draw what was measured: total counts, counts outside the beam, and the mean pattern with beam and mask.

    The maps of a wide scan stand one over the other.
    """
    scan_y, scan_x = result.geometry.scan_shape
    stacked = scan_x > WIDE * scan_y
    title, notes, gap = 0.25, 0.42, 0.2
    third = (PAGE_WIDTH - 2 * COLORBAR - 4 * MARGIN - gap) / 3
    map_size = fit((scan_y, scan_x), (2 * third if stacked else third, 2.4 if stacked else 3.4))
    pattern_size = fit(result.geometry.pattern_shape, (third, 3.4))
    step_x = 0.0 if stacked else max(map_size[0], LABEL_WIDTH + 0.6) + COLORBAR + MARGIN
    step_y = title + max(map_size[1], 0.9) + BAR_STRIP + 0.1 if stacked else 0.0
    pattern_left = max(2 * step_x, map_size[0] + COLORBAR + MARGIN) + gap
    maps_height = step_y + title + max(map_size[1], 0.9) + BAR_STRIP
    height = max(maps_height, title + pattern_size[1] + notes) + 2 * MARGIN
    sheet = Sheet(pattern_left + max(pattern_size[0], 2.4) + MARGIN, height)
    pictures = {"Total counts": result.survey.total_counts, "Counts outside the beam": result.survey.dark_field}
    for i, (words, image) in enumerate(pictures.items()):
        left, top = MARGIN + i * step_x, MARGIN + i * step_y
        sheet.text(left, top, words, fontweight="bold")
        low, high = np.percentile(image, (0.5, 99.5))
        corner = (left, top + title)
        shown = show_map(sheet, corner, map_size, image, result=result, cmap="gray", vmin=low, vmax=high)
        add_colorbar(sheet, (left + map_size[0] + 0.08, corner[1]), max(map_size[1], 0.9), shown, "")
    _mean_pattern(sheet, result, corner=(pattern_left, MARGIN), size=pattern_size)
    return sheet.figure


def _mean_pattern(sheet: Sheet, result: RunResult, *, corner: Corner, size: Size) -> None:
    beam = result.survey.beam
    left, top = corner
    sheet.text(left, top, "Mean pattern", fontweight="bold")
    shown = show_pattern(sheet, (left, top + 0.25), size, result.survey.mean_pattern, result=result)
    words = ["no direct beam found"]
    if beam is not None:
        middle = beam.center[1], beam.center[0]
        shown.axes.add_patch(Circle(middle, beam.radius, fill=False, edgecolor=BEAM, linewidth=1.2))
        words = [f"circle: direct beam, radius {beam.radius:.1f} px"]
    if n_masked := int((~result.pixel_mask).sum()):
        words.append(f"blue-grey: {n_masked:,} px left out")
    below = top + 0.25 + size[1] + 0.06
    sheet.text(left, below, "\n".join(words), fontsize=SMALL_FONT, color=FAINT_INK, linespacing=1.3)


def map_with_legend(
    result: RunResult, image: FloatArray, lines: Sequence[Line], *, titles: Line, note: str, below: float = 0.0
) -> Sheet:
    """Draw a map with a table (colour, words, number, share) to the right of it, or below where it is wide.

    ``below`` inches are left free at the bottom of the sheet.
    """
    shape = result.geometry.scan_shape
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES
        lines = [*lines[:MOST_LINES], ("#ffffff", f"and {rest} more", "", "")]
    beside = shape[1] <= WIDE * shape[0]
    size = fit(shape, MAP_BOX if beside else (PAGE_WIDTH - 2 * MARGIN, MAP_BOX[1]))
    table_height = LINE * (len(lines) + 1 + 0.9 * (note.count("\n") + 1)) + 0.1
    map_height = size[1] + BAR_STRIP
    left, top = (size[0] + 0.35, MARGIN) if beside else (MARGIN, MARGIN + map_height + 0.1)
    width = left + LEGEND_WIDTH if beside else max(size[0], LEGEND_WIDTH) + 2 * MARGIN
    sheet = Sheet(width, max(map_height + 2 * MARGIN, top + table_height + MARGIN) + below)
    show_map(sheet, (MARGIN, MARGIN), size, image, result=result)
    columns = (left + 0.22, left + 2.05, left + 2.8)
    for column, words in zip(columns, titles, strict=True):
        align = "left" if column == columns[0] else "right"
        sheet.text(column, top, words, ha=align, color=FAINT_INK, fontsize=SMALL_FONT)
    for i, (color, *cells) in enumerate(lines, start=1):
        sheet.chip(left, top + i * LINE, color)
        for column, words in zip(columns, cells, strict=True):
            sheet.text(column, top + i * LINE, words, ha="left" if column == columns[0] else "right")
    lower = top + (len(lines) + 1) * LINE + 0.08
    sheet.text(left, lower, note, fontsize=SMALL_FONT, color=FAINT_INK, linespacing=1.3)
    return sheet


def percent(part: int, whole: int) -> str:
    """Write a share in percent; a dash for a share of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def step_note(result: RunResult) -> str:
    """Say how large the scan is."""
    y, x = result.geometry.scan_shape
    step = result.geometry.scan_step_nm
    told = "scan step unknown" if step is None else f"scan step {step:g} nm"
    return f"{y} × {x} probes, {told}"
