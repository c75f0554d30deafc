"""The tables: every number where its header says, in the unit that it says."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.records import CriterionCurve
from unmix4d.report.palette import CRYSTAL_COLORS
from unmix4d.report.tables import (
    cleaning_table,
    clusters_table,
    comparison_table,
    decision_table,
    overlap_table,
    with_unit,
)


def column(table, name):
    return [row[table.header.index(name)] for row in table.rows]


@pytest.mark.parametrize("make", [decision_table, clusters_table, comparison_table, overlap_table])
def test_every_row_fits_its_header(make, result):
    table = make(result)
    assert table.rows
    assert len(set(table.header)) == len(table.header)
    assert {len(row) for row in table.rows} == {len(table.header)}


def test_the_decision_table_has_a_row_for_each_k_and_all_curves(result):
    table = decision_table(result)
    assert column(table, "k") == sorted(result.fits)
    assert column(table, "loss_counts") == [result.fits[k].loss for k in sorted(result.fits)]
    assert {with_unit(curve.name) for curve in result.decision.curves} <= set(table.header)
    chosen = table.rows[column(table, "k").index(result.decision.k)]
    assert chosen[table.header.index("n_crystals")] == result.decision.n_crystals


def test_what_was_not_measured_is_empty(result):
    curve = CriterionCurve(name="gap", better="higher", ks=(2, 3), values=(0.5, float("nan")))
    changed = replace(result, decision=replace(result.decision, curves=(curve,), roles={}))
    table = decision_table(changed)
    assert table.header == ("k", "loss_counts", "gap", "n_crystals")
    assert column(table, "gap")[:4] == [None, 0.5, None, None]
    assert set(column(table, "n_crystals")) == {None}


def test_clusters_have_members_areas_and_colours(result):
    labels = np.full(result.clusters.labels.shape, -1, dtype=np.int16)
    labels[0, :8], labels[1, :4] = 0, 2
    weights = np.ones_like(result.clusters.crystal_weights)
    result = replace(
        result,
        clusters=replace(result.clusters, labels=labels, crystal_weights=weights),
        geometry=replace(result.geometry, scan_step_nm=0.5),
    )
    table = clusters_table(result)
    assert column(table, "crystal") == [0, 1, 2]
    assert column(table, "n_probes") == [8, 0, 4]
    assert column(table, "area_percent") == [100 * 8 / 320, 0, 100 * 4 / 320]
    assert column(table, "area_nm2") == [2.0, 0.0, 1.0]
    assert column(table, "bragg_counts") == [320.0] * 3
    assert column(table, "color") == list(CRYSTAL_COLORS[:3])


def test_components_of_a_crystal_are_listed_with_their_roles(result):
    roles = replace(
        result.clusters.roles,
        roles=("crystal", "background", "split", "crystal", "crystal"),
        crystals=np.array([0, -1, 0, 1, 2], dtype=np.int16),
    )
    table = clusters_table(replace(result, clusters=replace(result.clusters, roles=roles)))
    assert column(table, "components") == ["0 2", "3", "4"]
    assert column(table, "roles") == ["crystal split", "crystal", "crystal"]


def test_without_a_scan_step_there_is_no_area_in_nm2(result):
    table = clusters_table(replace(result, geometry=replace(result.geometry, scan_step_nm=None)))
    assert set(column(table, "area_nm2")) == {None}


def test_the_comparison_has_metrics_baselines_and_the_rest(result):
    comparison = result.comparison
    table = comparison_table(result)
    for name, values in comparison.metrics.items():
        assert column(table, with_unit(name)) == values.tolist()
        assert column(table, with_unit(f"null_zero_{name}")) == comparison.null_zero[name].tolist()
        assert column(table, with_unit(f"null_global_{name}")) == comparison.null_global[name].tolist()
        assert column(table, with_unit(f"null_other_{name}")) == comparison.null_other[name].tolist()
        assert column(table, with_unit(f"crystal_{name}")) == comparison.crystal_metrics[name].tolist()
    assert column(table, "typical_y") == comparison.typical.places[:, 0].tolist()
    assert column(table, "atypical_x") == comparison.atypical.places[:, 1].tolist()
    assert column(table, "atypical_cosine") == comparison.atypical.cosines.tolist()
    assert set(column(table, "compared_to")) == {"raw"}
    assert {with_unit(name) for name in comparison.columns} <= set(table.header)
    assert "null_zero_psnr_db" in table.header


def test_the_patterns_on_the_other_side_of_a_filter_have_columns_of_their_own(with_both):
    table, other = comparison_table(with_both), with_both.comparison.other
    assert set(column(table, "compared_to")) == {"mean"}
    assert column(table, "raw_psnr_db") == other.metrics["psnr"].tolist()
    assert column(table, "raw_null_other_psnr_db") == other.null_other["psnr"].tolist()
    assert column(table, "raw_typical_cosine") == other.typical.cosines.tolist()


def test_an_empty_cluster_has_empty_cells(result):
    ssim = result.comparison.metrics["ssim"].copy()
    ssim[1] = np.nan
    metrics = dict(result.comparison.metrics) | {"ssim": ssim}
    table = comparison_table(replace(result, comparison=replace(result.comparison, metrics=metrics)))
    assert column(table, "ssim")[1] is None


def overlapping(result):
    """Four probes that overlap, one that does not, the rest not assessed."""
    shape = result.geometry.scan_shape
    ratio, level = np.zeros(shape, dtype=np.float32), np.full(shape, -1, dtype=np.int8)
    first, second = np.full((2, *shape), -1, dtype=np.int16)
    ratio[0, :5] = [0.75, 0.8125, 1.0, 0.5, 0.875]
    level[0, :5] = [1, 2, 5, 0, 3]
    first[0, :5], second[0, :5] = [0, 1, 2, 0, 2], [1, 0, 1, 1, 1]
    overlap = replace(result.overlap, ratio=ratio, level=level, first=first, second=second)
    return replace(result, overlap=overlap)


def test_overlap_counts_all_and_each_pair_at_each_threshold(result):
    table = overlap_table(overlapping(result))
    names = ("threshold", "first", "second", "n_probes", "area_percent", "mean_ratio")
    assert table.header == (*names, "n_probes_low", "n_probes_high")
    assert [row[:6] for row in table.rows[:6]] == [
        (0.75, "all", "all", 4, 80.0, pytest.approx(3.4375 / 4)),
        (0.75, 0, 1, 2, 40.0, pytest.approx(0.78125)),
        (0.75, 1, 2, 2, 40.0, pytest.approx(0.9375)),
        (0.80, "all", "all", 3, 60.0, pytest.approx(2.6875 / 3)),
        (0.80, 0, 1, 1, 20.0, pytest.approx(0.8125)),
        (0.80, 1, 2, 2, 40.0, pytest.approx(0.9375)),
    ]
    assert table.rows[-1] == (0.95, 1, 2, 1, 20.0, 1.0, None, None)


def test_without_any_overlap_there_is_one_row_for_each_threshold(result):
    none = np.full(result.geometry.scan_shape, -1, dtype=np.int8)
    table = overlap_table(replace(result, overlap=replace(result.overlap, level=none)))
    assert [row[:6] for row in table.rows] == [(t, "all", "all", 0, None, None) for t in result.overlap.thresholds]


def test_the_pairs_are_those_of_the_maps(result):
    from unmix4d.maps.overlap import overlap_pairs

    pairs = [row for row in overlap_table(result).rows if row[1] != "all"]
    found = {(row[1], row[2], row[0]): (row[3], pytest.approx(row[5])) for row in pairs}
    assert found == {
        (p.first, p.second, p.threshold): (p.n_probes, p.mean_ratio) for p in overlap_pairs(result.overlap)
    }
    assert found


def test_every_fault_that_was_looked_for_has_a_row(result):
    table = cleaning_table(result)
    assert table.header == ("fault", "found", "action", "before", "after", "measure")
    faults = [row[0] for row in table.rows]
    assert faults == [
        "hot pixels",
        "dead pixels",
        "camera offset",
        "descan",
        "saturation",
        "beam stop",
        "vacuum",
    ]
    found = {row[0]: row for row in table.rows if row[1]}
    assert set(found) == {"vacuum"}
    n = int(result.survey.vacuum.sum())
    assert found["vacuum"][2:5] == (f"{n} probes left out", n, 0)
