"""What a run with a table of spots adds to its report, its files and its figures."""

import csv
import warnings

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.report.figures import FIGURES, figures_of
from unmix4d.report.html import render_report
from unmix4d.report.spots import Spots, facts
from unmix4d.report.store import load_result, save_result


@pytest.fixture(scope="module")
def with_spots():
    spec = PhantomSpec(scan_shape=(10, 24), pattern_shape=(32, 32), n_crystals=2, counts_per_pattern=20000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(make_phantom(spec).scan, k_max=5, threads=1, filter="epattern").result


def test_the_table_comes_back_from_the_file(with_spots, tmp_path):
    save_result(with_spots, tmp_path / "result.h5")
    again = load_result(tmp_path / "result.h5").spots
    assert again.radius == with_spots.spots.radius
    assert again.geometry.scan_shape == (10, 24)
    for name, values in with_spots.spots.as_arrays().items():
        found = getattr(again, name)
        np.testing.assert_array_equal(found, values)
        assert np.asarray(found).dtype == values.dtype


def test_a_run_without_a_table_has_none_in_its_file(result, tmp_path):
    save_result(result, tmp_path / "result.h5")
    assert load_result(tmp_path / "result.h5").spots is None
    with pytest.raises(UsageError, match="--filter epattern"):
        Spots().write(result, tmp_path)


def test_the_csv_has_one_line_for_each_spot_with_its_probe(with_spots, tmp_path):
    (path,) = Spots().write(with_spots, tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    spots = with_spots.spots
    assert len(rows) == spots.n_spots
    last = rows[-1]
    assert (int(last["scan_y"]), int(last["scan_x"])) == divmod(int(spots.probe[-1]), 24)
    assert float(last["intensity_counts"]) == pytest.approx(spots.intensity[-1], rel=1e-6)
    assert float(last["noise_counts"]) == pytest.approx(spots.noise.ravel()[spots.probe[-1]], rel=1e-6)
    assert {row["is_direct_beam"] for row in rows} == {"0", "1"}


def test_the_report_says_that_patterns_were_redrawn_and_shows_maps_of_the_spots(with_spots, result):
    page = render_report(with_spots)
    assert 'id="figure-spots"' in page
    assert "redrawn from their spots" in page
    assert f"{with_spots.spots.n_spots:,};" in page
    assert "figure-spots" not in render_report(result)


def test_the_figure_of_the_spots_is_drawn_with_the_others_of_such_a_run(with_spots, result):
    assert figures_of(result) == FIGURES
    figure = figures_of(with_spots)["spots"](with_spots)
    assert [text.get_text() for text in figure.texts][:2] == ["Direct beam (counts)", "All other spots (counts)"]
    assert sum(bool(axes.images) for axes in figure.axes) >= 6


def test_facts_by_hand(with_spots):
    told = facts(with_spots)
    spots = with_spots.spots
    assert told["direct beam"] == f"found in {int(spots.is_direct_beam.sum())} patterns"
    assert told["table"].endswith(f"one byte for {240 * 1024 / spots.n_bytes:,.0f} pixels")
