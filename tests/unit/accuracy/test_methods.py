"""The baselines find what is plainly there, and the parts of their rules give numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal


@pytest.fixture
def plain(make, spec):
    """A scan without fault: counting camera, flat foil, straight boundaries, many electrons."""
    easy = replace(
        spec,
        bragg_electrons=4000.0,
        boundary=2.0,
        modulation=0.0,
        bending_degrees=0.0,
        descan=0.0,
        n_hot=0,
        n_dead=0,
        camera="counting",
        background=0.1,
        n_minority=0,
    )
    return make(easy, 1)


@pytest.mark.parametrize("name", ["oracle", "nmf", "clustering"])
def test_a_plain_scan_is_solved(plain, name) -> None:
    from benchmarks.accuracy import methods, scores

    scored = scores.score(plain.truth, methods.load(name).run(plain))
    assert scored["error"] == 0
    assert scored["ari"] > {"oracle": 0.97, "nmf": 0.9, "clustering": 0.6}[name]
    assert min(scored["cosine"]) > {"oracle": 0.999, "nmf": 0.9, "clustering": 0.0}[name]
    if name == "oracle":
        assert scored["mixing"] < 0.05
        assert scored["iou0.5"] > 0.8


def test_the_beam_is_masked_and_rows_go_back_to_their_pixels(plain) -> None:
    from benchmarks.accuracy.factors import binned, open_masked

    data = open_masked(plain.patterns, plain)
    y, x = (int(np.rint(value)) for value in plain.truth.centre)
    assert not data.used[y, x]
    image = data.images(data.values[5:6])[0]
    assert_array_equal(image[data.used], plain.patterns[0, 5][data.used])
    assert not image[~data.used].any()
    assert_allclose(binned(data, 2).sum(axis=1), data.values.sum(axis=1), rtol=1e-6)


def test_weights_and_labels_out_of_factors() -> None:
    from benchmarks.accuracy.factors import labels_of, poisson_weights

    row, column = poisson_weights(np.array([[1.0, 3.0], [0.0, 0.0], [3.0, 6.0]]))
    assert_allclose(row, [2, 1, 3])
    assert_allclose(column, [2, 3])
    weights = np.array([[[5.0, 1.0, 0.2]], [[1.0, 8.0, 0.3]]])
    assert_array_equal(labels_of(weights), [[0, 1, -1]])


def test_silhouette_and_gap_count_plain_clusters() -> None:
    from benchmarks.accuracy.methods.clustering import _votes

    rng = np.random.default_rng(0)
    centres = 30 * rng.normal(size=(5, 4))
    scores = np.concatenate([centre + rng.normal(size=(60, 4)) for centre in centres])
    assert _votes(scores) == {"silhouette": 5, "gap": 5}


def test_nmfk_knows_components_that_come_back() -> None:
    from benchmarks.accuracy.methods.nmfk import STABLE, _least_silhouette

    rng = np.random.default_rng(0)
    components = np.kron(np.eye(3), np.ones(12)) + 0.02
    weights = rng.random((200, 3)) ** 4
    values = weights @ components
    assert _least_silhouette(values, 3, np.random.default_rng(1)) > STABLE
    assert _least_silhouette(values, 6, np.random.default_rng(1)) < STABLE


def test_the_papers_rule_reads_8_bit_images_and_gives_a_number_near_its_knee(plain) -> None:
    from benchmarks.accuracy.methods import paper_rule

    patterns = np.zeros((4, 4, 64, 64), dtype=np.uint16)
    patterns[..., :32] = 1000
    read = paper_rule.as_scripts_read(patterns)
    assert read.values.shape == (16, 32 * 32)
    assert_array_equal(np.unique(read.values), [0, 255])
    answer = paper_rule.run(plain)
    assert abs(answer.n_crystals - answer.votes["paper knee"]) <= 4
    assert answer.votes["paper"] == answer.n_crystals


def test_ours_goes_through_a_file(plain) -> None:
    from benchmarks.accuracy.methods import ours

    answer = ours.run(plain)
    assert answer.confidence in {"high", "medium", "low"}
    assert answer.labels.shape == plain.truth.labels.shape
    assert len(answer.patterns) == len(answer.weights) == answer.n_crystals
    assert 0 < answer.seconds["factorize"] < answer.seconds["whole"]
    assert answer.votes["knee"] > 0


def test_a_method_without_a_step_switches_off_that_step_alone(monkeypatch, plain) -> None:
    from benchmarks.accuracy import methods
    from benchmarks.accuracy.methods import ours

    from unmix4d.config import Settings

    monkeypatch.setattr(ours, "answer", lambda _path, **options: options)
    assert methods.run("ours", plain) == {}
    assert set(methods.STEPS) <= set(Settings.model_fields)
    assert methods.run("without_offset", plain) == {"offset": "none"}
    assert methods.run("without_all", plain) == dict.fromkeys(methods.STEPS, "none")


def test_no_step_but_that_for_vacuum_acts_on_a_scan_without_fault(make, plain) -> None:
    """So that with and without them the answer is the same, bit for bit."""
    from benchmarks.accuracy import methods

    scan = make(replace(plain.spec, beam="conserving"), 1)
    answers = [methods.run(name, scan) for name in ("ours", "without_all", "without_vacuum")]
    assert [answer.faults for answer in answers] == [("vacuum",), (), ()]
    assert_array_equal(answers[1].labels, answers[2].labels)
    assert_array_equal(answers[1].weights, answers[2].weights)
