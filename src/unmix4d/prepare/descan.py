"""How the direct beam wanders over the scan: seen in parts of the scan, and described by a smooth curve."""

import numpy as np

from unmix4d.prepare.beam import find_beam
from unmix4d.prepare.repair import Descan, fill, powers
from unmix4d.prepare.tally import Cells, Tally
from unmix4d.records import BoolArray, FloatArray

LEAST_REACH = 1.0
MOST_REST, MOST_REST_PIXELS = 0.2, 0.5
LEAST_CELLS = 12
LEAST_COUNTS = 100.0
ROUNDS = 5


def beam_places(tally: Tally, bad: BoolArray) -> FloatArray:
    """Find the direct beam in every part of the scan.

    Parameters
    ----------
    tally : Tally
        With cells.
    bad : (pixel_y, pixel_x) bool
        Stored pixels that are not believed.

    Returns
    -------
    (n_cells, 2) float64
        Its (y, x) in stored pixels; NaN where there is none.
    """
    cells = tally.cells
    assert cells is not None
    (top, left), (height, width) = cells.corner, cells.size
    window = bad[top : top + height, left : left + width]
    places = np.full((len(tally.cell_sums), 2), np.nan)
    for i, image in enumerate(tally.cell_sums):
        beam = find_beam(fill(image, window), reach=0.5) if image.sum() >= LEAST_COUNTS else None
        if beam is not None:
            places[i] = beam.center[0] + top, beam.center[1] + left
    return places


def reach_of(places: FloatArray, cells: Cells) -> float:
    """How far the beam wanders by the fitted curve, pixels; NaN if it cannot be told."""
    fitted = _fit(places, cells)
    return np.nan if fitted is None else Descan(scan_shape=cells.scan_shape, terms=fitted[0]).reach


def find_descan(places: FloatArray, cells: Cells) -> Descan | None:
    """Describe how the beam wanders, if it does so surely.

    A robust polynomial of second order in the place of the probe. It must span more than a pixel, and leave little
    over beside that: grains that scatter near the beam move it by steps, which no polynomial follows.

    Parameters
    ----------
    places : (n_cells, 2) float64
        Of `beam_places`.
    cells : Cells

    Returns
    -------
    Descan or None
    """
    fitted = _fit(places, cells)
    if fitted is None:
        return None
    terms, rest = fitted
    descan = Descan(scan_shape=cells.scan_shape, terms=terms)
    return descan if descan.reach > LEAST_REACH and rest < min(MOST_REST * descan.reach, MOST_REST_PIXELS) else None


def _fit(places: FloatArray, cells: Cells) -> tuple[FloatArray, float] | None:
    """Give the terms (2, 6), about the middle place, and the median distance that they leave over."""
    known = np.isfinite(places).all(axis=1)
    if known.sum() < max(LEAST_CELLS, len(places) / 2):
        return None
    y, x = cells.centers()
    known_powers, measured = powers(y[known], x[known], cells.scan_shape), places[known]
    weight = np.ones(len(measured))
    for _ in range(ROUNDS):
        terms = np.linalg.lstsq(weight[:, None] * known_powers, weight[:, None] * measured, rcond=None)[0].T
        rest = np.hypot(*(measured - known_powers @ terms.T).T)
        scale = max(float(np.median(rest)), 1e-6)
        weight = np.sqrt(np.minimum(1.0, 2 * scale / np.maximum(rest, 1e-12)))
    middle = np.median(Descan(scan_shape=cells.scan_shape, terms=terms).everywhere(), axis=0)
    terms[:, 0] -= middle
    return terms, float(np.median(rest))
