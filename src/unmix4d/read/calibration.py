"""From the units of a file to nm and 1/Å: spellings, electron wavelength, camera constant."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from unmix4d.electrons import wavelength_angstrom
from unmix4d.errors import UsageError

Kind = Literal["length", "reciprocal", "angle", "pixel"]

NM: Mapping[str, float] = MappingProxyType(
    {"m": 1e9, "cm": 1e7, "mm": 1e6, "um": 1e3, "nm": 1.0, "Å": 0.1, "pm": 1e-3},
)
RADIANS: Mapping[str, float] = MappingProxyType({"rad": 1.0, "mrad": 1e-3, "deg": math.pi / 180})
LEAST_PIXEL_NM = 1000.0
"""Pixels of cameras are larger; a smaller length is a step on the specimen that was never set for diffraction."""
PIXEL_WORDS = frozenset({"", "px", "pix", "pixel", "pixels", "none", "undefined", "<undefined>"})
SAME_UNIT: Mapping[str, str] = MappingProxyType(
    {
        "A": "Å",
        "AA": "Å",
        "angstrom": "Å",
        "angstroms": "Å",
        "ångström": "Å",
        "meter": "m",
        "centimeter": "cm",
        "millimeter": "mm",
        "micrometer": "um",
        "micron": "um",
        "microns": "um",
        "nanometer": "nm",
        "nanometers": "nm",
        "picometer": "pm",
        "milliradian": "mrad",
        "radian": "rad",
        "degree": "deg",
        "°": "deg",
    },
)
ODD_CHARACTERS = str.maketrans({"µ": "u", "μ": "u", "\u212b": "Å", "−": "-", "⁻": "^-", "¹": "1"})
DECORATION = re.compile(r"[\[\]${}()\\_\s]|mathrm")
RECIPROCAL = re.compile(r"1?/(?P<below>.+)|(?P<base>.+?)(?:\^|\*\*)?-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The diffraction camera, which gives the size of a detector pixel in 1/Å.

    Attributes
    ----------
    voltage_kv : float
        Accelerating voltage, kV.
    camera_length_mm : float
        Effective camera length, mm.
    pixel_um : float
        Edge of a detector pixel (after any binning), µm.

    Raises
    ------
    UsageError
        If a value is not a positive number.
    """

    voltage_kv: float
    camera_length_mm: float
    pixel_um: float

    def __post_init__(self) -> None:
        for name in ("voltage_kv", "camera_length_mm", "pixel_um"):
            require_positive(getattr(self, name), name)

    @property
    def pattern_step_inv_angstrom(self) -> float:
        """Size of a detector pixel, 1/Å: pixel / (wavelength x camera length), for small angles."""
        return self.pixel_um * 1e-3 / (wavelength_angstrom(self.voltage_kv) * self.camera_length_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What a file says about one axis: the step between two points, its unit and the axis' name."""

    step: float | None = None
    unit: str = ""
    name: str = ""
    is_scan: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Microscope:
    """What a file says about beam and camera; None where it says nothing."""

    beam_energy_kev: float | None = None
    camera_length_mm: float | None = None


def require_positive(value: float, name: str) -> None:
    """Raise UsageError unless ``value`` is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number, not {value}")


def parse_unit(text: object) -> tuple[Kind, float] | None:
    """Understand a unit as vendors and libraries spell it.

    Parameters
    ----------
    text : object
        Such as ``"nm"``, ``"µm"``, ``"[n_m]"``, ``"1/Å"``, ``"$A^{-1}$"``, ``"mrad"``, ``"px"`` or None.

    Returns
    -------
    tuple of kind and factor, or None
        The factor turns a length into nm, a reciprocal length into 1/Å and an angle into radians;
        None if the unit is not known.
    """
    unit = DECORATION.sub("", str(text).translate(ODD_CHARACTERS))
    if unit.lower() in PIXEL_WORDS:
        return "pixel", 1.0
    match = RECIPROCAL.fullmatch(unit)
    base = _same(match["below"] or match["base"]) if match else _same(unit)
    if match:
        return ("reciprocal", 0.1 / NM[base]) if base in NM else None
    if base in NM:
        return "length", NM[base]
    return ("angle", RADIANS[base]) if base in RADIANS else None


def _same(unit: str) -> str:
    return SAME_UNIT.get(unit) or SAME_UNIT.get(unit.lower(), unit)


def scan_step(axes: Sequence[Axis]) -> tuple[float | None, list[str]]:
    """Probe step in nm from the scan axes (y, x), and what is worth a note."""
    step, notes = _common_step(axes, "scan")
    parsed = parse_unit(axes[0].unit)
    if step is None or (parsed is not None and parsed[0] == "pixel"):
        return None, notes
    if parsed is None or parsed[0] != "length":
        return None, [
            *notes,
            f"the scan axes are in {axes[0].unit!r}, which is no length: the probe step is unknown",
        ]
    return step * parsed[1], notes


def pattern_step(axes: Sequence[Axis], microscope: Microscope) -> tuple[float | None, list[str]]:
    """Size of a detector pixel in 1/Å from the pattern axes (y, x), and what is worth a note.

    Reciprocal units are converted; an angle needs the beam energy, a length on the detector (as the centimetres
    of a .blo) also the camera length: ``q = x / (wavelength x camera length)``.
    """
    step, notes = _common_step(axes, "pattern")
    parsed = parse_unit(axes[0].unit)
    if step is None or (parsed is not None and parsed[0] == "pixel"):
        return None, notes
    unit, energy, length_mm = axes[0].unit, microscope.beam_energy_kev, microscope.camera_length_mm
    if parsed is None:
        return None, [*notes, f"the pattern axes are in {unit!r}, which is not understood: their step is unknown"]
    kind, factor = parsed
    if kind == "reciprocal":
        return step * factor, notes
    if kind == "angle" and energy is not None:
        return step * factor / wavelength_angstrom(energy), notes
    if kind == "length" and step * factor < LEAST_PIXEL_NM:
        return None, [*notes, f"the pattern axes have steps of {step:g} {unit}, too small for a camera: unknown"]
    if kind == "length" and energy is not None and length_mm is not None:
        return step * factor * 1e-6 / (wavelength_angstrom(energy) * length_mm), notes
    missing = "beam energy" if kind == "angle" else "beam energy and camera length"
    note = (
        f"the pattern axes are in {unit} and the file does not give {missing}: their step in 1/Å is unknown; "
        "give --pattern-step, or --voltage, --camera-length and --pixel"
    )
    return None, [*notes, note]


def _common_step(axes: Sequence[Axis], which: str) -> tuple[float | None, list[str]]:
    """Give the step of the y axis, and a note if that of x differs."""
    y, x = (abs(axis.step) if axis.step is not None and math.isfinite(axis.step) else 0.0 for axis in axes)
    same = math.isclose(y, x, rel_tol=1e-6) and parse_unit(axes[0].unit) == parse_unit(axes[1].unit)
    if y == 0 or same:
        return y or None, []
    return y, [f"the {which} steps differ, {y:g} {axes[0].unit} in y and {x:g} {axes[1].unit} in x: y is used"]


def microscope_of(metadata: Mapping[str, Any], original: Mapping[str, Any]) -> Microscope:
    """Find beam energy and camera length in HyperSpy's metadata trees.

    The header of a .blo wins where it was kept: RosettaSciIO maps its camera length to metres, HyperSpy's own
    convention is mm.
    """
    header = original.get("blockfile_header", {})
    if header.get("Beam_energy") or header.get("Camera_length"):
        return blockfile_microscope(header.get("Beam_energy", 0), header.get("Camera_length", 0))
    instrument = metadata.get("Acquisition_instrument", {})
    known = instrument.get("TEM", {})
    return Microscope(
        beam_energy_kev=positive(known.get("beam_energy")),
        camera_length_mm=positive(known.get("camera_length")),
    )


def blockfile_microscope(beam_energy_v: float, camera_length_tenth_mm: float) -> Microscope:
    """Beam energy and camera length as a .blo header stores them: volts and tenths of mm, 0 = unknown."""
    return Microscope(
        beam_energy_kev=positive(float(beam_energy_v) / 1e3),
        camera_length_mm=positive(float(camera_length_tenth_mm) / 10),
    )


def positive(value: object) -> float | None:
    """Give what a file holds as a number if it is finite and above 0, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever the file holds
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None
