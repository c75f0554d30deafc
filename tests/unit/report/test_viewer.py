"""What the explorer is given: packed arrays, a run in as much detail as there is room for, one script."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps

from unmix4d.maps.clusters import cluster_map
from unmix4d.report.store import load_result, save_result
from unmix4d.report.viewer import script
from unmix4d.report.viewer.arrays import Stored, binned, pack, strided, unpack
from unmix4d.report.viewer.book import EVERYTHING, LADDER, Book, book_within

STATIC = Path(script.__file__).parent / "static"
SCALES = {"magma": "magma", "viridis": "viridis", "cividis": "cividis", "grey": "gray", "difference": "RdBu_r"}


@pytest.mark.parametrize("kind", ["f4", "i1", "i2", "u1"])
def test_plain_arrays_come_back_as_they_are(kind):
    values = np.arange(24).reshape(2, 3, 4)
    back = unpack(pack({"a": Stored(values, kind), "b": Stored(values[0], kind)}))
    np.testing.assert_array_equal(back["a"], values)
    np.testing.assert_array_equal(back["b"], values[0])


def test_values_start_at_multiples_of_eight():
    packed = pack({"a": Stored(np.ones(3), "u1"), "b": Stored(np.ones(2), "f4")})
    length = int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4 : 4 + length])
    assert (4 + length) % 8 == 0
    assert header["b"]["at"] == 8
    assert len(packed) == 4 + length + 16


@given(st.lists(st.floats(0, 1e7, width=32), min_size=2, max_size=12))
def test_shorter_kinds_keep_values_within_their_steps(values):
    array = np.array(values).reshape(1, -1)
    most = array.max()
    half = unpack(pack({"a": Stored(array, "f2")}))["a"]
    byte = unpack(pack({"a": Stored(array, "q1")}))["a"]
    assert np.abs(half - array).max() <= most * 2**-11
    assert np.abs(np.sqrt(byte) - np.sqrt(array)).max() <= np.sqrt(most) * (0.5 / 255 + 1e-6)


def test_each_entry_of_the_first_axis_has_a_scale_of_its_own():
    stack = np.array([[1e6, 0], [1.0, 0.25], [0, 0]])
    back = unpack(pack({"a": Stored(stack, "q1")}))["a"]
    np.testing.assert_allclose(back, [[1e6, 0], [1, 0.25], [0, 0]], rtol=1e-2)


def test_binning_adds_pixels_up_and_leaves_an_incomplete_edge_out():
    patterns = np.arange(15.0).reshape(1, 3, 5)
    np.testing.assert_array_equal(binned(patterns, 2), [[[12, 20]]])
    assert binned(patterns, 1) is patterns


def test_every_second_probe_of_a_map():
    np.testing.assert_array_equal(strided(np.arange(20).reshape(4, 5), 2), [[0, 2, 4], [10, 12, 14]])


@pytest.fixture(scope="module")
def book(result):
    return Book(result=result)


def test_everything_is_handed_on_exactly(book, result):
    k = result.decision.k
    factors = unpack(book.part(f"k{k}"))
    np.testing.assert_array_equal(factors["components"], result.factorization.component_patterns())
    np.testing.assert_array_equal(factors["weights"], result.factorization.weight_maps())
    maps = unpack(book.part("maps"))
    for name in ("ratio", "first", "second"):
        np.testing.assert_array_equal(maps[name], getattr(result.overlap, name))
    np.testing.assert_allclose(
        maps["bright_field"][0] + maps["dark_field"][0], result.survey.total_counts, rtol=1e-6
    )


def test_where_there_is_a_crystal_is_as_in_the_cluster_map_of_that_k(book, result):
    for k in book.kept:
        if k not in result.decision.roles:
            continue
        labels = cluster_map(result.fits[k], result.decision.roles[k]).labels
        np.testing.assert_array_equal(unpack(book.part(f"k{k}"))["seen"] > 0, labels >= 0)


def test_labels_of_every_k_are_handed_on_and_factors_of_the_range(book, result):
    told = book.manifest()["sweep"]
    decision = result.decision
    assert set(map(int, told)) == set(result.fits)
    for k, entry in told.items():
        assert (entry["has"] == "factors") == (decision.k_low <= int(k) <= decision.k_high)
    labels = unpack(book.part("maps"))["component_labels"]
    for k, map_ in zip(sorted(result.fits), labels, strict=True):
        np.testing.assert_array_equal(map_, result.fits[k].component_labels())


def test_labels_of_every_k_survive_a_file_that_keeps_one(result, tmp_path):
    save_result(result, tmp_path / "one.h5", keep="chosen")
    back = load_result(tmp_path / "one.h5")
    assert list(back.fits) == [result.decision.k]
    assert list(back.component_labels) == sorted(result.fits)
    save_result(back, tmp_path / "again.h5", keep="chosen")
    again = load_result(tmp_path / "again.h5")
    for k, fit in result.fits.items():
        np.testing.assert_array_equal(again.component_labels[k], fit.component_labels())


def test_the_manifest_is_plain_json_without_nan(book):
    assert json.loads(json.dumps(book.manifest(), allow_nan=False))["thresholds"] == [0.75, 0.8, 0.85, 0.9, 0.95]


def test_there_is_no_other_part(book):
    for name in ("k1000", "../maps", "k-1", "manifest", ""):
        with pytest.raises(KeyError):
            book.part(name)


def test_a_book_takes_the_most_detail_that_fits(result):
    book, parts = book_within(result, 10_000_000)
    assert book.detail == LADDER[0]
    assert set(parts) == set(book.names)
    smaller, few = book_within(result, 30_000)
    assert smaller.detail != EVERYTHING
    assert sum(map(len, few.values())) <= 30_000
    assert len(few) < len(parts)


def test_a_scan_that_does_not_fit_is_thinned_out(result):
    book, parts = book_within(result, 8_000)
    assert book.detail.stride > 1
    manifest, stride = book.manifest(), book.detail.stride
    assert manifest["scan"]["stride"] == stride
    maps = unpack(gzip.decompress(parts["maps"]))
    np.testing.assert_array_equal(maps["labels"], result.clusters.labels[::stride, ::stride])
    assert manifest["scan"]["shape"] == list(maps["labels"].shape)


def test_the_step_of_a_thinned_scan_is_longer(result):
    geometry = replace(result.geometry, scan_step_nm=2.0)
    thinned = Book(result=replace(result, geometry=geometry), detail=replace(LADDER[-1], stride=4))
    assert thinned.manifest()["scan"]["step_nm"] == 8.0


def test_modules_come_after_those_that_they_import():
    modules = (*script.MODULES, *script.SCAN_MODULES)
    assert {path.stem for path in STATIC.glob("*.js")} == set(modules)
    for i, module in enumerate(modules):
        assert set(script.imports(module)) <= set(modules[:i]), module


def test_names_at_the_top_level_of_the_modules_are_unique():
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
    names = [
        name
        for module in (*script.MODULES, *script.SCAN_MODULES)
        for name in pattern.findall(script.source(module))
    ]
    assert len(names) == len(set(names))


def test_the_script_is_one_text_that_imports_nothing():
    text = script.script()
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert re.findall(r"^export .*", text, re.MULTILINE) == ["export { Embedded, explore, Messaged, Served };"]
    assert "</script" not in text


def test_a_server_hands_on_the_modules_for_a_scan_too():
    text = script.script(scan=True)
    assert not re.search(r"^import ", text, re.MULTILINE)
    (exported,) = re.findall(r"^export .*", text, re.MULTILINE)
    assert exported == "export { Embedded, explore, Messaged, Served, exploreScan, ServedScan };"
    assert len(script.script()) < len(text)


@pytest.mark.parametrize("path", sorted(STATIC.iterdir()), ids=lambda path: path.name)
def test_modules_are_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert path.suffix == ".css" or max(map(len, lines)) <= 116


@pytest.mark.parametrize(("name", "original"), SCALES.items())
def test_colour_scales_are_those_of_matplotlib(name, original):
    found = re.search(rf"  {name}:\n((?:    \"[0-9a-f]+\"[ +,]*\n)+)", script.source("colors"))
    colors = "".join(re.findall(r"[0-9a-f]{6}", found[1]))
    ours = np.frombuffer(bytes.fromhex(colors), np.uint8).reshape(-1, 3) / 255
    expected = colormaps[original](np.linspace(0, 1, len(ours)))[:, :3]
    np.testing.assert_allclose(ours, expected, atol=0.5 / 255 + 1e-9)
