"""The scans of the data folder, from file to answer with default options: what the answer must reach.

Nothing in the package was tuned to these scans. ``paper_scan`` is published patterns laid out by the published map;
its background is one of the 8, as its authors count.
"""

import warnings

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score

import unmix4d
from unmix4d.errors import Unmix4dWarning

pytestmark = [pytest.mark.data, pytest.mark.slow]


def unmix(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)
        return unmix4d.unmix(path, **options)


def matched(labels, truth, where):
    """One-to-one matching of labels with true classes: share of agreement, and recall of each class."""
    found, true = labels[where].astype(int) + 1, truth[where].astype(int)
    table = np.zeros((found.max() + 1, true.max() + 1))
    np.add.at(table, (found, true), 1)
    rows, columns = linear_sum_assignment(-table)
    recall = {int(c): float(table[r, c] / max(table[:, c].sum(), 1)) for r, c in zip(rows, columns, strict=True)}
    return table[rows, columns].sum() / table.sum(), recall


@pytest.fixture(scope="module")
def paper_truth(data):
    return np.load(data / "paper_scan" / "truth.npz")


@pytest.fixture(scope="module")
def paper_run(data):
    return unmix(data / "paper_scan" / "scan.hspy", k=8)


def test_paper_scan_overlap_follows_the_published_bins(paper_run, paper_truth):
    bins, ratio = paper_truth["overlap_bin"], paper_run.overlap.ratio
    means = [float(ratio[bins == number].mean()) for number in range(1, 7)]
    assert spearmanr(range(6), means).statistic >= 0.8
    # Probe by probe most are tied in bin 1, so that even the true ratio comes to 0.63.
    inside = bins >= 1
    found, best = (spearmanr(one[inside], bins[inside]).statistic for one in (ratio, paper_truth["ratio"]))
    assert found >= 0.9 * best


def test_paper_scan_at_k_8_agrees_with_the_published_labels(paper_run, paper_truth):
    run = paper_run
    bins, labels = paper_truth["overlap_bin"], paper_truth["label"]
    assert matched(run.clusters.labels, labels, bins <= 1)[0] >= 0.95
    assert matched(run.clusters.labels, labels, bins == 1)[0] >= 0.99


def test_paper_scan_by_itself_is_within_one_of_8_and_does_not_claim_to_be_sure(data):
    run = unmix(data / "paper_scan" / "scan.hspy")
    assert abs(run.decision.k - 8) <= 1
    assert run.decision.k == run.decision.n_crystals or run.decision.confidence != "high"


def test_tiny_mosaic_by_itself_has_6_crystals(data):
    path = data / "tiny_mosaic" / "scan_32.npz"
    run = unmix(path)
    assert run.decision.n_crystals == 6
    truth = np.load(path)["grain_id"]
    assert adjusted_rand_score(truth.ravel(), run.clusters.labels.ravel()) > 0.95


def test_tiny_mosaic_after_the_mean_filter_is_within_one_and_not_sure(data):
    # The filter makes the noise of neighbours alike, on which the signal rank and the second count rely.
    run = unmix(data / "tiny_mosaic" / "scan_32.npz", filter="mean")
    assert abs(run.decision.k - 6) <= 1
    assert abs(run.decision.n_crystals - 6) <= 1
    assert run.decision.n_crystals == 6 or run.decision.confidence != "high"


def test_ag_twins_reaches_the_truth_in_every_class(data, record_property):
    run = unmix(data / "ag_twins" / "scan.hspy")
    truth = np.load(data / "ag_twins" / "truth.npz")["label"]
    inside = truth < 5
    assert adjusted_rand_score(truth[inside], run.clusters.labels[inside]) >= 0.98
    _, recall = matched(run.clusters.labels, truth, inside)
    record_property("recall", recall)
    assert len(recall) == 5
    assert min(recall.values()) > 0.9
    assert run.result.geometry.scan_step_nm == pytest.approx(20.4, abs=0.05)
    assert run.result.geometry.pattern_step_inv_angstrom == pytest.approx(0.0267, abs=5e-5)
