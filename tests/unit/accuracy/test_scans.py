"""Simulated scans are what they say: physics of the patterns, truth, faults, seeds."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal


def test_a_seed_gives_the_same_scan_and_another_seed_another(make, spec) -> None:
    first, again, other = make(spec, 1), make(spec, 1), make(spec, 2)
    assert_array_equal(first.patterns, again.patterns)
    assert (first.truth.labels != other.truth.labels).any()


def test_one_factor_leaves_the_rest_of_a_seed_as_it_is(make, spec) -> None:
    plain = make(spec, 1).truth
    for changes in ({"bragg_electrons": 100.0}, {"descan": 3.0}, {"camera": "counting"}, {"beam": "stopped"}):
        assert_array_equal(make(replace(spec, **changes), 1).truth.labels, plain.labels)


def test_truth_is_what_the_expected_electrons_say(make, spec) -> None:
    scan = make(spec, 1)
    truth = scan.truth
    lit = truth.labels >= 0
    assert_allclose(truth.fractions.sum(axis=0)[lit], 1)
    assert_array_equal(truth.fractions.argmax(axis=0)[lit], truth.labels[lit])
    area = np.bincount(truth.labels[lit], minlength=4)
    assert area.min() >= 20
    assert area[truth.minority].max() <= 60
    assert_array_equal(truth.minority, [False, False, False, True])
    two = np.sort(truth.fractions, axis=0)[-2:]
    assert_allclose(truth.ratio[lit], two[0][lit] / two[1][lit])
    electrons = sum(one.intensity.sum() for one in scan.bragg)
    assert electrons / lit.sum() == pytest.approx(spec.bragg_electrons, rel=0.03)


def test_clean_electrons_are_those_of_the_sources(make, spec) -> None:
    """Beam and background have the same pattern everywhere; only they are left where there is no crystal."""
    scan = make(replace(spec, n_crystals=0, n_minority=0, n_particles=0, n_repeats=0, background=5.0), 3)
    clean, sources = scan.clean().astype(float), scan.sources()
    assert len(sources) == 2
    assert_allclose(sources.sum(axis=(1, 2)), 1, rtol=1e-3)
    mean = clean.mean(axis=(0, 1))
    amounts = np.linalg.lstsq(sources.reshape(2, -1).T, mean.ravel(), rcond=None)[0]
    expected = np.tensordot(amounts, sources, axes=1)
    chi = (mean - expected) ** 2 / (expected / clean[..., 0, 0].size)
    assert chi.mean() == pytest.approx(1, abs=0.2)


def test_a_spot_holds_its_electrons_and_lies_where_it_should(spec) -> None:
    from benchmarks.accuracy.detector import draw_spots
    from benchmarks.accuracy.scattering import Bragg

    flat = np.zeros((2, 32 * 32), dtype=np.float32)
    one = Bragg(probes=np.array([1]), places=np.array([[0.31, 0.52]]), intensity=np.array([[100.0]]))
    shifts = np.array([[0, 0], [0.4, -1.3]], dtype=np.float32)
    draw_spots(flat, spec, one, shifts, np.array([15.2, 15.7]))
    assert not flat[0].any()
    image = flat[1].reshape(32, 32).astype(float)
    assert image.sum() == pytest.approx(100, rel=1e-5)
    y, x = np.mgrid[:32, :32]
    assert (image * y).sum() / image.sum() == pytest.approx(15.2 + 0.4 - 0.52 / 0.1, abs=0.05)
    assert (image * x).sum() / image.sum() == pytest.approx(15.7 - 1.3 + 0.31 / 0.1, abs=0.05)


def test_faults_are_in_the_patterns(make, spec) -> None:
    scan = make(replace(spec, n_hot=3, n_dead=2, descan=2.5, beam="stopped", camera="counting"), 4)
    faults, flat = scan.truth.faults, scan.patterns.reshape(32 * 32, -1)
    assert not flat[:, faults.dead].any()
    assert not scan.patterns[:, :, faults.stop].any()
    assert faults.stop[tuple(np.rint(scan.truth.centre).astype(int))]
    brightest = faults.hot[faults.hot_electrons.argmax()]
    assert np.median(flat[:, brightest]) > np.median(np.delete(flat, faults.hot, axis=1).max(axis=1)) / 4
    assert np.abs(faults.shifts).max() == pytest.approx(2.5, rel=1e-5)
    assert_allclose(faults.shifts.mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize(("kind", "dtype"), [("cmos", "uint16"), ("counting", "uint16"), ("eight-bit", "uint8")])
def test_cameras_saturate_and_have_their_offset(make, spec, kind, dtype) -> None:
    patterns = make(replace(spec, camera=kind), 5).patterns
    assert patterns.dtype == dtype
    y, x = (int(np.rint(value)) for value in make(spec, 5).truth.centre)
    assert np.median(patterns[:, :, y, x]) == patterns.max()
    corner = np.median(patterns[:, :, :3, :3])
    assert corner == pytest.approx(20 if kind == "cmos" else 0, abs=2)


def test_a_conserving_beam_makes_every_pattern_equally_bright(make, spec) -> None:
    scan = make(replace(spec, beam="conserving"), 6)
    totals = scan.clean().sum(axis=(2, 3)).astype(float)
    assert totals.std() / totals.mean() < 0.03


def test_bending_changes_intensities_within_a_crystal_and_thickness_too(make, spec) -> None:
    def spread(**changes) -> float:
        one = make(replace(spec, **changes), 7).bragg[0]
        shape = one.intensity / one.intensity.sum(axis=1, keepdims=True)
        return float(shape.std(axis=0).sum())

    flat = spread(bending_degrees=0.0, modulation=0.0)
    assert flat < 1e-6
    assert spread(bending_degrees=1.0, modulation=0.0) > 2 * spread(bending_degrees=0.5, modulation=0.0) > 1e-3
    assert spread(bending_degrees=0.0, modulation=0.5) > 0.05


def test_angles_between_crystals_know_symmetry_and_friedel() -> None:
    from benchmarks.accuracy.crystals import FRIEDEL, Crystal, Library, multiply

    half = np.deg2rad([0, 45, 90, 135])
    quarter = np.column_stack([np.cos(half), np.zeros((4, 2)), np.sin(half)])  # turns by 0, 90, 180, 270 degrees
    crystal = Crystal(
        vectors=np.array([[1.0, 0, 0]]), strength=np.ones(1), rotation=np.array([0.5, 0.5, 0.5, 0.5]), phase="gold"
    )
    library = Library(crystals={}, symmetries={"gold": quarter})
    turned = crystal.turned(5.0, np.array([1.0, 2.0, 3.0]))
    assert library.angle(crystal, turned) == pytest.approx(5.0)
    same = replace(crystal, rotation=multiply(crystal.rotation, quarter[1]))
    assert library.angle(crystal, same) == pytest.approx(0, abs=1e-5)
    friedel = replace(crystal, rotation=multiply(FRIEDEL, crystal.rotation))
    assert library.angle(crystal, friedel) == pytest.approx(0, abs=1e-5)
    assert library.angle(crystal, replace(turned, phase="iron")) == float("inf")
    about_x = crystal.turned(90.0, np.array([0.0, 0.0, 1.0]))
    assert_allclose(about_x.vectors, [[0, 1, 0]], atol=1e-12)


def test_cells_are_apart_from_one_another_and_seeds_too() -> None:
    from benchmarks.accuracy.cells import CELLS, QUICK, REPORTING, TUNING, split_of
    from benchmarks.accuracy.faults import FAULTS

    assert not set(CELLS) & set(FAULTS)
    specs = [cell.spec for cell in (*CELLS.values(), *FAULTS.values())]
    assert len(set(map(repr, specs))) == len(specs)
    assert set(QUICK) <= set(CELLS)
    assert not set(TUNING) & set(REPORTING)
    assert (split_of(3), split_of(103)) == ("tuning", "reporting")
    with pytest.raises(ValueError, match="neither"):
        split_of(50)
    assert {name for name, cell in CELLS.items() if cell.spec.n_crystals < 2} == {
        name for name, cell in CELLS.items() if cell.negative
    }


def test_a_scan_without_fault_has_none_and_each_other_only_its_own(make, spec) -> None:
    from benchmarks.accuracy.faults import FAULTS, NO_FAULT

    def small(name: str):
        of = FAULTS[name].spec
        kept = ("beam", "camera", "descan", "jitter", "n_hot", "n_dead", "vacuum", "film")
        return make(replace(spec, **{key: getattr(of, key) for key in kept}), 1)

    plain = small(NO_FAULT)
    assert not plain.truth.faults.shifts.any()
    assert not len(plain.truth.faults.hot)
    assert (plain.truth.labels >= 0).mean() > 0.99
    assert_array_equal(small("beam-full").truth.labels, plain.truth.labels)
    assert (small("vacuum-30").truth.labels < 0).mean() == pytest.approx(0.3, abs=0.05)
    assert np.abs(small("descan-strong").truth.faults.shifts).max() == pytest.approx(3, rel=1e-5)
