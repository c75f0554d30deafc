"""Bragg intensities: which crystals are used, and how each reflection goes with thickness and tilt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.crystals import Crystal, Library
from benchmarks.accuracy.scene import Scene
from benchmarks.accuracy.spec import Spec

Floats = NDArray[np.float64]

EXTINCTION = (0.5, 1.5)  # of the strongest and of the weakest reflections, in mean thicknesses of the foil
BRIGHTNESS = (0.6, 1.6)  # of crystals beside one another
FAINT = 2e-3  # reflections that never reach this share of the crystal's strongest are left out
MOST_ALIKE = 0.5  # cosine of the square roots of two patterns; those of one phase and more alike are drawn again
DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bragg:
    """The reflections of one crystal at the probes that it reaches.

    Attributes
    ----------
    probes : (n,) int
        Flat indices.
    places : (n_spots, 2) float
        1/Å to the right and upwards of the direct beam.
    intensity : (n, n_spots) float
        Expected electrons.
    """

    probes: NDArray[np.integer]
    places: Floats
    intensity: Floats


def choose_crystals(spec: Spec, library: Library, rng: np.random.Generator) -> list[Crystal]:
    """Draw crystals of different orientation; the last of the grains may be subgrains of others."""
    chosen: list[Crystal] = []
    first_subgrain = spec.n_crystals - spec.n_minority - spec.n_particles - spec.n_subgrains
    for index in range(spec.n_crystals):
        if first_subgrain <= index < first_subgrain + spec.n_subgrains:
            parent = chosen[index - first_subgrain]
            chosen.append(parent.turned(spec.subgrain_degrees, rng.normal(size=3)))
        else:
            chosen.append(_another(spec, library, chosen, rng))
    return chosen


def _another(spec: Spec, library: Library, others: Sequence[Crystal], rng: np.random.Generator) -> Crystal:
    for _ in range(DRAWS):
        phase = spec.phases[rng.integers(len(spec.phases))]
        offered = library.crystals[phase]
        crystal = offered[rng.integers(len(offered))].turned(rng.uniform(0, 360), np.array([0.0, 0.0, 1.0]))
        apart = all(library.angle(crystal, other) >= spec.misorientation_degrees for other in others)
        if apart and all(alike(spec, crystal, other) < MOST_ALIKE for other in others):
            return crystal
    raise ValueError(f"no {spec.n_crystals} different crystals were found")


def alike(spec: Spec, first: Crystal, second: Crystal) -> float:
    """Cosine of the square roots of two untilted patterns on the detector: 1 = spots at the same places."""
    images = []
    for crystal in (first, second):
        shown = _shape(spec, crystal.excitation_errors()) * crystal.strength
        places = crystal.vectors[:, :2] / (spec.pattern_step * 2 * spec.spot_radius)
        bins = np.arange(-20, 21)
        images.append(np.sqrt(np.histogram2d(places[:, 1], places[:, 0], bins=(bins, bins), weights=shown)[0]))
    norm = np.linalg.norm(images[0]) * np.linalg.norm(images[1])
    return float((images[0] * images[1]).sum() / norm)


def scatter(spec: Spec, scene: Scene, crystals: Sequence[Crystal], rng: np.random.Generator) -> list[Bragg]:
    """Give what each crystal scatters; the mean over probes with a crystal is ``bragg_electrons``."""
    found = []
    for crystal, thickness, tilt in zip(crystals, scene.thickness, scene.tilt, strict=True):
        probes = np.flatnonzero(thickness.ravel() > 1e-6)
        if not len(probes):
            probes = np.zeros(1, dtype=np.intp)
        relative = _intensities(spec, crystal, thickness.ravel()[probes], tilt.reshape(2, -1)[:, probes])
        keep = relative.max(axis=0) > FAINT * relative.max()
        relative = relative[:, keep]
        relative *= rng.uniform(*BRIGHTNESS) * thickness.sum() / relative.sum()
        found.append(Bragg(probes=probes, places=crystal.vectors[keep, :2], intensity=relative))
    lit = (scene.thickness.sum(axis=0) > 0).sum()
    scale = spec.bragg_electrons * lit / max(sum(one.intensity.sum() for one in found), 1e-9)
    return [Bragg(probes=one.probes, places=one.places, intensity=one.intensity * scale) for one in found]


def _intensities(spec: Spec, crystal: Crystal, thickness: Floats, tilt: Floats) -> Floats:
    """(n_probes, n_spots): |F|^2, times the excitation at the local tilt, times the beats with thickness."""
    right, up = crystal.vectors[:, 0], crystal.vectors[:, 1]
    errors = crystal.excitation_errors() + tilt[0][:, None] * up - tilt[1][:, None] * right
    amplitude = np.sqrt(crystal.strength)
    extinction = EXTINCTION[1] - (EXTINCTION[1] - EXTINCTION[0]) * amplitude / amplitude.max()
    beats = 1 - spec.modulation * np.cos(2 * np.pi * thickness[:, None] / extinction)
    return np.asarray(crystal.strength * _shape(spec, errors) * beats * thickness[:, None])


def _shape(spec: Spec, errors: Floats) -> Floats:
    return np.asarray(np.exp(-((errors / spec.excitation) ** 2)))
