"""PSNR, SSIM, GMSD and MDSI against reference values (method, sections 5 and 12), published values and skimage."""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from unmix4d.errors import Unmix4dWarning
from unmix4d.quality.similarity import METRICS, MIN_SIDE, gmsd, mdsi, pairwise, psnr, ssim, symmetric_mdsi
from unmix4d.records import FloatArray

SIZES = ((128, 128), (127, 101), (512, 512))


def hash_noise(h: int, w: int, seed: int) -> FloatArray:
    mask = np.uint64(0xFFFFFFFF)
    i, j = np.arange(h, dtype=np.uint64)[:, None], np.arange(w, dtype=np.uint64)[None, :]
    x = (i * np.uint64(73856093) ^ j * np.uint64(19349663) ^ np.uint64(seed * 83492791)) & mask
    for _ in range(2):
        x = ((x >> np.uint64(16)) ^ x) * np.uint64(0x45D9F3B) & mask
    x = (x >> np.uint64(16)) ^ x
    return x.astype(np.float64) / 4294967296.0


def lattice(h: int, w: int, *, angle: float = 0.0, dx: float = 0.0) -> FloatArray:
    spacing, sigma, a = 16.0, 1.6, np.deg2rad(angle)
    cy, cx = (h - 1) / 2.0, (w - 1) / 2.0 + dx
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    out = np.zeros((h, w))
    for m in range(-5, 6):
        for n in range(-5, 6):
            u, v = m * spacing, n * spacing
            x, y = cx + u * np.cos(a) - v * np.sin(a), cy + u * np.sin(a) + v * np.cos(a)
            peak = 240.0 if (m, n) == (0, 0) else 180.0 * np.exp(-(u * u + v * v) / (2 * 40.0**2))
            out += peak * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2))
    return np.clip(out, 0.0, 255.0)


@cache
def images(h: int, w: int) -> dict[str, FloatArray]:
    a, b = lattice(h, w), lattice(h, w, angle=10.0)
    noise = hash_noise(h, w, 1) + hash_noise(h, w, 2) + hash_noise(h, w, 3) - 1.5
    return {
        "A": a,
        "B": b,
        "C": np.clip(a + 20.0 * noise, 0, 255),
        "D": 0.5 * a,
        "E": lattice(h, w, dx=1.0),
        "F": np.clip(0.7 * a + 0.3 * b, 0, 255),
        "Z": np.zeros((h, w)),
        "K": np.full((h, w), 100.0),
    }


def assert_mdsi(value: float, expected: float) -> None:
    """The fourth root makes small values meaningless: there, compare what stands under it."""
    if expected > 0.05:
        assert_allclose(value, expected, rtol=1e-6)
    else:
        assert_allclose(value**4, expected**4, atol=1e-10)


def test_the_generator_is_the_one_of_the_reference() -> None:
    assert hash_noise(128, 128, 1)[0, 0] == 0.858670120825991
    assert hash_noise(128, 128, 1)[5, 7] == 0.5376003226265311
    sums = [images(128, 128)[name].sum() for name in "ABCF"]
    assert_allclose(sums, [90149.65516, 91023.385192, 143844.358805, 90411.77417], rtol=1e-10)


@pytest.mark.parametrize("size", SIZES)
def test_reference_table(reference: Path, size: tuple[int, int]) -> None:
    table = json.loads((reference / "iqa_reference.json").read_text())
    rows = {key.split(":")[1]: row for key, row in table.items() if key.startswith(f"{size[0]}x{size[1]}:")}
    assert len(rows) == 15
    for (first, second), row in rows.items():
        pair = images(*size)[first], images(*size)[second]
        assert_allclose(psnr(*pair, data_range=255), row["psnr"], rtol=1e-6)
        assert_allclose(ssim(*pair, data_range=255), row["ssim"], rtol=1e-6)
        assert_allclose(gmsd(*pair, data_range=255), row["gmsd"], rtol=1e-6, atol=1e-12)
        assert_mdsi(mdsi(*pair, data_range=255), row["mdsi"])
        assert_mdsi(mdsi(*pair, data_range=255, chroma="none"), row["mdsi_luma"])


@pytest.mark.parametrize(
    ("rounding", "expected"), [("half_up", 0.28379980), ("bankers", 0.30484550)], ids=["matlab", "piq"]
)
def test_mdsi_at_640_px_depends_on_the_rounding(rounding: str, expected: float) -> None:
    pair = images(640, 640)["A"], images(640, 640)["B"]
    assert_allclose(mdsi(*pair, data_range=255, rounding=rounding), expected, atol=5e-9)


