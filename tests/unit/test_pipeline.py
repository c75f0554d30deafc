"""The whole way on a small phantom: truth found, same answer twice, costs and warnings kept."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import unmix4d
from unmix4d import api
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.factorize import sketch
from unmix4d.read.phantom import PhantomSpec, make_phantom

STAGES = ["prepare", "factorize", "decide", "resolve", "map", "overlap", "compare"]
SPEC = PhantomSpec(
    scan_shape=(24, 30), pattern_shape=(48, 48), n_crystals=3, n_minority=0, counts_per_pattern=20000
)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


def unmix(scan, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return api.unmix(scan, k_max=8, threads=2, **options)


def listen(source, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Unmix4dWarning)
        run = api.unmix(source, **options)
    return run, [str(warning.message) for warning in caught]


@pytest.fixture(scope="module")
def run(phantom):
    return unmix(phantom.scan)


def agreement(labels, truth):
    from scipy.optimize import linear_sum_assignment

    inside = truth >= 0
    table = np.zeros((labels.max() + 2, truth.max() + 1))
    np.add.at(table, (labels[inside] + 1, truth[inside]), 1)
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].sum() / inside.sum()


def test_the_crystals_of_a_phantom_are_found(run, phantom):
    assert run.decision.n_crystals == 3
    assert agreement(run.clusters.labels, phantom.labels) > 0.97


def test_a_scan_that_is_fitted_on_squares_of_probes_gives_the_same_crystals_at_every_probe(monkeypatch):
    monkeypatch.setattr(sketch, "MANY_PROBES", 100)
    spec = replace(SPEC, scan_shape=(48, 60), n_minority=1, minority_probes=(24, 24))
    phantom = make_phantom(spec)
    found = unmix(phantom.scan)
    assert found.decision.n_crystals == 3
    assert found.clusters.labels.shape == (48, 60)
    assert agreement(found.clusters.labels, phantom.labels) > 0.97


def test_the_overlap_lies_where_it_was_put(run, phantom):
    ratio, assessed = run.overlap.ratio, run.overlap.level >= 0
    both = assessed & (phantom.labels >= 0)
    found, true = ratio[both] >= 0.5, phantom.ratio[both] >= 0.5
    assert (found & true).sum() / true.sum() > 0.7
    assert (found & true).sum() / found.sum() > 0.7
    assert set(np.unique(run.overlap.level)) <= set(range(-1, 6))


def test_vacuum_has_no_label(run, phantom):
    vacuum = phantom.labels < 0
    assert (run.clusters.labels[vacuum] == -1).mean() > 0.95
    assert (run.clusters.labels[~vacuum] == -1).mean() < 0.05


def test_the_same_seed_gives_the_same_answer(run, phantom):
    again = unmix(phantom.scan)
    np.testing.assert_array_equal(again.clusters.labels, run.clusters.labels)
    np.testing.assert_array_equal(again.overlap.ratio, run.overlap.ratio)
    assert again.decision.reason == run.decision.reason
    for one, other in zip(again.decision.curves, run.decision.curves, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


def test_the_number_of_threads_does_not_matter(run, phantom):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        alone = api.unmix(phantom.scan, k_max=8, threads=1)
    np.testing.assert_array_equal(alone.clusters.labels, run.clusters.labels)
    np.testing.assert_array_equal(alone.result.factorization.weights, run.result.factorization.weights)


def test_memory_too_small_to_keep_the_patterns_changes_nothing(run, phantom):
    limits = {"k_max": 8, "threads": 2}
    needed = api.plan(phantom.scan, unmix4d.Settings(**limits))["needed"]
    assert not api.plan(phantom.scan, unmix4d.Settings(**limits, memory=needed))["cached"]
    again = unmix(phantom.scan, memory=needed)
    assert agreement(again.clusters.labels, run.clusters.labels) > 0.995


def test_k_can_be_set(phantom):
    asked = unmix(phantom.scan, k=4)
    assert asked.decision.k == 4
    assert "set to 4 by the user" in asked.decision.reason


@pytest.mark.parametrize("k", [721, 5000])
def test_k_larger_than_the_data_allows_is_refused(phantom, k):
    with pytest.raises(UsageError, match=f"--k {k} is more than this scan allows"):
        unmix(phantom.scan, k=k, vacuum="none", memory=2**40)


@pytest.mark.parametrize(
    "options", [{"filter": "mean"}, {"beam": "auto"}, {"bin": 2}, {"solver": "multiplicative"}]
)
def test_options_of_the_way_lead_to_the_same_crystals(phantom, options):
    run = unmix(phantom.scan, k=4, **options)
    assert agreement(run.clusters.labels, phantom.labels) > 0.9


def test_every_stage_is_timed_and_the_seed_and_versions_are_kept(run):
    record = run.result.record
    assert [cost.stage for cost in record.costs] == STAGES
    assert all(cost.seconds >= 0 and cost.peak_bytes > 0 for cost in record.costs)
    assert record.seed == 0
    assert record.settings["k_max"] == 8
    assert {"python", "unmix4d", "numpy"} <= set(record.versions)
    assert record.source_digest.startswith("sha256:")


def test_progress_is_told_for_every_stage(phantom):
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        api.unmix(phantom.scan, k_max=3, progress=lambda *step: seen.append(step))
    assert {stage for stage, _, _ in seen} == set(STAGES)
    assert all(0 <= done <= total for _, done, total in seen)


def test_negative_values_are_told_and_kept_in_the_record(phantom):
    patterns = np.asarray(phantom.scan.patterns[:]).astype(np.int32)
    patterns[0, 0, 0, 0] = -100
    run, said = listen(patterns, k_max=3)
    assert any("were negative, the lowest -100" in text for text in said)
    assert set(said) == set(run.result.record.warnings)


def test_an_unweighted_beam_is_warned_of():
    bright = make_phantom(PhantomSpec(scan_shape=(10, 12), pattern_shape=(32, 32), beam_fraction=0.8, n_crystals=2))
    _, said = listen(bright.scan, k_max=3, weighting="none")
    assert any("neither weighted nor masked" in text for text in said)


def test_public_names():
    assert unmix4d.unmix is api.unmix
    for name in unmix4d.__all__:
        assert getattr(unmix4d, name) is not None
    assert unmix4d.compare_filters.__module__ == "unmix4d.comparing"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = unmix4d.nonsense
