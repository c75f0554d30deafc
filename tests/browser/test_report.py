"""Every action in the explorer of a report that was opened from a file; pixels are read back from the canvases."""

import csv
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib import colormaps
from tifffile import TiffFile

from unmix4d.maps.clusters import cluster_map
from unmix4d.maps.overlap import overlap_map, overlap_pairs
from unmix4d.report.palette import NO_LABEL, OVERLAP_COLORS, OVERLAP_COLORS_SAFE, crystal_color, rgb

CLOSE = 6
"""Steps of 255 by which a colour may differ: scales are interpolated, weights rounded to 16 bits."""


def color(name):
    return np.round(255 * np.array(rgb(name)))


def scale(name, shares):
    return 255 * colormaps[name](np.clip(shares, 0, 1))[..., :3]


def label_colors(labels):
    return np.array([[color(crystal_color(int(i))) for i in row] for row in labels])


@pytest.fixture(scope="module")
def report(browser, folder, run, visit):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True, reduced_motion="reduce")
    yield visit(context.new_page(), run.result, (folder / "report.html").as_uri())
    context.close()


AT_FIRST = {
    "map": "clusters",
    "tool": "probe",
    "hover": None,
    "probe": {"y": 8, "x": 10},
    "threshold": 0.75,
    "safe": False,
    "contrast": "gamma",
    "gamma": 0.4,
    "percent": 99.8,
    "scale": "magma",
    "line": None,
    "n": 4,
    "detector": None,
    "criterion": "loss",
    "theme": "auto",
}


@pytest.fixture(autouse=True)
def _as_at_first(report, run):
    report.page.mouse.move(2, 2)
    report.run("(x.map.reset(), x.cache.delete('virtual'))")
    report.update(k=run.decision.k, **AT_FIRST)


def test_it_opens_offline_without_a_complaint(report):
    assert report.complaints == []
    assert report.page.url.startswith("file://")


def test_the_cluster_map_has_the_colours_of_its_labels(report, run):
    np.testing.assert_allclose(report.map_pixels(), label_colors(run.clusters.labels), atol=1)


def test_hover_previews_a_probe_and_a_click_keeps_it(report, run):
    page = report.page
    page.mouse.move(*report.place("map", 3, 7))
    report.run("0")
    assert report.root.get_attribute("data-probe") == "3,7"
    words = report.text(".map .readout")
    assert words.startswith("(row, col) = (3, 7)")
    assert f"ratio {run.overlap.ratio[3, 7]:.3f}" in words
    page.mouse.move(2, 2)
    report.run("0")
    assert report.root.get_attribute("data-probe") == "8,10"
    page.mouse.click(*report.place("map", 5, 4))
    page.mouse.move(2, 2)
    report.run("0")
    assert report.root.get_attribute("data-probe") == "5,4"


def test_arrow_keys_step_one_probe_and_stop_at_the_edge(report):
    report.page.locator(".map canvas").focus()
    for key, wanted in (
        ("ArrowRight", "8,11"),
        ("ArrowUp", "7,11"),
        ("Shift+ArrowLeft", "7,1"),
        ("Shift+ArrowUp", "0,1"),
    ):
        report.page.keyboard.press(key)
        report.run("0")
        assert report.root.get_attribute("data-probe") == wanted
    report.page.keyboard.press("ArrowUp")
    report.run("0")
    assert report.root.get_attribute("data-probe") == "0,1"


def test_the_reconstruction_is_that_of_the_probe(report, run):
    fit = run.result.factorization
    report.update(probe={"y": 4, "x": 6})
    made = np.tensordot(fit.weight_maps()[:, 4, 6], fit.component_patterns(), axes=1)
    values = np.array(report.run("[...x.pictures.reconstruction.values]")).reshape(made.shape)
    np.testing.assert_allclose(values, made, atol=made.max() * 1e-3)
    white = np.percentile(made[outside(run)], 99.8)
    seen = report.pixels("pictures", "reconstruction", shape=made.shape)
    expected = scale("magma", np.clip(made / white, 0, 1) ** 0.4)
    assert np.mean(np.abs(seen - expected).max(axis=-1) <= CLOSE) > 0.97


def outside(run):
    beam, shape = run.result.survey.beam, run.result.geometry.pattern_shape
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(y - beam.center[0], x - beam.center[1]) > 2 * beam.radius


