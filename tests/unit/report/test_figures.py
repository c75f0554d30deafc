"""Every figure of every kind of run: drawn, legible, nothing outside the page, nothing over something else."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from unmix4d.records import (
    ClusterComparison,
    ClusterMap,
    ComponentRoles,
    CriterionCurve,
    Decision,
    Factorization,
    Geometry,
    OverlapMap,
    PairwiseScores,
)
from unmix4d.report.figures import FIGURES
from unmix4d.report.palette import CRYSTAL_COLORS, NO_LABEL, OVERLAP_COLORS
from unmix4d.report.pattern_figures import answer
from unmix4d.report.pictures import label_colors, outside_beam, pattern_norm
from unmix4d.report.sheet import Grid, fit

LEAST_POINTS = 8


def striped(result, scan_shape, n, *, pattern_shape=(24, 24)):
    """Replace the answer of a run by n crystals in stripes, one component each."""
    rng = np.random.default_rng(0)
    along = np.arange(np.prod(scan_shape)).reshape(scan_shape)
    labels = (along * n // along.size).astype(np.int16)
    patterns = rng.random((n, *pattern_shape)).astype(np.float32) ** 8
    patterns /= patterns.sum(axis=(1, 2), keepdims=True)
    weights = 100 * (np.arange(n)[:, None, None] == labels).astype(np.float32) + 1
    geometry = Geometry(scan_shape=scan_shape, pattern_shape=pattern_shape, scan_step_nm=0.7)
    probes, pixels = np.ones(scan_shape, dtype=bool), np.ones(pattern_shape, dtype=bool)
    fit_of = Factorization(
        components=patterns.reshape(n, -1),
        weights=weights.reshape(n, -1).T.copy(),
        geometry=geometry,
        probe_mask=probes,
        pixel_mask=pixels,
        loss=1.0,
    )
    roles = ComponentRoles(
        roles=("crystal",) * n,
        crystals=np.arange(n, dtype=np.int16),
        spot_patterns=patterns,
        similarity=np.eye(n),
    )
    level = rng.integers(-1, 6, scan_shape).astype(np.int8)
    metrics = {name: np.full(n, 0.5) for name in ("psnr", "ssim", "gmsd", "mdsi")}
    scores = [("ssim", "higher"), ("gmsd", "lower"), ("mdsi", "lower")]
    ks = tuple(range(1, n + 1))
    curves = [
        CriterionCurve(name=f"nearest_{m}", better="higher", ks=ks, values=tuple(rng.random(n)), choice=n)
        for m, _ in scores
    ]
    return replace(
        result,
        geometry=geometry,
        pixel_mask=pixels,
        probe_mask=probes,
        survey=replace(
            result.survey,
            mean_pattern=patterns.mean(axis=0),
            total_counts=weights.sum(axis=0),
            dark_field=weights.max(axis=0),
        ),
        fits=dict.fromkeys(ks[:-1], result.factorization) | {n: fit_of},
        decision=Decision(
            k=n,
            n_crystals=n,
            k_low=1,
            k_high=n,
            confidence="low",
            reason="because",
            curves=tuple(curves),
            pairwise={n: tuple(PairwiseScores(metric=m, better=b, values=rng.random((n, n))) for m, b in scores)},
            votes={"knee": n, "ssim": n},
            roles={n: roles},
        ),
        clusters=ClusterMap(labels=labels, roles=roles, crystal_patterns=patterns, crystal_weights=weights),
        overlap=OverlapMap(
            ratio=rng.random(scan_shape).astype(np.float32),
            first=labels,
            second=labels,
            level=level,
        ),
        comparison=ClusterComparison(
            counts=np.bincount(labels.ravel(), minlength=n),
            mean_patterns=100 * patterns,
            reconstructed_patterns=90 * patterns,
            metrics=metrics,
            null_zero=metrics,
            null_global=metrics,
            columns={},
            data_range=255.0,
        ),
    )


def with_empty_cluster(result):
    labels = np.where(result.clusters.labels == 1, 0, result.clusters.labels).astype(np.int16)
    counts = np.bincount(labels[labels >= 0], minlength=result.clusters.n_crystals)

    def blank(values):
        return np.where((counts == 0).reshape(-1, *[1] * (values.ndim - 1)), np.nan, values)

    comparison = result.comparison
    return replace(
        result,
        clusters=replace(result.clusters, labels=labels),
        comparison=replace(
            comparison,
            counts=counts,
            mean_patterns=blank(comparison.mean_patterns),
            reconstructed_patterns=blank(comparison.reconstructed_patterns),
            metrics={name: blank(values) for name, values in comparison.metrics.items()},
        ),
    )


def with_filter(result):
    return replace(result, comparison=replace(result.comparison, compared_to="epattern", other=result.comparison))


VARIANTS = {
    "as it is": lambda result: result,
    "a filter": with_filter,
    "not calibrated": lambda result: replace(
        result, geometry=replace(result.geometry, scan_step_nm=None, pattern_step_inv_angstrom=None)
    ),
    "no beam, pixels left out": lambda result: replace(
        result, survey=replace(result.survey, beam=None), pixel_mask=np.indices((32, 32)).sum(axis=0) > 20
    ),
    "an empty cluster": with_empty_cluster,
    "nothing decided": lambda result: replace(
        result, decision=replace(result.decision, curves=(), pairwise={}, votes={}, roles={})
    ),
    "k = 1": lambda result: striped(result, (9, 7), 1),
    "one line, k = 3": lambda result: striped(result, (1, 60), 3),
    "one column, k = 2": lambda result: striped(result, (60, 1), 2),
    "wide, k = 20": lambda result: striped(result, (20, 65), 20, pattern_shape=(16, 24)),
    "square, k = 20": lambda result: striped(result, (32, 32), 20),
    "more than fit, k = 60": lambda result: striped(result, (30, 40), 60),
}


def texts(figure):
    """Give every text that is drawn, ticks out of sight left out."""
    found = [*figure.texts]
    for legend in figure.legends:
        found += legend.get_texts()
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                ticks = axis._update_ticks()
                found += [axis.label, *(t for tick in ticks for t in (tick.label1, tick.label2))]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.fixture(scope="module", params=[*VARIANTS, "no crystals"])
def variant(request, result, without_crystals):
    return {**VARIANTS, "no crystals": without_crystals}[request.param](result)


@pytest.mark.parametrize("name", FIGURES)
def test_words_are_legible_on_the_page_and_apart(name, variant):
    figure = FIGURES[name](variant)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = {}
    for text in texts(figure):
        assert text.get_fontsize() >= LEAST_POINTS, text.get_text()
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= -1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert box.y1 <= figure.bbox.y1 + 1, text.get_text()
        boxes[text] = box
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or down <= 1, (one.get_text(), other.get_text())


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_and_curves_do_not_overlap(name, variant):
    boxes = [axes.get_position() for axes in FIGURES[name](variant).axes]
    for a, b in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1e-6 or down <= 1e-6


def test_figures_are_listed_in_the_order_of_the_report():
    assert list(FIGURES)[:3] == ["summary", "clusters", "crystals"]
    assert {"loss", "decision", "matrices", "overlap", "ratio", "weights", "comparison", "survey"} < set(FIGURES)


def test_drawing_the_same_run_twice_gives_the_same_pixels(result):
    def pixels():
        canvas = FigureCanvasAgg(FIGURES["summary"](result))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    np.testing.assert_array_equal(pixels(), pixels())


def test_drawing_leaves_pyplot_alone(result):
    from matplotlib import pyplot as plt

    FIGURES["crystals"](result)
    assert plt.get_fignums() == []


def test_the_summary_states_the_answer(result):
    assert answer(striped(result, (4, 4), 1)) == "1 crystal  ·  k = 1  ·  confidence low"
    written = [text.get_text() for text in FIGURES["summary"](striped(result, (4, 4), 3)).texts]
    assert "3 crystals  ·  k = 3  ·  confidence low" in written


def test_a_pattern_is_framed_in_the_colour_of_its_crystal(result):
    frames = {
        to_rgb(axes.spines["left"].get_edgecolor()) for axes in FIGURES["crystals"](result).axes if axes.images
    }
    assert frames == {to_rgb(color) for color in CRYSTAL_COLORS[: result.clusters.n_crystals]}


def test_labels_become_colours_and_no_label_light_grey(result):
    labels = np.full(result.geometry.scan_shape, -1, dtype=np.int16)
    labels[0, 1:3] = 0, 1
    colors = label_colors(replace(result.clusters, labels=labels))[:, :3]
    np.testing.assert_allclose(colors[0], [to_rgb(NO_LABEL), to_rgb(CRYSTAL_COLORS[0]), to_rgb(CRYSTAL_COLORS[1])])


def test_overlap_levels_have_the_colours_of_the_paper(result):
    level = np.zeros(result.geometry.scan_shape, dtype=np.int8)
    level[0, :5] = [1, 2, 3, 4, 5]
    figure = FIGURES["overlap"](replace(result, overlap=replace(result.overlap, level=level)))
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image[0, :5], [to_rgb(color) for color in OVERLAP_COLORS])
    assert np.ptp(image[1:], axis=-1).max() == 0, "the cluster map under it is grey"


def test_a_bright_beam_does_not_hide_weak_spots(result):
    pattern = np.full(result.geometry.pattern_shape, 1.0)
    y, x = (round(c) for c in result.survey.beam.center)
    pattern[y, x] = 1e6
    pattern[2, 2:6] = 100.0
    norm = pattern_norm(pattern, result)
    assert norm.vmax <= 100
    assert norm(1.0) > 0.1
    assert not outside_beam(result)[y, x]


def test_an_empty_pattern_has_a_scale_all_the_same(result):
    assert pattern_norm(np.zeros(result.geometry.pattern_shape), result).vmax == 1.0


@pytest.mark.parametrize(
    ("shape", "box", "size"),
    [((10, 20), (4, 4), (4, 2)), ((20, 10), (4, 4), (2, 4)), ((1, 100), (5, 3), (5, 0.45))],
)
def test_a_picture_fills_its_box_without_distortion_unless_it_is_a_line(shape, box, size):
    assert fit(shape, box) == pytest.approx(size)


def test_a_grid_wraps_into_rows():
    grid = Grid(n=5, cell=(2.0, 1.0), n_columns=3, gap=0.5)
    assert grid.size == (7.0, 2.5)
    assert list(grid.corners(1.0, 1.0)) == [(1, 1), (3.5, 1), (6, 1), (1, 2.5), (3.5, 2.5)]
