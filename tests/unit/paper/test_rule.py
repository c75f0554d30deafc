"""The paper's labels and overlap, by hand; and that they depend on what should not matter."""

import numpy as np
import pytest

from unmix4d.paper.reasons import Model, own_changes
from unmix4d.paper.rule import label_probes, most_in_beam
from unmix4d.records import Beam

BACKGROUND = 2


def weights_of(*probes):
    """Weights (k, 1, n) of some probes; one empty probe and one full one make 0...1 what they are."""
    k = len(probes[0])
    rows = np.array([*probes, [0.0] * k, [1.0] * k])
    return rows.T[:, None]


@pytest.mark.parametrize(
    ("probe", "label", "second", "ratio"),
    [
        ((0.8, 0.4, 0.1), 0, 1, 0.5),
        ((0.4, 0.8, 0.1), 1, 0, 0.5),
        ((0.8, 0.1, 0.4), 0, -1, 0),  # the second is background: nothing overlaps
        ((0.1, 0.5, 0.8), 2, -1, 0),  # background, and 0.5 / 0.8 is below 0.65
        ((0.1, 0.52, 0.8), 1, 0, 0.1 / 0.52),  # 0.52 / 0.8 = 0.65: passed over, the third may overlap
        ((0.5, 0.52, 0.8), 1, 0, 0.5 / 0.52),
    ],
)
def test_label_and_overlap_by_hand(probe, label, second, ratio):
    found = label_probes(weights_of(probe), BACKGROUND)
    assert (found.labels[0, 0], found.second[0, 0]) == (label, second)
    assert found.ratio[0, 0] == pytest.approx(ratio, rel=1e-6)
    assert found.passed_over[0, 0] == (probe[2] == 0.8 and label == 1)


def test_without_background_the_strongest_wins():
    found = label_probes(weights_of((0.1, 0.7, 0.8), (0.8, 0.1, 0.76)), -1)
    np.testing.assert_array_equal(found.labels[0, :2], [2, 0])
    np.testing.assert_array_equal(found.second[0, :2], [1, 2])
    np.testing.assert_array_equal(found.level[0, :2], [3, 5])  # 0.875 and 0.95


def test_weights_are_scaled_together_from_their_smallest():
    # 2 and 5 and 4 become 0, 1 and 2/3: the ratio is 2/3, not 4/5.
    found = label_probes(np.array([[[5.0]], [[4.0]], [[2.0]]]), -1)
    assert found.ratio[0, 0] == pytest.approx(2 / 3, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_there_may_be_no_second_or_third(k):
    found = label_probes(np.arange(1.0, k + 1)[:, None, None] * np.ones((1, 2, 2)), 0)
    assert found.labels.shape == (2, 2)
    assert (found.ratio == 0).all()


def test_all_weights_alike_or_none():
    found = label_probes(np.zeros((3, 2, 2)), -1)
    assert (found.level == 0).all()


def test_the_background_is_the_component_with_the_least_share_outside_the_beam():
    patterns = np.zeros((4, 9, 9), np.uint8)
    patterns[:, 4, 4] = [10, 200, 10, 0]
    patterns[:, 0, 0] = [90, 50, 40, 0]  # 0.9, 0.2 and 0.8 of each, and an empty one
    beam = Beam(center=(4.0, 4.0), radius=1.0)
    assert most_in_beam(patterns, beam) == 1
    assert most_in_beam(patterns, None) == 2


def test_labels_depend_on_the_scale_and_not_on_the_order():
    components = np.array([[1.0, 0, 0], [0, 6, 6], [1, 1, 0]], np.float32)
    weights = weights_of((0.9, 0.3, 0.1), (0.2, 0.8, 0.1), (0.3, 0.2, 0.9)).astype(np.float32)
    model = Model(components=components, weights=weights, map=label_probes(weights, BACKGROUND))
    np.testing.assert_array_equal(model.map.labels[0, :3], [0, 1, 2])
    changes = {(change.reason, change.what): change for change in own_changes(model)}
    by_sum = next(change for (reason, what), change in changes.items() if "unit sum" in what)
    # Times 1, 12 and 2: the first probe becomes 0.9, 3.6, 0.2, the third 0.3, 2.4, 1.8.
    assert (by_sum.reason, by_sum.n_changed) == ("scaling", 2 + 0)
    assert by_sum.n_probes == 5
    order = next(change for (reason, _), change in changes.items() if reason == "component order")
    # Of equal weights the higher index counts as stronger: the empty and the full probe have no order to keep.
    assert order.n_changed <= 2
    scaled = label_probes(weights * np.array([1, 12, 2])[:, None, None], BACKGROUND)
    np.testing.assert_array_equal(scaled.labels[0, :3], [1, 1, 1])
