"""The rule that recommends a filter, case by case."""

import pytest

from unmix4d.filter_study.recommend import created, recommend
from unmix4d.records import FilterOverlap


def overlaps(made=0.0, *, interior=0.0, names=("raw", "mean", "gated-mean", "epattern"), of="mean"):
    """Rows in which one filter has overlap that is absent from the counts, as a share of 1000 probes."""

    def row(name, zone, threshold, share):
        n = round(1000 * share) if (name, threshold) == (of, 0.5) else 0
        return FilterOverlap(
            name=name,
            zone=zone,
            threshold=threshold,
            n_assessed=1000,
            n_filtered=n,
            n_refitted=0,
            n_absent=n,
            n_new=0,
        )

    zones = {"all": made, "boundary": made, "interior": interior}
    return [row(name, zone, t, share) for name in names for zone, share in zones.items() for t in (0.5, 0.75)]


def test_of_equals_the_one_that_changes_the_patterns_least_is_recommended(make_answer):
    answers = [make_answer(name) for name in ("epattern", "mean", "gated-mean")]
    advice = recommend(answers, overlaps())
    assert advice.name == "gated-mean"
    assert advice.others == {
        "epattern": "it does as well, and changes the patterns more than gated-mean",
        "mean": "it does as well, and changes the patterns more than gated-mean",
    }
    assert "2 crystals with high confidence" in advice.reason
    assert "75%" in advice.rule


def test_the_surest_is_recommended(make_answer):
    answers = [
        make_answer("raw", confidence="low"),
        make_answer("mean"),
        make_answer("epattern", confidence="medium"),
    ]
    advice = recommend(answers, overlaps())
    assert advice.name == "mean"
    assert advice.others == {"raw": "its confidence is low", "epattern": "its confidence is medium"}


def test_a_filter_that_made_overlap_is_left_out(make_answer):
    answers = [make_answer("raw", confidence="low"), make_answer("mean")]
    advice = recommend(answers, overlaps(0.12))
    assert advice.name == "raw"
    assert advice.others["mean"] == "it made overlap at 12.0 % of the boundary probes, more than 5.0 %"
    assert advice.made == {"raw": 0, "mean": 0.12}
    assert "take it as a proposal" in advice.reason
    assert recommend(answers, overlaps(0.05)).name == "mean"


def test_what_noise_does_away_from_boundaries_is_not_held_against_a_filter():
    assert created(overlaps(0.12, interior=0.1), "mean") == pytest.approx(0.02)
    assert created(overlaps(0.1, interior=0.2), "mean") == 0


def test_if_all_made_overlap_the_least_stays(make_answer):
    advice = recommend([make_answer("mean")], overlaps(0.3))
    assert advice.name == "mean"
    assert advice.others == {}


def test_a_filter_that_lost_a_crystal_is_left_out_however_sure(make_answer):
    answers = [make_answer("raw", confidence="medium"), make_answer("epattern", explained=0.74)]
    advice = recommend(answers, overlaps())
    assert advice.name == "raw"
    assert advice.others["epattern"].startswith("it lost a crystal: its nearest cluster has 74.0 %")


def test_if_each_lost_what_another_found_the_one_that_lost_least_is_taken(make_answer):
    answers = [make_answer("raw", explained=0.1), make_answer("mean", explained=0.6)]
    advice = recommend(answers, overlaps())
    assert advice.name == "mean"
    assert list(advice.others) == ["raw"]
