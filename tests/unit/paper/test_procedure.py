"""The whole procedure on a small phantom: every part fits the others, and our answer is the one without it."""

import warnings

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning, UsageError
from unmix4d.paper.agreement import agree
from unmix4d.paper.count import middle, report_column
from unmix4d.paper.images import to_eight_bit
from unmix4d.paper.rule import label_probes


@pytest.fixture(scope="module")
def answer(followed):
    return followed[0].result.paper


def test_our_answer_is_the_same_without_it(followed, phantom):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        alone = api.unmix(phantom.scan, k_max=6, threads=1)
    assert alone.result.paper is None
    np.testing.assert_array_equal(alone.clusters.labels, followed[0].clusters.labels)
    assert alone.decision.k == followed[0].decision.k


def test_the_model_stands_for_the_8_bit_images(answer, phantom):
    values = np.asarray(phantom.scan.patterns).reshape(-1, 32 * 32)
    grey = to_eight_bit(values, np.quantile(values, 0.999)).astype(float)
    made = answer.weights.reshape(answer.k, -1).T @ answer.components.reshape(answer.k, -1)
    assert np.linalg.norm(made - grey) < 0.35 * np.linalg.norm(grey)


def test_every_part_follows_from_the_one_before(answer):
    assert list(answer.losses) == [3, 4, 5, 6]
    assert answer.knee_used == (answer.knee or 3)
    for scores in answer.scores:
        assert len(scores.values) == answer.knee_used + 4
        means, reported = report_column(scores.values, scores.metric)
        np.testing.assert_array_equal(scores.means, means)
        assert scores.reported == answer.reported[scores.metric] == reported
    assert answer.k == middle(list(answer.reported.values()))
    mapped = label_probes(answer.weights, answer.map.background)
    np.testing.assert_array_equal(mapped.labels, answer.map.labels)
    np.testing.assert_array_equal(mapped.level, answer.map.level)
    assert answer.counts.sum() == answer.map.labels.size
    brightest = answer.components * answer.weights.max(axis=(1, 2))[:, None, None]
    np.testing.assert_array_equal(answer.component_patterns, np.clip(np.rint(brightest), 0, 255))


def test_clusters_without_a_probe_have_no_metrics(answer):
    for values in answer.metrics.values():
        np.testing.assert_array_equal(np.isnan(values), answer.counts == 0)


def test_the_agreement_is_that_of_both_maps(answer, followed):
    theirs = np.where(answer.map.labels == answer.map.background, -1, answer.map.labels)
    found = agree(followed[0].clusters.labels, theirs)
    assert (found.n_differ, found.adjusted_rand) == (answer.agreement.n_differ, answer.agreement.adjusted_rand)
    reasons = {change.reason for change in answer.changes}
    assert {"scaling", "component order", "background rule", "filter"} <= reasons
    order = next(change for change in answer.changes if change.reason == "component order")
    assert order.n_changed == 0


def test_progress_goes_from_nothing_to_the_end(followed):
    told = [done / total for stage, done, total in followed[1] if stage == "paper"]
    assert told[0] == 0
    assert told[-1] == 1
    assert all(0 <= share <= 1 for share in told)
    assert (np.diff(told) >= 0).all()


def test_k_and_background_may_be_named(unmixed):
    run, _ = unmixed(k=4, k_max=4, background=2)
    answer = run.result.paper
    assert (answer.k, answer.k_how) == (4, "given by --k")
    assert (answer.map.background, answer.background_how) == (2, "named by --background")
    other, _ = unmixed(k=4, k_max=4, background="none")
    assert other.result.paper.map.background == -1
    assert "background rule" not in {change.reason for change in other.result.paper.changes}
    np.testing.assert_array_equal(other.result.paper.weights, answer.weights)  # the same seed, the same bits


def test_a_background_that_is_no_component_is_refused(unmixed):
    with pytest.raises(
        UsageError, match="--background 9 is not a component of the paper's model; k = 4 has 0 to 3"
    ):
        unmixed(k=4, k_max=4, background=9)


def test_the_filter_is_used(unmixed):
    run, _ = unmixed(k=4, k_max=4, filter="mean")
    assert run.result.paper.steps[0] == "filter: mean"
    other = next(change for change in run.result.paper.changes if change.reason == "filter")
    assert other.what.endswith("after the filter raw")


def test_threads_change_nothing(unmixed, phantom):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        two = api.unmix(phantom.scan, mode="paper", k=4, k_max=4, threads=2).result.paper
    one = unmixed(k=4, k_max=4)[0].result.paper
    assert one.losses == two.losses
    np.testing.assert_array_equal(one.weights, two.weights)
