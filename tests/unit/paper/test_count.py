"""The number of components as the paper reports it: by hand, and why it means little."""

import json

import numpy as np
import pytest

from unmix4d.decide.elbow import kneedle
from unmix4d.execute import Threads
from unmix4d.factorize.descent import DescentFit
from unmix4d.paper.count import (
    METRICS,
    Loss,
    fit_model,
    knee_of,
    loss_sweep,
    middle,
    rank_one_images,
    report_column,
    score_images,
)
from unmix4d.paper.images import Images


class Kept:
    """A keeper in memory."""

    def __init__(self):
        self.steps, self.loads = {}, 0

    def load(self, step):
        self.loads += step in self.steps
        return self.steps.get(step)

    def save(self, step, arrays):
        self.steps[step] = dict(arrays)


def some_images(seed=0, n=80, side=12, k=3):
    rng = np.random.default_rng(seed)
    mean = 200 * rng.random((n, k)) ** 3 @ rng.random((k, side * side)) ** 6
    return Images(values=rng.poisson(mean).clip(0, 255).astype(np.uint8), shape=(side, side))


def test_the_column_by_hand():
    values = np.array([[1.0, 0.2, 0.6], [0.2, 1.0, 0.3], [0.6, 0.3, 1.0]])
    means, reported = report_column(values, "ssim")
    np.testing.assert_allclose(means, [0.6, 0.5, 0.6333])
    assert reported == 2
    assert report_column(values, "gmsd")[1] == 3


def test_only_the_last_nine_count_and_are_numbered_from_one():
    values = np.zeros((12, 12))
    values[:, 1] = 5  # the second component does not count
    values[:, 10] = 1
    means, reported = report_column(values, "mdsi")
    assert len(means) == 9
    assert reported == 11
    assert report_column(values, "ssim")[1] == 4  # ties: the first of those that count, for the smallest
    assert report_column(np.zeros((12, 12)), "psnr")[1] == 12  # and the last for the largest


def test_means_are_compared_to_four_decimals():
    values = np.array([[0.50001, 0.5], [0.50001, 0.5]])
    assert report_column(values, "gmsd")[1] == 2  # 0.50001 is no larger


def test_the_answer_follows_the_order_of_the_components():
    images = np.zeros((4, 16, 16), np.uint8)
    for i in range(4):
        images[i, 2 + 3 * i : 5 + 3 * i, 3:12] = 100 + 40 * i
    scores = score_images(images, seed=0)
    assert [one.metric for one in scores] == ["ssim", "gmsd", "mdsi", "psnr"]
    for one in scores:
        turned = one.values[::-1, ::-1]
        means, reported = report_column(turned, one.metric)
        np.testing.assert_allclose(means, one.means[::-1])
        assert reported == 5 - one.reported  # the same component, another k
        assert set(one.reported_if_permuted.tolist()) == {1, 2, 3, 4}


def test_metrics_are_those_of_a_row_and_a_column(data):
    from PIL import Image

    folder = data / "paper_iqa"
    expected = json.loads((folder / "expected.json").read_text())
    for i in range(8):
        raw = np.asarray(Image.open(folder / f"raw_{i + 1}.bmp").convert("L"))
        made = np.asarray(Image.open(folder / f"nmf_{i + 1}.png").convert("L"))
        for name, metric in METRICS.items():
            assert metric(raw, made) == pytest.approx(expected[name][i], abs=1.1e-3), (name, i)


def test_small_patterns_have_fewer_metrics():
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8)).astype(np.uint8)
    assert [one.metric for one in score_images(images, seed=0)] == ["gmsd", "mdsi", "psnr"]


def test_the_knees_of_the_published_losses(data):
    for run in (1, 2):
        losses = np.load(data / "paper_iqa" / f"k_component_loss_run{run}.npy")
        found = knee_of(
            {k: Loss(value=float(v), n_iterations=200) for k, v in zip(range(3, 21), losses, strict=True)}
        )
        assert found == kneedle(range(3, 21), losses) == 8


def test_the_sweep_goes_down_to_what_is_there_and_is_the_same_in_threads():
    images = some_images()
    ks = [1, 2, 3, 4]
    one = loss_sweep(images, ks, seed=3)
    assert list(one) == ks
    assert one[3].value < 0.8 * one[1].value
    two = loss_sweep(images, ks, seed=3, executor=Threads(3))
    assert {k: loss.value for k, loss in one.items()} == {k: loss.value for k, loss in two.items()}
    assert loss_sweep(images, [4], seed=4)[4].value != one[4].value


def test_a_kept_sweep_and_model_are_not_made_again():
    images, keeper = some_images(), Kept()
    first = loss_sweep(images, [2, 3], seed=0, keeper=keeper)
    model = fit_model(images, 3, seed=0, keeper=keeper)
    made = dict(keeper.steps)
    again = loss_sweep(images, [2, 3], seed=0, keeper=keeper)
    other = fit_model(images, 3, seed=0, keeper=keeper)
    assert keeper.loads == 3
    assert keeper.steps.keys() == made.keys()
    assert [(loss.value, loss.n_iterations) for loss in first.values()] == [
        (loss.value, loss.n_iterations) for loss in again.values()
    ]
    np.testing.assert_array_equal(model.weights, other.weights)
    assert model.n_iterations == other.n_iterations


def test_a_component_is_shown_where_it_weighs_most():
    fit = DescentFit(
        components=np.array([[10, 0, 1.26, 90]], np.float32),
        weights=np.array([[0.5, 2, 3]], np.float32),
        n_iterations=1,
        converged=True,
    )
    np.testing.assert_array_equal(rank_one_images(fit, (2, 2)), [[[30, 0], [4, 255]]])


def test_the_middle_of_what_is_reported():
    assert middle([8, 8, 9, 6]) == 8
    assert middle([8, 9, 9, 8]) == 8  # 8.5, rounded down
