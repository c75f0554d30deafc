"""Where a factorization starts, all from the low-rank form (method 4.2)."""

import warnings

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.factorize.factored import Candidate
from unmix4d.records import FactoredMatrix, FloatArray

WARM = "warm"
STARTS = ("spa", "kmeans", "nndsvda", WARM, "random")
KMEANS_STEPS = 10
FAINT_QUANTILE = 0.2


def start_components(name: str, factored: FactoredMatrix, k: int, *, rng: np.random.Generator) -> FloatArray:
    """Give k non-negative start components in the weighted space.

    Parameters
    ----------
    name : {"spa", "kmeans", "nndsvda", "random"}
    factored : FactoredMatrix
    k : int
    rng : numpy.random.Generator

    Returns
    -------
    (k, n_pixels) float32

    Raises
    ------
    UsageError
        If there is no start of that name.
    """
    if name == "spa":
        picked = successive_projection(factored.scores, k)
        components = np.zeros((k, factored.basis.shape[1]), dtype=np.float32)
        components[: len(picked)] = np.maximum(factored.scores[picked] @ factored.basis, 0)
        return components
    if name == "kmeans":
        return _cluster_means(factored, k, rng)
    if name == "nndsvda":
        return nndsvda(factored, k)
    if name == "random":
        return _random(factored, k, rng)
    raise UsageError(f"no start named {name!r}; known: {', '.join(STARTS)}")


def successive_projection(scores: FloatArray, k: int) -> list[int]:
    """Pick k rows that are extreme: each time the longest, then project it out of all.

    Deterministic and nested in k (Araujo et al., Chemom. Intell. Lab. Syst. 57 (2001) 65; Gillis & Vavasis 2014).

    Parameters
    ----------
    scores : (n_probes, r) float
    k : int

    Returns
    -------
    list of int, length min(k, rank of the scores); ties go to the first row
    """
    rest = scores.astype(np.float64)
    squares = np.einsum("ij,ij->i", rest, rest)
    floor = np.finfo(np.float32).eps * float(squares.max(initial=0))
    picked: list[int] = []
    for _ in range(k):
        best = int(squares.argmax())
        if squares[best] <= floor:
            break
        picked.append(best)
        direction = rest[best] / np.sqrt(squares[best])
        along = rest @ direction
        rest -= np.outer(along, direction)
        squares = np.maximum(squares - along**2, 0)
    return picked


def _cluster_means(factored: FactoredMatrix, k: int, rng: np.random.Generator) -> FloatArray:
    """Means of k clusters of the directions of the patterns (Lloyd's algorithm from a k-means++ start)."""
    from scipy.cluster.vq import kmeans2  # noqa: PLC0415 - slow import

    lengths = np.linalg.norm(factored.scores, axis=1)
    floor = max(float(np.quantile(lengths, FAINT_QUANTILE)), float(np.finfo(np.float32).tiny))
    directions = factored.scores / np.maximum(lengths, np.float32(floor))[:, None]
    with warnings.catch_warnings():  # of clusters that become empty: their components start at zero
        warnings.simplefilter("ignore", UserWarning)
        means, labels = kmeans2(directions, _distant_rows(directions, k, rng), iter=KMEANS_STEPS, minit="matrix")
    filled = np.isin(np.arange(k), labels)
    return np.maximum(np.where(filled[:, None], means, 0).astype(np.float32) @ factored.basis, 0)


def _distant_rows(rows: FloatArray, k: int, rng: np.random.Generator) -> FloatArray:
    """Draw k rows, each with a chance that grows with its squared distance from those drawn before.

    k-means++ (Arthur & Vassilvitskii, SODA 2007), for fewer than k distinct rows too.
    """
    picked = [int(rng.integers(len(rows)))]
    apart = np.full(len(rows), np.inf)
    for _ in range(k - 1):
        apart = np.minimum(apart, ((rows - rows[picked[-1]]) ** 2).sum(axis=1))
        total = float(apart.sum())
        picked.append(int(rng.choice(len(rows), p=apart / total if total > 0 else None)))
    return rows[picked]


def nndsvda(factored: FactoredMatrix, k: int) -> FloatArray:
    """Non-negative double SVD with zeros filled by the mean.

    Boutsidis & Gallopoulos, Pattern Recognit. 41 (2008) 1350.

    Parameters
    ----------
    factored : FactoredMatrix
    k : int

    Returns
    -------
    (k, n_pixels) float32; the rows beyond the rank of the matrix hold the mean
    """
    values, vectors = np.linalg.eigh(factored.scores.T.astype(np.float64) @ factored.scores)
    turns = np.ascontiguousarray(vectors[:, ::-1].T, dtype=np.float32)
    components = np.zeros((k, factored.basis.shape[1]), dtype=np.float32)
    for i in range(min(k, factored.rank)):
        if values[-1 - i] <= 0:
            break
        u, v = factored.scores @ turns[i], turns[i] @ factored.basis
        halves = [(np.maximum(s * u, 0), np.maximum(s * v, 0)) for s in (1, -1)]
        norms = [(float(np.linalg.norm(a)), float(np.linalg.norm(b))) for a, b in halves]
        side = int(np.argmax([a * b for a, b in norms]))
        length, half = norms[side], halves[side][1]
        if length[1] > 0:
            components[i] = half / length[1] * np.sqrt(length[0] * length[1])
    components[components <= 0] = _mean_value(factored)
    return components


def _random(factored: FactoredMatrix, k: int, rng: np.random.Generator) -> FloatArray:
    """Absolute normal values about the square root of the mean."""
    values = np.abs(rng.standard_normal((k, factored.basis.shape[1])))
    return np.asarray(np.sqrt(_mean_value(factored) / k) * values, dtype=np.float32)


def _mean_value(factored: FactoredMatrix) -> float:
    return float(np.maximum(factored.scores.mean(axis=0) @ factored.basis, 0).mean())


def one_more(factored: FactoredMatrix, smaller: Candidate) -> FloatArray:
    """Add to the components of a smaller k what they leave over where that is largest.

    The residual is averaged over 3 x 3 neighbours first: noise of different probes goes down, a small grain that
    was missed stays.

    Parameters
    ----------
    factored : FactoredMatrix
    smaller : Candidate

    Returns
    -------
    (k + 1, n_pixels) float32
    """
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    left_over = factored.scores - smaller.weights @ (smaller.components @ factored.basis.T)
    maps = np.zeros((*factored.probe_mask.shape, factored.rank), dtype=np.float32)
    maps[factored.probe_mask] = left_over
    used = uniform_filter(factored.probe_mask.astype(np.float32), 3, mode="constant")[factored.probe_mask]
    smooth = uniform_filter(maps, (3, 3, 1), mode="constant")[factored.probe_mask] / used[:, None]
    worst = int(np.einsum("ij,ij->i", smooth, smooth).argmax())
    found = np.maximum(smooth[worst] @ factored.basis, 0)
    return np.concatenate([smaller.components, found[None]])
