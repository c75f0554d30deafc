"""A run as edits leave it: maps, comparison, tables, files and figures follow; what was found stays."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from tifffile import TiffFile

from unmix4d import api
from unmix4d.compare import regroup_comparison
from unmix4d.edit.file import save_edits
from unmix4d.errors import InputError
from unmix4d.maps.overlap import overlap_map
from unmix4d.quality.similarity import METRICS
from unmix4d.records import CrystalLook, Edit, Edits
from unmix4d.report.export import Csv, ImageJTiff
from unmix4d.report.map_figures import clusters_figure
from unmix4d.report.palette import crystal_color, rgb
from unmix4d.report.pictures import label_colors


def edits_for(run, *operations):
    return Edits(run=run.result.identity, operations=operations)


@pytest.fixture(scope="module")
def merged(run):
    """Crystal 2 named and drawn anew, 0 and 1 one crystal."""
    return run.edited(
        edits_for(
            run,
            Edit(do="rename", crystals=(2,), name="Ferrite <b>"),
            Edit(do="recolor", crystals=(2,), color="#00ff00"),
            Edit(do="merge", crystals=(0, 1)),
        )
    )


def test_what_was_found_is_kept(run, merged):
    assert merged.result.found is run.result
    assert merged.result.decision is run.result.decision
    assert merged.edited(Edits(run=run.result.identity)).result is run.result
    assert merged.result.identity == run.result.identity


def test_two_crystals_are_one_in_every_map(run, merged):
    before, after = run.clusters, merged.clusters
    assert after.n_crystals == before.n_crystals - 1
    joined = before.crystal_weights[0] + before.crystal_weights[1]
    np.testing.assert_array_equal(after.crystal_weights[0], joined)
    weights = np.stack([joined, *before.crystal_weights[2:]])
    np.testing.assert_array_equal(after.labels, np.where(before.labels < 0, -1, weights.argmax(axis=0)))
    again = overlap_map(weights, after.labels)
    origin = np.array([-2, *range(2, before.n_crystals), -2])
    untouched = (origin[again.first] == run.overlap.first) & (origin[again.second] == run.overlap.second)
    np.testing.assert_array_equal(
        merged.overlap.ratio, np.where(untouched, run.overlap.ratio, again.ratio)
    )  # what was measured stays where it can
    reached = merged.overlap.ratio[..., None] >= np.array(merged.overlap.thresholds, np.float32)
    expected = np.where(again.level < 0, -1, reached.sum(axis=-1))
    np.testing.assert_array_equal(merged.overlap.level, expected)
    assert merged.overlap.measured is None


def test_a_name_leaves_what_was_measured(run):
    edits = Edits(run=run.result.identity, operations=(Edit(do="rename", crystals=(0,), name="Ferrite"),))
    assert run.edited(edits).overlap is run.overlap
    assert run.edited(edits).clusters.name(0) == "Ferrite"


def test_the_pattern_of_two_crystals_is_one_pattern(merged):
    after = merged.clusters
    assert after.crystal_patterns.sum(axis=(1, 2)) == pytest.approx(1, abs=1e-5)


def test_the_comparison_of_whole_clusters_is_worked_out_and_others_keep_theirs(run):
    found, before, fit = run.clusters, run.comparison, run.result.factorization
    members = sorted(found.members(0) + found.members(1))
    united = replace(
        found,
        labels=np.array([-1, 0, 0, *range(1, found.n_crystals - 1)], np.int16)[found.labels + 1],
        crystal_patterns=found.crystal_patterns[1:],
        crystal_weights=found.crystal_weights[1:],
        looks=tuple(
            CrystalLook(number=i, components=tuple(members if i == 0 else found.members(i)))
            for i in (0, *range(2, found.n_crystals))
        ),
    )
    after = regroup_comparison(before, fit, found, united)
    for name in before.metrics:
        assert after.metrics[name][1] == before.metrics[name][2]
        assert after.null_global[name][1] == before.null_global[name][2]
        assert after.crystal_metrics[name][1] == before.crystal_metrics[name][2]
    mean = np.average(before.mean_patterns[:2], axis=0, weights=before.counts[:2])
    np.testing.assert_allclose(after.mean_patterns[0], mean, rtol=1e-9)
    inside = united.labels == 0
    weights = fit.weight_maps()[:, inside].mean(axis=1, dtype=np.float64)
    made = np.tensordot(weights, fit.component_patterns(), 1)
    np.testing.assert_allclose(after.reconstructed_patterns[0], made, rtol=1e-4, atol=1e-4)
    alone = np.tensordot(weights[members], fit.component_patterns()[members], 1)
    np.testing.assert_allclose(after.crystal_patterns[0], alone, rtol=1e-4, atol=1e-4)
    other = METRICS["ssim"][0](mean, after.reconstructed_patterns[1], data_range=before.data_range)
    assert after.null_other["ssim"][0] == pytest.approx(other)
    np.testing.assert_array_equal(after.typical.places, [[-1, -1], *before.typical.places[2:]])
    np.testing.assert_array_equal(after.atypical.patterns[1:], before.atypical.patterns[2:])
    assert np.isnan(after.atypical.patterns[0]).all()
    assert np.isnan(after.columns["member_cosine_median"][0])
    expected = METRICS["psnr"][0](mean, after.reconstructed_patterns[0], data_range=before.data_range)
    assert after.metrics["psnr"][0] == pytest.approx(expected)
    assert np.isnan(after.null_global["psnr"][0])
    assert np.isnan(after.columns["within_cosine"][0])
    assert after.columns["area_fraction"] == pytest.approx(united.counts / inside.size)


def test_a_name_leaves_the_comparison_as_it_is(run):
    named = run.edited(edits_for(run, Edit(do="rename", crystals=(0,), name="A")))
    for name, values in run.comparison.metrics.items():
        np.testing.assert_array_equal(named.comparison.metrics[name], values)
        np.testing.assert_array_equal(named.comparison.null_other[name], run.comparison.null_other[name])
    np.testing.assert_array_equal(named.comparison.typical.places, run.comparison.typical.places)
    for name, values in run.comparison.columns.items():
        np.testing.assert_array_equal(named.comparison.columns[name], values)
    np.testing.assert_array_equal(named.comparison.mean_patterns, run.comparison.mean_patterns)
    np.testing.assert_array_equal(named.comparison.reconstructed_patterns, run.comparison.reconstructed_patterns)


def test_a_cluster_that_lost_probes_has_no_mean(run):
    marked = run.edited(edits_for(run, Edit(do="mark", crystals=(1,), role="background")))
    assert marked.clusters.n_crystals == run.clusters.n_crystals - 1
    assert (marked.clusters.roles.crystals[run.clusters.members(1)] == -1).all()
    assert {marked.clusters.roles.roles[i] for i in run.clusters.members(1)} == {"background"}
    changed = [i for i in range(2) if marked.clusters.counts[i] != run.clusters.counts[marked.clusters.number(i)]]
    for i in changed:
        assert np.isnan(marked.comparison.mean_patterns[i]).all()
        assert np.isnan(marked.comparison.metrics["ssim"][i])
    assert not np.isin(marked.clusters.labels[run.clusters.labels < 0], (0, 1)).any(), "nothing appears in vacuum"


def test_tables_and_stacks_have_names_numbers_and_colours(merged, tmp_path):
    Csv().write(merged.result, tmp_path)
    with (tmp_path / "clusters.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["crystal"], row["name"], row["color"]) for row in rows] == [
        ("0", "crystal 0", crystal_color(0)),
        ("2", "Ferrite <b>", "#00ff00"),
    ]
    with (tmp_path / "comparison.csv").open(encoding="utf-8") as file:
        assert [row["crystal"] for row in csv.DictReader(file)] == ["0", "2"]
    with (tmp_path / "overlap.csv").open(encoding="utf-8") as file:
        pairs = {(row["first"], row["second"]) for row in csv.DictReader(file)}
    assert pairs <= {("all", "all"), ("0", "2")}
    ImageJTiff().write(merged.result, tmp_path)
    with TiffFile(tmp_path / "clusters.tif") as file:
        stack, names = file.asarray(), file.imagej_metadata["Labels"]
    numbers = np.array([-1, 0, 2])[merged.clusters.labels + 1]
    np.testing.assert_array_equal(stack[0], numbers + 1)
    assert names[1:] == ["Bragg counts of crystal 0", "Bragg counts of Ferrite <b>"]


def test_figures_and_the_report_follow(merged, tmp_path):
    colors = label_colors(merged.clusters)
    assert (colors[merged.clusters.labels == 1] == rgb("#00ff00")).all()
    words = [text.get_text() for axes in clusters_figure(merged.result).axes for text in axes.texts]
    words += [text.get_text() for text in clusters_figure(merged.result).texts]
    assert any("Ferrite" in text for text in words)
    page = merged.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2: Ferrite &lt;b&gt;" in page
    assert "Ferrite <b>" not in page.replace('"Ferrite <b>"', ""), "escaped wherever it stands in markup"
    assert "crystal 2 is called Ferrite &lt;b&gt;" in page
    assert "crystal 1 became part of crystal 0" in page


def test_a_folder_has_its_edits(run, folder, merged, tmp_path):
    before = (folder / "result.h5").read_bytes()
    save_edits(merged.result.edits, folder / "edits.yaml")
    loaded = api.Run.load(folder)
    assert loaded.result.edits is None, "only where they are wanted"
    again = loaded.edited()
    np.testing.assert_array_equal(again.clusters.labels, merged.clusters.labels)
    assert again.clusters.looks == merged.clusters.looks
    (folder / "edits.yaml").unlink()
    assert api.Run.load(folder).edited().result.edits is None
    assert (folder / "result.h5").read_bytes() == before
    path = tmp_path / "others.yaml"
    save_edits(merged.result.edits, path)
    assert run.edited(path).clusters.looks == merged.clusters.looks


def test_edits_of_another_run_are_refused(run, tmp_path):
    other = Edits(run={**run.result.identity, "labels": "0" * 64, "source": "other.npy"})
    path = tmp_path / "edits.yaml"
    save_edits(other, path)
    with pytest.raises(InputError, match=r"edits\.yaml belongs to another run \(of other\.npy, k = \d+\)"):
        run.edited(path)
    with pytest.raises(InputError, match="belongs to another run"):
        run.edited(replace(other, operations=(Edit(do="merge", crystals=(0, 1)),)))


def test_a_run_that_is_saved_with_edits_keeps_what_was_found(run, merged, tmp_path):
    loaded = api.Run.load(merged.save(tmp_path / "out"))
    np.testing.assert_array_equal(loaded.clusters.labels, run.clusters.labels)
    again = loaded.edited()
    np.testing.assert_array_equal(again.clusters.labels, merged.clusters.labels)
    assert again.result.edits == merged.result.edits
    with (tmp_path / "out" / "clusters.csv").open(encoding="utf-8") as file:
        assert "Ferrite <b>" in file.read()
