"""How alike two patterns are: PSNR, SSIM, GMSD and MDSI (method, section 5), for a pair or for all pairs.

Every metric is written in two steps: ``_prepare_*`` sees one image, ``_compare_*`` two prepared ones. A pair and
a matrix run the same two steps; a matrix prepares each image only once.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from unmix4d.errors import Unmix4dWarning
from unmix4d.records.base import AnyArray, Better, FloatArray, require

Chroma = Literal["replicate", "none"]
Rounding = Literal["half_up", "bankers"]
Image = TypeVar("Image")

MIN_SIDE: Mapping[str, int] = MappingProxyType({"psnr": 1, "ssim": 11, "gmsd": 4, "mdsi": 1})
"""Shorter side in pixels that a pattern must have for each metric."""

_EIGHT_BIT = 255.0  # the constants of GMSD and MDSI are grey levels of 8-bit images
_POOLED_SIDE = 256  # MDSI, and SSIM on request, shrink images to about this side
_OUTSIDE_SHARE = 0.01
_ROUND_OFF = 1e-9

_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5
_SSIM_LUMINANCE = 0.01**2
_SSIM_CONTRAST = 0.03**2

_GMSD_CONSTANT = 170.0

_MDSI_PAIR = 140.0
_MDSI_FUSED = 55.0
_MDSI_CHROMA = 550.0
_MDSI_GRADIENT_SHARE = 0.6
# What the colour transform makes of grey (R = G = B): L = 0.9999 g, H = -0.01 g, M = -0.09 g.
_GREY_LUMA = 0.2989 + 0.5870 + 0.1140
_GREY_CHROMA = (0.30 + 0.04 - 0.35) ** 2 + (0.34 - 0.60 + 0.17) ** 2


def psnr(reference: AnyArray, test: AnyArray, *, data_range: float, epsilon: float = 0.0) -> float:
    """Peak signal-to-noise ratio in dB; higher is better, identical images give ``inf``.

    Parameters
    ----------
    reference, test : (pattern_y, pattern_x) array
        Same shape, finite.
    data_range : float
        L, the value that counts as white; without it the number means nothing.
    epsilon : float
        Added to the mean squared error on the 0...1 scale; 1e-8 reproduces piq.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite or ``data_range`` is not positive.

    Notes
    -----
    Method, section 5.1. Warns if more than 1 % of the pixels lie outside [0, ``data_range``], as all metrics do.
    """
    return _compare_psnr(*_prepared(_scaled, reference, test, data_range), epsilon)


def ssim(reference: AnyArray, test: AnyArray, *, data_range: float, downsample: bool = False) -> float:
    """Structural similarity, -1...1; higher is better, identical images give 1.

    Wang et al. 2004 (method, section 5.4): Gaussian window of 11 x 11 pixels with sigma 1.5, biased covariances,
    mean over the valid region.

    Parameters
    ----------
    reference, test : (pattern_y, pattern_x) array
        Same shape, finite, at least 11 pixels a side.
    data_range : float
        L, the value that counts as white.
    downsample : bool
        First average squares of max(1, round(shorter side / 256)) pixels, as piq does.

    Raises
    ------
    ValueError
        If shapes differ or are too small, a value is not finite or ``data_range`` is not positive.
    """

    def prepare(image: AnyArray, data_range: float) -> _SsimImage:
        return _prepare_ssim(image, data_range, downsample=downsample)

    return _compare_ssim(*_prepared(prepare, reference, test, data_range))


def gmsd(reference: AnyArray, test: AnyArray, *, data_range: float) -> float:
    """Gradient magnitude similarity deviation, 0...about 0.5; lower is better, identical images give 0.

    Xue et al. 2014 (method, section 5.2): after averaging 2 x 2 pixels; population standard deviation.

    Parameters
    ----------
    reference, test : (pattern_y, pattern_x) array
        Same shape, finite, at least 4 pixels a side.
    data_range : float
        L, the value that counts as white.

    Raises
    ------
    ValueError
        If shapes differ or are too small, a value is not finite or ``data_range`` is not positive.
    """
    return _compare_gmsd(*_prepared(_prepare_gmsd, reference, test, data_range))


def mdsi(
    reference: AnyArray,
    test: AnyArray,
    *,
    data_range: float,
    chroma: Chroma = "replicate",
    rounding: Rounding = "half_up",
) -> float:
    """Mean deviation similarity index, 0...1; lower is better, identical images give 0.

    Nafchi et al. 2016 (method, section 5.3). Not symmetric in its two images. It ends in a fourth root: close to
    0 compare fourth powers.

    Parameters
    ----------
    reference, test : (pattern_y, pattern_x) array
        Same shape, finite.
    data_range : float
        L, the value that counts as white.
    chroma : {"replicate", "none"}
        Treat grey as R = G = B, so that differences of brightness count a second time; or use gradients alone.
    rounding : {"half_up", "bankers"}
        How side / 256 becomes the shrink factor: as MATLAB does, or as Python (and piq) does.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite or ``data_range`` is not positive.
    """
    forward, _ = _mdsi_both_ways(reference, test, data_range, chroma, rounding)
    return forward


def symmetric_mdsi(
    a: AnyArray, b: AnyArray, *, data_range: float, chroma: Chroma = "replicate", rounding: Rounding = "half_up"
) -> float:
    """Mean of MDSI(a, b) and MDSI(b, a); arguments and errors as in `mdsi`."""
    return sum(_mdsi_both_ways(a, b, data_range, chroma, rounding)) / 2


METRICS: Mapping[str, tuple[Callable[..., float], Better]] = MappingProxyType(
    {"psnr": (psnr, "higher"), "ssim": (ssim, "higher"), "gmsd": (gmsd, "lower"), "mdsi": (mdsi, "lower")}
)
"""Every metric by name, and which direction means more alike."""


def pairwise(patterns: AnyArray, metric: str, *, data_range: float) -> FloatArray:
    """One metric between all pairs of patterns; MDSI is the mean of both directions.

    Parameters
    ----------
    patterns : (n, pattern_y, pattern_x) array
        Finite.
    metric : {"psnr", "ssim", "gmsd", "mdsi"}
    data_range : float
        L, the value that counts as white.

    Returns
    -------
    (n, n) float64
        Symmetric; rows and columns of all-zero patterns are NaN.

    Raises
    ------
    ValueError
        If the metric is unknown, or as the metric itself does.
    """
    patterns = np.asarray(patterns)
    require(metric in METRICS, f"no metric named {metric!r}; known: {', '.join(METRICS)}")
    require(patterns.ndim == 3, f"patterns must be (n, pattern_y, pattern_x), got shape {patterns.shape}")  # noqa: PLR2004
    prepare, compare = _STEPS[metric]
    alive = np.flatnonzero(patterns.any(axis=(1, 2)))
    prepared = {i: prepare(patterns[i], data_range) for i in alive}
    scores = np.full((len(patterns), len(patterns)), np.nan)
    for i, j in combinations_with_replacement(alive, 2):
        scores[i, j] = scores[j, i] = compare(prepared[i], prepared[j])
    return scores


def _prepared(
    prepare: Callable[[AnyArray, float], Image], reference: AnyArray, test: AnyArray, data_range: float
) -> tuple[Image, Image]:
    """Prepare both images of a pair."""
    shapes = np.shape(reference), np.shape(test)
    require(shapes[0] == shapes[1], f"both patterns must have one shape, got {shapes[0]} and {shapes[1]}")
    return prepare(reference, data_range), prepare(test, data_range)


def _scaled(image: AnyArray, data_range: float, metric: str = "psnr") -> FloatArray:
    """Check one image and divide it by the data range."""
    require(math.isfinite(data_range) and data_range > 0, f"data_range must be a positive number, got {data_range}")
    image = np.asarray(image, dtype=np.float64)
    side = MIN_SIDE[metric]
    require(image.ndim == 2, f"a pattern must be 2-D, got shape {image.shape}")  # noqa: PLR2004
    require(min(image.shape) >= side, f"{metric} needs patterns of {side} px a side or more, got {image.shape}")
    require(bool(np.isfinite(image).all()), "a pattern holds NaN or infinite values: replace or mask them first")
    image = image / data_range
    outside = np.mean((image < -_ROUND_OFF) | (image > 1 + _ROUND_OFF))
    if outside > _OUTSIDE_SHARE:
        message = f"{outside:.0%} of a pattern's pixels lie outside 0...{data_range:g}, the stated data range"
        warnings.warn(message, Unmix4dWarning, stacklevel=5)
    return image


def _compare_psnr(reference: FloatArray, test: FloatArray, epsilon: float = 0.0) -> float:
    error = float(np.mean((reference - test) ** 2)) + epsilon
    return -10 * math.log10(error) if error > 0 else math.inf


class _SsimImage(NamedTuple):
    image: FloatArray
    mean: FloatArray
    variance: FloatArray


def _window_mean(image: FloatArray) -> FloatArray:
    """Gaussian-weighted mean of every whole 11 x 11 window."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to load

    inside = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
    return np.asarray(gaussian_filter(image, _SSIM_SIGMA, radius=_SSIM_RADIUS)[inside, inside])


