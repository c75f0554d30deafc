"""What a comparison of filters writes: figures that can be read, tables, and one page that loads nothing."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from unmix4d.comparing import compare_filters
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.report.filters.figures import CAPTIONS, FIGURES
from unmix4d.report.filters.folder import check_filters_folder, write_filters_folder
from unmix4d.report.filters.page import render_page
from unmix4d.report.filters.tables import TABLES, noise_shown, overlap_shown, overlap_table

SPEC = PhantomSpec(
    scan_shape=(16, 20), pattern_shape=(32, 32), n_crystals=3, n_minority=0, counts_per_pattern=20000
)
LEAST_POINTS = 8


@pytest.fixture(scope="module")
def study():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return compare_filters(make_phantom(SPEC).scan, filters=("raw", "mean"), k_max=4, threads=1)


@pytest.fixture(scope="module")
def comparison(study):
    return study.comparison


def split(comparison):
    """The second filter finds a crystal that the reference does not have, and none for the first class."""
    raw, mean = comparison.answers
    classes = np.where(mean.classes == 0, comparison.n_classes, mean.classes).astype(np.int16)
    return replace(comparison, answers=(raw, replace(mean, classes=classes)))


def without(comparison):
    """No filter finds a crystal."""

    def bare(answer):
        shape, pattern = comparison.geometry.scan_shape, comparison.geometry.pattern_shape
        none, nothing = np.full(shape, -1, np.int16), np.zeros((0, *pattern))
        roles = answer.clusters.roles
        roles = replace(
            roles, roles=("background",) * len(roles.roles), crystals=np.full(len(roles.roles), -1, np.int16)
        )
        overlap = replace(
            answer.overlap, ratio=np.zeros(shape, np.float32), first=none, second=none, level=none.astype(np.int8)
        )
        return replace(
            answer,
            clusters=replace(
                answer.clusters,
                labels=none,
                roles=roles,
                crystal_patterns=nothing,
                crystal_weights=np.zeros((0, *shape), np.float32),
            ),
            overlap=overlap,
            refitted=overlap,
            classes=np.zeros(0, np.int16),
            iou=np.zeros(0),
            mean_patterns=nothing,
            noise={},
            explained=0.0,
        )

    return replace(comparison, answers=tuple(map(bare, comparison.answers)))


@pytest.mark.parametrize("change", [None, split, without], ids=["as it is", "split", "without crystals"])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_with_nothing_too_small_or_outside(comparison, name, change):
    figure = FIGURES[name](comparison if change is None else change(comparison))
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.size
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible():
            continue
        assert text.get_fontsize() >= LEAST_POINTS, text.get_text()
        box = text.get_window_extent()
        assert box.x0 >= -1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()


def test_every_figure_has_a_caption():
    assert CAPTIONS.keys() == FIGURES.keys()


def test_the_same_crystal_has_the_same_class_with_every_filter(comparison):
    raw, mean = comparison.answers
    assert raw.classes.tolist() == [0, 1, 2]
    assert sorted(mean.classes.tolist()) == [0, 1, 2]
    assert (raw.labels == mean.labels).mean() > 0.9


@pytest.mark.parametrize("change", [None, split, without], ids=["as it is", "split", "without crystals"])
def test_the_page_loads_nothing_and_ends_with_the_recommendation(comparison, change):
    shown = comparison if change is None else change(comparison)
    page = render_page(replace(shown, source="/data/<b>scan</b>.hspy", refused={"epattern": "no <spot>"}))
    assert not re.search(r"""(?:src|href)=["'](?!data:|\#)""", page)
    assert "@import" not in page
    assert "<b>scan" not in page
    assert "no &lt;spot&gt;" in page
    assert page.index('id="overlap"') < page.index('id="recommendation"')
    assert comparison.advice.rule.replace("'", "&#39;") in page
    for words in comparison.shared:
        assert words in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_tables_have_as_many_cells_as_columns(comparison):
    for name, table in TABLES.items():
        made = table(comparison)
        assert made.rows, name
        assert {len(row) for row in made.rows} == {len(made.header)}, name


def test_overlap_is_set_against_raw_in_points(comparison):
    table = overlap_table(comparison)
    column = {name: i for i, name in enumerate(table.header)}
    rows = {(row[0], row[1], row[2]): row for row in table.rows}
    for zone in ("all", "boundary", "interior"):
        raw, mean = rows["raw", zone, 0.75], rows["mean", zone, 0.75]
        difference = mean[column["percent"]] - raw[column["percent"]]
        assert mean[column["minus_raw_points"]] == pytest.approx(difference)
        assert raw[column["minus_raw_points"]] == 0
        assert raw[column["minus_gated_mean_points"]] is None
        assert raw[column["percent"]] == pytest.approx(100 * raw[column["n_probes"]] / raw[column["n_assessed"]])
    both = [rows["mean", zone, 0.75][column["n_probes"]] for zone in ("boundary", "interior", "all")]
    assert both[0] + both[1] == both[2]


def test_noise_that_a_filter_does_not_have_is_blank(comparison):
    shown = noise_shown(split(comparison))
    first, last = shown.rows[0], shown.rows[-1]
    assert [cell.words for cell in first][2] == "–"
    assert [cell.words for cell in last][1] == "–"
    assert last[2].words != "–"


def test_shares_of_the_page_say_what_they_are_set_against(comparison):
    shown = overlap_shown(comparison, "boundary")
    assert [words for words, _ in shown.groups] == ["", "share of the probes", "points more than raw"]
    assert sum(span for _, span in shown.groups) == len(shown.header) == len(shown.rows[0])


def test_a_folder_is_replaced_only_if_it_holds_a_comparison(study, tmp_path):
    out = tmp_path / "out"
    study.save(out)
    assert sorted(path.name for path in out.iterdir()) == [
        *("agreement.csv", "clusters.csv", "compare.html", "compare.yaml", "figures", "filters.csv"),
        *("losses.csv", "mean", "overlap.csv", "raw"),
    ]
    assert {path.stem for path in (out / "figures").iterdir()} == FIGURES.keys()
    with pytest.raises(UsageError, match="exists and is not empty"):
        check_filters_folder(out)
    check_filters_folder(out, overwrite=True)
    (out / "raw" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds raw, which no run has written"):
        check_filters_folder(out, overwrite=True)


def test_what_fails_half_way_leaves_nothing(comparison, tmp_path):
    def fail(_name, _place):
        raise OSError(28, "No space left on device")

    from unmix4d.errors import ResourceError

    with pytest.raises(ResourceError, match="the disk is full"):
        write_filters_folder(comparison, tmp_path / "out", settings_yaml="", write_run=fail)
    assert not list(tmp_path.iterdir())
