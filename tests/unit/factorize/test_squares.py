"""Scans of many probes: squares of them are added up before they are projected."""

import numpy as np
import pytest

from unmix4d.execute import Serial
from unmix4d.factorize import sketch as sketching
from unmix4d.factorize.alternate import Hals
from unmix4d.factorize.groups import group
from unmix4d.factorize.sketch import find_squares
from unmix4d.factorize.weighting import find_weighting, take_sample
from unmix4d.records import Geometry, PatternMatrix

SCAN, PATTERN = (12, 14), (10, 10)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(sketching, "MANY_PROBES", 100)


def matrix_of(lines=4, *, hole=True):
    """Patterns of three crystals in stripes, ``lines`` scan lines a block, a corner of the scan left out."""
    rng = np.random.default_rng(0)
    components = 0.01 + rng.random((3, np.prod(PATTERN))) ** 6
    labels = np.arange(SCAN[1]) * 3 // SCAN[1]
    counts = rng.poisson(400 * components[np.tile(labels, (SCAN[0], 1))]).astype(np.uint16)
    mask = np.ones(SCAN, dtype=bool)
    mask[:3, :5] = not hole
    ends = [int(mask[:y].sum()) for y in range(0, SCAN[0], lines)] + [int(mask.sum())]
    rows = counts[mask]
    return PatternMatrix(
        read_block=lambda i: rows[ends[i] : ends[i + 1]],
        bounds=tuple(ends),
        probe_mask=mask,
        pixel_mask=np.ones(PATTERN, dtype=bool),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=PATTERN, scan_step_nm=2.0),
    ), rows


def test_squares_are_found_where_no_block_cuts_one():
    assert find_squares(matrix_of(4)[0]).mask.shape == (6, 7)
    assert find_squares(matrix_of(3)[0]) is None


def test_few_probes_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(sketching, "MANY_PROBES", 200)
    assert find_squares(matrix_of(4)[0]) is None
    assert Hals().factor(matrix_of(4)[0], 3).of is None


def test_the_low_rank_form_is_that_of_the_sums_of_squares():
    matrix, rows = matrix_of(4)
    factored = Hals().factor(matrix, 40)
    of = group(matrix.probe_mask, 2).of
    sums = np.zeros((of.max() + 1, rows.shape[1]))
    np.add.at(sums, of, rows)
    weighted = sums / np.sqrt(sums.sum(axis=1))[:, None] / np.sqrt(rows.mean(axis=0))
    assert factored.norm2 == pytest.approx((weighted**2).sum(), rel=1e-5)
    np.testing.assert_array_equal(factored.of, of)
    assert (factored.geometry.scan_shape, factored.geometry.scan_step_nm) == ((6, 7), 4.0)
    # as many directions as rows: nothing is lost
    np.testing.assert_allclose(factored.scores @ factored.basis, weighted, atol=2e-3 * weighted.max())


def test_what_is_known_of_all_probes_comes_with_it():
    matrix, rows = matrix_of(4)
    weighting = find_weighting(matrix, take_sample(matrix, in_pairs=False), "poisson", executor=Serial())
    directions = np.random.default_rng(0).standard_normal((rows.shape[1], 20)).astype(np.float32)
    sketch = sketching.sketch_matrix(matrix, weighting, directions, executor=Serial())
    np.testing.assert_allclose(sketch.row, 1 / np.sqrt(rows.sum(axis=1)), rtol=1e-6)
    weighted = rows * sketch.row[:, None] / np.sqrt(rows.mean(axis=0))
    assert sketch.norm2 == pytest.approx((weighted**2).sum(), rel=1e-5)
    # weights in counts are shared out evenly, and add up again
    weights = np.random.default_rng(1).random((len(sketch.factored.scores), 3)).astype(np.float32)
    counts = sketch.to_probes(weights) / sketch.row[:, None]
    in_squares = weights / sketch.factored.row[:, None]
    np.testing.assert_allclose(sketch.factored.gather(counts), in_squares, rtol=1e-5)
    first = sketch.factored.of == 0
    np.testing.assert_allclose(
        counts[first], np.broadcast_to(in_squares[0] / first.sum(), counts[first].shape), rtol=1e-5
    )


def test_the_answer_has_every_probe_and_fits_as_well(monkeypatch):
    matrix, rows = matrix_of(4)
    fits = Hals().fit_many(matrix, (2, 3), rng=np.random.default_rng(0))
    assert fits[3].weights.shape == (len(rows), 3)
    residual = Hals().factor(matrix, 3).residual(fits[3])
    assert residual.shape[0] == group(matrix.probe_mask, 2).of.max() + 1
    monkeypatch.setattr(sketching, "MANY_PROBES", 10**6)
    one_by_one = Hals().fit_many(matrix, (2, 3), rng=np.random.default_rng(0))
    for k in (2, 3):  # the squared error is what is minimised
        assert fits[k].loss_history[-1] == pytest.approx(one_by_one[k].loss_history[-1], rel=0.01)
    assert fits[3].loss == pytest.approx(one_by_one[3].loss, rel=0.01)


class Kept:
    """A keeper in memory."""

    def __init__(self):
        self.steps, self.loaded = {}, []

    def load(self, step):
        self.loaded += [step] if step in self.steps else []
        return self.steps.get(step)

    def save(self, step, arrays):
        self.steps[step] = {name: np.array(value) for name, value in arrays.items()}


def test_a_run_that_goes_on_from_kept_steps_gives_the_same_bits():
    matrix, kept = matrix_of(4)[0], Kept()
    first = Hals(keeper=kept).fit_many(matrix, (2, 3), rng=np.random.default_rng(0))
    del kept.steps[next(name for name in kept.steps if name.startswith("exact"))]
    again = Hals(keeper=kept).fit_many(matrix, (2, 3), rng=np.random.default_rng(0))
    assert any(name.startswith("sketch") for name in kept.loaded)
    for k in (2, 3):
        np.testing.assert_array_equal(first[k].weights, again[k].weights)
        assert first[k].loss == again[k].loss
