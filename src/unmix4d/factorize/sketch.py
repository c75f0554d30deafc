"""A low-rank form of the weighted matrix, from one pass over the data (design, section 6)."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypedDict

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.groups import SIDE, Groups, group
from unmix4d.factorize.weighting import Sample, Weighting
from unmix4d.records import AnyArray, BoolArray, FactoredMatrix, FloatArray, Geometry, IntArray, PatternMatrix

OVERSAMPLING = 16
MANY_PROBES = 32768
"""Above that many, squares of probes are added up before they are projected (docs/decisions/0012)."""

RANK_TOLERANCE = 1e-6
TILE_VALUES = 2**18
COLUMNS = 4096


class Buffer:
    """Room for some columns of a block as float32, which stays in cache; ``tiles`` are the pieces that fit."""

    def __init__(self, n_rows: int, n_pixels: int) -> None:
        width = min(n_pixels, max(256, TILE_VALUES // max(1, n_rows)))
        self.tiles = [slice(left, min(left + width, n_pixels)) for left in range(0, n_pixels, width)]
        self.room = np.empty(n_rows * width, dtype=np.float32)
        self.n_rows = n_rows

    def part(self, tile: slice) -> FloatArray:
        """Room for these columns: (n_rows, width), C-contiguous."""
        width = tile.stop - tile.start
        return self.room[: self.n_rows * width].reshape(self.n_rows, width)


def prime(sample: Sample, weighting: Weighting, *, rank: int, rng: np.random.Generator) -> FloatArray:
    """Directions to project on: the leading right singular vectors of weighted sample rows, and random ones.

    Parameters
    ----------
    sample : Sample
    weighting : Weighting
    rank : int
        Number of directions from the sample, as far as it has them.
    rng : numpy.random.Generator

    Returns
    -------
    (n_pixels, r) float32, columns of unit length for the weighted matrix
    """
    from scipy.linalg import eigh  # noqa: PLC0415 - slow import

    n, n_pixels = sample.counts.shape
    gram, sums = np.zeros((n, n)), np.zeros(n)
    buffer = Buffer(n, n_pixels)
    for tile in buffer.tiles:
        counts = buffer.part(tile)
        sums += weighting.unpack(sample.counts, tile.start, counts)[0]
        counts *= weighting.column[tile]
        gram += counts @ counts.T
    row = weighting.of_rows(sums).astype(np.float64)
    values, vectors = eigh(row[:, None] * gram * row, subset_by_index=(max(0, n - rank), n - 1))
    order = np.argsort(values)[::-1]
    order = order[values[order] > RANK_TOLERANCE**2 * max(float(values.max(initial=0)), np.finfo(float).tiny)]
    back = (row[:, None] * vectors[:, order] / np.sqrt(values[order])).astype(np.float32)
    n_random = max(0, min(OVERSAMPLING, n_pixels - len(order)))
    directions = np.empty((n_pixels, len(order) + n_random), dtype=np.float32)
    for tile in buffer.tiles:
        counts = buffer.part(tile)
        weighting.unpack(sample.counts, tile.start, counts)
        directions[tile, : len(order)] = weighting.column[tile, None] * (counts.T @ back)
    directions[:, len(order) :] = rng.standard_normal((n_pixels, n_random)) / np.sqrt(n_pixels)
    return directions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """A matrix in low-rank form, and what is known of all of its probes.

    Attributes
    ----------
    factored : FactoredMatrix
        Of all probes, or of squares of them where they are many.
    row : (n_probes,) float32
        Weights of all probes.
    norm2 : float
        Sum of squares of the weighted matrix of all probes.
    """

    factored: FactoredMatrix
    row: FloatArray
    norm2: float

    def to_probes(self, weights: FloatArray) -> FloatArray:
        """Give every probe its share of weights (n_rows, k) of the low-rank form: (n_probes, k), column-major."""
        of = self.factored.of
        if of is None:
            return weights
        share = np.bincount(of) * self.factored.row
        per_probe = np.divide(weights.T, share, out=np.zeros(weights.T.shape, np.float32), where=share > 0)
        return np.ascontiguousarray(per_probe[:, of] * self.row).T


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What one block gives: weights of its probes and rows, products of the rows with the directions, and sums."""

    probes: slice
    rows: slice
    probe_row: FloatArray
    row: FloatArray
    product: FloatArray
    back: FloatArray
    probe_norm2: float
    norm2: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Project:
    """Multiplies blocks with the directions, which hold the column weights, and back."""

    matrix: PatternMatrix
    weighting: Weighting
    directions: FloatArray
    of: IntArray | None

    def __call__(self, block: int) -> _Part:
        patterns, probes = self.matrix.read_block(block), self.matrix.rows_of(block)
        return self._of_probes(patterns, probes) if self.of is None else self._of_squares(patterns, probes, self.of)

    def _of_probes(self, patterns: AnyArray, probes: slice) -> _Part:
        n, n_pixels = patterns.shape
        buffer, weighting = Buffer(n, n_pixels), self.weighting
        product = np.zeros((n, self.directions.shape[1]), dtype=np.float32)
        sums, squares = np.zeros(n), np.zeros(n)
        for tile in buffer.tiles:
            counts = buffer.part(tile)
            of_rows, of_squares = weighting.unpack(patterns, tile.start, counts)
            sums += of_rows
            squares += of_squares
            product += counts @ self.directions[tile]
        row = weighting.of_rows(sums)
        product *= row[:, None]
        twice = (product * row[:, None]).T
        back = np.empty((self.directions.shape[1], n_pixels), dtype=np.float32)
        for tile in buffer.tiles:
            if len(buffer.tiles) > 1:
                counts = buffer.part(tile)
                weighting.unpack(patterns, tile.start, counts)
            back[:, tile] = (twice @ counts) * weighting.column[tile]
        norm2 = float(squares @ row.astype(np.float64) ** 2)
        return _Part(
            probes=probes,
            rows=probes,
            probe_row=row,
            row=row,
            product=product,
            back=back,
            probe_norm2=norm2,
            norm2=norm2,
        )

    def _of_squares(self, patterns: AnyArray, probes: slice, of: IntArray) -> _Part:
        rows = slice(int(of[probes].min()), int(of[probes].max()) + 1)
        own, weighting = of[probes] - rows.start, self.weighting
        counts = np.empty((rows.stop - rows.start, patterns.shape[1]), dtype=np.float32)
        sums, squares = weighting.add_up(patterns, own, counts)
        probe_row = weighting.of_rows(sums)
        row = weighting.of_rows(np.asarray(np.bincount(own, sums), dtype=np.float64))
        product = (counts @ self.directions) * row[:, None]
        back = (product * row[:, None]).T @ counts
        back *= weighting.column
        counts *= weighting.column
        lengths = np.einsum("ij,ij->i", counts, counts).astype(np.float64)
        return _Part(
            probes=probes,
            rows=rows,
            probe_row=probe_row,
            row=row,
            product=product,
            back=back,
            probe_norm2=float(squares @ probe_row.astype(np.float64) ** 2),
            norm2=float(lengths @ row.astype(np.float64) ** 2),
        )


