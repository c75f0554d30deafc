"""Every figure of a run by its file name, in the order of the report."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from matplotlib.figure import Figure

from unmix4d.records import RunResult
from unmix4d.report.comparison_figure import comparison_figure
from unmix4d.report.curve_figures import decision_figure, loss_figure, matrices_figure
from unmix4d.report.line_figure import trajectory_figure
from unmix4d.report.map_figures import (
    clusters_figure,
    overlap_colorblind_figure,
    overlap_figure,
    ratio_figure,
    survey_figure,
    weights_figure,
)
from unmix4d.report.mixing_figures import fraction_figure, kinds_figure, unexplained_figure
from unmix4d.report.paper_figures import (
    paper_beside_figure,
    paper_clusters_figure,
    paper_loss_figure,
    paper_matrices_figure,
    paper_overlap_figure,
    paper_patterns_figure,
    paper_weights_figure,
)
from unmix4d.report.pattern_figures import components_figure, crystals_figure, summary_figure
from unmix4d.report.spot_figures import spots_figure

Draw = Callable[[RunResult], Figure]

FIGURES: Mapping[str, Draw] = MappingProxyType(
    {
        "summary": summary_figure,
        "clusters": clusters_figure,
        "crystals": crystals_figure,
        "components": components_figure,
        "loss": loss_figure,
        "decision": decision_figure,
        "matrices": matrices_figure,
        "overlap": overlap_figure,
        "overlap_colorblind": overlap_colorblind_figure,
        "ratio": ratio_figure,
        "overlap_kinds": kinds_figure,
        "fraction": fraction_figure,
        "trajectory": trajectory_figure,
        "unexplained": unexplained_figure,
        "weights": weights_figure,
        "comparison": comparison_figure,
        "survey": survey_figure,
    }
)

PAPER_FIGURES: Mapping[str, Draw] = MappingProxyType(
    {
        "paper_beside": paper_beside_figure,
        "paper_loss": paper_loss_figure,
        "paper_matrices": paper_matrices_figure,
        "paper_clusters": paper_clusters_figure,
        "paper_patterns": paper_patterns_figure,
        "paper_overlap": paper_overlap_figure,
        "paper_weights": paper_weights_figure,
    }
)
"""Those of a run with ``--mode paper`` besides."""

SPOT_FIGURES: Mapping[str, Draw] = MappingProxyType({"spots": spots_figure})
"""Of runs that keep a table of spots."""


def figures_of(result: RunResult) -> Mapping[str, Draw]:
    """Give the figures that a run has."""
    paper = {} if result.paper is None else {name: _as_found(draw) for name, draw in PAPER_FIGURES.items()}
    spots = {} if result.spots is None else SPOT_FIGURES
    return {**FIGURES, **paper, **spots}


def _as_found(draw: Draw) -> Draw:
    """Draw the run's own answer: the paper's is matched with that, not with what was changed by hand."""
    return lambda result: draw(result.as_found)