def _prepare_ssim(image: AnyArray, data_range: float, *, downsample: bool = False) -> _SsimImage:
    scaled = _scaled(image, data_range, "ssim")
    if downsample:
        scaled = _block_mean(scaled, _shrink_factor(scaled, "bankers"))
    mean = _window_mean(scaled)
    return _SsimImage(scaled, mean, _window_mean(scaled**2) - mean**2)


def _compare_ssim(a: _SsimImage, b: _SsimImage) -> float:
    covariance = _window_mean(a.image * b.image) - a.mean * b.mean
    luminance = (2 * a.mean * b.mean + _SSIM_LUMINANCE) / (a.mean**2 + b.mean**2 + _SSIM_LUMINANCE)
    contrast = (2 * covariance + _SSIM_CONTRAST) / (a.variance + b.variance + _SSIM_CONTRAST)
    return float(np.mean(luminance * contrast))


def _prepare_gmsd(image: AnyArray, data_range: float) -> FloatArray:
    return _gradient(_shrunk(_EIGHT_BIT * _scaled(image, data_range, "gmsd"), 2))


def _compare_gmsd(a: FloatArray, b: FloatArray) -> float:
    return float(_likeness(a, b, _GMSD_CONSTANT).std())


class _MdsiImage(NamedTuple):
    grey: FloatArray
    gradient: FloatArray


