"""Curves and heat maps of several filters: noise, losses, overlap."""

from collections.abc import Iterable
from itertools import count

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from unmix4d.records import FilterAnswer, FilterComparison, FloatArray, Zone
from unmix4d.report.filters.tables import NOISE, NOISE_WORDS
from unmix4d.report.palette import text_on
from unmix4d.report.pictures import add_colorbar
from unmix4d.report.sheet import FONT, INK, SMALL_FONT, Sheet, message_figure, plain_axes

LINES = ("#1a1a1a", "#e1781e", "#1e69c3", "#1ea587", "#b41e1e", "#874bb4")
MARKERS = "osD^vP"
CELL = (0.72, 0.24)
GAP = "#dcdcdc"
HEAT = "viridis"
MOST_WRITTEN = 40
START_MARKERS = "ox+s^D"
SHARES = 100.0


def noise_figure(comparison: FilterComparison) -> Figure:
    """Draw the NSD of every matched cluster with every filter, by both definitions, as heat maps."""
    n_rows, n_columns = comparison.n_classes, len(comparison.answers)
    shown = [name for name in NOISE if any(name in answer.noise for answer in comparison.answers)]
    if not n_rows or not shown:
        return message_figure("No filter finds a crystal, so there is no noise of clusters.")
    size = (CELL[0] * n_columns, max(CELL[1] * n_rows, 0.7))
    left, step_x, step_y = 0.85, size[0] + 2.0, size[1] + 0.75
    sheet = Sheet(left + step_x + size[0] + 0.95, 0.4 + step_y + size[1] + 0.35)
    # By definition in columns, so that both panels of one are under each other.
    places = {"nsd_immerkaer_mean": (0, 0), "nsd_std_mean": (1, 0)}
    places |= {"nsd_immerkaer_reconstruction": (0, 1), "nsd_std_reconstruction": (1, 1)}
    for name in shown:
        column, row = places[name]
        corner = left + column * step_x, 0.4 + row * step_y
        sheet.text(corner[0], corner[1] - 0.25, f"NSD, {NOISE_WORDS[name]}", fontweight="bold", fontsize=FONT)
        _heat(sheet, comparison, name, corner=corner, size=size)
    return sheet.figure


def _heat(
    sheet: Sheet, comparison: FilterComparison, name: str, *, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    values = _by_class(comparison, name)
    axes = sheet.axes(*corner, size)
    axes.set_facecolor(GAP)
    shown = axes.imshow(values, cmap=HEAT, aspect="auto", interpolation="nearest", vmin=0)
    axes.set_xticks(range(values.shape[1]), comparison.names, fontsize=SMALL_FONT)
    axes.set_yticks(range(values.shape[0]), [f"crystal {i}" for i in range(values.shape[0])], fontsize=SMALL_FONT)
    axes.tick_params(length=0, colors=INK)
    highest = max(float(np.nanmax(values)), np.finfo(float).tiny)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and len(values) <= MOST_WRITTEN:
            red, green, blue, _ = colormaps[HEAT](value / highest)
            color = text_on(to_hex((float(red), float(green), float(blue))))
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=SMALL_FONT, color=color)
    add_colorbar(sheet, (corner[0] + size[0] + 0.08, corner[1]), size[1], shown, "counts")


def _by_class(comparison: FilterComparison, name: str) -> FloatArray:
    """Values of a column as (n_classes, n_filters); NaN where a filter has no such cluster."""
    values = np.full((comparison.n_classes, len(comparison.answers)), np.nan)
    for column, answer in enumerate(comparison.answers):
        if name in answer.noise:
            values[answer.classes, column] = answer.noise[name]
    return values


