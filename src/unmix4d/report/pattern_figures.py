"""Figures on the detector: the summary, crystals, components, and measured against reconstructed patterns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from unmix4d.records import FloatArray, RunResult
from unmix4d.report.looks import color_of
from unmix4d.report.pictures import (
    BAR_STRIP,
    HEADING,
    component_label,
    frame,
    heading,
    label_colors,
    outside_beam,
    pattern_norm,
    show_map,
    show_pattern,
)
from unmix4d.report.sheet import (
    FAINT_INK,
    FONT,
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

TITLE = 0.36
WIDE = 1.8
"""A scan this many times wider than high leaves more room for patterns under it than beside it."""

LEAST_WIDTH = 4.6
"""Inches that the answer takes in the title of the summary."""

NO_CRYSTALS = "No crystal was found, so there is no pattern to show."
MOST_PATTERNS = 40
MOST_COMPARED = 16
TEXT_LINE = 0.155
UNITS = {"psnr": "PSNR (dB)"}
USUAL_SIDE, LEAST_SIDE = 1.55, 0.9
"""Inches that a pattern is wide, if there are many, and at least."""

Label = tuple[str, str]


def summary_figure(result: RunResult) -> Figure:
    """Draw the answer: the cluster map, and beside it each crystal's pattern in the same colour."""
    shape = result.geometry.scan_shape
    wide = shape[1] > WIDE * shape[0]
    inner = PAGE_WIDTH - 2 * MARGIN
    size = fit(shape, (inner, 4.0) if wide else (4.6, 4.6))
    patterns = result.clusters.crystal_patterns[:MOST_PATTERNS]
    room = inner if wide else inner - size[0] - 0.25
    grid = _pattern_grid(result, len(patterns), room, most=1.9, rows_in=None if wide else 1.1 * size[1])
    left, top = (MARGIN, TITLE + size[1] + BAR_STRIP + 0.15) if wide else (MARGIN + size[0] + 0.25, TITLE)
    height = max(TITLE + size[1] + BAR_STRIP, top + grid.size[1] if len(patterns) else 0) + MARGIN
    width = PAGE_WIDTH if wide else min(PAGE_WIDTH, max(left + grid.size[0] + MARGIN, LEAST_WIDTH))
    sheet = Sheet(width, height)
    sheet.text(MARGIN, 0.1, answer(result), fontsize=FONT + 2, fontweight="bold")
    show_map(sheet, (MARGIN, TITLE), size, label_colors(result.clusters), result=result)
    _crystal_patterns(sheet, result, patterns, grid, corner=(left, top))
    return sheet.figure


def answer(result: RunResult) -> str:
    """Say in a few words how many crystals there are and how sure that is."""
    n, decision = result.clusters.n_crystals, result.decision
    return f"{n} crystal{'' if n == 1 else 's'}  ·  k = {decision.k}  ·  confidence {decision.confidence}"


def crystals_figure(result: RunResult) -> Figure:
    """Draw the pattern of every crystal."""
    patterns = result.clusters.crystal_patterns[:MOST_PATTERNS]
    if not len(patterns):
        return message_figure(NO_CRYSTALS)
    grid = _pattern_grid(result, len(patterns), PAGE_WIDTH - 2 * MARGIN, most=2.4)
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN)
    _crystal_patterns(sheet, result, patterns, grid, corner=(MARGIN, MARGIN))
    return sheet.figure


def components_figure(result: RunResult) -> Figure:
    """Draw every component of the chosen factorization with its role and crystal."""
    patterns = result.factorization.component_patterns()[:MOST_PATTERNS]
    grid = _pattern_grid(result, len(patterns), PAGE_WIDTH - 2 * MARGIN, most=2.0)
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN)
    labels = [component_label(result, i) for i in range(len(patterns))]
    _framed_patterns(sheet, result, patterns, labels, grid=grid, corner=(MARGIN, MARGIN))
    return sheet.figure


def comparison_figure(result: RunResult) -> Figure:
    """Draw each cluster's measured mean, its reconstruction and their difference, metrics below."""
    comparison = result.comparison
    compared = np.flatnonzero(comparison.counts)
    if not compared.size:
        return message_figure("No cluster has any probe, so there is nothing to compare.")
    # The mean of a cluster that was changed by hand is known only where it is made of whole ones.
    compared = compared[np.isfinite(comparison.mean_patterns[compared]).any(axis=(1, 2))]
    if not compared.size:
        return message_figure("All clusters were changed by hand: a mean of theirs takes another look at the data.")
    shown = compared[np.argsort(-result.comparison.counts[compared], kind="stable")][:MOST_COMPARED]
    shown.sort()
    columns = 1 if len(shown) == 1 else 2
    side = fit(result.geometry.pattern_shape, (1.5, 1.5))
    cell = (max(3 * side[0] + 0.12, 4.6), HEADING + side[1] + 0.3 + 4 * TEXT_LINE)
    grid = Grid(n=len(shown), cell=cell, n_columns=columns, gap=0.24)
    note = "" if len(shown) == len(compared) else f"The {len(shown)} largest of {len(compared)} clusters are shown."
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN + (0.2 if note else 0))
    for crystal, corner in zip(shown.tolist(), grid.corners(MARGIN, MARGIN), strict=True):
        _compare_one(sheet, result, crystal, corner=corner, side=side)
    sheet.text(MARGIN, sheet.height - 0.24, note, fontsize=SMALL_FONT, color=FAINT_INK)
    return sheet.figure


