"""Crystals can be told apart, by people with red-green blindness too (the first eight)."""

from itertools import combinations

import numpy as np
import pytest

from unmix4d.report.palette import (
    CRYSTAL_COLORS,
    NO_LABEL,
    OVERLAP_COLORS,
    OVERLAP_COLORS_SAFE,
    crystal_color,
    level_colors,
    luminance,
    rgb,
    text_on,
)

# What a linear RGB colour looks like (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Linear RGB to cone responses, and their cube roots to OKLab (Ottosson 2020).
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
NOTICEABLE = 0.02
"""A difference in OKLab that is just noticeable side by side."""


def oklab(color, vision="normal"):
    encoded = np.array(rgb(color))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(VISION[vision] @ linear, 0, 1)
    return OKLAB @ np.cbrt(CONES @ seen)


def closest(colors, vision="normal"):
    return min(np.linalg.norm(oklab(a, vision) - oklab(b, vision)) for a, b in combinations(colors, 2))


def test_oklab_is_computed_as_its_author_defined_it():
    np.testing.assert_allclose(oklab("#ffffff"), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(oklab("#ff0000"), [0.6280, 0.2249, 0.1258], atol=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_the_first_eight_colours_are_far_apart_for_everyone(vision):
    assert closest(CRYSTAL_COLORS[:8], vision) >= 5 * NOTICEABLE


def test_all_colours_are_different_and_enough():
    assert len(CRYSTAL_COLORS) >= 20
    assert closest(CRYSTAL_COLORS) >= 2.5 * NOTICEABLE


@pytest.mark.parametrize("color", CRYSTAL_COLORS)
def test_no_colour_is_taken_for_no_label_or_for_grey(color):
    lightness, a, b = oklab(color)
    assert np.hypot(a, b) >= 4 * NOTICEABLE
    assert 0.35 <= lightness <= 0.9
    for vision in VISION:
        assert np.linalg.norm(oklab(color, vision) - oklab(NO_LABEL, vision)) >= 4 * NOTICEABLE


@pytest.mark.parametrize("vision", VISION)
def test_the_safe_overlap_colours_darken_level_by_level_for_everyone(vision):
    lightness = [oklab(color, vision)[0] for color in OVERLAP_COLORS_SAFE]
    assert np.all(np.diff(lightness) < -4 * NOTICEABLE)


def test_the_overlap_colours_are_those_of_the_paper():
    assert OVERLAP_COLORS == ("#d62728", "#ff7f0e", "#ffd92f", "#2ca02c", "#1f77b4")


def test_a_crystal_keeps_its_colour_and_the_list_starts_again():
    assert crystal_color(0) == CRYSTAL_COLORS[0]
    assert crystal_color(len(CRYSTAL_COLORS) + 2) == CRYSTAL_COLORS[2]
    assert crystal_color(-1) == NO_LABEL


@pytest.mark.parametrize(("n", "first"), [(1, "#1f77b4"), (2, "#2ca02c"), (5, "#d62728"), (7, "#d62728")], ids=str)
def test_the_highest_of_any_number_of_levels_has_the_last_colour(n, first):
    colors = level_colors(n)
    assert (len(colors), colors[0], colors[-1]) == (n, first, OVERLAP_COLORS[-1])


@pytest.mark.parametrize("color", [*CRYSTAL_COLORS, NO_LABEL])
def test_text_on_every_colour_has_the_contrast_of_wcag(color):
    light, dark = sorted((luminance(color), luminance(text_on(color))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_luminance_of_white_and_black():
    assert luminance("#ffffff") == pytest.approx(1)
    assert luminance("#000000") == 0
