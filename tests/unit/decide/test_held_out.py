"""Held-out counts: lowest at the known number of patterns, rising beyond it, and honest about what was seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import nnls
from tests.unit.decide.known_rank import SCAN, counts_of, sweep_of

from unmix4d.decide.held_out import FOLDS, HeldOut, hold_out, within_one_error
from unmix4d.factorize import sketch
from unmix4d.records import Beam, Sweep


@pytest.fixture(scope="module")
def five() -> Sweep:
    return sweep_of(counts_of(5, 0), 10)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_curve_flattens_at_the_known_number_and_turns_up(k: int) -> None:
    sweep = sweep_of(counts_of(k, 1), k + 5)
    curve = HeldOut().curve(sweep)
    values, errors = np.array(curve.values), np.array(curve.errors)
    assert curve.choice == k
    assert (np.diff(values[:k]) < 0).all()
    # The last k is worse than the chosen one, and not by chance.
    assert values[-1] - values[k - 1] > 2 * errors[-1] > 0
    assert (errors >= 0).all()
    assert len(errors) == len(curve.ks) == k + 5


def test_components_do_not_know_the_held_out_probes(five: Sweep) -> None:
    factored, counts = five.factored, five.matrix.rows(np.arange(five.matrix.n_probes))
    assert factored is not None
    held = hold_out(five.matrix, factored, None)
    assert held is not None
    weighted = (counts * factored.row[:, None] * factored.column).astype(float)
    rest = np.setdiff1d(np.arange(len(counts)), held.rows)
    fit = five.fits[5]
    weights = (fit.weights * factored.row[:, None]).astype(float)
    weights *= np.linalg.norm(fit.components * factored.column, axis=1)
    found = held.components(fit)
    some = range(0, len(held.pixels), 7)
    # Of the probes left over alone, from their counts as measured, and of all probes.
    alone, everybody = (
        np.array([nnls(weights[p], weighted[p, held.pixels[i]])[0] for i in some]).T
        for p in (rest, np.arange(len(counts)))
    )
    off = np.linalg.norm(found[:, list(some)] - alone)
    assert off < 0.25 * np.linalg.norm(everybody - alone)


def test_held_out_pixels_do_not_reach_their_weights(five: Sweep) -> None:
    assert five.factored is not None
    held = hold_out(five.matrix, five.factored, None)
    assert held is not None
    components = held.components(five.fits[5])
    for i, (rows, hidden) in enumerate(held.parts):
        other = held.counts.copy()
        other[rows, hidden] = 7.0
        changed = replace(held, counts=other)
        one, two = held._weights(components)[i], changed._weights(components)[i]
        assert one == pytest.approx(two, rel=1e-3, abs=1e-3 * float(one.max()))
        assert one.any()


def test_the_error_is_that_of_predicted_counts(five: Sweep) -> None:
    assert five.factored is not None
    held = hold_out(five.matrix, five.factored, None)
    assert held is not None
    components = held.components(five.fits[3])
    left = 0.0
    for (rows, hidden), weights in zip(held.parts, held._weights(components), strict=True):
        left += float(((held.counts[rows, hidden] - weights.T @ components[:, hidden]) ** 2).sum())
    errors = held.errors(five.fits[3])
    assert errors.shape == (FOLDS,)
    assert errors.mean() == pytest.approx(left / held.power, rel=1e-5)


def test_the_first_model_within_one_standard_error_by_hand() -> None:
    # Fold by fold, model 1 is 0.1 ± 0.1 worse than model 2, model 0 is 1 worse; that folds differ is no scatter.
    folds = np.array([1.0, 5.0])
    chosen, scatter = within_one_error(np.array([folds + 1, [1.0, 5.2], folds]))
    assert chosen == 1
    assert scatter == pytest.approx([0.0, 0.1, 0.0])
    assert within_one_error(np.array([folds + 1, folds + 0.2, folds]))[0] == 2


def test_a_curve_that_still_falls_prefers_no_k(five: Sweep) -> None:
    curve = HeldOut().curve(replace(five, fits={k: five.fits[k] for k in (1, 2, 3)}))
    assert curve.choice is None
    assert curve.note.startswith("still falling at k = 3")
    assert len(curve.values) == 3


def test_squares_of_probes_are_held_out_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counts_of(3, 2)
    monkeypatch.setattr(sketch, "MANY_PROBES", 100)
    sweep = sweep_of(counts, 6)
    assert sweep.factored is not None
    assert sweep.factored.of is not None
    held = hold_out(sweep.matrix, sweep.factored, None)
    assert held is not None
    row = int(held.rows[0])
    together = counts[sweep.factored.of == row].sum(axis=0)[held.pixels]
    expected = together * sweep.factored.row[row] * sweep.factored.column[held.pixels]
    assert held.counts[0] == pytest.approx(expected, rel=1e-5)
    assert HeldOut().curve(sweep).choice == 3


def test_the_beam_is_left_out(five: Sweep) -> None:
    assert five.factored is not None
    held = hold_out(five.matrix, five.factored, Beam(center=(16.0, 16.0), radius=4.0))
    assert held is not None
    y, x = np.divmod(held.pixels, 32)
    assert ((y - 16) ** 2 + (x - 16) ** 2).min() > 25
    assert len(held.pixels) == 1024 - 81  # within 5 pixels of the centre there are 81


@pytest.mark.parametrize("lines", [1, 2])
def test_a_small_scan_is_not_measured(five: Sweep, lines: int) -> None:
    assert five.factored is not None
    kept = lines * SCAN[1] - 1
    mask = np.zeros(SCAN, dtype=bool)
    mask.ravel()[:kept] = True
    small = replace(
        five.factored, scores=five.factored.scores[:kept], row=five.factored.row[:kept], probe_mask=mask
    )
    curve = HeldOut().curve(replace(five, factored=small))
    assert (curve.ks, curve.values, curve.choice) == ((), (), None)
    assert "too few" in curve.note
    assert HeldOut().curve(replace(five, factored=None)).ks == ()
