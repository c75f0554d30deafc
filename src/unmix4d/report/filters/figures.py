"""Every figure of a comparison of filters by its file name, in the order of the page."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from matplotlib.figure import Figure

from unmix4d.records import FilterComparison
from unmix4d.report.captions import Caption
from unmix4d.report.filters.curves import losses_figure, noise_figure, overlap_figure
from unmix4d.report.filters.maps import made_figure, maps_figure, patterns_figure

FIGURES: Mapping[str, Callable[[FilterComparison], Figure]] = MappingProxyType(
    {
        "maps": maps_figure,
        "patterns": patterns_figure,
        "noise": noise_figure,
        "losses": losses_figure,
        "overlap": overlap_figure,
        "made": made_figure,
    }
)

CAPTIONS: Mapping[str, Caption] = MappingProxyType(
    {
        "maps": Caption(
            "Cluster maps of {n} filters side by side; matched crystals have the same colour.",
            "The strongest crystal at every probe, with each filter. The same colour: the same crystal, matched by "
            "the probes that clusters share with those of {reference}. Light grey: no crystal.",
        ),
        "patterns": Caption(
            "Mean patterns of the matched clusters, crystals in rows and filters in columns, each with both NSDs.",
            "Mean of the filtered patterns of each cluster, to the power 0.4. Below each: NSD by Immerkær, and the "
            "standard deviation, which is the paper's NSD and holds the signal too, in counts.",
        ),
        "noise": Caption(
            "Heat maps of the noise standard deviation of clusters over filters, by two definitions.",
            "NSD of the mean pattern and of the reconstruction of each cluster; brighter means a higher NSD. That "
            "of Immerkær measures noise; the standard deviation holds the diffraction signal too. Grey: the filter "
            "has no such cluster. A filter that draws patterns gives them edges, which Immerkær's counts as noise.",
        ),
        "losses": Caption(
            "Loss over the number of components for {n} filters, and how far apart the starts end.",
            "Above: exact loss on the filtered patterns; stars mark the chosen k. Filters change the data, so that "
            "a lower curve does not mean a better answer. Below: how much worse than the best each start of a k "
            "ended, by the solver's own objective.",
        ),
        "overlap": Caption(
            "Share of the probes whose overlap ratio reaches each threshold, at boundaries and away from them.",
            "Overlap at boundaries of {reference} and away from them, on the probes that every filter assesses. "
            "Full: the answer of the filter. Open: the same crystals with weights fitted to the unfiltered counts.",
        ),
        "made": Caption(
            "Maps of the overlap that the unfiltered counts confirm, and of that which they do not, by filter.",
            "Overlap with a ratio of 0.75 or more over the cluster map in grey. Orange next to a boundary of "
            "{reference}: overlap that the filter made, or that noise and the threshold put on this side.",
        ),
    }
)
