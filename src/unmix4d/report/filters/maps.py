"""Maps and patterns of several filters side by side."""

import numpy as np
from matplotlib.figure import Figure

from unmix4d.records import FilterAnswer, FilterComparison, IntArray
from unmix4d.report.palette import NO_LABEL, crystal_color, rgb
from unmix4d.report.pictures import BAR_STRIP, class_colors, frame, label_greys, show_map, show_pattern
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
    message_figure,
)

TITLE, LINE = 0.19, 0.2
TEXT_WIDTH = 2.3
"""Inches that the words over and under a map take."""

MOST_HIGH = 4.2
WIDE = 1.5
LEGEND_CELL = (1.75, LINE)
CONFIRMED, MADE, REFIT_ONLY, BELOW = "#1e69c3", "#f08c1e", "#000000", "#7f7f7f"
FATES = {
    1: (CONFIRMED, "both: in the answer, and with weights fitted to the unfiltered counts"),
    2: (MADE, "in the answer alone"),
    3: (REFIT_ONLY, "with weights fitted to the unfiltered counts alone"),
}
MOST_ROWS = 10
PATTERN_SIDE = 1.5
ROW_LABEL = 0.9


def maps_figure(comparison: FilterComparison) -> Figure:
    """Draw the cluster maps side by side, matched crystals in the same colour, with one legend."""
    size, grid = _layout(comparison, n_lines=2)
    width = max(grid.size[0], 2 * LEGEND_CELL[0]) + 2 * MARGIN
    columns = max(1, int((width - 2 * MARGIN) / LEGEND_CELL[0]))
    legend = Grid(n=comparison.n_classes + 1, cell=LEGEND_CELL, n_columns=columns, gap=0.02)
    sheet = Sheet(width, MARGIN + grid.size[1] + 0.15 + legend.size[1] + MARGIN)
    for answer, corner in zip(comparison.answers, grid.corners(MARGIN, MARGIN), strict=True):
        _heading(sheet, corner, answer)
        show_map(sheet, _below(corner, 2), size, class_colors(answer.labels), result=comparison)
    known = comparison.answer(comparison.reference).clusters.n_crystals
    for number, (left, top) in enumerate(legend.corners(MARGIN, MARGIN + grid.size[1] + 0.15)):
        last = number == comparison.n_classes
        sheet.chip(left, top, NO_LABEL if last else crystal_color(number))
        words = "no crystal" if last else f"crystal {number}"
        if known <= number < comparison.n_classes:
            words += f", not in {comparison.reference}"
        sheet.text(left + 0.2, top, words, fontsize=SMALL_FONT)
    return sheet.figure


def made_figure(comparison: FilterComparison) -> Figure:
    """Draw which overlap the unfiltered counts confirm, with each filter."""
    size, grid = _layout(comparison, n_lines=2)
    threshold = comparison.answers[0].overlap.thresholds[0]
    rows = [*FATES.values(), (BELOW, f"below {threshold:.2f}"), (NO_LABEL, "not assessed")]
    width = max(grid.size[0], 4.6) + 2 * MARGIN
    sheet = Sheet(width, MARGIN + grid.size[1] + 0.15 + len(rows) * LINE + MARGIN)
    for answer, corner in zip(comparison.answers, grid.corners(MARGIN, MARGIN), strict=True):
        fates = answer.fates
        confirmed, made, refit_only = (int((fates == fate).sum()) for fate in FATES)
        sheet.text(*corner, answer.name, fontweight="bold")
        words = f"both {confirmed:,}, answer {made:,}, counts {refit_only:,}"
        sheet.text(corner[0], corner[1] + TITLE, words, fontsize=SMALL_FONT, color=FAINT_INK)
        image = label_greys(np.where(fates < 0, -1, answer.labels).astype(np.int16))
        for fate, (color, _) in FATES.items():
            image[fates == fate] = rgb(color)
        show_map(sheet, _below(corner, 2), size, image, result=comparison)
    for i, (color, words) in enumerate(rows):
        top = MARGIN + grid.size[1] + 0.15 + i * LINE
        sheet.chip(MARGIN, top, color)
        sheet.text(MARGIN + 0.2, top, words, fontsize=SMALL_FONT)
    return sheet.figure


