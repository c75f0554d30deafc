"""Multiplicative updates for the generalised Kullback-Leibler divergence, on a matrix in memory (method, 4.1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from unmix4d.compiled import compiled
from unmix4d.errors import UsageError
from unmix4d.execute import Executor, Serial
from unmix4d.factorize import exact
from unmix4d.factorize.alternate import check_ks
from unmix4d.factorize.factored import Candidate
from unmix4d.records import AnyArray, Factorization, FloatArray, PatternMatrix

ROWS = 64
"""Patterns whose model is held at once: it stays in cache."""

EPSILON = float(np.finfo(np.float32).eps)
MAX_ITER = 200
TOLERANCE = 1e-4
LOOK_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KullbackFit:
    """One factorization by multiplicative updates.

    Attributes
    ----------
    components : (k, n_pixels) float32
    weights : (n_probes, k) float32
        As the updates left them: neither is normalised.
    divergences : tuple of float
        Of V from V', in units: at the start, and after every tenth iteration and the last one.
    loss : float
        Mean of |V - V'| in units.
    n_iterations : int
    converged : bool
        Whether the tolerance ended it.
    """

    components: FloatArray
    weights: FloatArray
    divergences: tuple[float, ...]
    loss: float
    n_iterations: int
    converged: bool


def fit_kullback(
    values: AnyArray,
    k: int,
    *,
    rng: np.random.Generator,
    unit: float = 1.0,
    max_iter: int = MAX_ITER,
    tol: float = TOLERANCE,
    tick: Callable[[], None] = lambda: None,
) -> KullbackFit:
    """Factorise by multiplicative updates from a random start: the weights first, then the components.

    Parameters
    ----------
    values : (n_probes, n_pixels) uint8 or any other real type, not negative
    k : int
    rng : numpy.random.Generator
        Both factors start from absolute normal values.
    unit : float
        The value that counts as 1: 255 for 8-bit images between 0 and 1.
    max_iter : int
    tol : float
        Every tenth iteration: if the root of twice the divergence fell by less than this share of its first value,
        it ends. 0 = never.
    tick : callable
        Called after every iteration, for progress.

    Returns
    -------
    KullbackFit

    Notes
    -----
    Lee & Seung, NIPS 13 (2001) 556; start, order and end as in torchnmf (method, section 11). Values are never
    copied: a model of `ROWS` patterns is held at a time. Sums over probes are float64.
    """
    n_probes, n_pixels = values.shape
    weights = np.abs(rng.standard_normal((n_probes, k), dtype=np.float32))
    components = np.abs(rng.standard_normal((k, n_pixels), dtype=np.float32)) * np.float32(unit)
    found = [divergence(values, weights, components, floor=EPSILON * unit)[0] / unit]
    converged, step = False, 0
    for step in range(1, max_iter + 1):
        update(values, weights, components, floor=EPSILON * unit)
        tick()
        if step % LOOK_EVERY == 0:
            found.append(divergence(values, weights, components, floor=EPSILON * unit)[0] / unit)
            first, before, now = (np.sqrt(2 * max(value, 0.0)) for value in (found[0], *found[-2:]))
            if before - now < tol * first:
                converged = True
                break
    last, distance = divergence(values, weights, components, floor=EPSILON * unit)
    if step % LOOK_EVERY:
        found.append(last / unit)
    return KullbackFit(
        components=components,
        weights=weights,
        divergences=tuple(found),
        loss=distance / unit / values.size,
        n_iterations=step,
        converged=converged,
    )


def update(values: AnyArray, weights: FloatArray, components: FloatArray, *, floor: float = EPSILON) -> None:
    """Take one multiplicative step of both factors, in place.

    Weights times (V / V') Cᵀ / sum of C, then components times Wᵀ (V / V') / sum of W with the new weights. Neither
    step makes the divergence larger.

    Parameters
    ----------
    values : (n_probes, n_pixels)
    weights : (n_probes, k) float32, C order
    components : (k, n_pixels) float32, C order
    floor : float
        Added to every number that something is divided by, and to what divides it.
    """
    small = np.float32(floor)
    sums = components.sum(axis=1, dtype=np.float64).astype(np.float32) + small
    gathered = np.zeros(components.shape)
    room = np.empty((ROWS, components.shape[1]), dtype=np.float32)
    for low in range(0, len(values), ROWS):
        seen, own = values[low : low + ROWS], weights[low : low + ROWS]
        model = room[: len(seen)]
        np.dot(own, components, out=model)
        _ratios(seen, model, small)
        own *= (model @ components.T + small) / sums
        np.dot(own, components, out=model)
        _ratios(seen, model, small)
        gathered += own.T @ model
    totals = weights.sum(axis=0, dtype=np.float64)[:, None]
    components *= ((gathered + EPSILON) / (totals + EPSILON)).astype(np.float32)


def divergence(
    values: AnyArray, weights: FloatArray, components: FloatArray, *, floor: float = EPSILON
) -> tuple[float, float]:
    """Give the divergence, the sum of V ln(V / V') - V + V', and the sum of |V - V'|, both in float64."""
    total = distance = 0.0
    room = np.empty((ROWS, components.shape[1]), dtype=np.float32)
    for low in range(0, len(values), ROWS):
        seen = values[low : low + ROWS]
        model = room[: len(seen)]
        np.dot(weights[low : low + ROWS], components, out=model)
        one, other = _distances(seen, model, np.float32(floor))
        total += one
        distance += other
    return total, distance


@compiled
def _ratios(values: AnyArray, model: FloatArray, floor: np.float32) -> None:
    """Put values / (model + floor) in the place of the model."""
    for p in range(len(model)):
        seen, made = values[p], model[p]
        for i in range(made.size):
            made[i] = np.float32(seen[i]) / (made[i] + floor)


@compiled
def _distances(values: AnyArray, model: FloatArray, floor: np.float32) -> tuple[float, float]:
    total, distance = np.float64(0), np.float64(0)
    for p in range(len(model)):
        seen, made = values[p], model[p]
        apart, both = np.float32(0), np.float64(0)
        for i in range(made.size):
            here, there = np.float32(seen[i]), made[i]
            apart += abs(here - there)
            both += there - here
            if here > 0:
                both += here * np.log(here / (there + floor))
        total += both
        distance += apart
    return total, distance


def gather(matrix: PatternMatrix) -> AnyArray:
    """Read all patterns into memory: (n_probes, n_pixels), of the type that blocks have."""
    first = matrix.read_block(0)
    values = np.empty((matrix.n_probes, matrix.n_pixels), dtype=first.dtype)
    for rows, block in matrix.blocks():
        values[rows] = block
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class MuKl:
    """Multiplicative updates for the Kullback-Leibler divergence: patterns in memory, one random start for each k.

    The divergence is that of counting noise, so there is nothing to weight: ``starts`` and ``weighting`` are known
    so that the solver can stand in for others, and not used.

    Attributes
    ----------
    max_iter : int or None
        Most iterations; None = 200.
    tol : float
        See `fit_kullback`.
    l1 : float
        Must be 0.
    local : Executor or None
        Works on several k at a time; None = one after the other.
    progress : callable
        ``progress(done, total)``.
    """

    name: ClassVar[str] = "mu-kl"

    starts: tuple[str, ...] = ("random",)
    weighting: str = "none"
    l1: float = 0.0
    max_iter: int | None = None
    tol: float = TOLERANCE
    executor: Executor = field(default_factory=Serial)
    local: Executor | None = None
    progress: Callable[[float, float], None] = lambda _done, _total: None

    def fit_many(
        self, matrix: PatternMatrix, ks: Sequence[int], /, *, rng: np.random.Generator
    ) -> Mapping[int, Factorization]:
        """Factorise for every k of ``ks``.

        Parameters
        ----------
        matrix : PatternMatrix
        ks : sequence of int
        rng : numpy.random.Generator

        Returns
        -------
        mapping of k to Factorization

        Raises
        ------
        UsageError
            If a k is below 1 or above what the matrix allows, or an L1 penalty is asked for.
        """
        check_ks(ks, min(matrix.n_probes, matrix.n_pixels))
        if self.l1:
            raise UsageError(f"the solver {self.name} knows no L1 penalty: leave --l1 at 0, or use --solver hals")
        values = gather(matrix)
        root = int(rng.integers(2**32))

        def fit(k: int) -> KullbackFit:
            seeded = np.random.default_rng([root, k])
            return fit_kullback(values, k, rng=seeded, max_iter=self.max_iter or MAX_ITER, tol=self.tol)

        fits: dict[int, Factorization] = {}
        for k, found in zip(ks, (self.local or Serial()).map_blocks(fit, ks), strict=True):
            fits[k] = in_counts(found, matrix, name=self.name)
            self.progress(len(fits), len(ks))
        return fits


def in_counts(found: KullbackFit, matrix: PatternMatrix, *, name: str) -> Factorization:
    """Bring a fit to components of unit sum, largest first, and weights in counts."""
    candidate = Candidate(
        start="random", components=found.components, weights=found.weights, history=[], as_counts=True
    )
    ones = (np.ones(n, dtype=np.float32) for n in (matrix.n_probes, matrix.n_pixels))
    components, weights = exact.in_counts(candidate, *ones)
    first = found.divergences[0]
    told: dict[str, Any] = {"loss": found.loss, "converged": found.converged, "solver": name, "start": "random"}
    return Factorization(
        components=components,
        weights=weights,
        geometry=matrix.geometry,
        probe_mask=matrix.probe_mask,
        pixel_mask=matrix.pixel_mask,
        loss_history=tuple(value / first if first > 0 else 0.0 for value in found.divergences[1:]),
        **told,
    )
