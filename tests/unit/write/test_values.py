import numpy as np
import pytest

from unmix4d.write.values import choose_values

COUNTS = np.array([-2.0, 0.0, 1.0, 100.0, 1000.0])


def chosen(counts: np.ndarray, *allowed: str, scale: str = "auto"):
    finite = counts[np.isfinite(counts)]
    return choose_values(
        counts.dtype,
        allowed=allowed,
        scale=scale,  # type: ignore[arg-type]
        extremes=lambda: (float(finite.min()), float(finite.max())),
    )


def test_smaller_type_that_holds_every_count() -> None:
    values = chosen(np.array([0, 255], np.uint32), "uint8", "uint16")
    assert (values.dtype, values.rule) == (np.uint8, "keep")
    assert values.said == "uint8, which holds every count (largest: 255)"
    assert chosen(np.array([0, 256], np.uint32), "uint8", "uint16").dtype == np.uint16
    assert chosen(np.array([-1, 256], np.int32), "uint16", "int16").dtype == np.int16


def test_float_where_no_integer_is_large_enough() -> None:
    exact = chosen(np.array([0, 70_000], np.uint32), "uint16", "float32")
    assert (exact.dtype, exact.said) == (np.float32, "float32, which holds every count")
    rounded = chosen(np.array([0, 2**31], np.uint32), "uint16", "float32")
    assert rounded.said == "float32, to its precision"


def test_linear() -> None:
    values = chosen(COUNTS, "uint8")
    # 255 / 1000 = 0.255; 100 x 0.255 = 25.5, which rounds to the even 26
    assert values(COUNTS).tolist() == [0, 0, 0, 26, 255]
    assert values.said == "uint8: counts x 0.255, so that the largest, 1000, becomes 255"


def test_sqrt() -> None:
    values = chosen(COUNTS, "uint8", scale="sqrt")
    # 255 sqrt(1 / 1000) = 8.06; 255 sqrt(0.1) = 80.6
    assert values(COUNTS).tolist() == [0, 0, 8, 81, 255]
    assert values.said == "uint8: 255 x sqrt(counts / 1000), so that weak spots stay visible"


def test_clip() -> None:
    values = chosen(COUNTS, "uint8", scale="clip")
    assert values(COUNTS).tolist() == [0, 0, 1, 100, 255]
    assert values.said == "uint8: counts above 255 are cut to it (largest: 1000)"


def test_counts_that_are_no_numbers() -> None:
    counts = np.array([np.nan, np.inf, -np.inf, 10.0])
    assert chosen(counts, "uint8")(counts).tolist() == [0, 255, 0, 255]


def test_a_scan_without_counts() -> None:
    counts = np.zeros(3, np.float32)
    assert chosen(counts, "uint8")(counts).tolist() == [0, 0, 0]


@pytest.mark.parametrize("scale", ["linear", "sqrt"])
def test_scaling_that_is_asked_for_uses_the_larger_type(scale: str) -> None:
    values = chosen(np.array([0, 10], np.uint8), "uint8", "uint16", "uint32", scale=scale)
    assert values.dtype == np.uint16
    assert values(np.array([10])).tolist() == [65535]
