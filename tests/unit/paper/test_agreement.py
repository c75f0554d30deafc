"""How far two label maps agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from unmix4d.paper.agreement import agree, differs

LABELS = arrays(np.int16, (4, 6), elements=st.integers(-1, 3))


def test_labels_may_have_other_numbers():
    ours = np.array([[0, 0, 1, 1, -1]])
    theirs = np.array([[5, 5, 2, 0, -1]])
    found = agree(ours, theirs)
    assert set(found.matched) == {(5, 0), (2, 1), (-1, -1)} or set(found.matched) == {(5, 0), (0, 1), (-1, -1)}
    assert (found.share, found.n_differ) == (0.8, 1)
    assert differs(ours, theirs, found.matched).sum() == 1


@given(ours=LABELS, theirs=LABELS)
def test_the_index_is_that_of_scikit_learn(ours, theirs):
    found = agree(ours, theirs)
    if math.isnan(found.adjusted_rand):
        assert len(np.unique(ours)) == len(np.unique(theirs)) == 1
    else:
        assert found.adjusted_rand == pytest.approx(adjusted_rand_score(ours.ravel(), theirs.ravel()), abs=1e-12)
    assert differs(ours, theirs, found.matched).sum() == found.n_differ


def test_maps_of_one_class_have_no_index():
    assert math.isnan(agree(np.zeros((2, 2), int), np.zeros((2, 2), int)).adjusted_rand)