def test_weights_are_those_of_the_probe_in_the_colours_of_their_crystals(report, run):
    rows = report.run("x.bars.rows")
    fit = run.result.factorization
    np.testing.assert_allclose([row["value"] for row in rows], fit.weight_maps()[:, 8, 10], rtol=2e-3, atol=1e-2)
    crystals = run.clusters.roles.crystals
    assert [row["color"] for row in rows] == [crystal_color(int(i)) for i in crystals]


def test_the_measured_mean_of_the_cluster_and_its_residual(report, run):
    crystal = int(run.clusters.labels[2, 2])
    report.update(probe={"y": 2, "x": 2})
    mean = run.comparison.mean_patterns[crystal]
    values = np.array(report.run("[...x.pictures.measured.values]")).reshape(mean.shape)
    np.testing.assert_allclose(values, mean, atol=mean.max() * 1e-3)
    rest = np.array(report.run("[...x.pictures.residual.values]")).reshape(mean.shape)
    fit = run.result.factorization
    inside = run.clusters.labels == crystal
    made = np.tensordot(fit.weight_maps()[:, inside].mean(axis=1), fit.component_patterns(), axes=1)
    np.testing.assert_allclose(rest, mean - made, atol=mean.max() * 2e-3)


@pytest.mark.parametrize("threshold", [0.5, 0.75, 0.9, 1.0])
def test_area_and_pairs_follow_the_threshold(report, run, threshold):
    report.update(threshold=threshold)
    again = overlap_map(run.overlap.measured.weights, run.clusters.labels, thresholds=(threshold,))
    found = report.run("x.overlap")
    assert found["reached"] == int((again.level == 1).sum())
    assert found["assessed"] == int((again.level >= 0).sum())
    expected = {(row.first, row.second): row.n_probes for row in overlap_pairs(again)}
    assert {(pair["i"], pair["j"]): pair["n"] for pair in found["pairs"]} == expected
    means = {(row.first, row.second): row.mean_ratio for row in overlap_pairs(again)}
    assert all(pair["mean"] == pytest.approx(means[pair["i"], pair["j"]], abs=1e-6) for pair in found["pairs"])
    share = 100 * found["reached"] / found["assessed"]
    assert f"{threshold:.2f}: {share:.2f} % of the area" in report.text('[name="threshold-told"]')


def test_the_slider_goes_from_half_to_one_and_has_the_marks_of_the_levels(report):
    slider = report.page.locator('[name="threshold"]')
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0.5", "1")
    marks = report.page.locator("datalist option").evaluate_all("all => all.map((o) => Number(o.value))")
    assert marks == [0.75, 0.8, 0.85, 0.9, 0.95]
    slider.focus()
    report.page.keyboard.press("ArrowRight")
    assert report.run("x.state.threshold") == pytest.approx(0.76)
    box = slider.bounding_box()
    report.page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    report.page.mouse.down()
    report.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    report.page.mouse.up()
    assert report.run("x.state.threshold") == pytest.approx(1.0)


@pytest.mark.parametrize(("safe", "colors"), [(False, OVERLAP_COLORS), (True, OVERLAP_COLORS_SAFE)])
def test_the_overlap_map_has_a_colour_for_each_level_from_the_threshold_on(report, run, safe, colors):
    report.update(map="overlap", threshold=0.8, safe=safe)
    seen, overlap = report.map_pixels(), run.overlap
    for i, shade in enumerate(colors):
        at = (overlap.level == i + 1) & (overlap.ratio >= np.float32(0.8))
        assert (np.abs(seen[at] - color(shade)) <= 1).all()
    grey = (run.clusters.labels >= 0) & (overlap.ratio < np.float32(0.8))
    assert (np.ptp(seen[grey], axis=-1) == 0).all()
    assert (np.abs(seen[run.clusters.labels < 0] - color(NO_LABEL)) <= 1).all()


def test_the_map_of_the_ratio(report, run):
    report.update(map="ratio")
    assessed = run.overlap.level >= 0
    expected = scale("viridis", run.overlap.ratio)
    assert np.abs(report.map_pixels() - expected)[assessed].max() <= CLOSE


def test_the_map_of_a_weight(report, run):
    report.update(map="weight:1")
    weights = run.result.factorization.weight_maps()[1]
    expected = scale("viridis", weights / np.percentile(weights, 99.8))
    assert np.abs(report.map_pixels() - expected).max() <= CLOSE


