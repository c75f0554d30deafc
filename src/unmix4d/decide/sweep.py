"""Factorise for every k, and find the range of k worth a closer look (method, section 6.2)."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from unmix4d.decide.elbow import ElbowMethod, find_elbow, running_minimum
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.records import Factorization, PatternMatrix, Sweep
from unmix4d.records.base import require

Fit = Callable[[Sequence[int]], Mapping[int, Factorization]]

MIN_DISTINCT_K = 2
"""The smallest k of which one can ask how distinct its components are."""

_TOLERATED_RISE = 1.01
_MAX_EXTENSIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of interest: every k from ``low`` to ``high``, around the knee of the loss.

    Attributes
    ----------
    knee : int or None
        None if the loss has no elbow; the range is then the whole sweep.
    low, high : int
    note : str
        In words, if there is something to say about it.
    """

    knee: int | None
    low: int
    high: int
    note: str = ""

    def __contains__(self, k: int) -> bool:
        return self.low <= k <= self.high


def run_sweep(
    matrix: PatternMatrix,
    *,
    fit: Fit,
    k_min: int = 1,
    k_max: int = 20,
    half_width: int = 4,
    method: ElbowMethod = "kneedle",
    extend: bool = True,
) -> Sweep:
    """Factorise for k_min...k_max, and further up while the range of interest reaches beyond the end.

    Parameters
    ----------
    matrix : PatternMatrix
        Only its size is looked at; k never exceeds its smaller side.
    fit : callable
        ``fit(ks)`` gives a Factorization with a finite loss for each k. It is called again for k whose loss rose
        by more than 1 % above that of a smaller k; the better of the two is kept.
    k_min, k_max : int
        The sweep grows twice at most, so never beyond ``k_max + 2 * half_width``.
    half_width : int
        Of the range of interest around the knee.
    method : str
        As in `find_elbow`.
    extend : bool
        Whether the sweep may grow.

    Returns
    -------
    Sweep

    Raises
    ------
    UsageError
        If k_min or k_max is below 1, k_max is below k_min, or k_min exceeds what the data allows.

    Notes
    -----
    Paper, level one of the decision; method, section 6.2. Warns if a loss is still too high after the second fit.
    """
    limit = min(matrix.n_probes, matrix.n_pixels)
    _check_bounds(k_min, k_max, limit)
    fits = _fitted(fit, range(k_min, min(k_max, limit) + 1))
    for _ in range(_MAX_EXTENSIONS if extend else 0):
        knee = find_elbow(sorted(fits), _losses(fits), method)
        wanted = 0 if knee is None else min(knee + half_width, limit)
        if wanted <= max(fits):
            break
        fits |= _fitted(fit, range(max(fits) + 1, wanted + 1))
    doubtful = _doubtful(fits)
    if doubtful:
        again = _fitted(fit, doubtful)
        fits |= {k: again[k] for k in doubtful if again[k].loss < fits[k].loss}
        _warn_of(_doubtful(fits))
    return Sweep(matrix=matrix, fits=dict(sorted(fits.items())), refit=fit)


def range_of_interest(sweep: Sweep, half_width: int = 4, method: ElbowMethod = "kneedle") -> Range:
    """Choose the k on which level two decides: the knee of the loss and ``half_width`` to each side.

    Parameters
    ----------
    sweep : Sweep
    half_width : int
    method : str
        As in `find_elbow`.

    Returns
    -------
    Range
        Within the sweep and from k = 2 up, unless k = 1 is all there is; the whole sweep if there is no elbow.

    Notes
    -----
    Paper: "between the k - 4 and k + 4 clustering"; method, section 6.2.
    """
    first, last = sweep.ks[0], sweep.ks[-1]
    lowest = min(max(first, MIN_DISTINCT_K), last)
    knee = find_elbow(sweep.ks, sweep.losses, method)
    if knee is None:
        note = f"the loss falls without an elbow from k = {first} to {last}, so every k was compared"
        return Range(knee=None, low=lowest, high=last, note=note)
    high = min(knee + half_width, last)
    note = (
        "" if high == knee + half_width else f"the sweep ends at k = {last}, less than {half_width} above the knee"
    )
    return Range(knee=knee, low=max(lowest, knee - half_width), high=max(lowest, high), note=note)


def _check_bounds(k_min: int, k_max: int, limit: int) -> None:
    if not 1 <= k_min <= k_max:
        raise UsageError(f"the sweep needs 1 <= k_min <= k_max, got k_min = {k_min} and k_max = {k_max}")
    if k_min > limit:
        raise UsageError(
            f"k_min = {k_min} is more than this data allows: k can be at most {limit}, the smaller of the numbers "
            f"of unmasked probes and detector pixels; lower k_min, or mask and bin less"
        )


def _fitted(fit: Fit, ks: Sequence[int]) -> dict[int, Factorization]:
    fits = fit(tuple(ks))
    require(set(ks) <= set(fits), f"fit must give every k of {list(ks)}, it gave {sorted(fits)}")
    return {k: fits[k] for k in ks}


def _losses(fits: Mapping[int, Factorization]) -> list[float]:
    return [fits[k].loss for k in sorted(fits)]


def _doubtful(fits: Mapping[int, Factorization]) -> list[int]:
    """Give every k that fits the data worse than a smaller k does, which a converged fit cannot."""
    lowest = running_minimum(_losses(fits))
    return [k for k, least in zip(sorted(fits), lowest, strict=True) if fits[k].loss > least * _TOLERATED_RISE]


def _warn_of(ks: Collection[int]) -> None:
    if ks:
        which = ", ".join(map(str, ks))
        warnings.warn(
            f"the fit for k = {which} has a loss more than 1 % above that of a smaller k, also when repeated: "
            f"it has not converged",
            Unmix4dWarning,
            stacklevel=3,
        )
