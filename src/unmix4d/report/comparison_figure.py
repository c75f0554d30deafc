"""The figure of each cluster against what was measured: mean, reconstruction, own crystal, members, and metrics."""

from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from unmix4d.records import ClusterComparison, ClusterMembers, FloatArray, RunResult
from unmix4d.report.looks import color_of
from unmix4d.report.pictures import HEADING, heading, outside_beam, pattern_norm, show_pattern
from unmix4d.report.sections import patterns_named
from unmix4d.report.sheet import (
    FAINT_INK,
    MARGIN,
    PAGE_WIDTH,
    SMALL_FONT,
    Corner,
    Grid,
    Sheet,
    Size,
    fit,
    message_figure,
)

MOST_COMPARED = 8
TEXT_LINE = 0.155
COLUMN = 0.76
FIRST_COLUMN = 1.25
"""Inches of the names of the rows."""

BETWEEN = 0.08
UNITS = {"psnr": "PSNR (dB)"}

Picture = tuple[FloatArray, tuple[str, str], dict[str, Any]]
"""A pattern, two lines under it, and its style."""


def comparison_figure(result: RunResult) -> Figure:
    """Draw each cluster's mean, reconstruction, difference, own crystal and two members, with metrics below."""
    comparison = result.comparison
    compared = np.flatnonzero(comparison.counts)
    if not compared.size:
        return message_figure("No cluster has any probe, so there is nothing to compare.")
    # The mean of a cluster that was changed by hand is known only where it is made of whole ones.
    compared = compared[np.isfinite(comparison.mean_patterns[compared]).any(axis=(1, 2))]
    if not compared.size:
        return message_figure("All clusters were changed by hand: a mean of theirs takes another look at the data.")
    shown = compared[np.argsort(-comparison.counts[compared], kind="stable")][:MOST_COMPARED]
    shown.sort()
    room = (PAGE_WIDTH - 2 * MARGIN - 5 * BETWEEN) / 6
    side = fit(result.geometry.pattern_shape, (room, 1.6))
    lines = len(comparison.rivals) + 2 + len(comparison.sources)
    cell = (PAGE_WIDTH - 2 * MARGIN, HEADING + side[1] + 0.45 + lines * TEXT_LINE)
    grid = Grid(n=len(shown), cell=cell, n_columns=1, gap=0.24)
    more = len(compared) - len(shown)
    note = f"The {len(shown)} largest of {len(compared)} clusters are shown; the tables have all." if more else ""
    sheet = Sheet(PAGE_WIDTH, grid.size[1] + 2 * MARGIN + (0.2 if note else 0))
    for crystal, corner in zip(shown.tolist(), grid.corners(MARGIN, MARGIN), strict=True):
        _compare_one(sheet, result, crystal, corner=corner, side=side, room=room)
    sheet.text(MARGIN, sheet.height - 0.24, note, fontsize=SMALL_FONT, color=FAINT_INK)
    return sheet.figure


def _compare_one(sheet: Sheet, result: RunResult, crystal: int, *, corner: Corner, side: Size, room: float) -> None:
    """Draw the pictures of one cluster, and its metrics."""
    left, top = corner
    comparison = result.comparison
    words = f"{result.clusters.name(crystal)}: {comparison.counts[crystal]:,} probes, {patterns_named(comparison)}"
    heading(sheet, corner, PAGE_WIDTH - 2 * MARGIN, words, color=color_of(result.clusters, crystal))
    below = top + HEADING + side[1] + 0.04
    for i, (pattern, lines, style) in enumerate(_pictures(result, crystal)):
        at = left + i * (room + BETWEEN) + (room - side[0]) / 2
        show_pattern(sheet, (at, top + HEADING), side, pattern, result=result, bar=i == 0, **style)
        for j, line in enumerate(lines):
            middle = at + side[0] / 2
            sheet.text(middle, below + j * TEXT_LINE, line, ha="center", fontsize=SMALL_FONT, color=FAINT_INK)
    for i, one in enumerate(comparison.sources):
        _metrics(sheet, one, crystal, corner=(left, below + 0.38), first=i)
    rows = len(comparison.rivals) + 2
    for i, one in enumerate(comparison.sources):
        under = below + 0.38 + (rows + i) * TEXT_LINE
        sheet.text(left, under, _spread(one, crystal), fontsize=SMALL_FONT, color=FAINT_INK)


