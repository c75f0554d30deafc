"""Both counts of the crystals, on numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from unmix4d.decide.coherence import Residuals, autocorrelation, signal_rank, without_beam
from unmix4d.decide.counting import Counted
from unmix4d.decide.segments import Linking, Segments
from unmix4d.decide.vote import LINKINGS, Votes, fitting_size, sizes_to_ask, take_votes
from unmix4d.records import Beam, FactoredMatrix, Factorization, Geometry

SCAN, SIDE = (12, 16), 32


def bands(n: int) -> np.ndarray:
    """Bands of probes side by side: the index of each probe's band, flat."""
    return np.tile(np.arange(SCAN[1]) * n // SCAN[1], SCAN[0])


def segments(similarity: np.ndarray, owner: np.ndarray | None = None) -> Segments:
    """Components that each own one band."""
    k = len(similarity)
    owner = bands(k) if owner is None else owner
    return Segments(
        similarity=similarity,
        bragg=(100.0 * (owner[:, None] == np.arange(k)) + 1).astype(np.float32),
        counts=np.full(k, 1e4),
        peakedness=np.full(k, 0.8),
        roundness=np.full(k, 0.1),
        forced=None,
        keeps_background=False,
        probe_mask=np.ones(SCAN, dtype=bool),
    )


def alike(k: int, pairs: dict[tuple[int, int], float]) -> np.ndarray:
    found = np.eye(k)
    for (i, j), value in pairs.items():
        found[i, j] = found[j, i] = value
    return found


def test_a_chain_is_one_group_by_single_linkage_and_two_by_average_linkage() -> None:
    # 0-1 and 1-2 are alike, 0-2 are not: average linkage sees (0.7 + 0.1) / 2 = 0.4 between (0, 1) and 2.
    chain = segments(alike(3, {(0, 1): 0.7, (1, 2): 0.7, (0, 2): 0.1}))
    assert [g.members for g in chain.groups(Linking("single", 0.6))] == [(0, 1, 2)]
    assert [g.members for g in chain.groups(Linking("average", 0.5))] == [(0, 1), (2,)]
    assert [g.members for g in chain.groups(Linking("average", 0.39))] == [(0, 1, 2)]


def test_a_group_needs_a_connected_piece_and_spots() -> None:
    owner = bands(2)
    owner[:] = 0
    owner[:11] = 1  # eleven in a row: one too few
    assert segments(np.eye(2), owner).n_crystals(LINKINGS[0]) == 1
    owner[:12] = 1
    assert segments(np.eye(2), owner).n_crystals(LINKINGS[0]) == 2
    ring = replace(segments(np.eye(2)), roundness=np.array([0.1, 0.9]))
    assert [g.crystal for g in ring.groups(LINKINGS[0])] == [True, False]
    diffuse = replace(segments(np.eye(2)), peakedness=np.array([0.8, 0.3]), counts=np.array([1e4, 1e6]))
    assert [g.crystal for g in diffuse.groups(LINKINGS[0])] == [True, False]
    assert replace(ring, keeps_background=True).n_crystals(LINKINGS[0]) == 2


def test_a_component_without_probes_joins_its_like_or_is_left_out() -> None:
    owner = bands(2)
    found = segments(alike(4, {(0, 2): 0.8, (0, 3): 0.2}), owner)
    assert [g.members for g in found.groups(Linking("average", 0.5))] == [(0, 2), (1,)]


def test_votes_by_hand() -> None:
    # k = 4: two crystals whatever the limit. k = 3: three, which leaves no room and does not count.
    pairs = {(0, 1): 0.9, (2, 3): 0.9}
    votes = take_votes({3: segments(np.eye(3)), 4: segments(alike(4, pairs))})
    assert votes.counts == {2: 6}
    assert (votes.winner, votes.agreement, votes.runner_up, votes.sizes) == (2, 1.0, None, (3, 4))
    # 0.55 lies between the limits 0.5 and 0.6: two of three limits merge, by both linkages.
    votes = take_votes({4: segments(alike(4, {(0, 1): 0.9, (2, 3): 0.55}))})
    assert votes.counts == {2: 4, 3: 2}
    assert (votes.winner, votes.agreement, votes.runner_up) == (2, pytest.approx(2 / 3), 3)
    assert take_votes({4: segments(np.eye(4))}, most=2).counts == {2: 6}


def test_ties_go_to_the_median_and_then_to_the_smaller_number() -> None:
    assert Votes(counts={4: 2, 7: 2, 8: 1}, sizes=(9,)).winner == 7
    assert Votes(counts={7: 2, 8: 2}, sizes=(9,)).winner == 7


def test_sizes_grow_with_the_rank_within_bounds() -> None:
    assert sizes_to_ask(18, 100) == (16, 20, 25, 30)
    assert sizes_to_ask(0, 100) == (8,)
    assert sizes_to_ask(60, 100) == (48,)
    assert sizes_to_ask(18, 22) == (16, 20, 22)


def test_the_smallest_model_with_as_many_crystals_and_one_component_to_spare_is_kept() -> None:
    known = {2: segments(np.eye(2)), 3: segments(np.eye(3)), 4: segments(alike(4, {(0, 1): 0.9}))}
    assert fitting_size((2, 3, 4), known, 3) == (4, Linking("average", 0.5))
    assert fitting_size((2, 3), known, 3) == (3, Linking("average", 0.5))
    assert fitting_size((2, 3, 4), known, 4) is None


def test_a_model_on_which_few_ways_agree_is_kept_only_if_there_is_no_other() -> None:
    one_way = segments(alike(4, {(0, 1): 0.45}))  # 3 crystals down to 0.40 only, else 4
    known = {4: one_way, 5: segments(alike(5, {(0, 1): 0.9, (2, 3): 0.9}))}
    assert fitting_size((4, 5), known, 3) == (5, Linking("average", 0.5))
    found = fitting_size((4,), known, 3)
    assert found is not None
    assert found[1].limit == 0.4


COUNTED = Counted(
    votes=Votes(counts={5: 20, 6: 4}, sizes=(10,)), shares={4: 0.9, 5: 0.2}, rank=9, coherence=0.9, segments={}
)


@pytest.mark.parametrize(
    ("counts", "shares", "expected"),
    [
        ({5: 20, 6: 4}, {4: 0.9, 5: 0.2}, "high"),  # 83 % and as many components explain the signal
        ({5: 20, 6: 4}, {5: 0.9, 6: 0.2}, "medium"),  # 83 %, but it takes six
        ({5: 22, 6: 2}, {5: 0.9, 6: 0.2}, "high"),  # 92 %: bending takes more components
        ({5: 22, 6: 2}, {4: 0.2}, "medium"),  # 92 %, but four explain all
        ({5: 22, 6: 2}, {5: 0.9}, "high"),  # the sweep ends before anything is explained
        ({5: 24}, {}, "medium"),  # never high without the second count
        ({5: 10, 6: 8, 7: 6}, {4: 0.9, 5: 0.2}, "medium"),  # 42 %, but the second count agrees
        ({5: 10, 6: 8, 7: 6}, {8: 0.2}, "low"),
    ],
)
def test_confidence(counts: dict[int, int], shares: dict[int, float], expected: str) -> None:
    assert replace(COUNTED, votes=Votes(counts=counts, sizes=(10,)), shares=shares).confidence == expected


def test_one_crystal_everywhere_is_never_sure() -> None:
    counted = replace(COUNTED, votes=Votes(counts={1: 24}, sizes=(8,)), shares={1: 0.1}, rank=0)
    assert counted.confidence == "medium"
    assert replace(counted, rank=3).confidence == "high"


def low_rank(data: np.ndarray, rank: int) -> FactoredMatrix:
    u, s, v = np.linalg.svd(data, full_matrices=False)
    return FactoredMatrix(
        scores=(u * s)[:, :rank].astype(np.float32),
        basis=v[:rank].astype(np.float32),
        row=np.ones(len(data), dtype=np.float32),
        column=np.ones(data.shape[1], dtype=np.float32),
        norm2=float((data**2).sum()),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
    )


def sources(n: int) -> np.ndarray:
    """Patterns of ten spots each, unit sums."""
    rng = np.random.default_rng(0)
    images = np.zeros((n, SIDE, SIDE))
    for image in images:
        image[tuple(rng.integers(2, SIDE - 2, (2, 10)))] = 1
    flat = images.reshape(n, -1)
    return flat / flat.sum(axis=1, keepdims=True)


def fit_to(components: np.ndarray, weights: np.ndarray) -> Factorization:
    return Factorization(
        components=components.astype(np.float32),
        weights=weights.astype(np.float32),
        geometry=Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE)),
        probe_mask=np.ones(SCAN, dtype=bool),
        pixel_mask=np.ones((SIDE, SIDE), dtype=bool),
    )


