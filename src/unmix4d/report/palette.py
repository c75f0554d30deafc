"""One colour for each crystal, the same in every figure and table, and the colours of the overlap levels."""

from collections.abc import Sequence

Rgb = tuple[float, float, float]

NO_LABEL = "#dcdcdc"
"""Light grey: masked, dark, vacuum or background."""

CRYSTAL_COLORS = (
    *("#1e69c3", "#f0c300", "#b41e1e", "#f0a5f0", "#1ea587", "#e1781e", "#692d78", "#8787ff"),
    *("#005a00", "#4be187", "#c34ba5", "#877800", "#5ac3f0", "#003ca5", "#ff6987", "#0f785a"),
    *("#1e96d2", "#a5a54b", "#87003c", "#874bb4", "#ffa587", "#783c00", "#d278e1", "#5aa50f"),
)
"""In the order of the crystals. Chosen for the largest of the smallest distances in OKLab, the first eight also as
they look with protanopia and deuteranopia; all of medium lightness and coloured enough not to be taken for grey."""

OVERLAP_COLORS = ("#d62728", "#ff7f0e", "#ffd92f", "#2ca02c", "#1f77b4")
"""Of the levels 75, 80, 85, 90 and 95 % (paper, Fig. 5; method, section 8)."""

OVERLAP_COLORS_SAFE = ("#fde725", "#5ec962", "#21918c", "#3b528b", "#440154")
"""The same in steps of one sequential scale, darker for more, which every kind of colour vision tells apart."""

PAPER_BACKGROUND = "#000000"
PAPER_COLORS = (
    *("#33cccc", "#ff0000", "#99cc00", "#ff9900", "#ff6600", "#666699", "#ff6699", "#800080"),
    *("#808000", "#326699", "#0000ff", "#008080", "#00ff7f", "#800000", "#ffcc99", "#4b0082"),
)
"""Of the clusters in the paper's figures, in order; the background is black and takes none of them."""

PAPER_OVERLAP_COLORS = ("#ff0000", "#ffa500", "#ffef00", "#99cc00", "#0000ff")
"""Of 75, 80, 85, 90 and 95 % in the paper's overlap map."""

DARK, LIGHT = "#000000", "#ffffff"


def crystal_color(crystal: int) -> str:
    """Give the colour of a crystal as "#rrggbb"; the list starts again after its last colour."""
    return NO_LABEL if crystal < 0 else CRYSTAL_COLORS[crystal % len(CRYSTAL_COLORS)]


def paper_color(component: int, background: int) -> str:
    """Give the colour of a component in the paper's maps; the list starts again after its last colour."""
    if component == background:
        return PAPER_BACKGROUND
    place = component - (0 <= background < component)
    return PAPER_COLORS[place % len(PAPER_COLORS)]


def level_colors(n_levels: int, colors: Sequence[str] = OVERLAP_COLORS) -> tuple[str, ...]:
    """Give one colour for each overlap level, the highest level always the last colour."""
    last = len(colors) - 1
    return tuple(colors[max(last - n_levels + 1 + i, 0)] for i in range(n_levels))


def rgb(color: str) -> Rgb:
    """Give "#rrggbb" as three numbers in 0...1."""
    red, green, blue = bytes.fromhex(color[1:])
    return red / 255, green / 255, blue / 255


def text_on(color: str) -> str:
    """Give black or white, whichever has the larger contrast to ``color`` (relative luminance of WCAG 2.1)."""
    middle = 0.179  # here the contrast to black and to white is the same
    return DARK if luminance(color) > middle else LIGHT


def luminance(color: str) -> float:
    """Give the relative luminance of "#rrggbb" in 0...1 (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(color)]  # noqa: PLR2004 - sRGB
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