@pytest.mark.parametrize("kind", ["bright", "dark"])
def test_the_maps_of_bright_and_dark_field(report, run, kind):
    report.update(map=kind)
    survey = run.result.survey
    image = survey.dark_field if kind == "dark" else survey.total_counts - survey.dark_field
    expected = scale("viridis", image / np.percentile(image, 99.8))
    assert np.abs(report.map_pixels() - expected).max() <= CLOSE


def test_the_map_of_stability_counts_the_k_that_agree(report, run):
    report.update(map="stability")
    decision, labels = run.decision, run.clusters.labels
    others = [k for k in sorted(run.result.fits) if decision.k_low <= k <= decision.k_high and k != decision.k]
    kept = np.zeros(labels.shape)
    for k in others:
        parts = run.result.fits[k].component_labels()
        for part in range(k):
            inside = labels[(parts == part) & (labels >= 0)]
            if len(inside):
                kept[(parts == part) & (labels == np.bincount(inside).argmax())] += 1 / len(others)
    found = np.array(report.run("[...x.cached('stability')].map((v) => Number.isNaN(v) ? -1 : v)")).reshape(
        labels.shape
    )
    np.testing.assert_allclose(found, np.where(labels < 0, -1, kept), atol=1e-5)


def test_another_k_of_the_range_and_everything_follows(report, run):
    k = next(k for k in range(run.decision.k_low, run.decision.k_high + 1) if k != run.decision.k)
    fit, roles = run.result.fits[k], run.decision.roles[k]
    report.page.locator('[name="k"]').select_option(str(k))
    report.run("0")
    assert report.root.get_attribute("data-k") == str(k)
    labels = cluster_map(fit, roles).labels
    same = np.abs(report.map_pixels() - label_colors(labels)).max(axis=-1) <= 1
    assert same.mean() > 0.98, "weights of other k are rounded to 8 bits in a report"
    assert len(report.run("x.bars.rows")) == k
    assert report.run("x.strip.items.length") == k
    components = np.array(report.run("x.factors.components.map((c) => [...c])")).reshape(
        k, *run.result.geometry.pattern_shape
    )
    np.testing.assert_allclose(components, fit.component_patterns(), atol=fit.components.max() * 5e-3)
    assert f"Shown now: k = {k}" in report.text(".answer-told")
    report.page.get_by_role("button", name="Back to the answer").click()
    assert report.run("x.factors.k") == run.decision.k


def test_a_k_outside_the_range_has_its_labels(report, run):
    k = next(k for k in run.result.fits if not run.decision.k_low <= k <= run.decision.k_high)
    report.update(k=k)
    labels = run.result.fits[k].component_labels()
    np.testing.assert_allclose(report.map_pixels(), label_colors(labels), atol=1)
    assert "only labels were kept" in report.text('[data-panel="reconstruction"] .readout')
    assert report.page.locator('[name="map"] option').count() == 3


def test_curves_over_k_choose_a_k(report, run):
    loss = next(curve for curve in run.decision.curves if curve.name == "loss")
    assert report.run("x.curve.data.series[0].ys") == pytest.approx(list(loss.values))
    names = [curve.name for curve in run.decision.curves]
    assert report.page.locator('[name="criterion"] option').evaluate_all("all => all.map((o) => o.value)") == names
    report.page.locator('[data-panel="curve"] canvas').focus()
    report.page.keyboard.press("ArrowLeft")
    assert report.run("x.factors.k") == run.decision.k - 1
    assert run.decision.reason in report.text(".reason-told")


def test_a_click_on_the_curve_chooses_the_nearest_k(report, run):
    canvas = report.page.locator('[data-panel="curve"] canvas')
    canvas.scroll_into_view_if_needed()
    x, y = report.run(f"[x.curve.scales.x({run.decision.k + 1}), x.curve.scales.box.top + 20]")
    canvas.click(position={"x": x + 2, "y": y})
    assert report.run("x.factors.k") == run.decision.k + 1


