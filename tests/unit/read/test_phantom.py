"""The phantom's truth is the truth: fractions, labels, counts, spot positions, overlap bands."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from unmix4d.errors import UsageError
from unmix4d.read.phantom import Phantom, PhantomSpec, make_phantom
from unmix4d.read.phantom.grains import draw_fractions, draw_vacuum
from unmix4d.records import FloatArray

SMALL = PhantomSpec(scan_shape=(24, 30), pattern_shape=(32, 36))
PLAIN = replace(SMALL, stacked_fraction=0.0, vacuum_fraction=0.0)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(replace(SMALL, n_minority=2, minority_probes=(12, 20)))


def test_shapes_types_and_calibration(phantom: Phantom) -> None:
    assert phantom.scan.patterns.shape == (24, 30, 32, 36)
    assert phantom.scan.patterns.dtype == np.uint16
    assert phantom.scan.geometry.scan_step_nm == 2.0
    assert phantom.scan.geometry.pattern_step_inv_angstrom == 0.03
    assert phantom.components.shape == (5, 32, 36)
    assert phantom.components.dtype == phantom.fractions.dtype == np.float64
    assert phantom.labels.dtype == np.int16


def test_every_source_has_unit_sum(phantom: Phantom) -> None:
    assert_allclose(phantom.components.sum(axis=(1, 2)), 1)
    assert_allclose([phantom.beam.sum(), phantom.background.sum()], 1)
    assert min(phantom.components.min(), phantom.beam.min(), phantom.background.min()) >= 0


def test_vacuum_has_the_asked_area_and_only_the_beam(phantom: Phantom) -> None:
    vacuum = phantom.labels < 0
    assert vacuum.sum() == 72
    assert not phantom.fractions[:, vacuum].any()
    assert not phantom.ratio[vacuum].any()
    assert_allclose(phantom.beam_counts[vacuum], 5000)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    n_crystals=st.integers(1, 6),
    n_minority=st.integers(0, 2),
    overlap_width=st.floats(0, 12),
    stacked_fraction=st.floats(0, 0.5),
    vacuum_fraction=st.floats(0, 0.3),
)
def test_fractions_compose_all_material(seed: int, shape: tuple[int, int], n_minority: int, **knobs: float) -> None:
    n_minority = min(n_minority, int(knobs["n_crystals"]) - 1)
    spec = PhantomSpec(scan_shape=shape, n_minority=n_minority, minority_probes=(1, 4), **knobs)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    material = ~draw_vacuum(rng, spec)
    fractions = draw_fractions(rng, spec, material)
    assert fractions.min() >= 0
    assert_allclose(fractions[:, material].sum(axis=0), 1)
    assert not fractions[:, ~material].any()


def test_labels_and_ratio_follow_from_the_fractions(phantom: Phantom) -> None:
    material = phantom.labels >= 0
    assert_array_equal(phantom.labels[material], phantom.fractions.argmax(axis=0)[material])
    second, first = np.sort(phantom.fractions[:, material], axis=0)[-2:]
    assert_allclose(phantom.ratio[material], second / first)
    assert set(np.unique(phantom.labels)) == {-1, 0, 1, 2, 3, 4}


def test_minority_grains_have_the_asked_size() -> None:
    spec = replace(SMALL, n_crystals=6, n_minority=3, scan_shape=(40, 40), minority_probes=(20, 60))
    for seed in range(5):
        phantom = make_phantom(replace(spec, seed=seed, pattern_shape=(8, 8)))
        sizes = np.bincount(phantom.labels[phantom.labels >= 0], minlength=6)
        assert ((sizes[3:] >= 20) & (sizes[3:] <= 60)).all()
        assert (sizes[:3] > 60).all()
        assert_array_equal((phantom.fractions[3:] > 0).sum(axis=(1, 2)), sizes[3:])
    plain = replace(spec, overlap_width=0.0, stacked_fraction=0.0)
    exact = make_phantom(replace(plain, minority_probes=(33, 33), minority_share=0.3))
    assert_allclose(exact.fractions[3:].sum(axis=(1, 2)), 33 * 0.3)
    assert not np.isin(exact.labels, (3, 4, 5)).any()


def test_minority_grains_hang_together() -> None:
    from scipy.ndimage import label

    phantom = make_phantom(replace(SMALL, n_minority=1, minority_probes=(25, 25), vacuum_fraction=0.0))
    assert label(phantom.labels == 4, structure=np.ones((3, 3)))[1] == 1


def test_counts_are_poisson_about_the_expectation(phantom: Phantom) -> None:
    counts = np.asarray(phantom.scan.patterns, dtype=float)
    expected = np.array([[phantom.expected(y, x) for x in range(30)] for y in range(24)])
    # Chi-square over 829,440 pixels that all expect 0.05 counts or more: mean 1 within five standard errors.
    enough = expected > 0.05
    chi = (counts - expected)[enough] ** 2 / expected[enough]
    assert abs(chi.mean() - 1) < 5 * chi.std() / math.sqrt(enough.sum())
    # Totals of a scan line: 30 * 5000 counts less what falls beside the detector (nothing), sd 387.
    assert_allclose(expected.sum(axis=(1, 2, 3)), 150000)
    assert np.abs(counts.sum(axis=(1, 2, 3)) - 150000).max() < 5 * math.sqrt(150000)
    # Mean pattern of the scan, pixel by pixel.
    deviation = (counts.mean(axis=(0, 1)) - expected.mean(axis=(0, 1))) / np.sqrt(expected.mean(axis=(0, 1)) / 720)
    assert np.abs(deviation).max() < 6
    assert deviation.std() == pytest.approx(1, abs=0.1)


def test_the_true_weights_are_the_counts_of_each_crystal(phantom: Phantom) -> None:
    assert_allclose(phantom.crystal_counts.sum(axis=0), phantom.bragg_counts, atol=1e-9)
    total = phantom.bragg_counts + phantom.background_counts + phantom.beam_counts
    assert_allclose(total, 5000)
    thickness = phantom.bragg_counts[phantom.labels >= 0] / 2000
    assert thickness.min() >= 0.8
    assert thickness.max() <= 1.2
    assert np.ptp(thickness) > 0.2


def centroid(image: FloatArray) -> tuple[float, float]:
    y, x = np.indices(image.shape)
    return float((y * image).sum() / image.sum()), float((x * image).sum() / image.sum())


def test_the_beam_is_where_it_was_asked_for() -> None:
    phantom = make_phantom(replace(SMALL, pattern_shape=(64, 72), beam_offset=(1.25, -2.4)))
    assert_allclose(centroid(phantom.beam), (31.5 + 1.25, 35.5 - 2.4), atol=1e-4)


def test_spots_sit_on_the_lattice_to_a_fraction_of_a_pixel() -> None:
    spec = PhantomSpec(scan_shape=(5, 5), pattern_shape=(129, 129), lattice_spacing=(0.2, 0.24), spot_sigma=0.01)
    phantom = make_phantom(spec)
    sides = np.linalg.norm(phantom.lattices, axis=2) / 129
    assert sides.min() >= 0.2
    assert sides.max() <= 0.24
    for component, lattice in zip(phantom.components, phantom.lattices, strict=True):
        for order in ((1, 0), (0, 1), (-1, 0), (1, 1)):
            y, x = np.array([64.3, 63.8]) + order @ lattice
            top, left = round(y) - 8, round(x) - 8
            window = component[top : top + 17, left : left + 17]
            assert window.sum() > 0
            assert_allclose(np.add(centroid(window), (top, left)), (y, x), atol=0.01)


def test_no_spot_lies_under_the_direct_beam() -> None:
    phantom = make_phantom(replace(SMALL, pattern_shape=(64, 64)))
    assert (phantom.components * (phantom.beam > phantom.beam.max() / 2)).sum(axis=(1, 2)).max() < 1e-3


def test_friedel_pairs_are_alike_but_for_the_tilt() -> None:
    even = make_phantom(replace(SMALL, pattern_shape=(65, 65), beam_offset=(0, 0), spot_falloff=1e6))
    assert_allclose(even.components, even.components[:, ::-1, ::-1], rtol=1e-4)


def test_crystals_differ() -> None:
    patterns = make_phantom(replace(SMALL, n_crystals=8, pattern_shape=(64, 64))).components.reshape(8, -1)
    unit = patterns / np.linalg.norm(patterns, axis=1, keepdims=True)
    assert (unit @ unit.T)[~np.eye(8, dtype=bool)].max() < 0.5


@pytest.mark.parametrize("width", [5.0, 10.0])
def test_overlap_bands_are_as_wide_as_asked(width: float) -> None:
    """The area of a band is its length, which the label map gives, times the width."""
    spec = replace(PLAIN, scan_shape=(60, 60), pattern_shape=(2, 2), n_crystals=2, overlap_width=width)
    widths, strong = [], []
    for seed in range(12):
        phantom = make_phantom(replace(spec, seed=seed))
        across = (np.diff(phantom.labels, axis=axis) != 0 for axis in (0, 1))
        widths.append((phantom.ratio > 0).sum() / math.hypot(*(steps.sum() for steps in across)))
        strong.append((phantom.ratio > 0.75).sum() / (phantom.ratio > 0).sum())
    assert np.mean(widths) == pytest.approx(width, rel=0.1)
    # The ratio falls linearly, so a quarter of the band has a ratio above 0.75.
    assert np.mean(strong) == pytest.approx(0.25, abs=0.02)


def test_without_overlap_every_probe_is_one_crystal() -> None:
    phantom = make_phantom(replace(PLAIN, overlap_width=0))
    assert set(np.unique(phantom.fractions)) == {0.0, 1.0}
    assert not phantom.ratio.any()


def test_stacked_areas_cover_the_asked_share_inside_grains() -> None:
    spec = replace(PLAIN, scan_shape=(40, 50), pattern_shape=(8, 8), overlap_width=0.0, stacked_fraction=0.2)
    phantom = make_phantom(spec)
    assert (phantom.ratio > 0).mean() == pytest.approx(0.2, abs=1e-3)
    assert phantom.ratio.max() == pytest.approx(0.45 / 0.55)


def test_several_grains_of_one_crystal() -> None:
    from scipy.ndimage import label

    phantom = make_phantom(replace(PLAIN, scan_shape=(60, 60), n_crystals=4, grains_per_crystal=3))
    n_areas = [label(phantom.labels == crystal)[1] for crystal in range(4)]
    assert sum(n_areas) > 6
    assert len(np.unique(phantom.labels)) == 4


def test_one_crystal_alone() -> None:
    phantom = make_phantom(replace(SMALL, n_crystals=1, vacuum_fraction=0.0))
    assert not phantom.labels.any()
    assert not phantom.ratio.any()
    assert (phantom.fractions == 1).all()


def test_equal_specifications_give_equal_counts() -> None:
    first, second = make_phantom(replace(SMALL)), make_phantom(replace(SMALL))
    assert_array_equal(first.scan.patterns, second.scan.patterns)
    other = make_phantom(replace(SMALL, seed=1))
    assert not np.array_equal(first.labels, other.labels)
    assert not np.allclose(first.components, other.components)


def test_another_map_or_dose_leaves_the_crystals() -> None:
    first = make_phantom(SMALL)
    other = make_phantom(replace(SMALL, scan_shape=(20, 20), overlap_width=2.0, counts_per_pattern=100.0))
    assert_array_equal(first.components, other.components)


def test_without_bending_the_counts_are_those_of_earlier_versions() -> None:
    spec = PhantomSpec(scan_shape=(12, 16), pattern_shape=(16, 18), n_minority=1, minority_probes=(6, 9), seed=3)
    digest = hashlib.sha256(np.ascontiguousarray(make_phantom(spec).scan.patterns)).hexdigest()
    assert digest == "66e6dae845c8c9f8f845d826cb624f889642d6fff5264a08834421fde9167999"


def test_bending_moves_the_weight_of_the_spots_and_nothing_else() -> None:
    plain, bent = (make_phantom(replace(SMALL, bending=bending)) for bending in (0.0, 0.5))
    assert_array_equal(plain.components, bent.components)
    assert_array_equal(plain.fractions, bent.fractions)
    assert plain.states.shape[1] == 1
    assert bent.states.shape[1] == 9
    assert_allclose(bent.states.sum(axis=(2, 3)), 1)
    assert_allclose(bent.states[:, 4], bent.components)
    assert_allclose(bent.bends.sum(axis=1), 1)
    # The centre of the spots' intensity follows the envelope along y, and by no more than the envelope moved.
    low, high = (centroid(bent.states[0, state])[0] for state in (1, 7))
    assert 0 < high - low < 2 * 0.5 * 0.22 * 32


def test_bending_changes_slowly_from_probe_to_probe() -> None:
    bends = make_phantom(replace(SMALL, bending=0.3, scan_shape=(60, 60), pattern_shape=(8, 8))).bends
    steps = max(np.abs(np.diff(bends, axis=axis)).max() for axis in (2, 3))
    assert np.ptp(bends, axis=(2, 3)).max() > 0.5
    assert steps < 0.2


def test_expected_patterns_hold_the_bending() -> None:
    bent = make_phantom(replace(PLAIN, bending=0.8, n_crystals=1, counts_per_pattern=1e6, dtype="uint32"))
    patterns = np.asarray(bent.scan.patterns, dtype=float)
    for y, x in ((0, 0), (12, 20)):
        expected = bent.expected(y, x)
        enough = expected > 20
        chi = (patterns[y, x] - expected)[enough] ** 2 / expected[enough]
        assert abs(chi.mean() - 1) < 6 * math.sqrt(2 / enough.sum())
    assert np.abs(bent.expected(0, 0) - bent.expected(12, 20)).sum() > 0.05 * 1e6 * 0.4


def test_counts_may_be_drawn_elsewhere() -> None:
    def nothing(
        _rng: np.random.Generator, spec: PhantomSpec, sources: FloatArray, amounts: FloatArray
    ) -> FloatArray:
        assert_allclose(sources.sum(axis=(1, 2)), 1)
        assert_allclose(amounts.sum(axis=0), spec.counts_per_pattern)
        return np.zeros((*spec.scan_shape, *spec.pattern_shape))

    phantom = make_phantom(SMALL, draw=nothing)
    assert not np.asarray(phantom.scan.patterns).any()
    assert_array_equal(phantom.labels, make_phantom(SMALL).labels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "int32", "float32"])
def test_data_types_hold_the_same_counts_up_to_their_largest(dtype: str) -> None:
    wide = make_phantom(SMALL).scan.patterns
    patterns = make_phantom(replace(SMALL, dtype=dtype)).scan.patterns
    assert patterns.dtype == np.dtype(dtype)
    most = 255 if dtype == "uint8" else 65535
    assert_array_equal(np.asarray(patterns, dtype=float), np.minimum(wide, most))
    assert np.asarray(wide).max() > 255


@pytest.mark.parametrize(("beam", "background"), [(0.9, 0.1), (0.4, 0.6), (1.0, 0.0)])
def test_fractions_that_leave_no_spots(beam: float, background: float) -> None:
    phantom = make_phantom(replace(SMALL, beam_fraction=beam, background_fraction=background))
    assert_allclose(phantom.bragg_counts, 0, atol=1e-9)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_minority": 5}, "5 crystals 5 cannot be a minority"),
        ({"n_crystals": 0}, "0 crystals"),
        ({"beam_fraction": 1.5}, "beam_fraction must lie in 0...1, got 1.5"),
        ({"beam_fraction": 0.8, "background_fraction": 0.3}, "scatter more than there is"),
        ({"beam_fraction": 0.1, "intensity_variation": 0.2}, "scatter more than there is"),
        ({"spot_sigma": 0}, "spot_sigma must be positive"),
        ({"bending": -0.1}, "bending must not be negative"),
        ({"overlap_width": -1.0}, "overlap_width must not be negative"),
        ({"lattice_spacing": (0.2, 0.1)}, "lattice_spacing"),
        ({"minority_probes": (0, 3)}, "minority_probes"),
        ({"grains_per_crystal": 0}, "grains_per_crystal"),
        ({"scan_shape": (0, 3)}, "scan_shape"),
        ({"dtype": "complex64"}, "dtype"),
    ],
)
def test_impossible_specifications_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **knobs)  # type: ignore[arg-type]


def test_a_scan_too_small_for_its_grains_is_refused() -> None:
    with pytest.raises(UsageError, match="enlarge scan_shape"):
        make_phantom(PhantomSpec(scan_shape=(2, 2)))
    with pytest.raises(UsageError, match="enlarge scan_shape"):
        make_phantom(PhantomSpec(scan_shape=(8, 8), n_minority=1))
