"""Reflections of real crystals in random orientations, simulated once with diffsims and kept on disk."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scans import CACHE

Floats = NDArray[np.float64]

VOLTAGE_KV = 200
N_ORIENTATIONS = 60  # of each phase
N_DRAWN = 400  # of which those with enough reflections are kept
REACH = 1.55  # 1/Å
MAX_EXCITATION = 0.1  # 1/Å; bending and subgrains bring reflections in from there
FRIEDEL = np.array([0.0, 0.0, 0.0, 1.0])  # half a turn about the beam gives nearly the same pattern
FEWEST_SPOTS = 8
EXCITATION = 0.02  # 1/Å at which a reflection has fallen to 1/e: precession, or a foil of some 30 nm
VISIBLE = 0.01  # of the strongest reflection
DEBYE_WALLER = 0.5  # Å^2

# Space group, cell (Å), sites of the asymmetric unit (element, position, occupancy).
STRUCTURES: dict[str, tuple[int, tuple[float, float, float], list[tuple[str, tuple[float, ...], float]]]] = {
    "gold": (225, (4.078, 4.078, 4.078), [("Au", (0, 0, 0), 1)]),
    "silver": (225, (4.086, 4.086, 4.086), [("Ag", (0, 0, 0), 1)]),
    "iron": (229, (2.866, 2.866, 2.866), [("Fe", (0, 0, 0), 1)]),
    "silicon": (227, (5.431, 5.431, 5.431), [("Si", (0.125, 0.125, 0.125), 1)]),
    "magnesia": (225, (4.212, 4.212, 4.212), [("Mg", (0, 0, 0), 1), ("O", (0.5, 0.5, 0.5), 1)]),
    "rutile": (136, (4.594, 4.594, 2.959), [("Ti", (0, 0, 0), 1), ("O", (0.305, 0.305, 0), 1)]),
    "spinel": (
        227,
        (8.17, 8.17, 8.17),
        [
            ("Li", (0.125, 0.125, 0.125), 1),
            ("Ni", (0.5, 0.5, 0.5), 0.25),
            ("Mn", (0.5, 0.5, 0.5), 0.75),
            ("O", (0.263, 0.263, 0.263), 1),
        ],
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crystal:
    """One phase in one orientation.

    Attributes
    ----------
    vectors : (n_spots, 3) float
        Reciprocal lattice vectors in 1/Å: right, up, along the beam.
    strength : (n_spots,) float
        |F|^2 with thermal damping, the largest is 1.
    rotation : (4,) float
        Unit quaternion from crystal to laboratory.
    phase : str
    """

    vectors: Floats
    strength: Floats
    rotation: Floats
    phase: str

    def excitation_errors(self) -> Floats:
        """Distance (1/Å) of each reflection from the Ewald sphere, along the beam."""
        return np.asarray(self.vectors[:, 2] - ewald(self.vectors))

    def turned(self, degrees: float, axis: Floats) -> "Crystal":
        """Give the crystal turned a little about an axis of the laboratory."""
        half = np.deg2rad(degrees) / 2
        turn = np.concatenate([[np.cos(half)], np.sin(half) * axis / np.linalg.norm(axis)])
        return Crystal(
            vectors=rotate(turn, self.vectors),
            strength=self.strength,
            rotation=multiply(turn, self.rotation),
            phase=self.phase,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Library:
    """All orientations of all phases, and the rotations that bring each phase upon itself."""

    crystals: dict[str, list[Crystal]]
    symmetries: dict[str, Floats]

    def angle(self, first: Crystal, second: Crystal) -> float:
        """Least angle (degrees) between two crystals, half a turn about the beam being none; inf between phases."""
        if first.phase != second.phase:
            return float("inf")
        between = multiply(first.rotation * [1, -1, -1, -1], second.rotation)
        turned = multiply(multiply(first.rotation * [1, -1, -1, -1], FRIEDEL), second.rotation)
        symmetries = self.symmetries[first.phase]
        closest = max(float(np.abs(multiply(symmetries, way)[:, 0]).max()) for way in (between, turned))
        return float(2 * np.degrees(np.arccos(min(1.0, closest))))


def wavelength() -> float:
    """Relativistic wavelength of the electrons in Å."""
    volts = VOLTAGE_KV * 1e3
    return float(12.2643 / np.sqrt(volts * (1 + 0.978476e-6 * volts)))


def ewald(vectors: Floats) -> Floats:
    """Height of the Ewald sphere (1/Å) at each vector; the sphere curves upwards in diffsims' frame."""
    radius = 1 / wavelength()
    return np.asarray(radius - np.sqrt(radius**2 - (vectors[:, :2] ** 2).sum(axis=1)))