def patterns_figure(comparison: FilterComparison) -> Figure:
    """Draw the mean pattern of every matched cluster, crystals in rows and filters in columns, with both NSDs."""
    classes = _largest(comparison)
    if not len(classes):
        return message_figure("No filter finds a crystal.")
    answers = comparison.answers
    size = fit(comparison.geometry.pattern_shape, (min(PATTERN_SIDE, 6.4 / len(answers)), PATTERN_SIDE))
    column, row = max(size[0], 1.25) + MARGIN, size[1] + TITLE + 0.14
    note = LINE if len(classes) < comparison.n_classes else 0.0
    sheet = Sheet(
        ROW_LABEL + len(answers) * column + 2 * MARGIN, 2 * MARGIN + TITLE + 0.06 + len(classes) * row + note
    )
    for j, answer in enumerate(answers):
        sheet.text(MARGIN + ROW_LABEL + j * column, MARGIN, answer.name, fontweight="bold")
    for i, number in enumerate(classes.tolist()):
        top = MARGIN + TITLE + 0.06 + i * row
        sheet.chip(MARGIN, top, crystal_color(number))
        sheet.text(MARGIN + 0.2, top, f"crystal {number}", fontsize=SMALL_FONT)
        for j, answer in enumerate(answers):
            _pattern(sheet, comparison, answer, number, corner=(MARGIN + ROW_LABEL + j * column, top), size=size)
    if note:
        words = f"The {len(classes)} largest of {comparison.n_classes} crystals."
        sheet.text(MARGIN, sheet.height - MARGIN - LINE + 0.04, words, fontsize=SMALL_FONT, color=FAINT_INK)
    return sheet.figure


def _pattern(
    sheet: Sheet, comparison: FilterComparison, answer: FilterAnswer, number: int, *, corner: Corner, size: Size
) -> None:
    """Draw the mean pattern of one class with one filter, or say that there is none."""
    own = np.flatnonzero(answer.classes == number)
    left, top = corner
    if not own.size or not np.isfinite(answer.mean_patterns[own[0]]).any():
        middle = left + size[0] / 2, top + size[1] / 2
        sheet.text(*middle, "none", ha="center", va="center", fontsize=SMALL_FONT, color=FAINT_INK)
        return
    crystal = int(own[0])
    shown = show_pattern(sheet, corner, size, answer.mean_patterns[crystal], result=comparison)
    frame(shown.axes, crystal_color(number), 2.0)
    noise = [answer.noise[name][crystal] for name in ("nsd_immerkaer_mean", "nsd_std_mean") if name in answer.noise]
    words = "  |  ".join(f"{value:.3g}" for value in noise)
    sheet.text(left, top + size[1] + 0.06, words, fontsize=SMALL_FONT, color=FAINT_INK)


def _largest(comparison: FilterComparison) -> IntArray:
    """Give the classes with the most probes over all filters, ascending."""
    sizes = np.zeros(comparison.n_classes)
    for answer in comparison.answers:
        np.add.at(sizes, answer.classes, answer.clusters.counts)
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST_ROWS])


def _layout(comparison: FilterComparison, *, n_lines: int) -> tuple[Size, Grid]:
    """Give the size of one map, and where the maps of all filters go with their words above."""
    scan_y, scan_x = comparison.geometry.scan_shape
    n = len(comparison.answers)
    columns = even_columns(n, 2 if scan_x > WIDE * scan_y else 4)
    room = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * MARGIN) / columns
    size = fit((scan_y, scan_x), (room, MOST_HIGH))
    cell = (max(size[0], TEXT_WIDTH), size[1] + n_lines * TITLE + 0.04 + BAR_STRIP + 0.08)
    return size, Grid(n=n, cell=cell, n_columns=columns)


def _heading(sheet: Sheet, corner: Corner, answer: FilterAnswer) -> None:
    n, decision = answer.clusters.n_crystals, answer.decision
    crystals = "1 crystal" if n == 1 else f"{n} crystals"
    sheet.text(*corner, answer.name, fontweight="bold")
    words = f"{crystals}, k = {decision.k}, {decision.confidence} confidence"
    sheet.text(corner[0], corner[1] + TITLE, words, fontsize=SMALL_FONT, color=FAINT_INK)


def _below(corner: Corner, n_lines: int) -> Corner:
    return corner[0], corner[1] + n_lines * TITLE + 0.04
