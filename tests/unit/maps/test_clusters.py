"""Which crystal is where, by hand."""

import numpy as np

from unmix4d.maps.clusters import cluster_map
from unmix4d.records import ComponentRoles, Factorization, Geometry


def fit_and_roles(maps, shares, crystals, roles):
    """Weight maps (k, y, x); ``shares``: what part of each component lies in its one spot."""
    maps = np.asarray(maps, dtype=np.float32)
    k = len(maps)
    components = np.zeros((k, 4), dtype=np.float32)
    spots = np.zeros((k, 2, 2), dtype=np.float32)
    for i, share in enumerate(shares):
        components[i, 0] = 1 - share
        components[i, 1 + i % 3] += share
        spots[i].flat[1 + i % 3] = share
    fit = Factorization(
        components=components,
        weights=maps.reshape(k, -1).T.copy(),
        geometry=Geometry(scan_shape=maps.shape[1:], pattern_shape=(2, 2)),
        probe_mask=np.ones(maps.shape[1:], dtype=bool),
        pixel_mask=np.ones((2, 2), dtype=bool),
    )
    found = ComponentRoles(
        roles=roles, crystals=np.array(crystals, dtype=np.int16), spot_patterns=spots, similarity=np.eye(k)
    )
    return fit, found


def test_the_label_is_the_crystal_with_most_bragg_counts():
    fit, roles = fit_and_roles([[[10, 30]], [[40, 20]]], (0.9, 0.2), (0, 1), ("crystal", "crystal"))
    clusters = cluster_map(fit, roles)
    assert clusters.labels.tolist() == [[0, 0]]
    np.testing.assert_allclose(clusters.crystal_weights[:, 0, 0], [9, 8], rtol=1e-6)
    assert clusters.counts.tolist() == [2, 0]


def test_components_of_one_crystal_are_added_up():
    maps = [[[30, 5]], [[25, 5]], [[20, 30]]]
    fit, roles = fit_and_roles(maps, (0.5, 0.5, 0.5), (0, 1, 1), ("crystal", "crystal", "split"))
    clusters = cluster_map(fit, roles)
    assert clusters.labels.tolist() == [[1, 1]]
    np.testing.assert_allclose(clusters.crystal_weights[1], [[22.5, 17.5]])
    expected = (30 * fit.components[1] + 50 * fit.components[2]) / 80
    np.testing.assert_allclose(clusters.crystal_patterns[1].ravel(), expected, rtol=1e-6)


def test_background_does_not_vote():
    fit, roles = fit_and_roles([[[90, 90]], [[10, 10]]], (0.5, 0.5), (-1, 0), ("background", "crystal"))
    assert cluster_map(fit, roles).labels.tolist() == [[0, 0]]


def test_ties_go_to_the_lowest_index():
    fit, roles = fit_and_roles([[[10, 10]], [[10, 10]]], (0.5, 0.5), (0, 1), ("crystal", "crystal"))
    assert cluster_map(fit, roles).labels.tolist() == [[0, 0]]


def test_probes_far_from_material_have_no_label():
    one = np.zeros((6, 12))
    one[:, :6] = 100
    fit, roles = fit_and_roles([one, one], (0.5, 0.5), (0, 1), ("crystal", "crystal"))
    labels = cluster_map(fit, roles).labels
    assert (labels[:, :6] == 0).all()
    assert (labels[:, 6:] == -1).all()


def test_no_crystal_at_all():
    fit, roles = fit_and_roles([[[10, 10]]], (0.0,), (-1,), ("background",))
    clusters = cluster_map(fit, roles)
    assert clusters.n_crystals == 0
    assert clusters.labels.tolist() == [[-1, -1]]
    assert clusters.crystal_patterns.shape == (0, 2, 2)
