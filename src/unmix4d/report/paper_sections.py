"""What the report says of the paper's procedure, in words and tables."""

from collections.abc import Mapping

import numpy as np

from unmix4d.quality.noise import NoiseMethod, noise_std
from unmix4d.quality.similarity import METRICS
from unmix4d.records import NO_CRYSTAL, RunResult
from unmix4d.report.palette import NO_LABEL, crystal_color
from unmix4d.report.paper_figures import answer_of, color_of, name_of
from unmix4d.report.sections import NOTHING, Cell, Shown, metric_cell, number_cell

NOISE: tuple[NoiseMethod, ...] = ("std", "immerkaer")
LEAST_NOISE_SIDE = 3


def beside_shown(result: RunResult) -> Shown:
    """Give the answer of the paper's procedure beside ours."""
    paper, decision = answer_of(result), result.decision
    theirs, ours = paper.map, result.clusters
    knees = (knee_words(result), f"{decision.k_low} to {decision.k_high}, around the knee of our losses")
    none = int((theirs.labels == theirs.background).sum()), int((ours.labels < 0).sum())
    background = "none" if theirs.background < 0 else name_of(paper, theirs.background)
    roles = ours.roles.roles
    rows = {
        "crystals": (paper.n_crystals, ours.n_crystals),
        "components k": (paper.k, decision.k),
        "where k comes from": (paper.k_how, "distinct crystals, see above"),
        "range of interest": knees,
        "background": (f"{background}: {paper.background_how}", f"{roles.count('background')} components"),
        "probes of no crystal": none,
        "probes that overlap, ratio ≥ 0.75": (int((theirs.level > 0).sum()), int((result.overlap.level > 0).sum())),
    }
    return Shown(
        header=("", "the paper's procedure", "ours"),
        rows=[(Cell(name), *map(number_cell, cells)) for name, cells in rows.items()],
    )


def knee_words(result: RunResult) -> str:
    """Say where the knee of the paper's sweep is, and what range that gives."""
    paper = answer_of(result)
    if paper.knee is None:
        return f"no knee in the losses; {paper.knee_used} stands for it"
    return f"{paper.knee - 4} to {paper.knee + 4}, knee at {paper.knee}"


def agreement_words(result: RunResult) -> str:
    """Say how far both maps agree."""
    agreement = answer_of(result).agreement
    index = "not defined" if np.isnan(agreement.adjusted_rand) else f"{agreement.adjusted_rand:.3f}"
    return (
        f"With labels matched one to one, {100 * agreement.share:.1f} % of all probes have the same label in both "
        f"maps, and {agreement.n_differ:,} do not; the adjusted Rand index is {index}. Background and no crystal "
        "count as one class."
    )


def matched_shown(result: RunResult) -> Shown:
    """Give which component stands for which crystal."""
    paper = answer_of(result)
    theirs = np.where(paper.map.labels == paper.map.background, NO_CRYSTAL, paper.map.labels)
    ours = result.clusters.labels
    pairs = dict(paper.agreement.matched)
    rows = []
    for there in np.unique(theirs).tolist():
        here = pairs.get(there)
        both = NOTHING if here is None else f"{int(((theirs == there) & (ours == here)).sum()):,}"
        first = Cell("background") if there < 0 else Cell(str(there + 1), color_of(paper, there))
        rows.append((first, _crystal(here), number_cell(int((theirs == there).sum())), Cell(both)))
    return Shown(header=("component", "crystal", "probes of the component", "in both"), rows=rows)


def reported_shown(result: RunResult) -> Shown:
    """Give the k that each metric reports, and what it reports for the same components in other orders."""
    rows = []
    for scores in answer_of(result).scores:
        others = scores.reported_if_permuted
        same = f"{100 * float((others == scores.reported).mean()):.0f} %"
        span = f"{others.min()} to {others.max()}"
        rows.append((Cell(scores.metric.upper()), *map(number_cell, (scores.reported, span, same))))
    header = ("metric", "k reported", "k reported in other orders", "orders that report the same")
    return Shown(header=header, rows=rows)


def changes_shown(result: RunResult) -> Shown:
    """Give how many labels change if one thing is done in another way."""
    rows = [
        (
            Cell(change.reason),
            Cell(change.what),
            number_cell(change.n_changed),
            Cell(f"{100 * change.n_changed / max(change.n_probes, 1):.1f}"),
        )
        for change in answer_of(result).changes
    ]
    return Shown(header=("reason", "done in another way", "labels changed", "of all probes (%)"), rows=rows)


def patterns_shown(result: RunResult) -> Shown:
    """Give the metrics between each cluster's mean and its component, and the noise of both."""
    paper = answer_of(result)
    rows = []
    for i, n in enumerate(paper.counts.tolist()):
        metrics = [metric_cell(name, float(values[i])) for name, values in paper.metrics.items()]
        images = (paper.mean_patterns[i], paper.component_patterns[i])
        seen = n and min(images[0].shape) >= LEAST_NOISE_SIDE
        noise = [noise_std(image, method=method) if seen else None for method in NOISE for image in images]
        rows.append(
            (Cell(name_of(paper, i), color_of(paper, i)), number_cell(n), *metrics, *map(number_cell, noise))
        )
    arrows = {name: "↑" if METRICS[name][1] == "higher" else "↓" for name in paper.metrics}
    titles = [f"{name.upper()}{' (dB)' if name == 'psnr' else ''} {arrow}" for name, arrow in arrows.items()]
    header = ("component", "probes", *titles, *("mean", "component") * len(NOISE))
    groups = (("", 2 + len(titles)), ("NSD as in the paper, std (grey levels)", 2), ("NSD, Immerkær", 2))
    return Shown(header=header, rows=rows, groups=groups)


def facts(result: RunResult) -> Mapping[str, str]:
    """Say how the procedure was followed."""
    paper = answer_of(result)
    steps = list(paper.n_iterations.values())
    model = "converged" if paper.converged else "not converged when its iterations ended"
    return {
        "images": "; ".join(paper.steps),
        "sweep": f"k = {min(paper.losses)} to {max(paper.losses)}, {min(steps)} to {max(steps)} iterations each",
        "knee": knee_words(result),
        "final model": f"k = {paper.k}, {model}",
        "background": paper.background_how
        if paper.map.background < 0
        else f"index {paper.map.background} from 0: {paper.background_how}",
        "passed over": f"{int(paper.map.passed_over.sum()):,} probes, where background was hardly stronger",
    }


def _crystal(crystal: int | None) -> Cell:
    if crystal is None:
        return Cell(NOTHING)
    return Cell("no crystal", NO_LABEL) if crystal < 0 else Cell(str(crystal), crystal_color(crystal))
