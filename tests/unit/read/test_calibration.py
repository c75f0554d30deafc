import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmix4d.errors import UsageError
from unmix4d.read.calibration import (
    NM,
    Axis,
    Camera,
    Microscope,
    blockfile_microscope,
    microscope_of,
    parse_unit,
    pattern_step,
    scan_step,
    wavelength_angstrom,
)

UNKNOWN = Microscope()


@pytest.mark.parametrize(("kv", "angstrom"), [(80, 0.0417572), (200, 0.0250793), (300, 0.0196875)])
def test_wavelength_as_tabulated(kv: float, angstrom: float) -> None:
    assert wavelength_angstrom(kv) == pytest.approx(angstrom, rel=2e-5)


def test_camera_gives_the_size_of_a_detector_pixel() -> None:
    # 0.055 mm / (0.0250793 Å x 200 mm) = 0.0109652 1/Å
    camera = Camera(voltage_kv=200, camera_length_mm=200, pixel_um=55)
    assert camera.pattern_step_inv_angstrom == pytest.approx(0.0109652, rel=1e-4)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_camera_refuses_what_is_not_positive(value: float) -> None:
    with pytest.raises(UsageError, match="camera_length_mm must be a positive number"):
        Camera(voltage_kv=200, camera_length_mm=value, pixel_um=55)


@pytest.mark.parametrize(
    ("text", "kind", "factor"),
    [
        ("nm", "length", 1.0),
        ("[n_m]", "length", 1.0),
        ("m", "length", 1e9),
        ("cm", "length", 1e7),
        ("mm", "length", 1e6),
        ("µm", "length", 1e3),
        ("μm", "length", 1e3),
        ("um", "length", 1e3),
        ("micron", "length", 1e3),
        ("Å", "length", 0.1),
        ("A", "length", 0.1),
        ("\u212b", "length", 0.1),
        ("Angstrom", "length", 0.1),
        ("1/nm", "reciprocal", 0.1),
        ("nm^-1", "reciprocal", 0.1),
        ("nm-1", "reciprocal", 0.1),
        ("[1/n_m]", "reciprocal", 0.1),
        ("nm⁻¹", "reciprocal", 0.1),
        ("1/Å", "reciprocal", 1.0),
        ("1 / Å", "reciprocal", 1.0),
        ("A^-1", "reciprocal", 1.0),
        ("$A^{-1}$", "reciprocal", 1.0),
        (r"$\AA^{-1}$", "reciprocal", 1.0),
        ("Å**-1", "reciprocal", 1.0),
        ("1/m", "reciprocal", 1e-10),
        ("mrad", "angle", 1e-3),
        ("px", "pixel", 1.0),
        ("", "pixel", 1.0),
        ("<undefined>", "pixel", 1.0),
        (None, "pixel", 1.0),
    ],
)
def test_spellings_of_units(text: str | None, kind: str, factor: float) -> None:
    parsed = parse_unit(text)
    assert parsed is not None
    assert parsed == (kind, pytest.approx(factor))


@pytest.mark.parametrize("text", ["?/m", "eV", "1/eV", "furlong", "1/"])
def test_unknown_units(text: str) -> None:
    assert parse_unit(text) is None


@given(st.sampled_from(sorted(NM)), st.floats(1e-3, 1e3))
def test_a_length_and_its_reciprocal_agree(unit: str, value: float) -> None:
    # a step of 1/value per unit, given in the reciprocal unit, is 0.1 / (value in nm) per Å
    length, reciprocal = parse_unit(unit), parse_unit(f"1/{unit}")
    assert length is not None
    assert reciprocal is not None
    assert (1 / value) * reciprocal[1] == pytest.approx(0.1 / (value * length[1]))


def test_scan_step_in_nm() -> None:
    assert scan_step([Axis(step=0.02, unit="µm"), Axis(step=-0.02, unit="µm")]) == (pytest.approx(20.0), [])


def test_scan_steps_that_differ_leave_a_note() -> None:
    step, notes = scan_step([Axis(step=2.0, unit="nm"), Axis(step=3.0, unit="nm")])
    assert step == 2.0
    assert notes == ["the scan steps differ, 2 nm in y and 3 nm in x: y is used"]


@pytest.mark.parametrize("axis", [Axis(), Axis(step=1.0, unit="px"), Axis(step=math.nan, unit="nm")])
def test_no_scan_step_where_the_file_says_nothing(axis: Axis) -> None:
    assert scan_step([axis, axis]) == (None, [])


def test_scan_axis_in_time_is_no_step() -> None:
    step, notes = scan_step([Axis(step=1.0, unit="ms"), Axis(step=1.0, unit="ms")])
    assert step is None
    assert "'ms'" in notes[0]


@pytest.mark.parametrize(
    ("unit", "step", "microscope", "expected"),
    [
        ("1/nm", 0.2, UNKNOWN, 0.02),
        ("1/Å", 0.02, UNKNOWN, 0.02),
        # 1 mrad at 200 kV: 1e-3 / 0.0250793
        ("mrad", 1.0, Microscope(beam_energy_kev=200.0), 0.0398735),
        # 0.01 cm at 100 mm and 200 kV: 0.1 mm / (0.0250793 Å x 100 mm)
        ("cm", 0.01, Microscope(beam_energy_kev=200.0, camera_length_mm=100.0), 0.0398735),
    ],
)
def test_pattern_step_in_inverse_angstrom(unit: str, step: float, microscope: Microscope, expected: float) -> None:
    found, notes = pattern_step([Axis(step=step, unit=unit)] * 2, microscope)
    assert found == pytest.approx(expected, rel=1e-4)
    assert notes == []


@pytest.mark.parametrize(
    ("unit", "microscope", "words"),
    [
        ("cm", UNKNOWN, "does not give beam energy and camera length"),
        ("cm", Microscope(beam_energy_kev=200.0), "does not give beam energy and camera length"),
        ("mrad", UNKNOWN, "does not give beam energy"),
        ("?/m", UNKNOWN, "not understood"),
    ],
)
def test_pattern_step_that_cannot_be_known(unit: str, microscope: Microscope, words: str) -> None:
    found, notes = pattern_step([Axis(step=0.01, unit=unit)] * 2, microscope)
    assert found is None
    assert words in notes[0]


def test_microscope_of_hyperspy_metadata() -> None:
    metadata = {"Acquisition_instrument": {"TEM": {"beam_energy": 300.0, "camera_length": 115.0}}}
    assert microscope_of(metadata, {}) == Microscope(beam_energy_kev=300.0, camera_length_mm=115.0)


def test_header_of_a_blockfile_wins_over_its_mapped_camera_length() -> None:
    metadata = {"Acquisition_instrument": {"TEM": {"beam_energy": 200.0, "camera_length": 0.2}}}
    original = {"blockfile_header": {"Beam_energy": 200000, "Camera_length": 2000}}
    assert microscope_of(metadata, original) == Microscope(beam_energy_kev=200.0, camera_length_mm=200.0)


@pytest.mark.parametrize("value", [0, None, "unknown", math.nan])
def test_useless_metadata_is_unknown(value: object) -> None:
    metadata = {"Acquisition_instrument": {"TEM": {"beam_energy": value}}}
    assert microscope_of(metadata, {}) == UNKNOWN
    assert blockfile_microscope(0, 0) == UNKNOWN