def _prepare_mdsi(image: AnyArray, data_range: float, rounding: Rounding = "half_up") -> _MdsiImage:
    require(rounding in ("half_up", "bankers"), f"rounding must be half_up or bankers, got {rounding!r}")
    grey = _EIGHT_BIT * _scaled(image, data_range, "mdsi")
    grey = _shrunk(grey, _shrink_factor(grey, rounding))
    return _MdsiImage(grey, _gradient(_GREY_LUMA * grey))


def _compare_mdsi(a: _MdsiImage, b: _MdsiImage, chroma: Chroma = "replicate") -> tuple[float, float]:
    """MDSI(a, b) and MDSI(b, a): the fused image enters both, with opposite sign."""
    require(chroma in ("replicate", "none"), f"chroma must be replicate or none, got {chroma!r}")
    fused = _gradient(_GREY_LUMA * (a.grey + b.grey) / 2)
    pair = _likeness(a.gradient, b.gradient, _MDSI_PAIR)
    skew = _likeness(b.gradient, fused, _MDSI_FUSED) - _likeness(a.gradient, fused, _MDSI_FUSED)
    if chroma == "none":
        return _mean_deviation(pair + skew), _mean_deviation(pair - skew)
    colour = _likeness(a.grey, b.grey, _MDSI_CHROMA / _GREY_CHROMA)
    share = _MDSI_GRADIENT_SHARE
    base = share * pair + (1 - share) * colour
    return _mean_deviation(base + share * skew), _mean_deviation(base - share * skew)


