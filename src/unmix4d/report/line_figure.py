"""Patterns and weights along a line across a boundary (paper, Fig. 5)."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unmix4d.records import FloatArray, RunResult, Trajectory
from unmix4d.report.looks import color_of
from unmix4d.report.pictures import (
    BAR_STRIP,
    HEADING,
    heading,
    label_colors,
    outside_beam,
    pattern_norm,
    show_map,
    show_pattern,
)
from unmix4d.report.sheet import (
    FAINT_INK,
    INK,
    MARGIN,
    PAGE_WIDTH,
    SMALL_FONT,
    Sheet,
    Size,
    fit,
    message_figure,
    plain_axes,
)

NOTHING = "No two crystals overlap significantly, so there is no line to show."
NAMES_WIDTH = 1.15
TITLE = 0.25
GAP = 0.06
PROFILE_HEIGHT = 1.25
LEAST_WEIGHT = 0.03
"""Share of the largest weight on the line from which on a crystal is drawn."""

Row = tuple[str, FloatArray, dict[str, Any]]


def trajectory_figure(result: RunResult) -> Figure:
    """Draw where the line is, weights and share along it, and at each point the patterns and their parts."""
    mixing = result.overlap.measured
    line = None if mixing is None else mixing.trajectory
    if line is None:
        return message_figure(NOTHING)
    rows = _rows(result, line)
    n = len(line.points)
    width = (PAGE_WIDTH - 2 * MARGIN - NAMES_WIDTH - (n - 1) * GAP) / n
    side = fit(result.geometry.pattern_shape, (min(width, 1.5), 1.5))
    map_size = fit(result.geometry.scan_shape, (4.0, 3.1))
    upper = max(TITLE + map_size[1] + BAR_STRIP, 2 * (TITLE + PROFILE_HEIGHT) + 0.95)
    lower = HEADING + 0.04 + len(rows) * (side[1] + GAP)
    sheet = Sheet(PAGE_WIDTH, upper + lower + 4 * MARGIN)
    _where(sheet, result, line, map_size)
    _profiles(sheet, result, line, MARGIN + max(map_size[0], 1.5) + 0.85)
    _patterns(sheet, result, line, rows, top=upper + 2 * MARGIN, side=side)
    return sheet.figure


def _rows(result: RunResult, line: Trajectory) -> list[Row]:
    """Name the rows of patterns; all but the residual have one contrast."""
    inside = outside_beam(result)
    common: dict[str, Any] = {"norm": pattern_norm(line.raw.max(axis=0), result)}
    values = np.abs(line.residual[:, inside])
    span = float(np.percentile(values, 99.5)) if values.size else 1.0
    residual: dict[str, Any] = {"norm": Normalize(-(span or 1.0), span or 1.0), "cmap": "RdBu_r"}
    filtered = result.record.settings.get("filter", "raw")
    rows: list[Row] = [("measured", line.raw, common)]
    if filtered != "raw":
        rows.append((f"after the filter\n{filtered}", line.filtered, common))
    return [
        *rows,
        ("reconstruction", line.reconstruction, common),
        (result.clusters.name(line.first), line.part_first, common),
        (result.clusters.name(line.second), line.part_second, common),
        (f"residual,\n± {span:.2g} counts", line.residual, residual),
    ]


def _where(sheet: Sheet, result: RunResult, line: Trajectory, size: Size) -> None:
    words = "The line that was given" if line.chosen else "Across the overlap"
    sheet.text(MARGIN, MARGIN, f"{words}, in the cluster map", fontweight="bold")
    colors = 0.45 + 0.55 * label_colors(result.clusters)
    axes = show_map(sheet, (MARGIN, MARGIN + TITLE), size, colors, result=result).axes
    y, x = line.probes.T
    axes.plot(x[[0, -1]], y[[0, -1]], color=INK, linewidth=1.2)
    axes.plot(x[line.points], y[line.points], "o", color=INK, markersize=3.5)
    across = np.array([y[-1] - y[0], -(x[-1] - x[0])], dtype=np.float64)
    across /= max(float(np.hypot(*across)), 1.0)
    for number, (row, column) in enumerate(line.probes[line.points].tolist(), start=1):
        axes.annotate(
            str(number),
            (column, row),
            xytext=(9 * across[0], -9 * across[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL_FONT,
            fontweight="bold",
            color=INK,
        )


def _profiles(sheet: Sheet, result: RunResult, line: Trajectory, left: float) -> None:
    """Draw weights, and below them the share of the second crystal with its interval."""
    size = (PAGE_WIDTH - left - 1.25, PROFILE_HEIGHT)
    place = np.arange(len(line.probes))
    sheet.text(left, MARGIN, "Bragg counts", fontweight="bold")
    upper = sheet.axes(left, MARGIN + TITLE, size)
    largest = float(line.weights.max()) or 1.0
    shown = [k for k in range(line.weights.shape[1]) if line.weights[:, k].max() >= LEAST_WEIGHT * largest]
    shown = sorted({*shown, line.first, line.second})
    for k in shown:
        style = "-" if k in (line.first, line.second) else "--"
        upper.plot(
            place,
            line.weights[:, k],
            style,
            color=color_of(result.clusters, k),
            label=result.clusters.name(k),
            linewidth=1.4,
        )
    upper.legend(fontsize=SMALL_FONT, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    upper.set_ylim(bottom=0)
    top = MARGIN + 2 * TITLE + PROFILE_HEIGHT + 0.2
    sheet.text(
        left,
        top,
        f"Share of {result.clusters.name(line.second)} in both, with its 95 % interval",
        fontweight="bold",
    )
    below = sheet.axes(left, top + TITLE, size)
    known = np.isfinite(line.low)
    below.errorbar(
        place[known],
        line.fraction[known],
        yerr=[
            np.maximum(line.fraction - line.low, 0)[known],
            np.maximum(line.high - line.fraction, 0)[known],
        ],
        fmt="o",
        color=INK,
        markersize=3,
        linewidth=1.0,
        capsize=2,
    )
    below.set_ylim(-0.04, 1.04)
    below.set_xlabel("probes along the line", fontsize=SMALL_FONT, color=INK)
    for axes in (upper, below):
        _style(axes, line)


def _style(axes: Axes, line: Trajectory) -> None:
    plain_axes(axes, [])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(-0.5, len(line.probes) - 0.5)
    for number, place in enumerate(line.points.tolist(), start=1):
        axes.axvline(place, color=FAINT_INK, linewidth=0.7, linestyle=":")
        axes.annotate(
            str(number),
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL_FONT,
            color=FAINT_INK,
        )


def _patterns(
    sheet: Sheet, result: RunResult, line: Trajectory, rows: list[Row], *, top: float, side: Size
) -> None:
    """Draw one column for each point."""
    left = MARGIN + NAMES_WIDTH
    for i, (y, x) in enumerate(line.probes[line.points].tolist()):
        at = left + i * (side[0] + GAP)
        share = line.fraction[line.points[i]]
        words = f"{i + 1}: y {y}, x {x}" + (f", {share:.2f}" if np.isfinite(share) else "")
        heading(sheet, (at, top), side[0], words, color="#e8e8e8")
    for j, (words, images, style) in enumerate(rows):
        upper = top + HEADING + 0.04 + j * (side[1] + GAP)
        sheet.text(MARGIN, upper + side[1] / 2, words, va="center", fontsize=SMALL_FONT)
        for i, image in enumerate(images):
            corner = (left + i * (side[0] + GAP), upper)
            show_pattern(sheet, corner, side, image, result=result, bar=i == 0 and j == 0, **style)
