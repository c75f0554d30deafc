"""Maps from the table of spots: the beam, the spots, their number, the noise."""

import numpy as np
from matplotlib.figure import Figure

from unmix4d.records import FloatArray, RunResult
from unmix4d.report.pictures import BAR_STRIP, add_colorbar, show_map
from unmix4d.report.sheet import MARGIN, PAGE_WIDTH, Grid, Sheet, fit

COLORBAR = 0.85
TITLE = 0.25
WIDE = 2.0


def spots_figure(result: RunResult) -> Figure:
    """Draw virtual bright and dark field, number of spots, prominence and noise of every pattern."""
    spots = result.spots
    assert spots is not None
    maps: dict[str, FloatArray] = {
        "Direct beam (counts)": spots.bright_field(),
        "All other spots (counts)": spots.dark_field(),
        "Number of other spots": spots.count_map().astype(np.float64),
        "Prominence, summed (counts)": spots.prominence_map(),
        "Noise in the corners (counts)": spots.noise.astype(np.float64),
        "Least prominence (counts)": spots.least_prominence.astype(np.float64),
    }
    scan_y, scan_x = result.geometry.scan_shape
    columns = 2 if scan_x > WIDE * scan_y else 3
    room = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * MARGIN) / columns - COLORBAR
    size = fit((scan_y, scan_x), (room, 2.6))
    cell = (max(size[0], 1.2) + COLORBAR, TITLE + max(size[1], 0.9) + BAR_STRIP + 0.1)
    grid = Grid(n=len(maps), cell=cell, n_columns=columns)
    sheet = Sheet(grid.size[0] + 2 * MARGIN, grid.size[1] + 2 * MARGIN)
    for (words, image), (left, top) in zip(maps.items(), grid.corners(MARGIN, MARGIN), strict=True):
        sheet.text(left, top, words, fontweight="bold")
        low, high = np.percentile(image, (0.5, 99.5))
        style = {"cmap": "gray", "vmin": low, "vmax": high if high > low else low + 1}
        shown = show_map(sheet, (left, top + TITLE), size, image, result=result, **style)
        add_colorbar(sheet, (left + size[0] + 0.08, top + TITLE), max(size[1], 0.9), shown, "")
    return sheet.figure
