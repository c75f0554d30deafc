"""``result.h5`` is a contract: every name, shape and type of the design, and back again without loss."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from unmix4d.errors import InputError
from unmix4d.report.comparison_figure import comparison_figure
from unmix4d.report.curve_figures import loss_figure
from unmix4d.report.store import FORMAT_VERSION, load_result, save_result
from unmix4d.report.tables import comparison_table, decision_table


@pytest.fixture(scope="module")
def stored(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "result.h5"
    save_result(result, path)
    return path


def test_the_page_about_the_report_names_every_path(stored, result):
    page = (Path(__file__).resolve().parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    code = [one for line in page.splitlines() if line.startswith("| `/") for one in re.findall("`([^`]+)`", line)]
    words = set(re.findall(r"\w+", " ".join(code)))
    found = set()
    with h5py.File(stored) as file:
        file.visit(found.add)
    curves = {curve.name for curve in result.decision.curves}
    columns = set(result.comparison.columns)
    metrics = set(result.comparison.metrics)
    parts = {part for path in found for part in path.split("/") if not part.isdigit()}
    assert "measured" in parts
    missing = parts - curves - columns - metrics - words
    assert not missing


def test_names_shapes_and_types_are_those_of_the_contract(stored, result):
    k, n = result.decision.k, result.decision.n_crystals
    scan, pattern = result.geometry.scan_shape, result.geometry.pattern_shape
    expected = {
        "components": ((k, *pattern), "float32"),
        "weights": ((k, *scan), "float32"),
        "labels": (scan, "int16"),
        "component_crystal": ((k,), "int16"),
        "crystals/patterns": ((n, *pattern), "float32"),
        "crystals/weights": ((n, *scan), "float32"),
        "overlap/ratio": (scan, "float32"),
        "overlap/first": (scan, "int16"),
        "overlap/second": (scan, "int16"),
        "overlap/level": (scan, "int8"),
    }
    with h5py.File(stored) as file:
        for name, (shape, dtype) in expected.items():
            assert (file[name].shape, file[name].dtype) == (shape, np.dtype(dtype)), name
        assert file["component_role"].asstr()[()].tolist() == list(result.clusters.roles.roles)
        assert file.attrs["format_version"] == FORMAT_VERSION
        np.testing.assert_allclose(file["overlap"].attrs["thresholds"], (0.75, 0.80, 0.85, 0.90, 0.95))
        decision = file["decision"].attrs
        assert (decision["k"], decision["n_crystals"]) == (k, n)
        assert (decision["k_low"], decision["k_high"]) == (result.decision.k_low, result.decision.k_high)
        assert decision["confidence"] == result.decision.confidence
        assert decision["reason"] == result.decision.reason
        for curve in result.decision.curves:
            assert file["decision"][curve.name].shape == file["decision/ks"].shape
        assert json.loads(file["provenance"].asstr()[()])["seed"] == 0
        np.testing.assert_array_equal(file["geometry"].attrs["scan_shape"], scan)


def test_the_components_are_unit_sum_and_weights_counts(stored, result):
    with h5py.File(stored) as file:
        np.testing.assert_allclose(file["components"][()].sum(axis=(1, 2)), 1, rtol=1e-5)
        np.testing.assert_array_equal(file["weights"][()], result.factorization.weight_maps())


@pytest.mark.parametrize("keep", ["chosen", "range", "all"])
def test_labels_of_every_k_and_factors_of_those_kept(result, tmp_path, keep):
    path = tmp_path / "result.h5"
    save_result(result, path, keep=keep)
    low, high, k = result.decision.k_low, result.decision.k_high, result.decision.k
    wanted = {"chosen": {k}, "range": {*range(low, high + 1), k}, "all": set(result.fits)}[keep]
    with h5py.File(path) as file:
        assert {int(name) for name in file["sweep"]} == set(result.fits)
        assert all(group["labels"].shape == result.geometry.scan_shape for group in file["sweep"].values())
        assert {int(name) for name, group in file["sweep"].items() if "weights" in group} == wanted


def equal(one, other):
    """Compare records field by field."""
    if dataclasses.is_dataclass(one):
        return all(equal(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if hasattr(one, "items"):
        return set(one) == set(other) and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(
    "part", ["geometry", "survey", "steps", "pixel_mask", "probe_mask", "clusters", "overlap", "comparison"]
)
def test_what_is_stored_comes_back(stored, result, part):
    assert equal(getattr(result, part), getattr(load_result(stored), part))


def test_the_decision_comes_back_curve_by_curve(stored, result):
    back = load_result(stored).decision
    for field in ("k", "n_crystals", "k_low", "k_high", "confidence", "reason", "warnings"):
        assert equal(getattr(result.decision, field), getattr(back, field)), field
    assert equal(dict(result.decision.votes), dict(back.votes))
    assert equal(dict(result.decision.roles), dict(back.roles))
    assert [curve.name for curve in back.curves] == [curve.name for curve in result.decision.curves]
    assert all(map(equal, result.decision.curves, back.curves))


@pytest.mark.parametrize("keep", ["chosen", "range"])
def test_tables_and_loss_curve_are_the_same_from_a_stored_result(result, tmp_path, keep):
    save_result(result, tmp_path / "result.h5", keep=keep)
    back = load_result(tmp_path / "result.h5")
    assert decision_table(back) == decision_table(result)
    assert comparison_table(back) == comparison_table(result)
    drawn, before = (loss_figure(which).axes[0].lines[0].get_xydata() for which in (back, result))
    np.testing.assert_array_equal(drawn, before)
    assert len(drawn) == len(result.fits)


def test_kept_factorizations_come_back(stored, result):
    back = load_result(stored)
    assert result.decision.k in back.fits
    for k, fit in back.fits.items():
        assert equal(result.fits[k], fit)


def test_the_record_comes_back(stored, result):
    back = load_result(stored).record
    assert equal(result.record.costs, back.costs)
    assert back.source_digest == result.record.source_digest
    assert json.loads(json.dumps(dict(result.record.settings))) == back.settings


def test_a_result_without_crystals_and_without_calibration_can_be_stored(result, tmp_path):
    geometry = dataclasses.replace(result.geometry, scan_step_nm=None, pattern_step_inv_angstrom=None)
    survey = dataclasses.replace(result.survey, beam=None)
    path = tmp_path / "result.h5"
    save_result(dataclasses.replace(result, geometry=geometry, survey=survey), path)
    back = load_result(path)
    assert back.geometry.scan_step_nm is None
    assert back.survey.beam is None


@pytest.mark.parametrize("bytes_kept", [0, 100, 5000])
def test_a_truncated_file_is_told_in_one_sentence(stored, tmp_path, bytes_kept):
    path = tmp_path / "result.h5"
    shutil.copy(stored, path)
    with path.open("r+b") as file:
        file.truncate(bytes_kept)
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_result(path)


def test_foreign_newer_and_missing_files_are_refused(stored, tmp_path):
    foreign, newer, partial = tmp_path / "foreign.h5", tmp_path / "newer.h5", tmp_path / "partial.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    shutil.copy(stored, newer)
    with h5py.File(newer, "r+") as file:
        file.attrs["format_version"] = FORMAT_VERSION + 1
    shutil.copy(stored, partial)
    with h5py.File(partial, "r+") as file:
        del file["labels"]
    with pytest.raises(InputError, match="not a result of unmix4d"):
        load_result(foreign)
    with pytest.raises(InputError, match=f"format version {FORMAT_VERSION + 1}"):
        load_result(newer)
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_result(partial)
    with pytest.raises(InputError, match="there is no"):
        load_result(tmp_path / "none.h5")


def test_a_comparison_with_both_comes_back(with_both, tmp_path):
    save_result(with_both, tmp_path / "result.h5")
    assert equal(with_both.comparison, load_result(tmp_path / "result.h5").comparison)


def test_files_without_a_place_for_the_own_crystal_load(result, tmp_path):
    path = tmp_path / "result.h5"
    save_result(result, path)
    before = result.comparison
    with h5py.File(path, "a") as file:
        group = file["comparison"]
        for name in ("reconstructed_patterns", "metrics", "crystal_metrics", "null_other", "typical", "atypical"):
            del group[name]
        group["reconstructed_patterns"] = before.crystal_patterns
        group.move("crystal_patterns", "gone")
        for name, values in before.crystal_metrics.items():
            group[f"metrics/{name}"] = values
        for name in list(group["columns"]):
            if name.startswith(("crystal_", "member_")):
                del group[f"columns/{name}"]
        group["columns/cosine"][...] = before.columns["crystal_cosine"]
    back = load_result(path)
    after = back.comparison
    np.testing.assert_array_equal(after.crystal_patterns, before.crystal_patterns)
    assert equal(dict(after.crystal_metrics), dict(before.crystal_metrics))
    assert equal(after.columns["crystal_cosine"], before.columns["crystal_cosine"])
    assert "cosine" not in after.columns, "it was that of the own crystal"
    assert np.isnan(after.reconstructed_patterns).all()
    assert all(np.isnan(values).all() for values in after.metrics.values())
    assert (after.typical, after.atypical, after.other, after.null_other) == (None, None, None, {})
    assert "crystal_cosine" in comparison_table(back).header
    assert comparison_figure(back).axes
