"""Figures of the paper's procedure: beside ours, and its losses, matrices, clusters, patterns, overlap, weights."""

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unmix4d.records import AnyArray, FloatArray, PaperAnswer, PaperScores, RunResult
from unmix4d.report.curve_figures import CHOSEN, LINE, RANGE
from unmix4d.report.map_figures import (
    COLORBAR,
    WEIGHT_COLORS,
    WIDE,
    grid_of_maps,
    map_with_legend,
    percent,
    step_note,
)
from unmix4d.report.palette import NO_LABEL, PAPER_BACKGROUND, PAPER_OVERLAP_COLORS, paper_color, rgb
from unmix4d.report.pictures import (
    BAR_STRIP,
    HEADING,
    add_colorbar,
    colors_with_gaps,
    frame,
    heading,
    label_colors,
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
    Grid,
    Sheet,
    even_columns,
    fit,
    legend_above,
    message_figure,
    plain_axes,
)

MARGIN_K = 4
DIFFERS = "#b41e1e"
WHITE = "#ffffff"
OVERLAP_NOTE = """\
Ratio of the second to the first
weight. Each row counts all probes
that reach it. Background never
overlaps."""
MOST_SHOWN = 24


def answer_of(result: RunResult) -> PaperAnswer:
    """Give the paper's answer of a run that has one."""
    assert result.paper is not None
    return result.paper


def name_of(paper: PaperAnswer, component: int) -> str:
    """Name a component as the paper numbers them, from 1, and say whether it is the background."""
    return f"{component + 1}: background" if component == paper.map.background else f"component {component + 1}"


def color_of(paper: PaperAnswer, component: int) -> str:
    """Give the colour of a component in the paper's maps."""
    return paper_color(component, paper.map.background)


def paper_loss_figure(result: RunResult) -> Figure:
    """Draw the loss of the paper's sweep with its knee and the k within four of it."""
    paper = answer_of(result)
    ks = list(paper.losses)
    sheet = Sheet(7.0, 3.6)
    axes = sheet.axes(0.95, 0.5, (5.9, 2.55))
    plain_axes(axes, ks)
    low, high = paper.knee_used - MARGIN_K, paper.knee_used + MARGIN_K
    if paper.knee is not None:
        axes.axvspan(low - 0.5, high + 0.5, color=RANGE, zorder=0, label=f"knee ± {MARGIN_K}, {low} to {high}")
        axes.axvline(paper.knee, color=INK, linestyle=":", linewidth=1.2, label=f"knee, {paper.knee}")
    axes.plot(ks, list(paper.losses.values()), "o-", color=LINE, markersize=4, linewidth=1.4, label="loss")
    axes.axvline(paper.k, color=CHOSEN, linewidth=1.2, alpha=0.8, zorder=1, label=f"k of the maps, {paper.k}")
    axes.set_xlabel("number of components k", fontsize=SMALL_FONT, color=INK)
    axes.set_ylabel("mean |V − V′|, white = 1", fontsize=SMALL_FONT, color=INK)
    legend_above(sheet, axes)
    return sheet.figure


