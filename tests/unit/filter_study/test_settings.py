"""Settings of a comparison: those of a run, which filters, and the reference."""

import pytest

from unmix4d.config import Settings
from unmix4d.errors import UsageError
from unmix4d.filter_study.settings import StudySettings


@pytest.mark.parametrize("given", ["raw,mean", "raw mean", "raw, mean", ("raw", "mean")])
def test_filters_are_named_with_commas_or_spaces(given):
    assert StudySettings(filters=given).filters == ("raw", "mean")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"filters": "raw"}, "filters: got raw, expected two or more names"),
        ({"filters": ""}, "filters: got none, expected two or more names"),
        ({"filters": "raw,mean,raw"}, "filters: raw,mean,raw names a filter twice"),
        ({"filters": "raw,median"}, "no unmix4d.filters named 'median'; known: epattern, gated-mean, mean, raw"),
        ({"filters": 3}, "filters: got 3, expected two or more names of filters"),
        ({"filters": "raw,mean", "reference": "epattern"}, "reference: epattern is not one of the filters"),
        ({"mode": "paper"}, "mode: filters are compared by the answer alone"),
        ({"filtres": "raw"}, "did you mean filters?"),
    ],
)
def test_what_gives_no_comparison_is_refused(given, words):
    with pytest.raises(UsageError) as caught:
        StudySettings(**given)
    assert words in str(caught.value)


def test_the_reference_is_raw_or_else_the_first():
    assert StudySettings().chosen_reference == "raw"
    assert StudySettings(filters=("mean", "raw")).chosen_reference == "raw"
    assert StudySettings(filters=("mean", "epattern")).chosen_reference == "mean"
    assert StudySettings(reference="epattern").chosen_reference == "epattern"


def test_each_run_has_the_settings_of_all_and_its_own_filter():
    own = StudySettings(k_max=7, seed=3, compare_to="raw").of("mean")
    assert type(own) is Settings
    assert own == Settings(k_max=7, seed=3, filter="mean")


def test_settings_come_back_from_yaml(tmp_path):
    settings = StudySettings(filters=("raw", "mean"), reference="mean", k_max=7)
    path = tmp_path / "compare.yaml"
    path.write_text(settings.to_yaml(), encoding="utf-8")
    assert StudySettings.from_yaml(path) == settings
