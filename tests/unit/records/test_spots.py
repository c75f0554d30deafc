"""The table of spots: its maps by hand, put together from parts, and to arrays and back."""

import numpy as np
import pytest

from unmix4d.records import DIRECT_BEAM, Geometry, SpotTable


def table(first, scan_shape=(1, 3), **changed):
    n = first[-1]
    columns = {name: np.arange(n, dtype=np.float32) + 1 for name in SpotTable.COLUMNS}
    maps = {name: np.zeros(scan_shape, np.float32) for name in ("noise", "least_prominence")}
    values = {"flags": np.zeros(n, np.uint8), **columns, **maps, **changed}
    geometry = Geometry(scan_shape=scan_shape, pattern_shape=(8, 8))
    return SpotTable(geometry=geometry, first=np.array(first), radius=2.0, **values)


def test_maps_by_hand():
    spots = table([0, 3, 3, 4], flags=np.array([DIRECT_BEAM, 0, 2, DIRECT_BEAM], np.uint8))
    assert spots.probe.tolist() == [0, 0, 0, 2]
    assert spots.count_map().tolist() == [[2, 0, 0]]
    assert spots.bright_field().tolist() == [[1, 0, 4]]
    assert spots.dark_field().tolist() == [[5, 0, 0]]
    assert spots.prominence_map().tolist() == [[5, 0, 0]]
    assert spots.is_direct_beam.tolist() == [True, False, False, True]
    assert spots.n_bytes == 4 * (5 * 4 + 1) + 4 * 8 + 2 * 3 * 4


def test_parts_in_order_make_the_whole():
    one, two = table([0, 2, 2, 3]), table([0, 0, 1, 2])
    whole = SpotTable.joined([one, two], Geometry(scan_shape=(2, 3), pattern_shape=(8, 8)))
    assert whole.first.tolist() == [0, 2, 2, 3, 3, 4, 5]
    assert whole.y.tolist() == [1, 2, 3, 1, 2]
    assert whole.noise.shape == (2, 3)


def test_arrays_and_back():
    spots = table([0, 2, 2, 3])
    again = SpotTable.from_arrays(spots.as_arrays(), spots.geometry)
    assert again.radius == 2.0
    assert all(np.array_equal(getattr(again, name), value) for name, value in spots.as_arrays().items())


@pytest.mark.parametrize(
    "changed", [{"flags": np.zeros(2, np.uint8)}, {"noise": np.zeros((3, 1), np.float32)}, {"y": np.zeros(9)}]
)
def test_what_does_not_fit_together_is_refused(changed):
    with pytest.raises(ValueError, match=r"must|differ"):
        table([0, 2, 2, 3], **changed)


def test_an_empty_table_has_empty_maps():
    spots = table([0, 0, 0, 0])
    assert spots.n_spots == 0
    assert not spots.count_map().any()