def test_a_line_that_is_drawn_gives_profiles_and_patterns(report, run):
    page = report.page
    page.get_by_label("Line", exact=True).check()
    page.mouse.move(*report.place("map", 2, 3))
    page.mouse.down()
    page.mouse.move(*report.place("map", 12, 15), steps=4)
    page.mouse.up()
    assert report.run("x.state.line") == {"y0": 2, "x0": 3, "y1": 12, "x1": 15}
    n = int(np.ceil(np.hypot(10, 12)))
    share = np.arange(n + 1) / n
    ys, xs = np.floor(2 + share * 10 + 0.5).astype(int), np.floor(3 + share * 12 + 0.5).astype(int)
    weights = run.result.factorization.weight_maps()[:, ys, xs]
    shown = report.run("x.profile.data")
    assert shown["xs"] == pytest.approx(list(share * np.hypot(10, 12) * 5))
    ratio = next(series for series in shown["series"] if series["name"] == "ratio")["ys"]
    found = np.array([np.nan if value is None else value for value in ratio])
    expected = np.where(run.overlap.first[ys, xs] < 0, np.nan, run.overlap.ratio[ys, xs])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for series in shown["series"][:-1]:
        i = int(series["name"].split(":")[0])
        np.testing.assert_allclose(series["ys"], weights[i], rtol=2e-3, atol=0.1)
    assert report.run("x.lineStrip.items.length") == 4
    assert report.run("x.lineStrip.items.map((i) => i.picture.words.textContent)")[0] == "1: (2, 3)"


def test_the_profile_is_saved_as_csv(report, run):
    report.update(line={"y0": 8, "x0": 2, "y1": 8, "x1": 6})
    with report.page.expect_download() as waited:
        report.page.locator('[name="csv"]').click()
    assert waited.value.suggested_filename == "three-crystals-profile.csv"
    rows = list(csv.DictReader(waited.value.path().read_text().splitlines()))
    assert [(float(r["distance_nm"]), int(r["row"]), int(r["col"])) for r in rows] == [
        (5 * i, 8, 2 + i) for i in range(5)
    ]
    first = run.result.factorization.weight_maps()[0, 8, 2:7]
    np.testing.assert_allclose([float(r["weight_0_counts"]) for r in rows], first, rtol=2e-3, atol=0.1)


def test_a_disc_that_is_dragged_gives_a_virtual_image(report, run):
    page = report.page
    page.get_by_label("Detector", exact=True).check()
    page.mouse.move(*report.place("pictures.reconstruction", 16, 16))
    page.mouse.down()
    page.mouse.move(*report.place("pictures.reconstruction", 16, 21), steps=3)
    page.mouse.up()
    report.run("0")
    disc = report.run("x.state.detector")
    assert disc["inner"] == 0
    assert disc["outer"] == pytest.approx(5, abs=0.2)
    fit = run.result.factorization
    expected = virtual(fit, disc)
    image = np.array(report.run("[...x.virtualImage()]")).reshape(expected.shape)
    np.testing.assert_allclose(image, expected, rtol=2e-3, atol=0.5)
    seen = scale("viridis", expected / np.percentile(expected, 99.8))
    assert np.abs(report.map_pixels() - seen).max() <= CLOSE
    assert "From components" in report.text('[name="virtual-told"]')


def virtual(fit, disc):
    y, x = np.ogrid[: fit.geometry.pattern_shape[0], : fit.geometry.pattern_shape[1]]
    distance = np.hypot(y - disc["cy"], x - disc["cx"])
    mask = (distance <= disc["outer"]) & (distance >= disc["inner"])
    return np.tensordot(fit.component_patterns()[:, mask].sum(axis=1), fit.weight_maps(), axes=1)


def test_a_detector_is_moved_widened_and_made_an_annulus(report):
    report.update(tool="detector", detector={"cy": 16, "cx": 16, "inner": 0, "outer": 6})
    drag(report, (16, 16), (18, 15))
    moved = report.run("x.state.detector")
    assert (moved["cy"], moved["cx"], moved["outer"]) == pytest.approx((18, 15, 6), abs=0.1)
    drag(report, (18, 21), (18, 24))
    assert report.run("x.state.detector")["outer"] == pytest.approx(9, abs=0.1)
    inner = report.page.locator('[name="detector-inner"]')
    inner.fill("3")
    inner.press("Enter")
    assert report.run("x.state.detector")["inner"] == 3
    drag(report, (18, 18), (18, 19))
    assert report.run("x.state.detector")["inner"] == pytest.approx(4, abs=0.1)


def drag(report, start, end):
    report.page.mouse.move(*report.place("pictures.reconstruction", *start))
    report.page.mouse.down()
    report.page.mouse.move(*report.place("pictures.reconstruction", *end), steps=3)
    report.page.mouse.up()
    report.run("0")