def paper_matrices_figure(result: RunResult) -> Figure:
    """Draw each metric between the components that count, its column means, and what other orders would report."""
    paper = answer_of(result)
    shown = paper.scores
    if not shown:
        return message_figure("The patterns are too small for image metrics.")
    sheet = Sheet(9.2, 5.6 * -(-len(shown) // 2) + 0.1)
    for i, scores in enumerate(shown):
        _one_metric(sheet, scores, left=0.55 + (i % 2) * 4.6, top=5.6 * (i // 2) + 0.1)
    return sheet.figure


def _one_metric(sheet: Sheet, scores: PaperScores, *, left: float, top: float) -> None:
    side = 2.7
    values = scores.values[scores.first :, scores.first :]
    n = len(values)
    names = [str(scores.first + i + 1) for i in range(n)]
    place = scores.reported - scores.first - 1
    sheet.text(left, top, f"{scores.metric.upper()}: reports k = {scores.reported}", fontweight="bold")
    axes = sheet.axes(left, top + 0.3, (side, side))
    image = axes.imshow(values, cmap="Blues", aspect="auto", interpolation="nearest", norm=_off_diagonal(values))
    axes.set_xticks(range(n), names)
    axes.set_yticks(range(n), names)
    axes.tick_params(labelsize=SMALL_FONT, length=2)
    axes.set_ylabel("component", fontsize=SMALL_FONT)
    axes.add_patch(Rectangle((place - 0.5, -0.5), 1, n, fill=False, edgecolor=CHOSEN, linewidth=2.5))
    add_colorbar(sheet, (left + side + 0.08, top + 0.3), side, image, "")
    means = sheet.axes(left, top + 0.3 + side + 0.35, (side, 0.65))
    _bare_curve(means, "column mean")
    means.plot(range(n), scores.means, "o-", color=LINE, markersize=4, linewidth=1.4)
    means.plot([place], [scores.means[place]], "o", color=CHOSEN, markersize=8)
    means.margins(y=0.25)
    means.set_xticks(range(n), names)
    others = sheet.axes(left, top + 0.3 + side + 1.35, (side, 0.5))
    _bare_curve(others, "orders")
    counts = np.bincount(scores.reported_if_permuted - scores.first - 1, minlength=n)
    others.bar(range(n), counts, color=FAINT_INK, width=0.7)
    for axis in (means, others):
        axis.set_xlim(-0.5, n - 0.5)
    others.set_xticks(range(n), names)
    words = f"k reported, if components are in other orders ({len(scores.reported_if_permuted)})"
    others.set_xlabel(words, fontsize=SMALL_FONT, color=INK)


def _off_diagonal(values: FloatArray) -> Normalize:
    """Give a scale for what is not on the diagonal, which PSNR alone would fill."""
    rest = values[~np.eye(len(values), dtype=bool)]
    return Normalize(float(rest.min()), float(rest.max())) if rest.size else Normalize(0, 1)


def _bare_curve(axes: Axes, words: str) -> None:
    axes.tick_params(labelsize=SMALL_FONT, length=2)
    axes.set_ylabel(words, fontsize=SMALL_FONT, color=INK)
    axes.locator_params(axis="y", nbins=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def paper_clusters_figure(result: RunResult) -> Figure:
    """Draw the paper's label map in its own colours, background black."""
    paper = answer_of(result)
    n = paper.map.labels.size
    lines = [
        (color_of(paper, i), name_of(paper, i), f"{count:,}", percent(count, n))
        for i, count in enumerate(paper.counts.tolist())
    ]
    note = step_note(result)
    return map_with_legend(result, paper_colors(paper), lines, titles=("", "probes", "area"), note=note).figure


def paper_colors(paper: PaperAnswer) -> FloatArray:
    """Give the colour of every probe in the paper's label map: (scan_y, scan_x, 3)."""
    table = np.array([rgb(color_of(paper, i)) for i in range(paper.k)])
    return np.asarray(table[paper.map.labels.astype(np.intp)])


def paper_beside_figure(result: RunResult) -> Figure:
    """Draw the paper's map, ours, and where they differ after matching labels."""
    paper = answer_of(result)
    apart = differing(result)
    shades = np.where(apart[..., None], rgb(DIFFERS), rgb(NO_LABEL))
    words = f"Labels that do not match: {int(apart.sum()):,} ({percent(int(apart.sum()), apart.size)})"
    pictures: dict[str, AnyArray] = {
        f"The paper's procedure: k = {paper.k}": paper_colors(paper),
        f"Ours: {result.clusters.n_crystals} crystals, k = {result.decision.k}": label_colors(result.clusters),
        words: shades,
    }
    scan_y, scan_x = result.geometry.scan_shape
    columns = 2 if scan_x > WIDE * scan_y else 3
    width = (PAGE_WIDTH - (columns + 1) * MARGIN) / columns
    size = fit((scan_y, scan_x), (width, 4.5))
    cell = (max(size[0], width), size[1] + 0.25 + BAR_STRIP)
    grid = Grid(n=len(pictures), cell=cell, n_columns=columns)
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN)
    for (title, image), (left, top) in zip(pictures.items(), grid.corners(MARGIN, MARGIN), strict=True):
        sheet.text(left, top, title, fontweight="bold", fontsize=SMALL_FONT)
        show_map(sheet, (left, top + 0.25), size, image, result=result)
    return sheet.figure


def differing(result: RunResult) -> AnyArray:
    """Give the probes whose labels in the two maps are not matched: (scan_y, scan_x) bool."""
    paper = answer_of(result)
    theirs = np.where(paper.map.labels == paper.map.background, -1, paper.map.labels)
    same = np.zeros(theirs.shape, dtype=bool)
    for there, here in paper.agreement.matched:
        same |= (theirs == there) & (result.clusters.labels == here)
    return ~same


def paper_patterns_figure(result: RunResult) -> Figure:
    """Draw each cluster's measured mean and its component as 8-bit images, with the metrics between them."""
    paper = answer_of(result)
    whole = replace(result, pixel_mask=np.ones(result.geometry.pattern_shape, dtype=bool))
    n = min(paper.k, MOST_SHOWN)
    side = fit(result.geometry.pattern_shape, (1.5, 1.5))
    cell = (2 * side[0] + 0.06, HEADING + side[1] + 0.55)
    grid = Grid(n=n, cell=cell, n_columns=even_columns(n, 3), gap=0.2)
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN)
    for i, (left, top) in enumerate(grid.corners(MARGIN, MARGIN)):
        color = color_of(paper, i)
        heading(sheet, (left, top), cell[0], name_of(paper, i), color=color)
        measured, made = paper.mean_patterns[i].astype(float), paper.component_patterns[i].astype(float)
        norm = pattern_norm(measured if paper.counts[i] else made, whole)
        for j, (pattern, words) in enumerate(((measured, "measured mean"), (made, "component"))):
            at = left + j * (side[0] + 0.06)
            shown = show_pattern(sheet, (at, top + HEADING), side, pattern, result=whole, bar=j == 0, norm=norm)
            frame(shown.axes, color)
            below = top + HEADING + side[1] + 0.05
            sheet.text(at + side[0] / 2, below, words, ha="center", fontsize=SMALL_FONT, color=FAINT_INK)
        sheet.text(left, top + HEADING + side[1] + 0.22, _metric_words(paper, i), fontsize=SMALL_FONT)
    return sheet.figure


def _metric_words(paper: PaperAnswer, component: int) -> str:
    if not paper.counts[component]:
        return "no probe"
    words = [
        f"{name.upper()} {values[component]:.{1 if name == 'psnr' else 3}f}"
        for name, values in paper.metrics.items()
    ]
    return "\n".join("  ".join(words[i : i + 2]) for i in range(0, len(words), 2))


def paper_overlap_figure(result: RunResult) -> Figure:
    """Draw the paper's overlap map: its five colours on white, background black."""
    paper = answer_of(result)
    mapped = paper.map
    image = np.ones((*mapped.labels.shape, 3))
    image[mapped.labels == mapped.background] = rgb(PAPER_BACKGROUND)
    lines: list[tuple[str, ...]] = []
    for level, (threshold, color) in enumerate(zip(mapped.thresholds, PAPER_OVERLAP_COLORS, strict=True), start=1):
        image[mapped.level == level] = rgb(color)
        n = int((mapped.level >= level).sum())
        lines.append((color, f"≥ {threshold:.2f}", f"{n:,}", percent(n, mapped.level.size)))
    n_background = int((mapped.labels == mapped.background).sum())
    n_none = int((mapped.level == 0).sum()) - n_background
    lines.append((WHITE, "no overlap", f"{n_none:,}", ""))
    lines.append((PAPER_BACKGROUND, "background", f"{n_background:,}", ""))
    return map_with_legend(result, image, lines, titles=("ratio", "probes", "area"), note=OVERLAP_NOTE).figure


def paper_weights_figure(result: RunResult) -> Figure:
    """Draw the weight map of every component on the one scale that the paper gives them, 0 to 1."""
    paper = answer_of(result)
    low, high = float(paper.weights.min()), float(paper.weights.max())
    maps = (paper.weights - low) / ((high - low) or 1.0)
    size, grid = grid_of_maps(result, len(maps))
    sheet = Sheet(grid.size[0] + 2 * MARGIN + COLORBAR, grid.size[1] + 2 * MARGIN)
    style = {"cmap": colors_with_gaps(WEIGHT_COLORS, NO_LABEL), "vmin": 0, "vmax": 1}
    for i, (left, top) in enumerate(grid.corners(MARGIN, MARGIN)):
        words = f"{i + 1}: background" if i == paper.map.background else f"{i + 1}"
        heading(sheet, (left, top), grid.cell[0], words, color=color_of(paper, i))
        shown = show_map(sheet, (left, top + HEADING), size, maps[i], result=result, **style)
    corner = (MARGIN + grid.size[0] + MARGIN, MARGIN + HEADING)
    add_colorbar(sheet, corner, max(size[1], 1.0), shown, "weight, scaled together")
    return sheet.figure