def test_ssim_with_downsampling_is_that_of_piq() -> None:
    pair = images(512, 512)["A"], images(512, 512)["B"]
    assert_allclose(ssim(*pair, data_range=255, downsample=True), 0.92745580, atol=5e-9)


@pytest.mark.parametrize("k", range(1, 9))
def test_published_values_of_the_paper(data: Path, k: int) -> None:
    folder = data / "paper_iqa"
    published = json.loads((folder / "expected.json").read_text())
    pair = imread(folder / f"raw_{k}.bmp") / 255, imread(folder / f"nmf_{k}.png") / 255
    values = {
        "psnr": psnr(*pair, data_range=1, epsilon=1e-8),
        "ssim": ssim(*pair, data_range=1, downsample=True),
        "gmsd": gmsd(*pair, data_range=1),
        # The authors call piq.mdsi(raw, nmf), and piq's first image is the distorted one.
        "mdsi": mdsi(reference=pair[1], test=pair[0], data_range=1, rounding="bankers"),
    }
    for name, value in values.items():
        assert value == pytest.approx(published[name][k - 1], abs=1e-3), name


@pytest.mark.parametrize("pair", ["AB", "AC", "AZ", "ZK"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_psnr_and_ssim_agree_with_skimage(pair: str, size: tuple[int, int]) -> None:
    r, t = (images(*size)[name] for name in pair)
    oracle = structural_similarity(
        r, t, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert_allclose(ssim(r, t, data_range=255), oracle, rtol=1e-9)
    assert_allclose(psnr(r, t, data_range=255), peak_signal_noise_ratio(r, t, data_range=255), rtol=1e-12)


@pytest.mark.parametrize("name", ["A", "C", "K", "Z"])
@pytest.mark.parametrize("size", SIZES)
def test_identical_images(name: str, size: tuple[int, int]) -> None:
    pair = images(*size)[name], images(*size)[name].copy()
    assert psnr(*pair, data_range=255) == math.inf
    assert ssim(*pair, data_range=255) == 1
    assert gmsd(*pair, data_range=255) == 0
    assert 0 <= mdsi(*pair, data_range=255) < 1e-3
    assert 0 <= symmetric_mdsi(*pair, data_range=255, chroma="none") < 1e-3


def test_psnr_by_hand() -> None:
    # mean((R - T)^2) = (0 + 0 + 0 + 4) / 4 = 1, so 10 log10(100 / 1) = 20 dB.
    r, t = np.zeros((2, 2)), np.array([[0.0, 0], [0, 2]])
    assert psnr(r, t, data_range=10) == pytest.approx(20)
    # piq's constant caps identical images: -10 log10(1e-8) = 80 dB.
    assert psnr(r, r, data_range=10, epsilon=1e-8) == pytest.approx(80)


def test_gmsd_by_hand() -> None:
    # After 2 x 2 means the reference is 0 and the test 255 in one corner of 2 x 2 pixels. There Prewitt sees
    # gx = gy = 255 / 3 in the pixels that touch it on a side or corner, 0 or one component elsewhere.
    r, t = np.zeros((4, 4)), np.zeros((4, 4))
    t[:2, :2] = 255
    gradient = np.array([[0, 85], [85, 85 * math.sqrt(2)]])
    likeness = 170 / (gradient**2 + 170)
    assert gmsd(r, t, data_range=255) == pytest.approx(likeness.std())


def test_mdsi_is_not_symmetric_and_its_mean_is() -> None:
    a, b = images(128, 128)["A"], images(128, 128)["Z"]
    assert mdsi(a, b, data_range=255) == pytest.approx(0.61280810)
    assert mdsi(b, a, data_range=255) == pytest.approx(0.35052882)
    assert symmetric_mdsi(a, b, data_range=255) == pytest.approx((0.61280810 + 0.35052882) / 2)
    assert symmetric_mdsi(b, a, data_range=255) == symmetric_mdsi(a, b, data_range=255)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 65535), pair=st.sampled_from(["AB", "AC", "CA", "AZ", "ZK"]))
def test_only_the_ratio_to_the_data_range_counts(scale: float, pair: str) -> None:
    r, t = (images(127, 101)[name] / 255 for name in pair)
    for metric, _ in METRICS.values():
        scaled = metric(scale * r, scale * t, data_range=scale)
        assert scaled == pytest.approx(metric(r, t, data_range=1), rel=1e-9)


def test_integer_images_do_not_wrap_around() -> None:
    r, t = (images(128, 128)[name].astype(np.uint8) for name in "AB")
    for metric, _ in METRICS.values():
        assert metric(r, t, data_range=255) == metric(r.astype(float), t.astype(float), data_range=255)


@pytest.mark.parametrize("name", METRICS)
def test_matrix_agrees_with_pairs(name: str) -> None:
    patterns = np.stack([images(127, 101)[i] for i in "ABZFC"])
    scores = pairwise(patterns, name, data_range=255)
    function = symmetric_mdsi if name == "mdsi" else METRICS[name][0]
    assert scores.dtype == np.float64
    assert np.isnan(scores[2]).all()
    assert np.isnan(scores[:, 2]).all()
    for i in (0, 1, 3, 4):
        for j in (0, 1, 3, 4):
            assert scores[i, j] == scores[j, i]
            assert scores[i, j] == function(patterns[i], patterns[j], data_range=255)


@pytest.mark.parametrize("name", METRICS)
def test_matrix_of_nothing_but_zeros(name: str) -> None:
    assert np.isnan(pairwise(np.zeros((3, 16, 16)), name, data_range=1)).all()
    assert pairwise(np.zeros((0, 16, 16)), name, data_range=1).shape == (0, 0)


@pytest.mark.parametrize(
    ("names", "mean_ssim", "mean_gmsd", "mean_mdsi"),
    [
        ("AB", 0.361114, 0.353890, 0.579272),
        ("ABE", 0.534686, 0.261233, 0.488052),
        ("ABFD", 0.637995, 0.214324, 0.392547),
    ],
)
def test_means_of_the_level_two_table(names: str, mean_ssim: float, mean_gmsd: float, mean_mdsi: float) -> None:
    patterns = np.stack([255 * images(128, 128)[n] / images(128, 128)[n].max() for n in names])
    others = ~np.eye(len(names), dtype=bool)
    means = [pairwise(patterns, name, data_range=255)[others].mean() for name in ("ssim", "gmsd", "mdsi")]
    assert_allclose(means, [mean_ssim, mean_gmsd, mean_mdsi], atol=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_what_cannot_be_compared_is_refused(name: str) -> None:
    metric, good = METRICS[name][0], np.ones((16, 16))
    bad = good.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match="one shape"):
        metric(good, np.ones((16, 15)), data_range=1)
    with pytest.raises(ValueError, match="NaN"):
        metric(good, bad, data_range=1)
    with pytest.raises(ValueError, match="2-D"):
        metric(np.ones(16), np.ones(16), data_range=1)
    for data_range in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="data_range"):
            metric(good, good, data_range=data_range)