def multiply(first: Floats, second: Floats) -> Floats:
    """Multiply quaternions (..., 4)."""
    a, b = np.broadcast_arrays(first, second)
    real = a[..., :1] * b[..., :1] - (a[..., 1:] * b[..., 1:]).sum(axis=-1, keepdims=True)
    other = a[..., :1] * b[..., 1:] + b[..., :1] * a[..., 1:] + np.cross(a[..., 1:], b[..., 1:])
    return np.concatenate([real, other], axis=-1)


def rotate(quaternion: Floats, vectors: Floats) -> Floats:
    """Turn vectors (n, 3)."""
    real, axis = quaternion[0], quaternion[1:]
    twice = 2 * np.cross(axis, vectors)
    return np.asarray(vectors + real * twice + np.cross(axis, twice))


def library_path() -> Path:
    """Say where the library is kept; the name changes with this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:10]
    return CACHE / "accuracy" / f"library-{digest}.npz"


@cache
def library() -> Library:
    """Give the library; it takes a minute the first time."""
    path = library_path()
    if not path.exists():
        _store(path)
    crystals, symmetries = {}, {}
    with np.load(path) as stored:
        for phase in STRUCTURES:
            lengths = stored[f"{phase}/lengths"]
            spots = np.split(stored[f"{phase}/spots"].astype(np.float64), np.cumsum(lengths)[:-1])
            symmetries[phase] = stored[f"{phase}/symmetries"]
            crystals[phase] = [
                Crystal(vectors=rows[:, :3], strength=rows[:, 3], rotation=rotation, phase=phase)
                for rows, rotation in zip(spots, stored[f"{phase}/rotations"], strict=True)
            ]
    return Library(crystals=crystals, symmetries=symmetries)


def _store(path: Path) -> None:
    kept: dict[str, Any] = {}
    for number, phase in enumerate(STRUCTURES):
        for name, values in _simulate(phase, np.random.default_rng([2718, number])).items():
            kept[f"{phase}/{name}"] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez(stream, **kept)
    part.replace(path)


def _simulate(phase: str, rng: np.random.Generator) -> dict[str, Any]:
    """Simulate one phase; the shape factor is left out, because scans take it from their own bending."""
    from diffpy.structure import Atom, Lattice, Structure  # noqa: PLC0415 - slow to load
    from diffsims.generators.simulation_generator import SimulationGenerator  # noqa: PLC0415
    from orix.crystal_map import Phase  # noqa: PLC0415
    from orix.quaternion import Rotation  # noqa: PLC0415

    group, cell, sites = STRUCTURES[phase]
    atoms = [Atom(element, list(position), occupancy=share) for element, position, share in sites]
    made = Phase(name=phase, space_group=group, structure=Structure(atoms, Lattice(*cell, 90, 90, 90)))
    made = made.expand_asymmetric_unit()
    generator = SimulationGenerator(
        accelerating_voltage=VOLTAGE_KV, minimum_intensity=1e-5, shape_factor_model=_no_shape
    )
    rotations = rng.normal(size=(N_DRAWN, 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    found = generator.calculate_diffraction2d(
        phase=made,
        rotation=Rotation(rotations),
        reciprocal_radius=REACH,
        with_direct_beam=False,
        max_excitation_error=MAX_EXCITATION,
    )
    spots = [_spots(coordinates) for coordinates in found.coordinates]
    rich = [index for index, rows in enumerate(spots) if _n_visible(rows) >= FEWEST_SPOTS][:N_ORIENTATIONS]
    return {
        "spots": np.concatenate([spots[index] for index in rich]).astype(np.float32),
        "lengths": np.array([len(spots[index]) for index in rich]),
        "rotations": rotations[rich] * [1, -1, -1, -1],  # diffsims turns the laboratory into the crystal
        "symmetries": np.asarray(made.point_group.proper_subgroup.data).reshape(-1, 4),
    }


def _no_shape(excitation_error: Floats, *_: object, **__: object) -> Floats:
    return np.ones_like(excitation_error)


def _n_visible(rows: Floats) -> int:
    intensity = rows[:, 3] * np.exp(-(((rows[:, 2] - ewald(rows[:, :3])) / EXCITATION) ** 2))
    return int((intensity > VISIBLE * intensity.max()).sum())


def _spots(coordinates: Any) -> Floats:  # noqa: ANN401 - of diffsims
    vectors = np.asarray(coordinates.data, dtype=np.float64)
    damping = np.exp(-DEBYE_WALLER * (vectors**2).sum(axis=1) / 2)
    strength = np.asarray(coordinates.intensity) * damping
    return np.column_stack([vectors, strength / strength.max()])