def find_squares(matrix: PatternMatrix) -> Groups | None:
    """Squares of 2 x 2 probes, if probes are many and no block holds a part of one; else None."""
    if matrix.n_probes <= MANY_PROBES:
        return None
    squares = group(matrix.probe_mask, SIDE)
    spans = [squares.of[matrix.rows_of(block)] for block in range(matrix.n_blocks)]
    return squares if all(a.max() < b.min() for a, b in pairwise(spans)) else None


def sketch_matrix(
    matrix: PatternMatrix, weighting: Weighting, directions: FloatArray, *, executor: Executor
) -> Sketch:
    """Project the weighted matrix on the space that its products with ``directions`` span.

    One pass: Y = D Q and Yᵀ D together give the orthogonal projection of D on the columns of Y, which is half
    a power iteration better than projecting on Q itself. Of many probes squares are added up first: neighbours
    hold the same pattern nearly everywhere, and the weights of every probe are fitted to the data later.

    Parameters
    ----------
    matrix : PatternMatrix
    weighting : Weighting
    directions : (n_pixels, r) float32
    executor : Executor

    Returns
    -------
    Sketch
    """
    r, squares = directions.shape[1], find_squares(matrix)
    of = None if squares is None else squares.of
    n_rows = matrix.n_probes if squares is None else len(squares.scale)
    products, row = np.zeros((n_rows, r), dtype=np.float32), np.zeros(n_rows, dtype=np.float32)
    probe_row = np.zeros(matrix.n_probes, dtype=np.float32)
    back = np.zeros((r, matrix.n_pixels))
    norm2 = probe_norm2 = 0.0
    weighted = weighting.column[:, None] * directions
    project = _Project(matrix=matrix, weighting=weighting, directions=weighted, of=of)
    for part in executor.map_blocks(project, range(matrix.n_blocks)):
        products[part.rows], row[part.rows], probe_row[part.probes] = part.product, part.row, part.probe_row
        back += part.back
        norm2 += part.norm2
        probe_norm2 += part.probe_norm2
    scores, basis = _orthogonal(products, back)
    factored = FactoredMatrix(
        scores=scores,
        basis=basis,
        row=row,
        column=weighting.column,
        norm2=norm2,
        pixel_mask=matrix.pixel_mask,
        of=of,
        **outline(matrix, squares),
    )
    return Sketch(factored=factored, row=probe_row, norm2=probe_norm2)


class Outline(TypedDict):
    """Where the rows of a low-rank form lie on the scan."""

    geometry: Geometry
    probe_mask: BoolArray


def outline(matrix: PatternMatrix, squares: Groups | None) -> Outline:
    """Give geometry and mask of all probes, or of the squares."""
    if squares is None:
        return {"geometry": matrix.geometry, "probe_mask": matrix.probe_mask}
    step = matrix.geometry.scan_step_nm
    geometry = replace(
        matrix.geometry,
        scan_shape=(squares.mask.shape[0], squares.mask.shape[1]),
        scan_step_nm=None if step is None else SIDE * step,
    )
    return {"geometry": geometry, "probe_mask": squares.mask}


def _orthogonal(products: FloatArray, back: FloatArray) -> tuple[FloatArray, FloatArray]:
    """From Y (n_probes, r) and YᵀD (r, n_pixels), the projection of D on the columns of Y as scores and basis.

    ``back`` is overwritten: with many pixels nothing else is as large.
    """
    gram = products.T.astype(np.float64) @ products
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_TOLERANCE * values.max()
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    lean = back[: whiten.shape[1]]
    for first in range(0, back.shape[1], COLUMNS):
        here = slice(first, first + COLUMNS)
        lean[:, here] = whiten.T @ back[:, here]
    squares, left = np.linalg.eigh(lean @ lean.T)
    order = np.argsort(squares)[::-1]
    order = order[squares[order] > RANK_TOLERANCE**2 * max(float(squares.max()), np.finfo(float).tiny)]
    singular, left = np.sqrt(squares[order]), left[:, order]
    turn, basis = (left / singular).T, np.empty((len(order), back.shape[1]), dtype=np.float32)
    for first in range(0, back.shape[1], COLUMNS):
        here = slice(first, first + COLUMNS)
        basis[:, here] = turn @ lean[:, here]
    scores = products @ np.asarray(whiten @ (left * singular), dtype=np.float32)
    return scores, basis
