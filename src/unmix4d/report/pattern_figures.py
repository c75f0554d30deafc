"""Figures on the detector: the summary, crystals and components."""

from collections.abc import Sequence

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
    show_map,
    show_pattern,
)
from unmix4d.report.sheet import (
    FONT,
    MARGIN,
    PAGE_WIDTH,
    Corner,
    Grid,
    Sheet,
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
