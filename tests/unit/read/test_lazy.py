from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.read.lazy import Folded, Frames, Joined, Reordered, Transposed, Unfolded

SHAPE = (4, 5, 2, 3)
SCAN = np.arange(np.prod(SHAPE)).reshape(SHAPE)
STACK = SCAN.reshape(20, 2, 3)


class CountingStack:
    """A stack that remembers which patterns were read."""

    def __init__(self) -> None:
        self.shape, self.dtype, self.read = STACK.shape, STACK.dtype, set[int]()

    def __getitem__(self, key: object) -> np.ndarray:
        self.read |= set(np.atleast_1d(np.arange(len(STACK))[key]).tolist())
        return STACK[key]


def views() -> list[Any]:
    frames = Frames(lambda i: STACK[i], 20, (2, 3), STACK.dtype)
    refolded = Folded(Unfolded(SCAN.reshape(2, 10, 2, 3)), SHAPE[:2])
    backwards = Reordered(np.ascontiguousarray(SCAN.T), (3, 2, 1, 0))
    spare = Reordered(SCAN[:, :, None], (0, 1, 3, 4))
    return [Folded(STACK, SHAPE[:2]), Folded(frames, SHAPE[:2]), refolded, backwards, spare]


def keys(size: int) -> st.SearchStrategy[int | slice]:
    edge = st.none() | st.integers(-size - 2, size + 2)
    slices = st.builds(slice, edge, edge, st.sampled_from([None, 1, 2, 3]))
    return st.integers(-size, size - 1) | slices


@given(st.tuples(keys(4), keys(5), keys(2), keys(3)), st.integers(1, 4), st.integers(0, 4))
def test_views_behave_like_the_array(key: tuple[int | slice, ...], n_keys: int, view: int) -> None:
    read = views()[view][key[:n_keys]]
    expected = SCAN[key[:n_keys]]
    assert read.shape == expected.shape
    np.testing.assert_array_equal(read, expected)


@given(key=keys(20), frames=st.booleans())
def test_stacks_behave_like_the_array(key: int | slice, *, frames: bool) -> None:
    stack = Frames(lambda i: STACK[i], 20, (2, 3), STACK.dtype) if frames else Unfolded(SCAN)
    assert stack.shape == STACK.shape
    np.testing.assert_array_equal(stack[key], STACK[key])


def test_single_key_and_ellipsis() -> None:
    folded = Folded(STACK, SHAPE[:2])
    np.testing.assert_array_equal(folded[1:3], SCAN[1:3])
    np.testing.assert_array_equal(folded[..., 1], SCAN[..., 1])
    np.testing.assert_array_equal(folded[2, ...], SCAN[2])


@pytest.mark.parametrize(
    ("key", "read"), [((1, 2), {7}), (slice(1, 2), {5, 6, 7, 8, 9}), ((slice(0, 2), slice(3, 5)), {3, 4, 8, 9})]
)
def test_only_what_is_asked_for_is_read(key: object, read: set[int]) -> None:
    stack = CountingStack()
    Folded(stack, SHAPE[:2])[key]
    assert stack.read == read


@pytest.mark.parametrize("key", [4, -5, (0, 5)])
def test_index_out_of_range(key: object) -> None:
    with pytest.raises(IndexError):
        Folded(STACK, SHAPE[:2])[key]


def test_backward_slices_are_refused() -> None:
    with pytest.raises(IndexError, match="forward slices only"):
        Folded(STACK, SHAPE[:2])[::-1]


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 6))
def test_stacks_in_a_row_are_one(start: int, stop: int, step: int) -> None:
    joined = Joined([STACK[:3], STACK[3:4], STACK[4:]])
    assert joined.shape == STACK.shape
    np.testing.assert_array_equal(joined[start:stop:step], STACK[start:stop:step])


def test_single_patterns_of_stacks_in_a_row() -> None:
    joined = Joined([STACK[:3], STACK[3:]])
    for i in (0, 2, 3, 19, -1):
        np.testing.assert_array_equal(joined[i], STACK[i])


def test_stack_that_is_stored_backwards() -> None:
    backwards = Transposed(np.ascontiguousarray(STACK.T))
    assert backwards.shape == STACK.shape
    np.testing.assert_array_equal(backwards[3:9:2], STACK[3:9:2])
    np.testing.assert_array_equal(backwards[-1], STACK[-1])
