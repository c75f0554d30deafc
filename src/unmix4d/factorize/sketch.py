"""A low-rank form of the weighted matrix, from one pass over the data (design, section 6)."""

from dataclasses import dataclass

import numpy as np

from unmix4d.execute import Executor
from unmix4d.factorize.weighting import Weighting
from unmix4d.records import FloatArray, PatternMatrix

RANK = 64
OVERSAMPLING = 16
RANK_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """The weighted matrix as ``scores @ basis``.

    Attributes
    ----------
    scores : (n_probes, r) float32
        Left singular vectors times singular values, in descending order.
    basis : (r, n_pixels) float32
        Orthonormal rows.
    norm2 : float
        Sum of squares of the weighted matrix itself, exact.
    """

    scores: FloatArray
    basis: FloatArray
    norm2: float

    @property
    def rank(self) -> int:
        """Number of directions kept."""
        return int(self.basis.shape[0])


def prime(sample: FloatArray, *, rank: int, rng: np.random.Generator) -> FloatArray:
    """Directions to project on: the leading right singular vectors of weighted sample rows, and random ones.

    Parameters
    ----------
    sample : (n, n_pixels) float32
    rank : int
        Number of directions from the sample, as far as it has them.
    rng : numpy.random.Generator

    Returns
    -------
    (n_pixels, r) float32, orthonormal columns
    """
    gram = sample.astype(np.float64) @ sample.T.astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:rank]
    order = order[values[order] > RANK_TOLERANCE**2 * max(float(values.max(initial=0)), np.finfo(float).tiny)]
    leading = sample.T @ vectors[:, order]
    n_random = min(OVERSAMPLING, sample.shape[1] - len(order))
    random = rng.standard_normal((sample.shape[1], max(0, n_random)))
    scale = np.linalg.norm(leading, axis=0) if leading.size else np.ones(0)
    basis, _ = np.linalg.qr(np.hstack([leading / scale, random]))
    return np.asarray(basis, dtype=np.float32)


def sketch_matrix(
    matrix: PatternMatrix, weighting: Weighting, directions: FloatArray, *, executor: Executor
) -> Sketch:
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
    Sketch
    """
    r = directions.shape[1]
    products = np.zeros((matrix.n_probes, r), dtype=np.float32)
    back = np.zeros((r, matrix.n_pixels))
    norm2 = 0.0

    def project(block: int) -> tuple[slice, FloatArray, FloatArray, float]:
        rows = matrix.rows_of(block)
        weighted = weighting.apply(matrix.read_block(block), rows)
        product = weighted @ directions
        return (
            rows,
            product,
            product.T @ weighted,
            float(np.einsum("ij,ij->", weighted, weighted, dtype=np.float64)),
        )

    for rows, product, part, squares in executor.map_blocks(project, range(matrix.n_blocks)):
        products[rows] = product
        back += part
        norm2 += squares
    gram = products.T.astype(np.float64) @ products
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_TOLERANCE * values.max()
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    left, singular, basis = np.linalg.svd(whiten.T @ back, full_matrices=False)
    scores = products @ (whiten @ left * singular).astype(np.float32)
    return Sketch(scores=scores, basis=basis.astype(np.float32), norm2=norm2)
