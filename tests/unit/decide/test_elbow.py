import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kneed import KneeLocator

from unmix4d.decide.elbow import (
    METHODS,
    ElbowMethod,
    Losses,
    chord,
    find_elbow,
    kneedle,
    log_bends,
    log_second_difference,
    running_minimum,
    second_difference,
)

# The two curves of method section 6.2 and what each method gives there.
LONG = [1, 0.8496, 0.7581, 0.6707, 0.5864, 0.494, 0.4614, 0.4345, 0.4341, 0.4332, 0.4326, 0.4317, 0.4304]
LONG += [0.4306, 0.4296, 0.429]
SHORT = [10, 6, 3.5, 2.2, 1.9, 1.8, 1.75, 1.72, 1.70, 1.69]
REFERENCE = [
    (LONG, {"kneedle": 6, "chord": 6, "second_difference": 6, "log_second_difference": 6}),
    (SHORT, {"kneedle": 4, "chord": 4, "second_difference": 2, "log_second_difference": 4}),
]


def from_one(losses: Losses) -> list[int]:
    return list(range(1, len(losses) + 1))


def kneed_knee(ks: list[int], losses: Losses) -> int | None:
    return KneeLocator(ks, losses, S=1, curve="convex", direction="decreasing", online=False).knee


@pytest.mark.parametrize(("losses", "expected"), REFERENCE)
@pytest.mark.parametrize("method", METHODS)
def test_reference_curves(losses: list[float], expected: dict[ElbowMethod, int], method: ElbowMethod) -> None:
    ks = from_one(losses)
    assert METHODS[method](ks, running_minimum(losses)) == expected[method]
    assert find_elbow(ks, losses, method) == expected[method]


@pytest.mark.parametrize("run", [1, 2])
def test_knee_of_the_published_curves(data: Path, run: int) -> None:
    losses = np.load(data / "paper_iqa" / f"k_component_loss_run{run}.npy")
    ks = list(range(3, 21))
    assert len(losses) == len(ks)
    assert kneedle(ks, losses) == kneed_knee(ks, losses) == 8
    assert find_elbow(ks, losses) == 8


@pytest.mark.parametrize("method", METHODS)
def test_straight_line_has_no_elbow(method: ElbowMethod) -> None:
    losses = np.linspace(3.0, 1.0, 20)
    assert METHODS[method](from_one(losses), losses) is None
    assert find_elbow(from_one(losses), losses, method) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("losses", [[], [1.0], [2.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
def test_too_short_or_flat_has_no_elbow(method: ElbowMethod, losses: list[float]) -> None:
    assert METHODS[method](from_one(losses), losses) is None


def test_chord_needs_a_height_of_five_percent() -> None:
    # Heights at k = 2: (1 - y) - 1/2 with y the normalised middle value.
    assert chord([1, 2, 3], [1.0, 0.449, 0.0]) == 2
    assert chord([1, 2, 3], [1.0, 0.451, 0.0]) is None


def test_chord_takes_the_first_of_a_tie() -> None:
    assert chord([1, 2, 3, 4, 5], [1.0, 0.5, 0.25, 0.0, 0.0]) == 2  # height 0.25 at k = 2, 3 and 4
    assert chord([2, 3, 4, 5, 6], [1.0, 0.25, 0.0, 0.0, 0.0]) == 3


def test_chord_stands_in_for_kneedle() -> None:
    # Heights 0, 0.15, 0, 0.05, 0: no fall from a peak is steeper than the mean step of 0.25.
    ks, losses = [1, 2, 3, 4, 5], [1.0, 0.6, 0.5, 0.2, 0.0]
    assert kneedle(ks, losses) is None
    assert find_elbow(ks, losses) == chord(ks, losses) == 2


def test_the_first_k_is_an_end_and_no_elbow() -> None:
    ks, losses = [1, 2, 3, 4, 5, 6], [1.0, 0.99, 0.9, 0.6, 0.01, 0.0]
    assert kneedle(ks, losses) == kneed_knee(ks, losses) == 1
    assert find_elbow(ks, losses) == 5


def test_one_bad_fit_makes_no_elbow() -> None:
    good = [10, 6, 3.5, 2.2, 1.9, 1.8, 1.75, 1.72, 1.70, 1.69]
    bad = [*good[:7], 9.0, *good[8:]]
    assert find_elbow(from_one(bad), bad) == find_elbow(from_one(good), good) == 4
    assert second_difference(from_one(bad), bad) == 7  # where the unsmoothed curve shoots up


def test_exact_fit_is_a_sharp_bend_of_the_logarithm() -> None:
    assert log_second_difference([1, 2, 3, 4, 5], [4.0, 3.0, 0.0, 0.0, 0.0]) == 3


def test_log_bends_by_hand() -> None:
    bends = log_bends([1, 2, 3, 4], [8.0, 2.0, 1.0, 1.0])
    assert np.isnan(bends[[0, -1]]).all()
    # ln 8 - 2 ln 2 + ln 1 = ln 2, and ln 2 - 2 ln 1 + ln 1 = ln 2
    np.testing.assert_allclose(bends[1:-1], [math.log(2), math.log(2)])
    assert np.isnan(log_bends([1, 2], [2.0, 1.0])).all()


@pytest.mark.parametrize(
    ("ks", "losses", "message"),
    [
        ([1, 2, 3], [1.0, 0.5], "one loss for each of 3"),
        ([1, 3, 2], [1.0, 0.5, 0.2], "ascend"),
        ([1, 2, 3], [1.0, math.nan, 0.2], "finite"),
    ],
)
def test_refuses_what_is_no_curve(ks: list[int], losses: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_elbow(ks, losses)


def test_refuses_an_unknown_method() -> None:
    with pytest.raises(ValueError, match="no elbow method named 'steepest'"):
        find_elbow([1, 2, 3], [3.0, 2.0, 1.0], "steepest")


@given(
    steps=st.lists(st.integers(0, 1000), min_size=3, max_size=25).filter(any),
    gaps=st.lists(st.integers(1, 3), min_size=25, max_size=25),
)
def test_kneedle_is_kneed_on_any_falling_curve(steps: list[int], gaps: list[int]) -> None:
    losses = [float(sum(steps[i:])) for i in range(len(steps) + 1)]
    ks = [sum(gaps[: i + 1]) for i in range(len(losses))][:25]
    losses = losses[: len(ks)]
    assert kneedle(ks, losses) == kneed_knee(ks, losses)


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=25, unique=True))
def test_kneedle_is_kneed_on_any_curve_at_all(losses: list[float]) -> None:
    assert kneedle(from_one(losses), losses) == kneed_knee(from_one(losses), losses)


@given(
    losses=st.lists(st.integers(1, 10_000), min_size=3, max_size=20, unique=True),
    scale=st.sampled_from([2.0**-20, 1.0, 2.0**20]),
    method=st.sampled_from(list(METHODS)),
)
def test_the_unit_of_the_loss_does_not_matter(losses: list[float], scale: float, method: ElbowMethod) -> None:
    ks = from_one(losses)
    assert find_elbow(ks, np.array(losses) * scale, method) == find_elbow(ks, losses, method)
