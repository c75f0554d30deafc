"""What ASTAR is given: which patterns, in what numbers, with what calibration."""

import re
from importlib import import_module

import numpy as np
import pytest

import unmix4d
from unmix4d.cli import exit_code
from unmix4d.errors import UsageError
from unmix4d.read.readers import open_scan


def test_cleaned_patterns_keep_calibration_and_order(run, scan_file, tmp_path):
    told = unmix4d.export_astar(run, tmp_path / "c.blo", scale="sqrt")
    back, source = open_scan(tmp_path / "c.blo"), open_scan(scan_file)
    assert back.geometry.scan_shape == source.geometry.scan_shape
    assert back.geometry.scan_step_nm == 2.5
    assert back.geometry.pattern_step_inv_angstrom == pytest.approx(0.04, rel=1e-4)
    counts = source.rows(0, 16).astype(float)
    expected = 255 * np.sqrt(counts / counts.max())
    # the phantom has no faults that cleaning would mend
    np.testing.assert_allclose(back.rows(0, 16), expected, atol=0.5 + 1e-6)
    assert told["patterns"] == "cleaned"


@pytest.mark.parametrize("name", ["s.blo", "frames"])
@pytest.mark.parametrize("patterns", ["cleaned", "second", "class-mean", "classes"])
def test_every_kind_has_the_intensities_that_its_text_states(run, tmp_path, patterns, name):
    unmix4d.export_astar(run, tmp_path / "counts.npy", patterns=patterns)
    counts = open_scan(tmp_path / "counts.npy")
    exact = counts.rows(0, counts.geometry.scan_shape[0]).astype(float)
    told = unmix4d.export_astar(run, tmp_path / name, patterns=patterns, scale="linear", beam_energy=200)
    back = open_scan(tmp_path / name)
    assert back.geometry.scan_shape == counts.geometry.scan_shape
    assert back.patterns.dtype == np.uint8
    np.testing.assert_allclose(back.rows(0, len(exact)), exact * 255 / exact.max(), atol=0.5 + 1e-3)
    assert back.geometry.scan_step_nm == 2.5
    assert back.geometry.pattern_step_inv_angstrom == pytest.approx(0.04, rel=1e-4)
    stated = re.search(
        r"^Intensities: uint8: counts x ([\d.e-]+), so that the largest, ([\d.e+]+), becomes 255\.$",
        (tmp_path / f"{name}.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert [float(number) for number in stated.groups()] == pytest.approx(
        [255 / exact.max(), exact.max()], rel=1e-5
    )
    assert told["patterns"] == patterns


def test_rosettasciio_reads_the_block_file(run, tmp_path):
    unmix4d.export_astar(run, tmp_path / "c.blo")
    signal = import_module("rsciio.blockfile").file_reader(str(tmp_path / "c.blo"))[0]
    assert signal["data"].shape == (16, 20, 32, 32)
    # 0.04 1/Å x 0.0250793 Å x 10 cm (nominal) = 0.0100317 cm
    assert signal["axes"][2]["scale"] == pytest.approx(0.0100317, rel=1e-4)


def test_the_text_says_how_counts_were_scaled(run, tmp_path):
    told = unmix4d.export_astar(run, tmp_path / "c.blo", scale="linear")
    text = (tmp_path / "c.blo.txt").read_text(encoding="utf-8")
    assert f"Intensities: {told['values']}." in text
    assert "so that the largest" in text
    assert "16 lines of 20 probes, 2.5 nm apart" in text
    assert "0.04 1/Å" in text


def test_the_second_crystal_alone(run, tmp_path, scan_file):
    unmix4d.export_astar(run, tmp_path / "s.npy", patterns="second", least_ratio=0.5)
    shared = open_scan(tmp_path / "s.npy").rows(0, 16)
    overlap, clusters = run.overlap, run.clusters
    seen = (overlap.second >= 0) & (overlap.ratio >= 0.5)
    assert seen.any()
    assert not shared[~seen].any()
    measured = open_scan(scan_file).rows(0, 16)
    assert (shared <= measured + 1e-3).all()
    # what is left looks like the second crystal and not like the first
    spots = clusters.crystal_patterns.reshape(clusters.n_crystals, -1)
    unit = spots / np.linalg.norm(spots, axis=1, keepdims=True)
    mean = {i: shared[seen & (overlap.second == i)].sum(axis=0).ravel() for i in np.unique(overlap.second[seen])}
    for i, pattern in mean.items():
        alike = unit @ (pattern / np.linalg.norm(pattern))
        assert alike.argmax() == i
        assert alike[i] > 0.9


def test_mean_of_the_cluster_at_each_probe(run, tmp_path):
    unmix4d.export_astar(run, tmp_path / "m.npy", patterns="class-mean")
    means = open_scan(tmp_path / "m.npy").rows(0, 16)
    for i in range(run.clusters.n_crystals):
        at = run.clusters.labels == i
        np.testing.assert_allclose(means[at][0], run.comparison.mean_patterns[i], rtol=1e-6)
    assert not means[run.clusters.labels < 0].any()


def test_one_frame_for_each_crystal(run, tmp_path):
    told = unmix4d.export_astar(run, tmp_path / "classes", patterns="classes", beam_energy=200)
    frames = sorted((tmp_path / "classes").glob("*.bmp"))
    assert len(frames) == run.decision.n_crystals
    assert told["scan_shape"] == [1, run.decision.n_crystals]
    assert (tmp_path / "classes.txt").is_file()


def test_another_scan_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="give its scan"):
        unmix4d.export_astar(run, tmp_path / "c.blo", scan=np.ones((3, 4, 32, 32), np.uint8))
    with pytest.raises(UsageError, match=r"no patterns named 'all' for ASTAR; there are cleaned, second"):
        unmix4d.export_astar(run, tmp_path / "c.blo", patterns="all")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_crystals_has_only_cleaned_patterns(run, tmp_path, without_crystals):
    empty = unmix4d.Run(result=without_crystals(run.result), settings=run.settings)
    with pytest.raises(UsageError, match="the run found no crystals"):
        unmix4d.export_astar(empty, tmp_path / "s.blo", patterns="second")


def test_the_command(run, tmp_path, capsys):
    run.save(tmp_path / "run")
    arguments = ["astar", str(tmp_path / "run"), str(tmp_path / "s.blo"), "--patterns", "second", "--quiet"]
    assert exit_code(arguments) == 0
    assert "second" in capsys.readouterr().out
    assert open_scan(tmp_path / "s.blo").geometry.scan_shape == (16, 20)
    assert exit_code(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
