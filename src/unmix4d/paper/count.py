"""How many components: the loss over k, its knee, and the column of a matrix of image metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np

from unmix4d.decide.elbow import kneedle
from unmix4d.execute import Executor, Serial
from unmix4d.factorize.descent import MAX_ITER, DescentFit, fit_descent
from unmix4d.factorize.kullback import fit_kullback
from unmix4d.paper.images import FULL_SCALE, Images
from unmix4d.quality.similarity import MIN_SIDE, gmsd, mdsi, psnr, ssim
from unmix4d.records import AnyArray, FloatArray, IntArray
from unmix4d.records.paper import PaperScores
from unmix4d.registry import Keeper, NothingKept

KS = range(3, 21)
MARGIN = 4
LAST = 9
DECIMALS = 4
N_ORDERS = 100
PSNR_FLOOR = 1e-8
NOTHING_KEPT = NothingKept()

Tick = Callable[[int], None]
Metric = Callable[[AnyArray, AnyArray], float]


def _quiet(_k: int) -> None:
    """Report to nobody."""


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "ssim": lambda a, b: ssim(a, b, data_range=FULL_SCALE, downsample=True),
        "gmsd": lambda a, b: gmsd(a, b, data_range=FULL_SCALE),
        "mdsi": lambda a, b: mdsi(b, a, data_range=FULL_SCALE, rounding="bankers"),
        "psnr": lambda a, b: psnr(a, b, data_range=FULL_SCALE, epsilon=PSNR_FLOOR),
    }
)
"""As piq 0.8 gives them with its defaults, for a row's and a column's image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """Mean of |V - V'| on images between 0 and 1, and how many iterations it took."""

    value: float
    n_iterations: int


def loss_sweep(
    images: Images,
    ks: Sequence[int],
    *,
    seed: int,
    executor: Executor | None = None,
    keeper: Keeper = NOTHING_KEPT,
    tick: Tick = _quiet,
) -> dict[int, Loss]:
    """Fit every k once, from a random start of its own.

    Parameters
    ----------
    images : Images
    ks : sequence of int
    seed : int
    executor : Executor, optional
        Works on several k at a time.
    keeper : Keeper
    tick : callable
        Called with k after each iteration.

    Returns
    -------
    mapping of k to Loss, ascending
    """

    def fit(k: int) -> tuple[int, Loss, bool]:
        kept = keeper.load(f"paper-loss-{seed}-k{k:03d}")
        if kept is not None:
            return k, Loss(value=float(kept["loss"]), n_iterations=int(kept["n_iterations"])), True
        rng = np.random.default_rng([seed, k])
        found = fit_kullback(images.values, k, rng=rng, unit=FULL_SCALE, tick=lambda: tick(k))
        return k, Loss(value=found.loss, n_iterations=found.n_iterations), False

    found: dict[int, Loss] = {}
    for k, loss, was_kept in (executor or Serial()).map_blocks(fit, sorted(ks, reverse=True)):
        found[k] = loss
        if not was_kept:
            kept = {"loss": np.array(loss.value), "n_iterations": np.array(loss.n_iterations)}
            keeper.save(f"paper-loss-{seed}-k{k:03d}", kept)
    return dict(sorted(found.items()))


def knee_of(losses: Mapping[int, Loss]) -> int | None:
    """Give the knee by Kneedle, as kneed gives it for a convex, decreasing curve; None if there is none."""
    return kneedle(list(losses), [loss.value for loss in losses.values()])


def fit_model(
    images: Images,
    k: int,
    *,
    seed: int,
    max_iter: int = MAX_ITER,
    executor: Executor | None = None,
    keeper: Keeper = NOTHING_KEPT,
    tick: Tick = _quiet,
) -> DescentFit:
    """Fit the model that images and maps are made from, on images of full size."""
    name = f"paper-model-{seed}-{max_iter}-k{k:03d}"
    kept = keeper.load(name)
    if kept is not None:
        return DescentFit(
            components=kept["components"],
            weights=kept["weights"],
            n_iterations=int(kept["n_iterations"]),
            converged=bool(kept["converged"]),
        )
    found = fit_descent(
        images.values,
        k,
        rng=np.random.default_rng([seed, k]),
        max_iter=max_iter,
        executor=executor,
        tick=lambda: tick(k),
    )
    told = {"n_iterations": np.array(found.n_iterations), "converged": np.array(found.converged)}
    keeper.save(name, {"components": found.components, "weights": found.weights, **told})
    return found


def rank_one_images(fit: DescentFit, shape: tuple[int, int]) -> AnyArray:
    """Give each component at the probe where its weight is largest, as an 8-bit image: (k, *shape) uint8."""
    brightest = fit.components * fit.weights.max(axis=1)[:, None]
    return np.asarray(np.clip(np.rint(brightest), 0, FULL_SCALE), dtype=np.uint8).reshape(-1, *shape)


def score_images(images: AnyArray, *, seed: int, executor: Executor | None = None) -> tuple[PaperScores, ...]:
    """Compare all images with each other, and give the k that each metric reports.

    Parameters
    ----------
    images : (k, pattern_y, pattern_x) uint8
    seed : int
        Of the other orders that are tried.
    executor : Executor, optional
        Works on several rows of the matrices at a time.

    Returns
    -------
    tuple of PaperScores
        SSIM, GMSD, MDSI and PSNR, those that the images are large enough for.
    """
    usable = [name for name in METRICS if min(images.shape[1:]) >= MIN_SIDE[name]]
    rows = (executor or Serial()).map_blocks(lambda i: _row(images, i, usable), range(len(images)))
    values = np.stack(list(rows), axis=1)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(images)) for _ in range(N_ORDERS)]
    return tuple(_scores(name, matrix, orders) for name, matrix in zip(usable, values, strict=True))


def _row(images: AnyArray, i: int, names: Sequence[str]) -> FloatArray:
    row = np.zeros((len(names), len(images)))
    for (m, name), j in product(enumerate(names), range(len(images))):
        row[m, j] = METRICS[name](images[i], images[j])
    return row


def _scores(metric: str, values: FloatArray, orders: Sequence[IntArray]) -> PaperScores:
    means, reported = report_column(values, metric)
    permuted = [report_column(values[np.ix_(order, order)], metric)[1] for order in orders]
    return PaperScores(
        metric=metric,
        values=values,
        first=len(values) - len(means),
        means=means,
        reported=reported,
        reported_if_permuted=np.array(permuted, dtype=np.int16),
    )


def report_column(values: FloatArray, metric: str) -> tuple[FloatArray, int]:
    """Give the column means of the last nine rows and columns, and the number of the column that is reported as k.

    The smallest mean of SSIM (the first on ties), the largest of the others (the last on ties); columns are
    numbered from 1 as components are, so that the answer lies between knee - 4 and knee + 4.

    Parameters
    ----------
    values : (k, k) float64
    metric : str

    Returns
    -------
    means : (at most 9,) float64
    reported : int
    """
    first = max(0, len(values) - LAST)
    means = np.round(values[first:, first:].mean(axis=0), DECIMALS)
    column = int(means.argmin()) if metric == "ssim" else len(means) - 1 - int(means[::-1].argmax())
    return means, first + column + 1


def middle(reported: Sequence[int]) -> int:
    """Give the median of the numbers that the metrics report, rounded down: the scripts leave the choice open."""
    return int(np.median(list(reported)))