@pytest.mark.parametrize("contrast", ["linear", "log", "gamma"])
def test_contrast(report, run, contrast):
    report.update(contrast=contrast, gamma=0.6, percent=99, scale="grey")
    fit = run.result.factorization
    made = np.tensordot(fit.weight_maps()[:, 8, 10], fit.component_patterns(), axes=1)
    share = np.clip(made / np.percentile(made[outside(run)], 99), 0, 1)
    curve = {"linear": share, "log": np.log1p(1000 * share) / np.log1p(1000), "gamma": share**0.6}[contrast]
    seen = report.pixels("pictures", "reconstruction", shape=made.shape)
    assert np.mean(np.abs(seen - scale("gray", curve)).max(axis=-1) <= CLOSE) > 0.97


def test_zoom_keeps_what_is_under_the_pointer_and_the_scale_bar_right(report):
    page = report.page
    before = report.run("x.map.bar(20 / x.map.view.zoom)")
    assert before == {"elements": 4, "label": "20 nm"}
    x, y = report.place("map", 4, 5)
    page.mouse.click(x, y)
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    page.wait_for_function(f"{report.handle}.map.view.zoom > 1.9")
    assert report.place("map", 4, 5) == pytest.approx([x, y], abs=1)
    assert report.run("x.map.bar(20 / x.map.view.zoom)")["label"] == "10 nm"
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 30, y - 20, steps=3)
    page.mouse.up()
    assert report.place("map", 4, 5) == pytest.approx([x - 30, y - 20], abs=1)
    page.keyboard.press("0")
    assert report.run("x.map.view.zoom") == 1


def test_the_scale_bar_of_a_pattern_is_in_reciprocal_angstrom(report):
    assert report.run("x.pictures.reconstruction.bar(32)") == {"elements": 4, "label": "0.2 1/Å"}


def test_a_value_of_the_pattern_is_told(report, run):
    report.page.mouse.move(*report.place("pictures.reconstruction", 10, 12))
    report.run("0")
    words = report.text('[data-panel="reconstruction"] .readout')
    beam = run.result.survey.beam.center
    assert words.startswith("(10, 12) · ")
    assert words.endswith(f"{0.05 * np.hypot(10 - beam[0], 12 - beam[1]):.3f} 1/Å")


def test_a_component_shows_the_map_of_its_weight(report):
    report.page.locator('[data-strip="components"] button').nth(2).click()
    report.run("0")
    assert report.root.get_attribute("data-map") == "weight:2"
    assert report.page.locator('[data-strip="components"] [aria-pressed="true"]').count() == 1


@pytest.mark.parametrize("panel", ["map", "measured", "reconstruction", "residual", "weights", "curve", "profile"])
def test_panels_are_saved_as_png_and_svg(report, panel):
    box = report.page.locator(f'[data-panel="{panel}"]')
    with report.page.expect_download() as waited:
        box.get_by_role("button", name="as PNG").click()
    data = waited.value.path().read_bytes()
    assert data.startswith(b"\x89PNG")
    width = report.run(f"document.querySelector('[data-panel=\"{panel}\"] canvas').clientWidth")
    assert int.from_bytes(data[16:20], "big") == 2 * width
    with report.page.expect_download() as waited:
        box.get_by_role("button", name="as SVG").click()
    drawn = ET.fromstring(waited.value.path().read_text())  # noqa: S314 - our own file
    assert drawn.tag.endswith("svg")
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    bars = {"map": "20 nm", "measured": "0.2 1/Å", "reconstruction": "0.2 1/Å", "residual": "0.2 1/Å"}
    assert texts
    assert bars.get(panel, texts[0]) in texts


def saved_tiff(report, panel):
    button = report.page.locator(f'[data-panel="{panel}"]').get_by_role("button", name="as TIFF")
    with report.page.expect_download() as waited:
        button.click()
    with TiffFile(waited.value.path()) as file:
        (page,) = file.pages
        resolution = page.tags["XResolution"].value
        return page.asarray(), file.imagej_metadata["unit"], resolution[0] / resolution[1]


def test_values_of_a_pattern_are_saved_as_tiff(report):
    values, unit, per_unit = saved_tiff(report, "reconstruction")
    np.testing.assert_array_equal(values.ravel(), report.run("[...x.pictures.reconstruction.values]"))
    assert values.shape == (32, 32)
    assert (unit, per_unit) == ("1/A", pytest.approx(20))


