"""Noise standard deviation (NSD) of one pattern, by several definitions (method, section 3)."""

import math
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from unmix4d.errors import Unmix4dWarning
from unmix4d.records.base import AnyArray, FloatArray, require

NoiseMethod = Literal["immerkaer", "std", "laplace_mad", "corner"]

_MIN_SIDE: Mapping[str, int] = MappingProxyType({"immerkaer": 3, "std": 3, "laplace_mad": 3, "corner": 4})
_LAPLACIAN_NORM = 6  # standard deviation of I * M for white noise of standard deviation 1
_MAD_OF_NORMAL = 0.6744897501960817  # median |x| of a standard normal variable


def noise_std(image: AnyArray, *, method: NoiseMethod = "immerkaer") -> float:
    """Noise standard deviation of a pattern, in the grey levels of the input; lower is better.

    Parameters
    ----------
    image : (pattern_y, pattern_x) array
        Finite.
    method : {"immerkaer", "std", "laplace_mad", "corner"}
        ``immerkaer``: mean absolute response to a mask that is blind to constants and ramps (Immerkær 1996).
        ``std``: standard deviation of all pixels, the paper's literal NSD; it contains the Bragg signal.
        ``laplace_mad``: median absolute response to the same mask; robust against spots, 0 on mostly empty images.
        ``corner``: sample standard deviation outside the inscribed circle, as in ePattern.

    Returns
    -------
    float
        NaN, with a warning, for images below 3 pixels a side (4 for ``corner``).

    Raises
    ------
    ValueError
        If the image is not 2-D, holds NaN or infinite values, or the method is unknown.
    """
    image = np.asarray(image, dtype=np.float64)
    require(method in _METHODS, f"no noise method named {method!r}; known: {', '.join(_METHODS)}")
    require(image.ndim == 2, f"a pattern must be 2-D, got shape {image.shape}")  # noqa: PLR2004
    require(bool(np.isfinite(image).all()), "a pattern holds NaN or infinite values: replace or mask them first")
    if min(image.shape) < _MIN_SIDE[method]:
        message = f"{method} noise needs patterns of {_MIN_SIDE[method]} px a side or more, got {image.shape}: NaN"
        warnings.warn(message, Unmix4dWarning, stacklevel=2)
        return math.nan
    return _METHODS[method](image)


def _immerkaer(image: FloatArray) -> float:
    return math.sqrt(math.pi / 2) / _LAPLACIAN_NORM * float(np.abs(_laplacian(image)).mean())


def _std(image: FloatArray) -> float:
    return float(image.std())


def _laplace_mad(image: FloatArray) -> float:
    return float(np.median(np.abs(_laplacian(image)))) / (_MAD_OF_NORMAL * _LAPLACIAN_NORM)


def _corner(image: FloatArray) -> float:
    size_y, size_x = image.shape
    y, x = np.ogrid[:size_y, :size_x]
    distance_squared = (y - (size_y - 1) / 2) ** 2 + (x - (size_x - 1) / 2) ** 2
    return float(image[distance_squared > (min(image.shape) / 2) ** 2].std(ddof=1))


def _laplacian(image: FloatArray) -> FloatArray:
    """Difference of two Laplacians, [1, -2, 1] along both axes, where the mask fits entirely."""
    along_y = image[:-2] - 2 * image[1:-1] + image[2:]
    return np.asarray(along_y[:, :-2] - 2 * along_y[:, 1:-1] + along_y[:, 2:])


_METHODS: Mapping[str, Callable[[FloatArray], float]] = MappingProxyType(
    {"immerkaer": _immerkaer, "std": _std, "laplace_mad": _laplace_mad, "corner": _corner}
)
