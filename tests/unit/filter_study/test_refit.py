"""Crystals held against the unfiltered counts."""

import numpy as np
import pytest

from unmix4d.execute import Serial
from unmix4d.filter_study.refit import refit
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.cleaning import Cleaning
from unmix4d.prepare.filters import Raw
from unmix4d.records import ClusterMap, ComponentRoles, Geometry, Scan

SHAPE, SIDE = (6, 8), 24
SPOTS = (((4, 4), (4, 12), (12, 4)), ((19, 19), (19, 10), (10, 19)))
PLAIN = Cleaning(hot_pixels="none", offset="none", descan="none", saturation="none", vacuum="none")


def patterns():
    found = np.zeros((2, SIDE, SIDE))
    for own, places in zip(found, SPOTS, strict=True):
        for y, x in places:
            own[y - 1 : y + 2, x - 1 : x + 2] = 1 / 27
    return found


def clusters(labels, crystal_patterns):
    n = len(crystal_patterns)
    roles = ComponentRoles(
        roles=("crystal",) * n,
        crystals=np.arange(n, dtype=np.int16),
        spot_patterns=crystal_patterns,
        similarity=np.eye(n),
    )
    weights = np.zeros((n, *labels.shape), dtype=np.float32)
    return ClusterMap(labels=labels, roles=roles, crystal_patterns=crystal_patterns, crystal_weights=weights)


@pytest.fixture
def truth():
    """Bragg counts of two crystals, side by side and on one column both."""
    weights = np.zeros((2, *SHAPE))
    weights[0, :, :4], weights[1, :, 4:] = 600, 900
    weights[:, :, 4] = 500
    return weights


@pytest.fixture
def prepared(truth):
    counts = np.tensordot(truth, patterns(), axes=(0, 0)) + 2
    data = np.random.default_rng(0).poisson(counts).astype(np.uint16)
    scan = Scan(patterns=data, geometry=Geometry(scan_shape=SHAPE, pattern_shape=(SIDE, SIDE)))
    return prepare(scan, executor=Serial(), cleaning=PLAIN, block_bytes=20_000)


def test_weights_are_the_counts_of_each_crystal_at_each_probe(prepared, truth):
    matrix = prepared.matrix(filter=Raw())
    labels = np.repeat([[0] * 4 + [1] * 4], SHAPE[0], axis=0).astype(np.int16)
    (found,) = refit(matrix, [clusters(labels, patterns())], prepared.survey, executor=Serial())
    assert matrix.n_blocks > 1
    inside = [own for own in patterns() if own.any()]
    assert len(inside) == 2
    np.testing.assert_allclose(found.weights, truth, atol=6 * np.sqrt(900 + 9 * 3 * 2))
    assert found.weights.mean(axis=(1, 2)) == pytest.approx(truth.mean(axis=(1, 2)), rel=0.05)


def test_a_crystal_that_a_filter_lost_shows(prepared):
    matrix = prepared.matrix(filter=Raw())
    right = np.repeat([[0] * 4 + [1] * 4], SHAPE[0], axis=0).astype(np.int16)
    one = clusters(right * 0, patterns()[:1])
    known, lost = refit(matrix, [clusters(right, patterns()), one], prepared.survey, executor=Serial())
    assert known.explained == pytest.approx(1, abs=0.05)
    assert lost.explained < 0.1
    same, again = refit(matrix, [clusters(right, patterns())] * 2, prepared.survey, executor=Serial())
    assert same.explained == again.explained == 1


def test_a_filter_may_find_nothing(prepared):
    matrix = prepared.matrix(filter=Raw())
    none = clusters(np.full(SHAPE, -1, dtype=np.int16), patterns()[:0])
    (nothing,) = refit(matrix, [none], prepared.survey, executor=Serial())
    assert nothing.weights.shape == (0, *SHAPE)


def test_several_filters_in_one_pass_give_what_each_gives_alone(prepared):
    matrix = prepared.matrix(filter=Raw())
    labels = np.repeat([[0] * 4 + [1] * 4], SHAPE[0], axis=0).astype(np.int16)
    both = [clusters(labels, patterns()), clusters(labels * 0, patterns()[1:])]
    together = refit(matrix, both, prepared.survey, executor=Serial())
    for one, own in zip(together, both, strict=True):
        (alone,) = refit(matrix, [own], prepared.survey, executor=Serial())
        np.testing.assert_allclose(one.weights, alone.weights, rtol=1e-3, atol=0.5)