@pytest.mark.parametrize("name", ["ssim", "gmsd"])
def test_small_patterns_are_refused_below_the_stated_side(name: str) -> None:
    side = MIN_SIDE[name]
    small = np.ones((side - 1, 40))
    with pytest.raises(ValueError, match=f"{side} px"):
        METRICS[name][0](small, small, data_range=1)
    with pytest.raises(ValueError, match=f"{side} px"):
        pairwise(small[None], name, data_range=1)
    assert math.isfinite(METRICS[name][0](np.ones((side, 40)), np.zeros((side, 40)), data_range=1))


def test_unknown_options_are_refused() -> None:
    a = np.ones((16, 16))
    with pytest.raises(ValueError, match="chroma"):
        mdsi(a, a, data_range=1, chroma="colour")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rounding"):
        mdsi(a, a, data_range=1, rounding="up")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="psnr, ssim, gmsd, mdsi"):
        pairwise(a[None], "vif", data_range=1)
    with pytest.raises(ValueError, match="pattern_y"):
        pairwise(a, "ssim", data_range=1)


def test_values_far_outside_the_data_range_warn() -> None:
    a = np.zeros((16, 16))
    a[:1, :2] = 2  # 2 of 256 pixels: below one percent
    assert psnr(a, a, data_range=1) == math.inf
    a[:1, :3] = 2
    with pytest.warns(Unmix4dWarning, match="outside 0...1"):
        psnr(a, a, data_range=1)