def test_values_of_the_map_are_saved_as_tiff(report, run):
    values, unit, per_unit = saved_tiff(report, "map")
    np.testing.assert_array_equal(values, run.clusters.labels)
    assert (unit, per_unit) == ("nm", pytest.approx(0.2))
    report.update(map="ratio")
    values, _, _ = saved_tiff(report, "map")
    np.testing.assert_array_equal(values, np.where(run.overlap.first < 0, np.nan, run.overlap.ratio))


def test_paper_has_the_figures_and_not_the_explorer(report):
    report.page.emulate_media(media="print")
    assert not report.page.locator("#explore").is_visible()
    assert report.page.locator("#figure-summary img").is_visible()
    report.page.emulate_media(media="screen")
    assert report.page.locator("#explore").is_visible()


def test_dark_and_light(report):
    for theme, dark in (("dark", True), ("light", False)):
        report.page.locator('[name="theme"]').select_option(theme)
        report.run("0")
        panel = report.run("x.look().panel")
        assert (sum(bytes.fromhex(panel[1:])) < 3 * 128) is dark
    report.page.emulate_media(color_scheme="dark")
    report.update(theme="auto")
    assert sum(bytes.fromhex(report.run("x.look().panel")[1:])) < 3 * 128
    report.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [1024, 2560])
def test_windows_narrow_and_wide(report, width):
    report.page.set_viewport_size({"width": width, "height": 1000})
    report.page.wait_for_timeout(100)
    boxes = report.page.locator("[data-explorer] .panel:visible").evaluate_all(
        "all => all.map((e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    )
    assert len(boxes) > 8
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= width
        for other in boxes[:i]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart
    beyond = report.page.locator("[data-explorer] .panel:visible button").evaluate_all(
        """all => all.filter((button) => button.getBoundingClientRect().right
        > button.closest('.panel').getBoundingClientRect().right).length"""
    )
    assert beyond == 0
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width
    report.page.set_viewport_size({"width": 1280, "height": 1000})
    report.page.wait_for_timeout(100)


def test_everything_is_reached_by_the_keyboard(report):
    reached = report.page.evaluate(
        """() => [...document.querySelectorAll('[data-explorer] :is(select, input, button, canvas, summary)')]
        .filter((e) => e.offsetParent && !e.disabled && e.tabIndex < 0 && !e.closest('button, .thumb')
          && !e.closest('[data-panel="weights"]')).length"""
    )
    assert reached == 0
    report.page.locator('[name="map"]').focus()
    report.page.keyboard.type("over")
    report.run("0")
    assert report.root.get_attribute("data-map") == "overlap"
    for _ in range(30):
        report.page.keyboard.press("Tab")
        if (
            report.page.evaluate("document.activeElement.closest('.map') && document.activeElement.tagName")
            == "CANVAS"
        ):
            break
    report.page.keyboard.press("ArrowDown")
    report.run("0")
    assert report.root.get_attribute("data-probe") == "9,10"


def test_a_line_and_a_detector_are_given_by_the_keyboard(report):
    fields = {
        "line-y0": 1,
        "line-x0": 2,
        "line-y1": 99,
        "line-x1": 4,
        "line-n": 3,
        "detector-cy": 10,
        "detector-outer": 4,
    }
    for name, value in fields.items():
        field = report.page.locator(f'[name="{name}"]')
        field.focus()
        report.page.keyboard.press("Control+A")
        report.page.keyboard.type(str(value))
        report.page.keyboard.press("Tab")
    assert report.run("x.state.line") == {"y0": 1, "x0": 2, "y1": 15, "x1": 4}, "within the scan"
    assert report.run("x.lineStrip.items.length") == 3
    detector = report.run("x.state.detector")
    assert (detector["cy"], detector["outer"]) == (10, 4)
    report.update(tool="detector")
    report.page.locator('[data-panel="measured"] canvas').focus()
    report.page.keyboard.press("ArrowDown")
    assert report.run("x.state.detector")["cy"] == 11


def test_nothing_was_complained_about_in_all_this(report):
    assert report.complaints == []


def test_without_javascript_the_figures_are_there(browser, folder):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    assert page.locator("#figure-summary img").is_visible()
    assert "needs JavaScript" in page.locator("#explore").text_content()
    context.close()