def _compare_one(sheet: Sheet, result: RunResult, crystal: int, *, corner: Corner, side: Size) -> None:
    """Draw three pictures of one cluster, counts on the same scale, and its metrics."""
    left, top = corner
    comparison = result.comparison
    measured, rebuilt = comparison.mean_patterns[crystal], comparison.reconstructed_patterns[crystal]
    difference = measured - rebuilt
    span = _span(difference, result)
    width = 3 * side[0] + 0.12
    words = f"{result.clusters.name(crystal)}: {comparison.counts[crystal]:,} probes"
    heading(sheet, corner, width, words, color=color_of(result.clusters, crystal))
    common = pattern_norm(measured, result)
    styles: tuple[tuple[FloatArray, str, dict[str, Any]], ...] = (
        (measured, "measured mean", {"norm": common}),
        (rebuilt, "reconstruction", {"norm": common}),
        (difference, f"difference, ± {span:.2g} counts", {"norm": Normalize(-span, span), "cmap": "RdBu_r"}),
    )
    for i, (pattern, name, style) in enumerate(styles):
        at = left + i * (side[0] + 0.06)
        show_pattern(sheet, (at, top + HEADING), side, pattern, result=result, bar=i == 0, **style)
        below = top + HEADING + side[1] + 0.04
        sheet.text(at + side[0] / 2, below, name, ha="center", fontsize=SMALL_FONT, color=FAINT_INK)
    _metrics(sheet, result, crystal, corner=(left, top + HEADING + side[1] + 0.26))


def _metrics(sheet: Sheet, result: RunResult, crystal: int, *, corner: Corner) -> None:
    """Write the metrics of one cluster and its null baselines as a small table."""
    comparison = result.comparison
    rows = {
        "reconstruction": comparison.metrics,
        "empty image": comparison.null_zero,
        "global mean": comparison.null_global,
    }
    left, top = corner
    for i, metric in enumerate(comparison.metrics):
        right = left + 1.75 + 0.75 * i
        sheet.text(right, top, UNITS.get(metric, metric.upper()), ha="right", fontsize=SMALL_FONT, color=FAINT_INK)
        for j, values in enumerate(rows.values(), start=1):
            digits = 1 if metric == "psnr" else 3
            words = f"{values[metric][crystal]:.{digits}f}"
            sheet.text(right, top + j * TEXT_LINE, words, ha="right", fontsize=SMALL_FONT)
    for j, words in enumerate(rows, start=1):
        sheet.text(left, top + j * TEXT_LINE, words, fontsize=SMALL_FONT, color=FAINT_INK)


def _span(difference: FloatArray, result: RunResult) -> float:
    """Give the counts at which the colours of a difference end: almost its largest outside the direct beam."""
    values = np.abs(difference[outside_beam(result)])
    highest = float(np.percentile(values, 99.8)) if values.size else 0.0
    return highest if np.isfinite(highest) and highest > 0 else 1.0


def _crystal_patterns(sheet: Sheet, result: RunResult, patterns: FloatArray, grid: Grid, *, corner: Corner) -> None:
    clusters = result.clusters
    labels = [(clusters.name(i), color_of(clusters, i)) for i in range(len(patterns))]
    _framed_patterns(sheet, result, patterns, labels, grid=grid, corner=corner)


def _framed_patterns(
    sheet: Sheet,
    result: RunResult,
    patterns: FloatArray,
    labels: Sequence[Label],
    *,
    grid: Grid,
    corner: Corner,
) -> None:
    """Draw patterns in frames of their colours, with headings."""
    size = (grid.cell[0], grid.cell[1] - HEADING)
    for pattern, (words, color), (left, top) in zip(patterns, labels, grid.corners(*corner), strict=True):
        heading(sheet, (left, top), size[0], words, color=color)
        shown = show_pattern(sheet, (left, top + HEADING), size, pattern, result=result)
        frame(shown.axes, color)


def _pattern_grid(result: RunResult, n: int, width: float, *, most: float, rows_in: float | None = None) -> Grid:
    """Lay out n patterns over ``width`` inches in even rows, each at most ``most`` wide.

    With ``rows_in`` as large as so many inches of height allow, if they do; else about `USUAL_SIDE` wide.
    """
    if rows_in is None:
        most_columns = max(int((width + MARGIN) / (USUAL_SIDE + MARGIN)), 1)
        return _grid(result, n, width, even_columns(n, most_columns), most)
    most_columns = max(int((width + MARGIN) / (LEAST_SIDE + MARGIN)), 1)
    grids = [_grid(result, n, width, columns, most) for columns in range(1, most_columns + 1)]
    fitting = [grid for grid in grids if grid.size[1] <= rows_in]
    return max(fitting, key=lambda grid: grid.cell[0]) if fitting else grids[-1]


def _grid(result: RunResult, n: int, width: float, n_columns: int, most: float) -> Grid:
    side = min((width - (n_columns - 1) * MARGIN) / n_columns, most)
    picture = fit(result.geometry.pattern_shape, (side, side))
    return Grid(n=n, cell=(picture[0], picture[1] + HEADING), n_columns=n_columns, gap=MARGIN)