def _mdsi_both_ways(
    a: AnyArray, b: AnyArray, data_range: float, chroma: Chroma, rounding: Rounding
) -> tuple[float, float]:
    def prepare(image: AnyArray, data_range: float) -> _MdsiImage:
        return _prepare_mdsi(image, data_range, rounding)

    return _compare_mdsi(*_prepared(prepare, a, b, data_range), chroma)


def _mean_deviation(similarity: FloatArray) -> float:
    """Fourth root of the mean |u - mean u|, with u the fourth root of the similarity."""
    root = np.sqrt(np.sqrt(np.abs(similarity)))
    # Below zero the principal fourth root is complex: |s|^(1/4) (1 + i) / sqrt(2).
    turned = root * math.sqrt(0.5)
    negative = similarity < 0
    real, imaginary = np.where(negative, turned, root), np.where(negative, turned, 0)
    return float(np.hypot(real - real.mean(), imaginary - imaginary.mean()).mean() ** 0.25)


def _likeness(a: FloatArray, b: FloatArray, constant: float) -> FloatArray:
    """1 where a = b, towards 0 where one is much larger."""
    return np.asarray((2 * a * b + constant) / (a**2 + b**2 + constant))


def _gradient(image: FloatArray) -> FloatArray:
    """Gradient magnitude by the Prewitt operator / 3, with zeros around the image."""
    framed = np.pad(image, 1)
    across, down = framed[:, 2:] - framed[:, :-2], framed[2:] - framed[:-2]
    gradient_x = (across[:-2] + across[1:-1] + across[2:]) / 3
    gradient_y = (down[:, :-2] + down[:, 1:-1] + down[:, 2:]) / 3
    return np.asarray(np.sqrt(gradient_x**2 + gradient_y**2))


def _shrink_factor(image: FloatArray, rounding: Rounding) -> int:
    ratio: float = min(image.shape) / _POOLED_SIDE
    return max(1, math.floor(ratio + 0.5) if rounding == "half_up" else round(ratio))


def _shrunk(image: FloatArray, factor: int) -> FloatArray:
    """Mean of factor x factor squares with zeros around the image, in the phase of MATLAB's conv2(..., 'same')."""
    if factor == 1:
        return image
    before = (factor - 1) // 2
    sizes = [-(-n // factor) * factor for n in image.shape]
    after = [max(0, size - n - before) for size, n in zip(sizes, image.shape, strict=True)]
    framed = np.pad(image, ((before, after[0]), (before, after[1])))
    return _block_mean(framed[: sizes[0], : sizes[1]], factor)


def _block_mean(image: FloatArray, factor: int) -> FloatArray:
    """Mean of factor x factor squares from the first pixel on; an incomplete rest is dropped."""
    n_y, n_x = (n // factor for n in image.shape)
    squares = image[: n_y * factor, : n_x * factor].reshape(n_y, factor, n_x, factor)
    return np.asarray(squares.mean(axis=(1, 3)))


_STEPS: Mapping[str, tuple[Callable[[AnyArray, float], Any], Callable[[Any, Any], float]]] = MappingProxyType(
    {
        "psnr": (_scaled, _compare_psnr),
        "ssim": (_prepare_ssim, _compare_ssim),
        "gmsd": (_prepare_gmsd, _compare_gmsd),
        "mdsi": (_prepare_mdsi, lambda a, b: sum(_compare_mdsi(a, b)) / 2),
    }
)
