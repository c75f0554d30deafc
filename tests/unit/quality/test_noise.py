"""Noise standard deviations against the reference values of method section 3, hand computation and theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from unmix4d.errors import Unmix4dWarning
from unmix4d.quality.noise import noise_std
from unmix4d.records import FloatArray

METHODS = ("std", "immerkaer", "laplace_mad")


def hash_noise(h: int, w: int, seed: int) -> FloatArray:
    mask = np.uint64(0xFFFFFFFF)
    i, j = np.arange(h, dtype=np.uint64)[:, None], np.arange(w, dtype=np.uint64)[None, :]
    x = (i * np.uint64(73856093) ^ j * np.uint64(19349663) ^ np.uint64(seed * 83492791)) & mask
    for _ in range(2):
        x = ((x >> np.uint64(16)) ^ x) * np.uint64(0x45D9F3B) & mask
    x = (x >> np.uint64(16)) ^ x
    return x.astype(np.float64) / 4294967296.0


def lattice(h: int, w: int) -> FloatArray:
    """Square lattice of 11 x 11 Gaussian spots: the reference image A."""
    y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w)[None, :] - (w - 1) / 2
    out = np.zeros((h, w))
    for v in 16.0 * np.arange(-5, 6):
        for u in 16.0 * np.arange(-5, 6):
            peak = 240.0 if u == v == 0 else 180.0 * np.exp(-(u * u + v * v) / (2 * 40.0**2))
            out += peak * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 1.6**2))
    return np.clip(out, 0, 255)


def noise(h: int, w: int) -> FloatArray:
    return 20 * (hash_noise(h, w, 1) + hash_noise(h, w, 2) + hash_noise(h, w, 3) - 1.5)


def ramp(h: int, w: int) -> FloatArray:
    return np.broadcast_to(np.arange(w, dtype=float), (h, w))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (lattice(128, 128), (16.659511, 0.137788, 0.016892)),
        (np.clip(lattice(128, 128) + noise(128, 128), 0, 255), (16.861223, 6.451653, 6.057463)),
        (100 + noise(128, 128), (10.028249, 10.089643, 10.259135)),
        (ramp(128, 128), (36.949290, 0, 0)),
        (ramp(128, 128) + noise(128, 128), (38.288282, 10.089643, 10.259135)),
        (lattice(127, 101), (18.465151, 0.178137, 0.026245)),
        (100 + noise(127, 101), (10.030264, 10.032432, 10.171885)),
    ],
    ids=["A", "C", "K + 20n", "ramp", "ramp + 20n", "A odd", "K + 20n odd"],
)
def test_reference_values(image: FloatArray, expected: tuple[float, float, float]) -> None:
    values = [noise_std(image, method=method) for method in METHODS]
    assert_allclose(values, expected, atol=6e-7)


def test_by_hand() -> None:
    # One valid position: the mask gives 4 * 9 = 36, so sqrt(pi / 2) * 36 / 6 and 36 / (0.6745 * 6).
    image = np.zeros((3, 3))
    image[1, 1] = 9
    assert noise_std(image) == pytest.approx(math.sqrt(math.pi / 2) * 6)
    assert noise_std(image, method="laplace_mad") == pytest.approx(6 / 0.6744897501960817)
    # Mean 1, so the variance is (8 * 1 + 64) / 9 = 8.
    assert noise_std(image, method="std") == pytest.approx(math.sqrt(8))


def test_corner_sees_only_the_four_corners() -> None:
    # In 4 x 4 pixels only the corner pixels lie further than 2 from the centre (1.5, 1.5).
    image = np.full((4, 4), 50.0)
    image[1:3, 1:3] = 999
    image[[0, 0, 3, 3], [0, 3, 0, 3]] = 1, 2, 3, 4
    assert noise_std(image, method="corner") == pytest.approx(np.std([1, 2, 3, 4], ddof=1))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(0.1, 100), level=st.floats(-1000, 1000))
def test_white_noise_is_measured_whatever_its_level(seed: int, sigma: float, level: float) -> None:
    image = level + sigma * np.random.default_rng(seed).standard_normal((96, 96))
    for method in (*METHODS, "corner"):
        assert noise_std(image, method=method) == pytest.approx(sigma, rel=0.12)


@pytest.mark.parametrize("method", [*METHODS, "corner"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_constant_image_has_no_noise(method: str, dtype: type) -> None:
    assert noise_std(np.full((9, 7), 200, dtype=dtype), method=method) == 0


def test_unsigned_integers_do_not_wrap_around() -> None:
    image = lattice(64, 64).astype(np.uint8)
    for method in (*METHODS, "corner"):
        assert noise_std(image, method=method) == noise_std(image.astype(float), method=method)


@pytest.mark.parametrize("method", [*METHODS, "corner"])
def test_tiny_image_gives_nan_and_says_so(method: str) -> None:
    side = 4 if method == "corner" else 3
    with pytest.warns(Unmix4dWarning, match=f"{side} px"):
        assert math.isnan(noise_std(np.ones((side - 1, side - 1)), method=method))
    assert noise_std(np.ones((side, side)), method=method) == 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        noise_std(np.array([[1.0, 2, 3], [4, np.nan, 6], [7, 8, 9]]))
    with pytest.raises(ValueError, match="2-D"):
        noise_std(np.ones((3, 3, 3)))
    with pytest.raises(ValueError, match="immerkaer, std, laplace_mad, corner"):
        noise_std(np.ones((3, 3)), method="wavelet")  # type: ignore[arg-type]