def test_a_crystal_that_is_missing_leaves_all_its_signal() -> None:
    patterns, weights = sources(3), 1000.0 * (bands(3)[:, None] == np.arange(3))
    data = low_rank(weights @ patterns, 6)
    residuals = Residuals.of(data, None)
    shares = residuals.shares({2: fit_to(patterns[:2], weights[:, :2]), 3: fit_to(patterns, weights)})
    assert shares[3] == pytest.approx(0, abs=1e-5)
    assert shares[2] == pytest.approx(1, abs=1e-5)
    half = fit_to(patterns, weights * np.array([1, 1, 0.5]))
    assert residuals.share(half) == pytest.approx(0.25, abs=1e-4)  # half the amplitude, a quarter of the products
    # At the border between bands neighbours differ; elsewhere they are the same.
    assert 0.8 < residuals.coherence <= 1


def test_noise_has_nothing_in_common_with_its_neighbours() -> None:
    rng = np.random.default_rng(1)
    noise = low_rank(rng.standard_normal((SCAN[0] * SCAN[1], SIDE * SIDE)), 40)
    assert abs(Residuals.of(noise, None).coherence) < 0.05
    assert signal_rank(noise) == 0
    signal = 300.0 * (bands(4)[:, None] == np.arange(4)) @ sources(4)
    both = low_rank(signal + 0.3 * rng.standard_normal(signal.shape), 40)
    assert signal_rank(both) == 4  # they are counted about the mean map of each direction, which mixes all four