def losses_figure(comparison: FilterComparison) -> Figure:
    """Draw the loss over k of every filter, and below how far its starts ended from the best of them."""
    answers = comparison.answers
    n_rows = -(-len(answers) // 2)
    sheet = Sheet(9.4, 3.6 + n_rows * 1.95)
    axes = sheet.axes(0.8, 0.45, (8.4, 2.5))
    ks = sorted({k for answer in answers for k in answer.losses})
    plain_axes(axes, ks)
    for answer, color, marker in zip(answers, LINES * 4, MARKERS * 4, strict=False):
        axes.plot(
            list(answer.losses),
            list(answer.losses.values()),
            marker=marker,
            color=color,
            markersize=4,
            linewidth=1.4,
            label=answer.name,
        )
        chosen = answer.decision.k
        if chosen in answer.losses:
            axes.plot(
                [chosen],
                [answer.losses[chosen]],
                "*",
                color=color,
                markeredgecolor="white",
                markersize=15,
                zorder=4,
            )
    axes.plot([], [], "*", color=INK, markersize=11, label="chosen k")
    axes.set_ylim(bottom=0)
    _name_axes(axes, "number of components k", "mean |V − V′| in counts")
    _legend(sheet, *axes.get_legend_handles_labels())
    starts = sorted({start for answer in answers for of_k in answer.start_losses.values() for start in of_k})
    markers = dict(zip(starts, START_MARKERS * len(starts), strict=False))
    for i, answer in enumerate(answers):
        row, column = divmod(i, 2)
        below = sheet.axes(0.8 + column * 4.35, 3.85 + row * 1.95, (3.95, 1.15))
        plain_axes(below, ks)
        _scatter(below, answer, markers, named=i == 0)
        below.set_title(
            f"Starts: {answer.name}", fontsize=FONT, loc="left", fontweight="bold", color=LINES[i % len(LINES)]
        )
        _name_axes(below, "k", "% above the best" if not column else "")
    if starts:
        _legend(sheet, *sheet.figure.axes[1].get_legend_handles_labels(), top=3.42)
    return sheet.figure


def _scatter(axes: Axes, answer: FilterAnswer, markers: dict[str, str], *, named: bool) -> None:
    """Draw how much worse than the best start of the same k each one ended, in percent."""
    highest = 0.0
    for start, marker in markers.items():
        points = [
            (k, SHARES * (of_k[start] / min(of_k.values()) - 1))
            for k, of_k in answer.start_losses.items()
            if start in of_k and min(of_k.values()) > 0
        ]
        highest = max([highest, *(value for _, value in points)])
        axes.plot(
            [k for k, _ in points],
            [value for _, value in points],
            marker,
            color="#444444" if marker in "x+" else INK,
            fillstyle="none",
            markersize=4.5,
            linestyle="none",
            label=start if named else None,
        )
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_ylim(-0.05 * (highest or 1.0), 1.1 * (highest or 1.0))


def overlap_figure(comparison: FilterComparison) -> Figure:
    """Draw how much overlap there is at each threshold, at boundaries and away from them."""
    sheet = Sheet(9.4, 3.5)
    zones: dict[Zone, str] = {"boundary": "Within one probe of a boundary", "interior": "Away from boundaries"}
    for (zone, words), column in zip(zones.items(), count()):
        axes = sheet.axes(0.8 + column * 4.5, 0.55, (3.9, 2.4))
        _overlap(axes, comparison, zone)
        n = next((row.n_assessed for row in comparison.overlaps if row.zone == zone), 0)
        axes.set_title(f"{words}: {n:,} probes", fontsize=FONT, loc="left", fontweight="bold")
        _name_axes(
            axes, "ratio of the second to the first crystal, at least", "% of these probes" if not column else ""
        )
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=4, label=answer.name)
        for answer, color, marker in zip(comparison.answers, LINES * 4, MARKERS * 4, strict=False)
    ]
    handles.append(
        Line2D([], [], color=INK, linestyle=":", marker="o", fillstyle="none", label="unfiltered counts")
    )
    _legend(sheet, handles, [str(handle.get_label()) for handle in handles])
    return sheet.figure


def _overlap(axes: Axes, comparison: FilterComparison, zone: Zone) -> None:
    thresholds: list[float] = []
    for answer, color, marker in zip(comparison.answers, LINES * 4, MARKERS * 4, strict=False):
        rows = comparison.overlap(answer.name, zone)
        thresholds = [row.threshold for row in rows]
        for number, line, fill in (("n_filtered", "-", "full"), ("n_refitted", ":", "none")):
            axes.plot(
                thresholds,
                [SHARES * row.share(number) for row in rows],
                linestyle=line,
                marker=marker,
                fillstyle=fill,
                color=color,
                markersize=4.5,
                linewidth=1.3,
            )
    plain_axes(axes, [])
    axes.set_xticks(thresholds)
    axes.set_ylim(bottom=0)


def _legend(sheet: Sheet, handles: Iterable[Artist], labels: Iterable[str], top: float = 0.06) -> None:
    """Name what is drawn in one line, its upper edge at ``top`` inches."""
    sheet.figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=6,
        fontsize=SMALL_FONT,
        frameon=False,
        bbox_to_anchor=(0.53, 1 - top / sheet.height),
        borderaxespad=0.0,
    )


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=SMALL_FONT, color=INK)
    axes.set_ylabel(y, fontsize=SMALL_FONT, color=INK)
