from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from unmix4d.decide.exemplars import exemplar_patterns, peak_probes, read_rows
from unmix4d.records import Factorization, PatternMatrix

MakeMatrix = Callable[..., PatternMatrix]
MakeFit = Callable[..., Factorization]

# Two components on three pixels, four probes; the second weighs most at probes 1 and 2 alike.
COMPONENTS = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
WEIGHTS = np.array([[8.0, 0.0], [4.0, 4.0], [0.0, 4.0], [1.0, 1.0]])
DATA = np.array([[1.0, 2.0, 4.0], [5.0, 3.0, 0.0], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])


@pytest.fixture
def fit(make_matrix: MakeMatrix, make_fit: MakeFit) -> Factorization:
    return make_fit(COMPONENTS, WEIGHTS, make_matrix(DATA))


def test_peak_is_the_largest_weight_and_the_first_of_a_tie(fit: Factorization) -> None:
    assert peak_probes(fit).tolist() == [0, 1]


def test_reconstruction_holds_everything_at_the_peak(fit: Factorization) -> None:
    # Probe 0: 8 * (.5, .5, 0) = (4, 4, 0). Probe 1: 4 * (.5, .5, 0) + 4 * (0, .25, .75) = (2, 3, 3).
    np.testing.assert_allclose(exemplar_patterns(fit, {}), [[255, 255, 0], [170, 255, 255]])


def test_component_alone(fit: Factorization) -> None:
    np.testing.assert_allclose(exemplar_patterns(fit, {}, "component"), [[255, 255, 0], [0, 85, 255]])


def test_data_is_what_was_measured_at_the_peak(fit: Factorization, make_matrix: MakeMatrix) -> None:
    rows = read_rows(make_matrix(DATA), {0, 1})
    expected = [[63.75, 127.5, 255.0], [255.0, 153.0, 0.0]]
    np.testing.assert_allclose(exemplar_patterns(fit, rows, "data"), expected)


def test_dead_components_have_no_exemplar(fit: Factorization) -> None:
    dead = replace(fit, weights=np.asarray(WEIGHTS * [1, 0], dtype=np.float32))
    for kind in ("reconstruction", "component", "data"):
        patterns = exemplar_patterns(dead, {0: DATA[0]}, kind)
        assert patterns[0].max() == 255
        assert not patterns[1].any()


def test_unknown_exemplar_is_refused(fit: Factorization) -> None:
    with pytest.raises(ValueError, match="no exemplar named 'mean'; known: reconstruction, component, data"):
        exemplar_patterns(fit, {}, "mean")  # type: ignore[arg-type]


def test_rows_are_read_one_block_at_a_time_and_each_once(make_matrix: MakeMatrix) -> None:
    data = np.arange(21.0).reshape(7, 3)
    matrix = make_matrix(data)
    read: list[int] = []

    def count(block: int) -> np.ndarray:
        read.append(block)
        return matrix.read_block(block)

    rows = read_rows(replace(matrix, read_block=count), {6, 0, 1, 3})
    assert read == [0, 1, 3]
    assert sorted(rows) == [0, 1, 3, 6]
    for p, row in rows.items():
        np.testing.assert_array_equal(row, data[p])
    assert read_rows(matrix, set()) == {}
