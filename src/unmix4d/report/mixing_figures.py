"""Figures of measured overlap: kinds, shares with their errors, and what two crystals leave over."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from unmix4d.records import FloatArray, Mixing, RunResult
from unmix4d.report.map_figures import COLORBAR, WEIGHT_COLORS, WIDE, map_with_legend, percent
from unmix4d.report.palette import NO_LABEL, rgb
from unmix4d.report.pictures import (
    BAR_STRIP,
    add_colorbar,
    colors_with_gaps,
    label_greys,
    outside_beam,
    show_map,
    show_pattern,
)
from unmix4d.report.sheet import MARGIN, PAGE_WIDTH, Sheet, fit, message_figure

BOUNDARY_COLOR, STACKED_COLOR, THIRD_COLOR, UNKNOWN_COLOR = "#0072b2", "#e69f00", "#cc79a7", "#d55e00"
NOTHING = "Fewer than two crystals: there is no overlap to measure."
KINDS_NOTE = """\
Significant overlap, tested probe by
probe; areas are of the assessed
probes. At a boundary: a band
between both crystals alone."""
LEFT_NOTE = """\
Probes that two crystals do not
explain. The pattern is the mean
of what two leave over there."""
TITLE = 0.25


def kinds_figure(result: RunResult) -> Figure:
    """Draw where overlap is significant, and whether it is at a boundary or stacked."""
    mixing = result.overlap.measured
    if mixing is None:
        return message_figure(NOTHING)
    image = label_greys(result.clusters.labels)
    assessed = np.isfinite(mixing.fraction)
    lines = []
    for kind, (words, color) in enumerate((("boundary", BOUNDARY_COLOR), ("stacked", STACKED_COLOR)), start=1):
        own = mixing.kind == kind
        image[own] = rgb(color)
        lines.append((color, words, f"{own.sum():,}", percent(int(own.sum()), int(assessed.sum()))))
    none = assessed & (mixing.kind == 0)
    lines.append(("#7f7f7f", "not significant", f"{none.sum():,}", percent(int(none.sum()), int(assessed.sum()))))
    lines.append((NO_LABEL, "not assessed", f"{(~assessed).sum():,}", ""))
    return map_with_legend(result, image, lines, titles=("overlap", "probes", "area"), note=KINDS_NOTE).figure


def fraction_figure(result: RunResult) -> Figure:
    """Draw the share of the second crystal, and half the width of its 95 % interval."""
    mixing = result.overlap.measured
    if mixing is None:
        return message_figure(NOTHING)
    half = (mixing.high - mixing.low) / 2
    known = half[np.isfinite(half)]
    widest = float(np.percentile(known, 99)) if known.size else 1.0
    pictures = (
        ("Share of the second crystal", np.where(mixing.significant, mixing.fraction, _zero(mixing)), 0.5),
        ("Half the 95 % interval", half, max(widest, 1e-3)),
    )
    scan_y, scan_x = result.geometry.scan_shape
    stacked = scan_x > WIDE * scan_y
    room = PAGE_WIDTH - 2 * MARGIN
    width = room - COLORBAR if stacked else (room - MARGIN) / 2 - COLORBAR
    size = fit((scan_y, scan_x), (width, 4.0))
    high = max(size[1], 0.9)
    step = (0.0, TITLE + high + BAR_STRIP + 0.1) if stacked else (max(size[0], 1.9) + COLORBAR + MARGIN, 0.0)
    sheet = Sheet(
        step[0] + max(size[0], 1.9) + COLORBAR + 2 * MARGIN, step[1] + TITLE + high + BAR_STRIP + 2 * MARGIN
    )
    for i, (words, image, top_value) in enumerate(pictures):
        left, top = MARGIN + i * step[0], MARGIN + i * step[1]
        sheet.text(left, top, words, fontweight="bold")
        cmap = colors_with_gaps(WEIGHT_COLORS, NO_LABEL)
        corner = (left, top + TITLE)
        shown = show_map(sheet, corner, size, image, result=result, cmap=cmap, vmin=0, vmax=top_value)
        add_colorbar(sheet, (left + size[0] + 0.08, corner[1]), high, shown, "share of both")
    return sheet.figure


def _zero(mixing: Mixing) -> FloatArray:
    """0 where overlap was assessed, NaN elsewhere."""
    return np.where(np.isfinite(mixing.fraction), 0.0, np.nan)


def unexplained_figure(result: RunResult) -> Figure:
    """Draw where two crystals do not suffice, and the mean of what they leave over there."""
    mixing = result.overlap.measured
    if mixing is None:
        return message_figure(NOTHING)
    left = mixing.unexplained
    if not left.n_averaged:
        return message_figure("Two crystals explain every probe: nothing is left over.")
    image = label_greys(result.clusters.labels)
    third = left.third >= 0
    assessed = int(np.isfinite(mixing.fraction).sum())
    lines = []
    for words, where, color in (
        ("a third crystal", third, THIRD_COLOR),
        ("something else", left.unknown, UNKNOWN_COLOR),
    ):
        image[where] = rgb(color)
        lines.append((color, words, f"{where.sum():,}", percent(int(where.sum()), assessed)))
    side = fit(result.geometry.pattern_shape, (2.4, 2.4))
    below = TITLE + side[1] + MARGIN
    titles = ("left over", "probes", "area")
    sheet = map_with_legend(result, image, lines, titles=titles, note=LEFT_NOTE, below=below)
    top = sheet.height - below
    residual = np.where(np.isfinite(left.residual), left.residual, 0.0)
    values = np.abs(residual[outside_beam(result)])
    span = float(np.percentile(values, 99.8)) or 1.0
    sheet.text(MARGIN, top, f"Mean residual of {left.n_averaged:,} probes", fontweight="bold")
    style = {"norm": Normalize(-span, span), "cmap": "RdBu_r"}
    shown = show_pattern(sheet, (MARGIN, top + TITLE), side, residual, result=result, bar=False, **style)
    add_colorbar(sheet, (MARGIN + side[0] + 0.08, top + TITLE), side[1], shown, "counts")
    return sheet.figure
