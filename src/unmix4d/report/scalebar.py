"""Scale bars of round length (1, 2 or 5 times a power of ten), in nm, µm, 1/Å, or probes and pixels."""

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from unmix4d.report.sheet import INK, SMALL_FONT

NM_PER_UM = 1000.0
SHARE = 0.3
"""The longest share of a picture's width that a bar takes."""


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A bar: its length in elements of the picture, and what is written at it."""

    elements: float
    label: str


def round_length(longest: float) -> float:
    """Give the largest of 1, 2, 5, 10 ... x 10^n that is not longer than ``longest``, a positive number."""
    power = 10.0 ** math.floor(math.log10(longest))
    # A hair of slack: 0.3 / 0.1 and the like fall just short of the round number that is meant.
    return max(step for step in (1, 2, 5, 10) if step * power <= longest * (1 + 1e-9)) * power


def scan_bar(n_probes: int, step_nm: float | None, share: float = SHARE) -> ScaleBar:
    """Give the scale bar of a map that is ``n_probes`` wide; in probes if the scan step is unknown."""
    if step_nm is None:
        length = max(1.0, round_length(max(share * n_probes, 1.0)))
        return ScaleBar(length, f"{length:g} probe{'' if length == 1 else 's'}")
    length = round_length(max(share * n_probes, 0.5) * step_nm)
    label = f"{length:g} nm" if length < NM_PER_UM else f"{length / NM_PER_UM:g} µm"
    return ScaleBar(length / step_nm, label)


def pattern_bar(n_pixels: int, step_inv_angstrom: float | None, share: float = SHARE) -> ScaleBar:
    """Give the scale bar of a pattern that is ``n_pixels`` wide; in pixels if its step is unknown."""
    if step_inv_angstrom is None:
        length = round_length(max(share * n_pixels, 1.0))
        return ScaleBar(length, f"{length:g} px")
    length = round_length(max(share * n_pixels, 0.5) * step_inv_angstrom)
    return ScaleBar(length / step_inv_angstrom, f"{length:g} 1/Å")


def draw_below(axes: Axes, bar: ScaleBar, n_columns: int, *, height: float) -> None:
    """Draw a bar under a picture ``height`` inches high and ``n_columns`` elements wide, where it hides nothing."""
    thickness, drop = 0.05 / height, 0.12 / height
    axes.add_patch(
        Rectangle(
            (0, -drop),
            bar.elements / n_columns,
            thickness,
            transform=axes.transAxes,
            clip_on=False,
            color=INK,
            linewidth=0,
        )
    )
    axes.annotate(
        bar.label,
        (bar.elements / n_columns, -drop + thickness / 2),
        xycoords="axes fraction",
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_FONT,
        color=INK,
        annotation_clip=False,
    )


def draw_inside(axes: Axes, bar: ScaleBar, n_columns: int) -> None:
    """Draw a white bar with its length into the lower left corner of a dark picture."""
    left, bottom = 0.05, 0.05
    outline = [withStroke(linewidth=2, foreground="black")]
    axes.plot(
        [left, left + bar.elements / n_columns],
        [bottom, bottom],
        transform=axes.transAxes,
        color="white",
        linewidth=2.5,
        solid_capstyle="butt",
        scalex=False,
        scaley=False,
    )
    axes.text(
        left,
        bottom + 0.03,
        bar.label,
        transform=axes.transAxes,
        va="bottom",
        color="white",
        fontsize=SMALL_FONT,
        path_effects=outline,
    )
