"""What other programs read: HyperSpy, ImageJ, spreadsheets."""

import csv
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from unmix4d.report.export import Csv, Hspy, ImageJTiff


@pytest.fixture
def calibrated(result):
    geometry = replace(result.geometry, scan_step_nm=2.5, pattern_step_inv_angstrom=0.04)
    return replace(result, geometry=geometry)


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hyperspy.api as hs

        return hs.load(path)


def test_hyperspy_opens_both_signals_with_calibrated_axes(calibrated, tmp_path):
    components, weights = (load(path) for path in Hspy().write(calibrated, tmp_path))
    assert type(components).__name__ == type(weights).__name__ == "Signal2D"
    np.testing.assert_array_equal(components.data, calibrated.factorization.component_patterns())
    np.testing.assert_array_equal(weights.data, calibrated.factorization.weight_maps())
    names = [(axis.name, axis.units) for axis in components.axes_manager._axes]
    assert names == [("component", ""), ("pattern_y", "1/Å"), ("pattern_x", "1/Å")]
    assert [axis.scale for axis in components.axes_manager.signal_axes] == [0.04, 0.04]
    assert [axis.scale for axis in weights.axes_manager.signal_axes] == [2.5, 2.5]
    assert [axis.units for axis in weights.axes_manager.signal_axes] == ["nm", "nm"]
    assert components.axes_manager.navigation_shape == (calibrated.decision.k,)


def test_the_direct_beam_is_the_origin_of_reciprocal_space(calibrated, tmp_path):
    components = load(Hspy().write(calibrated, tmp_path)[0])
    y, x = calibrated.survey.beam.center
    for axis, center in zip(components.axes_manager.signal_axes, (x, y), strict=True):
        assert axis.offset + center * axis.scale == pytest.approx(0)


def test_signals_without_calibration_have_no_units(result, tmp_path):
    plain = replace(result, geometry=replace(result.geometry, scan_step_nm=None, pattern_step_inv_angstrom=None))
    weights = load(Hspy().write(plain, tmp_path)[1])
    assert [str(axis.units) for axis in weights.axes_manager.signal_axes] == ["", ""]


def test_imagej_reads_planes_labels_and_scale(calibrated, tmp_path):
    clusters, overlap = ImageJTiff().write(calibrated, tmp_path)
    with tifffile.TiffFile(clusters) as file:
        assert file.is_imagej
        stack, meta = file.asarray(), file.imagej_metadata
        step = file.pages[0].tags["XResolution"].value
    assert meta["unit"] == "nm"
    assert step[1] / step[0] == pytest.approx(2.5)
    assert len(meta["Labels"]) == len(stack) == calibrated.clusters.n_crystals + 1
    np.testing.assert_array_equal(stack[0] - 1, calibrated.clusters.labels)
    np.testing.assert_array_equal(stack[1:], calibrated.clusters.crystal_weights)
    with tifffile.TiffFile(overlap) as file:
        ratio, level, first, second = file.asarray()[:4]
    np.testing.assert_array_equal(ratio, calibrated.overlap.ratio)
    np.testing.assert_array_equal(level - 1, calibrated.overlap.level)
    np.testing.assert_array_equal(first - 1, calibrated.overlap.first)
    np.testing.assert_array_equal(second - 1, calibrated.overlap.second)


def test_imagej_has_what_was_measured_of_the_overlap_by_name(calibrated, tmp_path):
    with tifffile.TiffFile(ImageJTiff().write(calibrated, tmp_path)[1]) as file:
        assert file.is_imagej
        planes = dict(zip(file.imagej_metadata["Labels"], file.asarray(), strict=True))
    mixing = calibrated.overlap.measured
    assert (mixing.kind > 0).any()
    assert np.isnan(mixing.fraction).any()
    expected = {
        "first + 1 (0 = none)": mixing.first + 1,
        "second + 1 (0 = none)": mixing.second + 1,
        "share of the second in both": mixing.fraction,
        "share, 95 % interval from": mixing.low,
        "share, 95 % interval to": mixing.high,
        "p that one crystal is enough": mixing.p_value,
        "kind (0 = not significant, 1 = boundary, 2 = stacked)": mixing.kind,
        "third + 1 (0 = none)": mixing.unexplained.third + 1,
        "two do not suffice and no third is known (1 = yes)": mixing.unexplained.unknown,
    }
    measured = {name.removeprefix("measured: "): plane for name, plane in planes.items() if "measured" in name}
    assert list(measured) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(measured[name], values, err_msg=name)


def test_imagej_has_no_measured_planes_where_nothing_was_measured(result, tmp_path):
    plain = replace(result, overlap=replace(result.overlap, measured=None))
    with tifffile.TiffFile(ImageJTiff().write(plain, tmp_path)[1]) as file:
        assert len(file.asarray()) == len(file.imagej_metadata["Labels"]) == 4


def test_tables_are_utf8_csv_with_one_row_for_each_thing(calibrated, tmp_path):
    paths = {path.name: path for path in Csv().write(calibrated, tmp_path)}
    assert set(paths) == {
        "decision.csv",
        "clusters.csv",
        "comparison.csv",
        "overlap.csv",
        "overlap_pairs.csv",
        "cleaning.csv",
    }
    tables = {}
    for name, path in paths.items():
        with path.open(encoding="utf-8", newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert [int(row["k"]) for row in tables["decision.csv"]] == sorted(calibrated.fits)
    losses = [float(row["loss_counts"]) for row in tables["decision.csv"]]
    np.testing.assert_allclose(losses, [calibrated.fits[k].loss for k in sorted(calibrated.fits)], rtol=1e-6)
    assert len(tables["clusters.csv"]) == len(tables["comparison.csv"]) == calibrated.clusters.n_crystals
    assert [int(row["n_probes"]) for row in tables["clusters.csv"]] == calibrated.clusters.counts.tolist()


def test_nothing_else_is_left_in_the_folder(calibrated, tmp_path):
    written = [path for exporter in (Hspy, ImageJTiff, Csv) for path in exporter().write(calibrated, tmp_path)]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert all(path.stat().st_size > 0 for path in written)
