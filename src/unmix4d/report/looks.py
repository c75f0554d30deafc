"""What crystals are called and drawn in: as the run numbers them, or as a person changed it."""

from unmix4d.records import ClusterMap
from unmix4d.report.palette import NO_LABEL, crystal_color

ELLIPSIS = "…"


def color_of(clusters: ClusterMap, crystal: int) -> str:
    """Give the colour of a crystal, by its index, as "#rrggbb"."""
    if crystal < 0:
        return NO_LABEL
    given = clusters.looks[crystal].color if clusters.looks else ""
    return given or crystal_color(clusters.number(crystal))


def shortened(words: str, most: int) -> str:
    """Cut words that have more letters than there is room for."""
    return words if len(words) <= most else words[: max(most - 1, 1)].rstrip() + ELLIPSIS
