"""Where the crystals of a simulated scan are: inclined grains, minority grains, particles, thickness, bending."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.spec import Spec

Floats = NDArray[np.float64]
Array = NDArray[np.integer]

N_SLICES = 32  # of the foil's depth
MINORITY_PROBES = (24, 52)  # area a minority grain is given
PARTICLE_RADIUS = (5.0, 9.0)  # probes
PARTICLE_THICKNESS = (0.5, 1.0)  # of the mean foil
WEDGE = 6.0  # probes over which the foil's edge thins out
MARGIN = 4.0  # probes that minority grains and particles keep from the border


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What the beam meets at each probe.

    Attributes
    ----------
    thickness : (n_crystals, scan_y, scan_x) float
        Of each crystal, relative to the mean of the foil.
    tilt : (n_crystals, 2, scan_y, scan_x) float
        Radians about the detector's horizontal and vertical axis.
    minority : (n_crystals,) bool
    """

    thickness: Floats
    tilt: Floats
    minority: NDArray[np.bool_]


def make_scene(spec: Spec, rng: np.random.Generator) -> Scene:
    """Draw a scene; whether every crystal is seen enough is for the caller to judge."""
    thickness = _draw(spec, rng)
    minority = np.arange(spec.n_crystals) >= spec.n_crystals - spec.n_minority
    return Scene(thickness=thickness, tilt=_tilts(spec, thickness, rng), minority=minority)


def _draw(spec: Spec, rng: np.random.Generator) -> Floats:
    """Give the thickness of every crystal, (n_crystals, scan_y, scan_x)."""
    side = spec.scan_side
    grid = np.stack(np.mgrid[:side, :side]).astype(np.float64)
    foil = _foil(spec, grid, rng)
    thickness = np.zeros((spec.n_crystals, side, side))
    if not spec.n_crystals:
        return thickness
    owner = _owners(spec, grid, foil > 0, rng)
    for crystal in range(spec.n_crystals):
        thickness[crystal] = foil * (owner == crystal).mean(axis=0)
    first = spec.n_crystals - spec.n_minority - spec.n_particles
    for crystal in range(first, first + spec.n_particles):
        centre, radius = _inside(spec, foil, rng), rng.uniform(*PARTICLE_RADIUS)
        distance = np.hypot(*(grid - centre[:, None, None])) / radius
        profile = np.clip(1.6 * (1 - distance**2), 0, 1) ** 0.5
        thickness[crystal] = rng.uniform(*PARTICLE_THICKNESS) * profile
    return thickness


def _foil(spec: Spec, grid: Floats, rng: np.random.Generator) -> Floats:
    """Smooth thickness about 1, a thin rim, and nothing beyond the edge."""
    y, x = grid / spec.scan_side
    field = np.zeros_like(y)
    for _ in range(4):
        wave = rng.uniform(-1.5, 1.5, 2)
        field += np.cos(2 * np.pi * (wave[0] * y + wave[1] * x + rng.random()))
    field = 2 * (field - field.min()) / np.ptp(field) - 1
    foil = 1 + spec.thickness * field
    if spec.vacuum <= 0:
        return np.asarray(foil)
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    along, across = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y
    depth = along + 0.05 * np.sin(2 * np.pi * across + phase)
    depth -= np.quantile(depth, spec.vacuum)
    return np.asarray(foil * np.clip(depth * spec.scan_side / WEDGE, 0, 1))


def _owners(spec: Spec, grid: Floats, foil: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Crystal of each probe at each depth, (N_SLICES, scan_y, scan_x): Voronoi cells that shift with depth."""
    seeds = _spread(spec.n_grains, grid[:, foil].T, rng)
    drift = _directions(spec.n_grains, rng) * spec.boundary
    crystal_of = np.arange(spec.n_grains)
    distinct = spec.n_grains - spec.n_repeats
    crystal_of[distinct:] = rng.permutation(distinct)[: spec.n_repeats]
    small = range(spec.n_crystals - spec.n_minority, spec.n_crystals)
    centres = [_inside(spec, foil, rng) for _ in small]
    radii = [np.sqrt(rng.uniform(*MINORITY_PROBES) / np.pi) for _ in small]
    shifts = _directions(len(small), rng) * min(spec.boundary / 4, 3.0)
    owner = np.empty((N_SLICES, *foil.shape), dtype=np.intp)
    for index, depth in enumerate((np.arange(N_SLICES) + 0.5) / N_SLICES - 0.5):
        places = (seeds + depth * drift)[:, :, None, None]
        owner[index] = crystal_of[((grid - places) ** 2).sum(axis=1).argmin(axis=0)]
        for crystal, centre, radius, shift in zip(small, centres, radii, shifts, strict=True):
            at = (centre + depth * shift)[:, None, None]
            owner[index][((grid - at) ** 2).sum(axis=0) < radius**2] = crystal
    return owner


def _directions(n: int, rng: np.random.Generator) -> Floats:
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.sin(angle), np.cos(angle)])


def _spread(n: int, places: Floats, rng: np.random.Generator) -> Floats:
    """Give n places that keep away from one another: of 12 each, the one farthest from those before."""
    chosen = [places[rng.integers(len(places))]]
    while len(chosen) < n:
        offered = places[rng.integers(len(places), size=12)]
        distance = np.min([((offered - place) ** 2).sum(axis=1) for place in chosen], axis=0)
        chosen.append(offered[distance.argmax()])
    return np.array(chosen)


def _inside(spec: Spec, foil: NDArray[np.generic], rng: np.random.Generator) -> Floats:
    """Give a place on the specimen, away from the scan's border."""
    places = np.argwhere(foil > 0)
    keep = ((places >= MARGIN) & (places < spec.scan_side - MARGIN)).all(axis=1)
    return np.asarray(places[keep][rng.integers(int(keep.sum()))], dtype=np.float64)


def _tilts(spec: Spec, thickness: Floats, rng: np.random.Generator) -> Floats:
    """Tilt that changes smoothly within each crystal, over the range ``bending_degrees``."""
    side = spec.scan_side
    y, x = np.mgrid[:side, :side] / side - 0.5
    tilt = np.zeros((spec.n_crystals, 2, side, side))
    for crystal, own in enumerate(thickness):
        part = rng.normal(size=5)
        field = part[0] * y + part[1] * x + part[2] * y * y + part[3] * x * x + part[4] * x * y
        inside = field[own > 0.05] if (own > 0.05).any() else field
        field = (field - inside.mean()) / max(float(np.ptp(inside)), 1e-9) * np.deg2rad(spec.bending_degrees)
        tilt[crystal] = field * _directions(1, rng)[0][:, None, None]
    return tilt