def test_autocorrelation_by_hand() -> None:
    mask = np.ones((2, 4), dtype=bool)
    mask[1] = False
    # One line, so that the other direction has no pairs and counts as 0: mean of r_x and 0.
    alternating = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    assert autocorrelation(alternating, mask)[0] == pytest.approx(-0.5)
    assert autocorrelation(np.ones((4, 1)), mask)[0] == 0


def test_the_beam_is_left_out_without_reading_data() -> None:
    beam = Beam(center=(15.5, 15.5), radius=4.0)
    patterns, weights = sources(3), 1000.0 * (bands(3)[:, None] == np.arange(3))
    data = (weights @ patterns).reshape(-1, SIDE, SIDE)
    data[:, 13:18, 13:18] += 500
    whole = low_rank(data.reshape(len(data), -1), 8)
    masked = without_beam(whole, beam)
    y, x = np.mgrid[:SIDE, :SIDE] - 15.5
    outside = (np.hypot(y, x) > 5).ravel()
    expected = data.reshape(len(data), -1) * outside
    np.testing.assert_allclose(masked.scores @ masked.basis, expected, atol=0.05)
    np.testing.assert_allclose(masked.basis @ masked.basis.T, np.eye(8), atol=1e-4)
    assert masked.norm2 == pytest.approx((expected**2).sum(), rel=1e-4)
    assert without_beam(whole, None) is whole


def test_divided_votes_follow_the_second_count_if_it_has_half_as_many() -> None:
    divided = replace(COUNTED, votes=Votes(counts={5: 12, 6: 6, 7: 2}, sizes=(10,)), shares={5: 0.9, 6: 0.04})
    assert (divided.n_crystals, divided.confidence) == (6, "medium")
    assert replace(divided, shares={6: 0.9, 7: 0.04}).n_crystals == 5
    clear = replace(divided, votes=Votes(counts={5: 16, 6: 4}, sizes=(10,)))
    assert clear.n_crystals == 5


def test_votes_all_over_the_place_give_no_answer() -> None:
    scattered = replace(COUNTED, votes=Votes(counts={3: 8, 6: 6, 9: 6}, sizes=(10,)), shares={12: 0.1})
    assert scattered.confidence == "low"
    assert scattered.undecided
    # Of 20 crystals one more or less is nearly the same answer.
    near = replace(scattered, votes=Votes(counts={20: 8, 21: 7, 19: 5}, sizes=(40,)))
    assert near.confidence == "low"
    assert not near.undecided


def test_background_components_do_not_count_as_crystals_in_the_second_count() -> None:
    film = replace(segments(np.eye(3)), roundness=np.array([0.1, 0.1, 0.9]))
    counted = replace(COUNTED, shares={2: 0.9, 3: 0.1}, segments={3: film})
    assert (counted.sufficient, counted.confirmed) == (3, 2)
