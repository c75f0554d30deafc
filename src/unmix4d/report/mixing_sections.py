"""What the report says about measured overlap."""

from collections.abc import Mapping

import numpy as np

from unmix4d.records import Interval, Mixing, RunResult
from unmix4d.report.looks import color_of
from unmix4d.report.sections import MOST_PAIRS, Cell, Shown, number_cell

FAINTEST = 1e-99
"""p-values below this are not told apart."""

KINDS = {"boundary": "at a boundary", "stacked": "stacked"}


def mixing_of(result: RunResult) -> Mixing | None:
    """Give what was measured; None for fewer than two crystals."""
    return result.overlap.measured


def measured_shown(result: RunResult) -> Shown:
    """Give, for the pairs with the largest areas, kind, area, mean fraction and significance."""
    mixing, step = result.overlap.measured, result.geometry.scan_step_nm
    pairs = () if mixing is None else mixing.pairs[:MOST_PAIRS]
    header = ["crystal", "crystal", "kind", "areas", "probes", "95 % interval"]
    header += [] if step is None else ["area (nm²)"]
    header += ["mean share of the second", "95 % interval", "p"]
    rows = []
    for pair in pairs:
        crystals = (Cell(result.clusters.name(i), color_of(result.clusters, i)) for i in (pair.first, pair.second))
        nm2 = () if step is None else (number_cell(pair.area.value * step**2),)
        rows.append(
            (
                *crystals,
                Cell(KINDS[pair.kind]),
                Cell(f"{pair.n_regions:,}"),
                Cell(f"{pair.area.value:,.0f}"),
                Cell(f"{pair.area.low:,.0f} to {pair.area.high:,.0f}"),
                *nm2,
                Cell(f"{pair.fraction.value:.3f}"),
                Cell(_limits(pair.fraction)),
                Cell(f"< {FAINTEST:.0e}" if pair.p_value < FAINTEST else f"{pair.p_value:.2g}"),
            )
        )
    return Shown(header=tuple(header), rows=rows)


def facts(result: RunResult) -> Mapping[str, str]:
    """Say what the noise was found to be, and how sure the test is."""
    mixing = result.overlap.measured
    if mixing is None:
        return {}
    noise, left = mixing.noise, mixing.unexplained
    assessed = int(np.isfinite(mixing.fraction).sum())
    significant = int(mixing.significant.sum())
    n_both, n_third, n_unknown = (int(m.sum()) for m in (left.where, left.third >= 0, left.unknown))
    width = "no boundary" if np.isnan(mixing.boundary_width) else f"{mixing.boundary_width:.1f} probes"
    return {
        "significant overlap": f"{significant:,} of {assessed:,} assessed probes",
        "level of the test": f"{mixing.false_positive_rate:.1%} of the probes of one crystal may be called overlap",
        "width at boundaries": f"usually {width}",
        "noise": f"variance {noise.read:.3g} + {noise.gain:.3g} × mean, counts",
        "spots are off by": f"{_least_most(noise.spot_error)} of their counts, by crystal",
        "errors taken larger by": f"{noise.inflation:.2f}, as weights of absent crystals scatter",
        "two do not suffice": f"{n_both:,} probes: {n_third:,} hold a third crystal, {n_unknown:,} something else",
    }


def _limits(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _least_most(values: tuple[float, ...]) -> str:
    return f"{min(values):.1%} to {max(values):.1%}"
