"""Where a factorization starts: SPA, NNDSVDa and random (method 4.2), all from the low-rank form."""

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.factorize.sketch import Sketch
from unmix4d.records import FloatArray

STARTS = ("spa", "nndsvda", "random")


def start_components(name: str, sketch: Sketch, k: int, *, rng: np.random.Generator) -> FloatArray:
    """Give k non-negative start components in the weighted space.

    Parameters
    ----------
    name : {"spa", "nndsvda", "random"}
    sketch : Sketch
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
        picked = successive_projection(sketch.scores, k)
        components = np.zeros((k, sketch.basis.shape[1]), dtype=np.float32)
        components[: len(picked)] = np.maximum(sketch.scores[picked] @ sketch.basis, 0)
        return components
    if name == "nndsvda":
        return nndsvda(sketch, k)
    if name == "random":
        return _random(sketch, k, rng)
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
        rest -= np.outer(rest @ direction, direction)
        squares = np.einsum("ij,ij->i", rest, rest)
    return picked


def nndsvda(sketch: Sketch, k: int) -> FloatArray:
    """Non-negative double SVD with zeros filled by the mean.

    Boutsidis & Gallopoulos, Pattern Recognit. 41 (2008) 1350.

    Parameters
    ----------
    sketch : Sketch
    k : int

    Returns
    -------
    (k, n_pixels) float32; the rows beyond the rank of the sketch hold the mean
    """
    n = min(k, sketch.rank)
    components = np.zeros((k, sketch.basis.shape[1]), dtype=np.float32)
    for i in range(n):
        left, right = sketch.scores[:, i], sketch.basis[i]
        halves = [(np.maximum(s * left, 0), np.maximum(s * right, 0)) for s in (1, -1)]
        norms = [(float(np.linalg.norm(a)), float(np.linalg.norm(b))) for a, b in halves]
        side = int(np.argmax([a * b for a, b in norms]))
        length, half = norms[side], halves[side][1]
        if length[1] > 0:
            components[i] = half / length[1] * np.sqrt(length[0] * length[1])
    mean = float(np.maximum(sketch.scores.mean(axis=0) @ sketch.basis, 0).mean())
    components[components <= 0] = mean
    return components


def _random(sketch: Sketch, k: int, rng: np.random.Generator) -> FloatArray:
    """Absolute normal values about the square root of the mean."""
    mean = float(np.maximum(sketch.scores.mean(axis=0) @ sketch.basis, 0).mean())
    values = np.abs(rng.standard_normal((k, sketch.basis.shape[1])))
    return np.asarray(np.sqrt(mean / k) * values, dtype=np.float32)
