"""Where there is specimen."""

import numpy as np

from unmix4d.quality.material import find_material


def test_material_ends_at_its_edge():
    counts = np.zeros((8, 12))
    counts[:, :7] = 100
    counts[:, 7:] = 2
    found = find_material(counts, np.ones(counts.shape, dtype=bool))
    np.testing.assert_array_equal(found, counts > 50)


def test_one_weak_probe_inside_is_material():
    counts = np.full((9, 9), 100.0)
    counts[4, 4] = 8
    assert find_material(counts, np.ones((9, 9), dtype=bool)).all()


def test_masked_probes_are_not_material_and_do_not_darken_their_neighbours():
    counts = np.full((6, 6), 100.0)
    mask = np.ones((6, 6), dtype=bool)
    mask[:, 3:] = False
    counts[~mask] = 0
    np.testing.assert_array_equal(find_material(counts, mask), mask)


def test_nothing_is_no_material():
    assert not find_material(np.zeros((4, 4)), np.ones((4, 4), dtype=bool)).any()
