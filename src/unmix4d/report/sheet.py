"""A figure on which everything is placed in inches, so that nothing can overlap whatever the shape of the scan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

FONT = 9.0
SMALL_FONT = 8.0
INK, FAINT_INK = "#1a1a1a", "#555555"
MARGIN = 0.12
PAGE_WIDTH = 10.0
"""Widest figure in inches: the report shows 100 pixels for an inch."""

MIN_SIDE = 0.45
"""No picture is thinner than this: a scan of one line is drawn as a band."""

Size = tuple[float, float]
Corner = tuple[float, float]


@dataclass(slots=True)
class Sheet:
    """A white figure of ``width`` x ``height`` inches; positions count from its upper left corner."""

    width: float
    height: float
    figure: Figure = field(init=False)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width, self.height), facecolor="white")

    def axes(self, left: float, top: float, size: Size) -> Axes:
        """Place axes of ``size`` (width, height)."""
        width, height = size
        bottom = self.height - top - height
        return self.figure.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )

    def text(self, left: float, top: float, words: str, **style: Any) -> None:  # noqa: ANN401 - what Figure.text takes
        """Write ``words``, their upper edge at ``top``."""
        style = {"fontsize": FONT, "color": INK, "va": "top", "ha": "left", **style}
        self.figure.text(left / self.width, 1 - top / self.height, words, **style)

    def chip(self, left: float, top: float, color: str, size: float = 0.14) -> None:
        """Draw a small square of one colour."""
        corner = (left / self.width, 1 - (top + size) / self.height)
        sides = (size / self.width, size / self.height)
        self.figure.add_artist(
            Rectangle(
                corner, *sides, facecolor=color, edgecolor=INK, linewidth=0.4, transform=self.figure.transFigure
            )
        )


def fit(shape: tuple[int, int], box: Size) -> Size:
    """Give the size (width, height) of a picture of ``shape`` (y, x) in a box; never thinner than `MIN_SIDE`."""
    scale = min(box[0] / shape[1], box[1] / shape[0])
    return max(shape[1] * scale, min(MIN_SIDE, box[0])), max(shape[0] * scale, min(MIN_SIDE, box[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Equal cells in rows: where the upper left corner of each is, and how much room they take."""

    n: int
    cell: Size
    n_columns: int
    gap: float = 0.12

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return -(-self.n // self.n_columns)

    @property
    def size(self) -> Size:
        """Width and height of all cells with the gaps between them."""
        columns, rows = min(self.n, self.n_columns), self.n_rows
        width, height = self.cell
        return columns * width + max(columns - 1, 0) * self.gap, rows * height + max(rows - 1, 0) * self.gap

    def corners(self, left: float, top: float) -> Iterator[Corner]:
        """Give the upper left corner of each cell, row by row."""
        for i in range(self.n):
            row, column = divmod(i, self.n_columns)
            yield left + column * (self.cell[0] + self.gap), top + row * (self.cell[1] + self.gap)


def even_columns(n: int, most: int) -> int:
    """Give the number of columns that fills as few rows as ``most`` columns would, as evenly as possible."""
    n_rows = max(-(-n // most), 1)
    return max(-(-n // n_rows), 1)


def message_figure(words: str) -> Figure:
    """Give a small figure that says why there is nothing to draw."""
    sheet = Sheet(6.0, 0.8)
    sheet.text(3.0, 0.4, words, ha="center", va="center", color=FAINT_INK)
    return sheet.figure


def legend_above(sheet: Sheet, axes: Axes) -> None:
    """Name everything that is drawn in one line at the top of the sheet."""
    sheet.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper center",
        ncols=4,
        fontsize=SMALL_FONT,
        frameon=False,
        bbox_to_anchor=(0.53, 0.99),
    )


def plain_axes(axes: Axes, ks: Sequence[int]) -> None:
    """Style axes that show something over k."""
    axes.tick_params(labelsize=SMALL_FONT, colors=INK)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if ks:
        step = max(1, -(-len(ks) // 20))
        axes.set_xticks(list(ks)[::step])
        axes.set_xlim(min(ks) - 0.6, max(ks) + 0.6)
