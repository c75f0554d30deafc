"""A scan that mixes linearly, with its truth: two grains, a boundary between them, Poisson counts."""

from types import SimpleNamespace

import numpy as np
import pytest

from unmix4d.records import Crystals, Geometry, PatternMatrix

SIDE, SCAN = 24, (24, 30)
COUNTS = 900.0


def spots_at(places):
    y, x = np.indices((SIDE, SIDE))
    image = np.zeros((SIDE, SIDE))
    for row, column, strength in places:
        image += strength * ((y - row) ** 2 + (x - column) ** 2 <= 2)
    return image / image.sum()


@pytest.fixture(scope="session")
def mosaic():
    """Three crystals: 0 left, 1 right, a band of both between them, and 2 nowhere but in one corner."""
    spots = np.stack(
        [
            spots_at([(4, 4, 3), (4, 19, 2), (19, 4, 2), (12, 3, 1)]),
            spots_at([(3, 12, 3), (20, 12, 2), (12, 20, 2), (8, 7, 1)]),
            spots_at([(7, 17, 3), (17, 17, 2), (16, 8, 2)]),
        ]
    )
    y, x = np.indices((SIDE, SIDE))
    background = 1 / (1 + np.hypot(y - 11.5, x - 11.5) / 6) ** 2
    background /= background.sum()
    share = np.tile(np.clip((np.arange(SCAN[1]) - 11) / 8, 0, 1), (SCAN[0], 1))
    amounts = np.stack([1 - share, share, np.zeros(SCAN)]) * COUNTS
    amounts[:, :8, :8] = np.array([0, 0, COUNTS])[:, None, None]
    expected = np.tensordot(np.moveaxis(amounts, 0, -1), spots, axes=1) + 600 * background
    counts = np.random.default_rng(3).poisson(expected).astype(np.uint16)
    rows = counts.reshape(-1, SIDE * SIDE)
    bounds = tuple(range(0, len(rows) + 1, len(rows) // 6))
    matrix = PatternMatrix(
        read_block=lambda i: rows[bounds[i] : bounds[i + 1]],
        bounds=bounds,
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
    )
    crystals = Crystals(
        patterns=spots.astype(np.float32),
        bragg=amounts.reshape(3, -1).T.astype(np.float32),
        spots=spots.astype(np.float32),
        background=background[None].astype(np.float32),
    )
    return SimpleNamespace(
        matrix=matrix,
        crystals=crystals,
        amounts=amounts,
        labels=amounts.argmax(axis=0).astype(np.int16),
        mean=counts.mean(axis=(0, 1)),
    )
