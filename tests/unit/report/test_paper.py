"""The paper's procedure in the report, the figures and ``result.h5``."""

import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.report import paper_sections
from unmix4d.report.figures import FIGURES, PAPER_FIGURES, figures_of
from unmix4d.report.html import CONTENTS, render_report
from unmix4d.report.palette import PAPER_BACKGROUND, PAPER_COLORS, paper_color
from unmix4d.report.paper_figures import differing, paper_colors
from unmix4d.report.store import load_result, save_result

SPEC = PhantomSpec(scan_shape=(10, 30), pattern_shape=(32, 32), n_crystals=2, n_minority=0)


@pytest.fixture(scope="module")
def both():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(make_phantom(SPEC).scan, mode="paper", k_max=5, threads=1).result


@pytest.fixture(scope="module")
def page(both):
    return render_report(both)


def words(shown):
    return [tuple(cell.words for cell in row) for row in shown.rows]


def test_a_run_without_it_shows_nothing_of_it(result):
    assert result.paper is None
    assert figures_of(result) == FIGURES
    assert "paper" not in CONTENTS
    assert 'id="paper"' not in render_report(result)


@pytest.mark.parametrize("name", PAPER_FIGURES)
def test_every_figure_can_be_drawn(both, name):
    figure = PAPER_FIGURES[name](both)
    figure.canvas.draw()
    width, _ = figure.get_size_inches()
    assert width <= 10.01
    for axes in figure.axes:
        box = axes.get_position()
        assert -1e-6 <= box.x0 < box.x1 <= 1 + 1e-6, name
        assert -1e-6 <= box.y0 < box.y1 <= 1 + 1e-6, name


def test_the_report_has_its_section_between_comparison_and_survey(page):
    places = [page.index(f'<section id="{name}"') for name in ("comparison", "paper", "survey")]
    assert places == sorted(places)
    assert page.count('href="#paper"') == 1
    for name in PAPER_FIGURES:
        assert page.count(f'id="figure-{name}"') == 1


def test_both_answers_stand_beside_each_other(both):
    rows = {name: cells for name, *cells in words(paper_sections.beside_shown(both))}
    assert rows["components k"] == [str(both.paper.k), str(both.decision.k)]
    assert rows["crystals"] == [str(both.paper.n_crystals), str(both.clusters.n_crystals)]
    assert str(both.paper.knee_used) in rows["range of interest"][0]
    assert f"{100 * both.paper.agreement.share:.1f} %" in paper_sections.agreement_words(both)


def test_matched_probes_are_those_that_do_not_differ(both):
    in_both = [cells[3].replace(",", "") for cells in words(paper_sections.matched_shown(both))]
    same = sum(int(n) for n in in_both if n != "–")
    assert same == both.paper.map.labels.size - both.paper.agreement.n_differ
    assert differing(both).sum() == both.paper.agreement.n_differ


def test_reasons_are_told_with_their_numbers(both):
    told = words(paper_sections.changes_shown(both))
    assert [row[:3] for row in told] == [(c.reason, c.what, f"{c.n_changed:,}") for c in both.paper.changes]
    for (metric, reported, span, _), scores in zip(
        words(paper_sections.reported_shown(both)), both.paper.scores, strict=True
    ):
        assert (metric, reported) == (scores.metric.upper(), str(scores.reported))
        assert span == f"{scores.reported_if_permuted.min()} to {scores.reported_if_permuted.max()}"


def test_a_cluster_without_a_probe_has_dashes(both):
    counts = both.paper.counts.copy()
    counts[0] = 0
    metrics = {name: np.where(np.arange(both.paper.k) == 0, np.nan, v) for name, v in both.paper.metrics.items()}
    changed = replace(both, paper=replace(both.paper, counts=counts, metrics=metrics))
    first = words(paper_sections.patterns_shown(changed))[0]
    assert first[1:] == ("0", *["–"] * (len(first) - 2))


def test_the_background_is_black_and_takes_no_colour_of_the_list():
    assert paper_color(3, 3) == PAPER_BACKGROUND
    assert [paper_color(i, 3) for i in (0, 2, 4)] == [PAPER_COLORS[0], PAPER_COLORS[2], PAPER_COLORS[3]]
    assert paper_color(5, -1) == PAPER_COLORS[5]


def test_the_map_has_the_colour_of_every_label(both):
    colors = paper_colors(both.paper)
    black = (colors == 0).all(axis=-1)
    np.testing.assert_array_equal(black, both.paper.map.labels == both.paper.map.background)


def test_result_h5_gives_it_back(both, tmp_path):
    save_result(both, tmp_path / "result.h5")
    before, after = asdict(both.paper), asdict(load_result(tmp_path / "result.h5").paper)
    assert_same(after, before)


def assert_same(after, before):
    assert type(after) is type(before)
    if isinstance(before, dict):
        assert list(after) == list(before)
        for name in before:
            assert_same(after[name], before[name])
    elif isinstance(before, tuple):
        assert len(after) == len(before)
        for one, other in zip(after, before, strict=True):
            assert_same(one, other)
    elif isinstance(before, np.ndarray):
        np.testing.assert_array_equal(after, before)
        assert after.dtype == before.dtype
    else:
        assert after == before
