"""A low-rank form of the weighted matrix, from one pass over the data (design, section 6)."""

from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.weighting import Sample, Weighting
from unmix4d.records import FactoredMatrix, FloatArray, PatternMatrix

OVERSAMPLING = 16
RANK_TOLERANCE = 1e-6
TILE_VALUES = 2**18


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
class _Part:
    """What one block gives: its row weights, products with the directions, and sums."""

    rows: slice
    row: FloatArray
    product: FloatArray
    back: FloatArray
    norm2: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Project:
    """Multiplies blocks with the directions, which hold the column weights, and back."""

    matrix: PatternMatrix
    weighting: Weighting
    directions: FloatArray

    def __call__(self, block: int) -> _Part:
        patterns, weighting = self.matrix.read_block(block), self.weighting
        n, n_pixels = patterns.shape
        buffer = Buffer(n, n_pixels)
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
        return _Part(
            rows=self.matrix.rows_of(block),
            row=row,
            product=product,
            back=back,
            norm2=float(squares @ row.astype(np.float64) ** 2),
        )


def sketch_matrix(
    matrix: PatternMatrix, weighting: Weighting, directions: FloatArray, *, executor: Executor
) -> FactoredMatrix:
    """Project the weighted matrix on the space that its products with ``directions`` span.

    One pass: Y = D Q and Yᵀ D together give the orthogonal projection of D on the columns of Y, which is half
    a power iteration better than projecting on Q itself.

    Parameters
    ----------
    matrix : PatternMatrix
    weighting : Weighting
    directions : (n_pixels, r) float32
    executor : Executor

    Returns
    -------
    FactoredMatrix
    """
    r = directions.shape[1]
    products = np.zeros((matrix.n_probes, r), dtype=np.float32)
    row = np.zeros(matrix.n_probes, dtype=np.float32)
    back = np.zeros((r, matrix.n_pixels))
    norm2 = 0.0
    weighted = weighting.column[:, None] * directions
    project = _Project(matrix=matrix, weighting=weighting, directions=weighted)
    for part in executor.map_blocks(project, range(matrix.n_blocks)):
        products[part.rows], row[part.rows] = part.product, part.row
        back += part.back
        norm2 += part.norm2
    scores, basis = _orthogonal(products, back)
    return FactoredMatrix(
        scores=scores,
        basis=basis,
        row=row,
        column=weighting.column,
        norm2=norm2,
        geometry=matrix.geometry,
        probe_mask=matrix.probe_mask,
        pixel_mask=matrix.pixel_mask,
    )


def _orthogonal(products: FloatArray, back: FloatArray) -> tuple[FloatArray, FloatArray]:
    """From Y (n_probes, r) and YᵀD (r, n_pixels), the projection of D on the columns of Y as scores and basis."""
    gram = products.T.astype(np.float64) @ products
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_TOLERANCE * values.max()
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    lean = whiten.T @ back
    squares, left = np.linalg.eigh(lean @ lean.T)
    order = np.argsort(squares)[::-1]
    order = order[squares[order] > RANK_TOLERANCE**2 * max(float(squares.max()), np.finfo(float).tiny)]
    singular, left = np.sqrt(squares[order]), left[:, order]
    basis = (left / singular).T @ lean
    scores = products @ np.asarray(whiten @ (left * singular), dtype=np.float32)
    return scores, basis.astype(np.float32)
