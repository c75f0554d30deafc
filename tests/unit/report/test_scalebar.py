"""Scale bars have round lengths and the right units."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.report.scalebar import pattern_bar, round_length, scan_bar


@pytest.mark.parametrize(
    ("longest", "length"),
    [(1, 1), (1.9, 1), (2, 2), (4.99, 2), (5, 5), (9.99, 5), (10, 10), (0.3, 0.2), (730, 500)],
)
def test_lengths_are_one_two_or_five(longest, length):
    assert round_length(longest) == pytest.approx(length)


@given(st.floats(1e-6, 1e9))
def test_a_round_length_is_the_longest_that_fits(longest):
    length = round_length(longest)
    assert longest / 2.5 * (1 - 1e-6) <= length <= longest * (1 + 1e-6)
    digits = length / 10 ** math.floor(math.log10(length) + 1e-6)
    assert min(abs(digits - n) for n in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize(
    ("n", "step", "elements", "label"),
    [
        (64, 2.0, 10, "20 nm"),
        (208, 20.372, 1000 / 20.372, "1 µm"),
        (400, 20.0, 100, "2 µm"),
        (64, 0.05, 10, "0.5 nm"),
        (64, None, 10, "10 probes"),
        (4, None, 1, "1 probe"),
        (1, None, 1, "1 probe"),
        (1, 1.0, 0.5, "0.5 nm"),
    ],
)
def test_bars_of_maps(n, step, elements, label):
    bar = scan_bar(n, step)
    assert (bar.elements, bar.label) == (pytest.approx(elements), label)


@pytest.mark.parametrize(
    ("n", "step", "elements", "label"),
    [(64, 0.03, 0.5 / 0.03, "0.5 1/Å"), (256, 0.1, 50, "5 1/Å"), (64, None, 10, "10 px"), (2, None, 1, "1 px")],
)
def test_bars_of_patterns(n, step, elements, label):
    bar = pattern_bar(n, step)
    assert (bar.elements, bar.label) == (pytest.approx(elements), label)
