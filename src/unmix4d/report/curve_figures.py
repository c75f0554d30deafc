"""Figures of the decision: the loss, what speaks for each k, and how alike the components are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unmix4d.records import CriterionCurve, PairwiseScores, RunResult
from unmix4d.report.pictures import add_colorbar
from unmix4d.report.sheet import FONT, INK, SMALL_FONT, Sheet, legend_above, message_figure, plain_axes
from unmix4d.report.tables import losses

LINE, CHOSEN, RANGE, STAR = "#1e69c3", "#b41e1e", "#fff3d6", "#f0a000"
ENOUGH = 0.45
"""Below this share a factorization explains the signal; see docs/decide.md."""

DISTINCTNESS = ("nearest_ssim", "nearest_gmsd", "nearest_mdsi")
MATRICES = ("ssim", "gmsd", "mdsi")
TITLES = {
    "nearest_ssim": "SSIM distinctness",
    "nearest_gmsd": "GMSD distinctness",
    "nearest_mdsi": "MDSI distinctness",
}
MOST_WRITTEN = 8
"""Up to this k the numbers are written into the matrices."""


def loss_figure(result: RunResult) -> Figure:
    """Draw the loss over k with the knee, the range of interest and the chosen k, and how far the starts agree."""
    decision = result.decision
    loss = losses(result)
    ks = list(loss)
    stability = next((curve for curve in decision.curves if curve.name == "stability" and curve.ks), None)
    sheet = Sheet(7.0, 3.6 if stability is None else 5.4)
    if stability is not None:
        below = sheet.axes(0.85, 3.85, (6.0, 1.0))
        plain_axes(below, ks)
        below.plot(stability.ks, stability.values, "o-", color=LINE, markersize=4, linewidth=1.4)
        below.margins(y=0.15)
        _mark_chosen(below, result)
        below.set_title("Agreement of the starts", fontsize=FONT, loc="left", fontweight="bold")
        _name_axes(below, "number of components k", "mean cosine")
    axes = sheet.axes(0.85, 0.5, (6.0, 2.55))
    plain_axes(axes, ks)
    axes.axvspan(
        decision.k_low - 0.5,
        decision.k_high + 0.5,
        color=RANGE,
        zorder=0,
        label=f"range of interest, {decision.k_low} to {decision.k_high}",
    )
    axes.plot(ks, list(loss.values()), "o-", color=LINE, markersize=4, linewidth=1.4, label="loss")
    knee = next((curve.choice for curve in decision.curves if curve.name == "loss"), None)
    if knee is not None:
        axes.axvline(knee, color=INK, linestyle=":", linewidth=1.2, label=f"knee, {knee}")
    _mark_chosen(axes, result)
    axes.plot([decision.k], [result.factorization.loss], "o", color=CHOSEN, markersize=8, zorder=3)
    _name_axes(axes, "number of components k", "mean |V − V′| in counts")
    legend_above(sheet, axes)
    return sheet.figure


def decision_figure(result: RunResult) -> Figure:
    """Draw both counts of the crystals, what speaks for each k, and what every criterion would choose."""
    decision = result.decision
    curves = {curve.name: curve for curve in decision.curves}
    shown = [curves[name] for name in DISTINCTNESS if name in curves]
    votes = {name: k for name, k in decision.votes.items() if "crystals" not in name}
    sheet = Sheet(10.0, 11.7 + 0.2 * len(votes))
    ks = list(losses(result))
    size = (4.05, 1.8)
    places = [(0.75 + column * 5.0, 0.4 + row * 2.7) for row in range(4) for column in range(2)]
    _vote_counts(sheet.axes(*places[0], size), result)
    drawn = (_unexplained, _crystal_counts, _held_out, _signal_to_noise)
    for draw, place in zip(drawn, places[1:], strict=False):
        axes = sheet.axes(*place, size)
        plain_axes(axes, ks)
        draw(axes, result)
        _mark_chosen(axes, result)
    for curve, place in zip(shown, places[1 + len(drawn) :], strict=False):
        axes = sheet.axes(*place, size)
        plain_axes(axes, ks)
        _criterion(axes, curve)
        _mark_chosen(axes, result)
    axes = sheet.axes(3.0, 11.05, (6.8, 0.2 + 0.2 * len(votes)))
    plain_axes(axes, ks)
    _votes(axes, votes, most=max(ks))
    _mark_chosen(axes, result)
    return sheet.figure


def matrices_figure(result: RunResult) -> Figure:
    """Draw how alike each two components of the chosen k are, by each metric."""
    k = result.decision.k
    scores = {score.metric: score for score in result.decision.pairwise.get(k, ())}
    shown = [scores[metric] for metric in MATRICES if metric in scores]
    if k == 1 or not shown:
        return message_figure(
            "There is one component, so there is nothing to compare it with."
            if k == 1
            else f"The components of k = {k} were not compared with each other."
        )
    sheet = Sheet(10.0, 3.35)
    for i, score in enumerate(shown):
        _matrix(sheet, score, left=0.4 + i * 3.3)
    return sheet.figure


def _matrix(sheet: Sheet, score: PairwiseScores, *, left: float) -> None:
    side = 2.25
    axes = sheet.axes(left, 0.62, (side, side))
    k = len(score.values)
    values = np.where(np.eye(k, dtype=bool), np.nan, score.values)
    # Bright means distinct in all three, whichever direction the metric has.
    colors = "viridis_r" if score.better == "higher" else "viridis"
    axes.set_facecolor("#e4e4e4")
    shown = axes.imshow(values, cmap=colors, aspect="auto", interpolation="nearest")
    ticks = range(0, k, max(1, -(-k // 12)))
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.tick_params(labelsize=SMALL_FONT, length=2)
    axes.set_xlabel("component", fontsize=SMALL_FONT)
    if k <= MOST_WRITTEN:
        _write_values(axes, score)
    direction = "higher" if score.better == "higher" else "lower"
    sheet.text(left, 0.1, score.metric.upper(), fontweight="bold")
    sheet.text(left, 0.32, f"{direction} = more alike; bright = distinct", fontsize=SMALL_FONT)
    add_colorbar(sheet, (left + side + 0.08, 0.62), side, shown, "")


def _write_values(axes: Axes, score: PairwiseScores) -> None:
    finite = score.values[~np.eye(len(score.values), dtype=bool)]
    middle = np.nanmean([np.nanmin(finite), np.nanmax(finite)]) if np.isfinite(finite).any() else 0.0
    for (row, column), value in np.ndenumerate(score.values):
        if row == column or not np.isfinite(value):
            continue
        bright = (value < middle) == (score.better == "higher")
        color = INK if bright else "white"
        words = f"{value:.3f}".replace("0.", ".")
        axes.text(column, row, words, ha="center", va="center", fontsize=SMALL_FONT, color=color)


def _criterion(axes: Axes, curve: CriterionCurve) -> None:
    axes.set_title(TITLES.get(curve.name, curve.name), fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "k", f"{curve.better} is better")
    if not curve.ks:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", fontsize=FONT)
        return
    _line(axes, curve)


def _vote_counts(axes: Axes, result: RunResult) -> None:
    """Bars: how many of the ways to group components find each number of crystals."""
    counts = dict(sorted(result.decision.counts.items()))
    axes.set_title("Ways to group components", fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "number of crystals found", "ways")
    axes.tick_params(labelsize=SMALL_FONT)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if not counts:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", fontsize=FONT)
        return
    n = result.decision.n_crystals
    span = range(min(*counts, n) - 1, max(*counts, n) + 2)
    axes.set_xticks([at for at in span if at >= 0])
    axes.set_xlim(span[0] - 0.6, span[-1] + 0.6)
    axes.bar(list(counts), list(counts.values()), width=0.7, color=[CHOSEN if at == n else LINE for at in counts])
    for at, times in counts.items():
        axes.text(at, times, f"{times / sum(counts.values()):.0%}", ha="center", va="bottom", fontsize=SMALL_FONT)
    axes.margins(y=0.2)


def _unexplained(axes: Axes, result: RunResult) -> None:
    """Draw what each k leaves unexplained, and the limit below which it suffices."""
    curve = _measured(axes, result, "unexplained")
    axes.set_title("Unexplained Bragg signal", fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "k", "share, worst patch")
    if curve is None:
        return
    axes.axhline(ENOUGH, color=INK, linestyle=":", linewidth=1.2)
    _line(axes, curve)
    axes.set_ylim(0, max(1.05, 1.05 * max(curve.values)))


def _held_out(axes: Axes, result: RunResult) -> None:
    """Draw how badly held-out counts are predicted, with the scatter over the folds."""
    curve = _measured(axes, result, "held_out")
    axes.set_title("Held-out counts", fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "k", "squared error, share")
    if curve is not None:
        axes.errorbar(curve.ks, curve.values, curve.errors, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.0)
        _line(axes, curve)


def _signal_to_noise(axes: Axes, result: RunResult) -> None:
    """Draw how far each direction of the data stands out of the noise, and the edge of the noise."""
    curve = _measured(axes, result, "signal_to_noise")
    axes.set_title("Signal-to-noise of direction k", fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "k", "multiple of noise edge")
    if curve is not None:
        axes.set_yscale("log")
        axes.axhline(1.0, color=INK, linestyle=":", linewidth=1.2)
        _line(axes, curve)


def _measured(axes: Axes, result: RunResult, name: str) -> CriterionCurve | None:
    """Give a curve of this name; None, and say so in the axes, if it was not measured."""
    curve = next((curve for curve in result.decision.curves if curve.name == name and curve.ks), None)
    if curve is None:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", fontsize=FONT)
    return curve


def _line(axes: Axes, curve: CriterionCurve) -> None:
    """Draw a curve with a star at the k that it prefers."""
    axes.plot(curve.ks, curve.values, "o-", color=LINE, markersize=4, linewidth=1.4)
    if curve.choice in curve.ks:
        best = curve.values[curve.ks.index(curve.choice)]
        axes.plot([curve.choice], [best], "*", color=STAR, markeredgecolor=INK, markersize=13, zorder=4)
        axes.margins(y=0.18)


def _crystal_counts(axes: Axes, result: RunResult) -> None:
    counts = {
        k: int(n)
        for c in result.decision.curves
        if c.name == "n_crystals"
        for k, n in zip(c.ks, c.values, strict=True)
    }
    counts |= {k: roles.n_crystals for k, roles in result.decision.roles.items()}
    counts = dict(sorted(counts.items()))
    axes.set_title("Distinct crystals among the components", fontsize=FONT, loc="left", fontweight="bold")
    _name_axes(axes, "k", "crystals")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.step(list(counts), list(counts.values()), where="mid", color=LINE, linewidth=1.2)
    axes.plot(list(counts), list(counts.values()), "o", color=LINE, markersize=4)
    axes.set_ylim(0, max(counts.values(), default=1) + 1)
    _mark_chosen(axes, result)


def _votes(axes: Axes, votes: dict[str, int], *, most: int) -> None:
    """Draw what every criterion would choose; a number beyond the sweep is written at its end."""
    axes.set_title("Votes", fontsize=FONT, loc="left", fontweight="bold")
    names: Sequence[str] = list(votes)
    for row, k in enumerate(votes.values()):
        mark, size = ("*", 11) if k <= most else (">", 7)
        axes.plot([min(k, most)], [row], mark, color=STAR, markeredgecolor=INK, markersize=size)
        if k > most:
            axes.text(most - 0.3, row, f"{k}", ha="right", va="center", fontsize=SMALL_FONT, color=INK)
    axes.set_yticks(range(len(names)), names, fontsize=SMALL_FONT)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("k   (red: chosen)", fontsize=SMALL_FONT, color=INK)


def _mark_chosen(axes: Axes, result: RunResult) -> None:
    k = result.decision.k
    axes.axvline(k, color=CHOSEN, linewidth=1.2, alpha=0.8, zorder=1, label=f"chosen k, {k}")


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=SMALL_FONT, color=INK)
    axes.set_ylabel(y, fontsize=SMALL_FONT, color=INK)