def _pictures(result: RunResult, crystal: int) -> list[Picture]:
    """Give what is known of: mean, reconstruction, their difference, own crystal, and two members."""
    comparison = result.comparison
    measured, rebuilt = comparison.mean_patterns[crystal], comparison.reconstructed_patterns[crystal]
    common = {"norm": pattern_norm(measured, result)}
    pictures: list[Picture] = [(measured, ("measured mean", ""), common)]
    if np.isfinite(rebuilt).any():
        difference = measured - rebuilt
        span = _ends(difference, result)
        style = {"norm": Normalize(-span, span), "cmap": "RdBu_r"}
        pictures.append((rebuilt, ("reconstruction", "all components"), common))
        pictures.append((difference, ("mean − reconstruction", f"± {span:.2g} counts"), style))
    if comparison.crystal_patterns is not None:
        alone = comparison.crystal_patterns[crystal]
        pictures.append((alone, ("own crystal alone", "part of the reconstruction"), common))
    for name, members in (("most typical", comparison.typical), ("most atypical", comparison.atypical)):
        if members is not None and members.places[crystal, 0] >= 0:
            pictures.append(_member(name, members, crystal, result))
    return pictures


def _member(name: str, members: ClusterMembers, crystal: int, result: RunResult) -> Picture:
    y, x = members.places[crystal].tolist()
    pattern = members.patterns[crystal]
    words = (f"{name}: ({y}, {x})", f"cosine {members.cosines[crystal]:.3f}")
    return pattern, words, {"norm": pattern_norm(pattern, result)}


def _metrics(sheet: Sheet, comparison: ClusterComparison, crystal: int, *, corner: Corner, first: int) -> None:
    """Write the metrics of all that stands against the mean as a small table; number ``first`` beside others."""
    left, top = corner
    across = left + FIRST_COLUMN + first * (len(comparison.metrics) * COLUMN + 0.3)
    words = f"against {patterns_named(comparison)}"
    sheet.text(across + 0.1, top, words, fontsize=SMALL_FONT, color=FAINT_INK)
    for i, metric in enumerate(comparison.metrics):
        right = across + COLUMN * (i + 1)
        title = UNITS.get(metric, metric.upper())
        sheet.text(right, top + TEXT_LINE, title, ha="right", fontsize=SMALL_FONT, color=FAINT_INK)
        for j, values in enumerate(comparison.rivals.values(), start=2):
            value, digits = values[metric][crystal], 1 if metric == "psnr" else 3
            words = f"{value:.{digits}f}" if np.isfinite(value) else "–"
            sheet.text(right, top + j * TEXT_LINE, words, ha="right", fontsize=SMALL_FONT)
    for j, words in enumerate(comparison.rivals if first == 0 else (), start=2):
        sheet.text(left, top + j * TEXT_LINE, words, fontsize=SMALL_FONT, color=FAINT_INK)


def _spread(comparison: ClusterComparison, crystal: int) -> str:
    """Say how near the members are to the reconstruction; nothing where that is not known."""
    least, most = comparison.atypical, comparison.typical
    if least is None or most is None or least.places[crystal, 0] < 0:
        return ""
    names = ("member_cosine_q1", "member_cosine_median", "member_cosine_q3")
    inner = [comparison.columns[name][crystal] for name in names]
    values = " · ".join(f"{value:.3f}" for value in (least.cosines[crystal], *inner, most.cosines[crystal]))
    of = patterns_named(comparison)
    return f"cosine of members with the reconstruction, {of}, least · quartiles · most: {values}"


def _ends(difference: FloatArray, result: RunResult) -> float:
    """Give the counts at which the colours of a difference end: almost its largest outside the direct beam."""
    values = np.abs(difference[outside_beam(result)])
    highest = float(np.percentile(values, 99.8)) if values.size else 0.0
    return highest if np.isfinite(highest) and highest > 0 else 1.0
