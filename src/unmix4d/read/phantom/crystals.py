"""What lies on the detector: Bragg spots of crystals, the direct beam and the diffuse background."""

import math
from dataclasses import dataclass

import numpy as np

from unmix4d.read.phantom.spec import PhantomSpec
from unmix4d.records import FloatArray

_LATTICE_ANGLES = (math.radians(65), math.radians(115))  # between the two basis vectors
_TILT = 0.3  # spread of the Laue circle's centre, in units of the fall-off
_CANDIDATES = 8  # draws of which the one least like its predecessors is kept
BENDS = (-1.0, 0.0, 1.0)  # places of the envelope along one axis, in units of the bending


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crystal:
    """One crystal on the detector.

    Attributes
    ----------
    lattice : (2, 2) float64
        Basis vectors, pixels.
    spots : (n, 2) float64
        Places relative to the direct beam, pixels.
    structure : (n,) float64
        Intensities before the envelope.
    tilt : (2,) float64
        Centre of the envelope, pixels.
    pattern : (pattern_y, pattern_x) float64
        Unit sum.
    """

    lattice: FloatArray
    spots: FloatArray
    structure: FloatArray
    tilt: FloatArray
    pattern: FloatArray

    def states(self, spec: PhantomSpec) -> FloatArray:
        """Give the patterns under an envelope that has moved: (n_bends, pattern_y, pattern_x), unit sums.

        Without bending that is the one pattern; otherwise one for each pair of ``BENDS``, y before x.
        """
        if spec.bending == 0:
            return self.pattern[None]
        shifts = spec.bending * min(spec.pattern_shape) * spec.spot_falloff * np.array(BENDS)
        moved = [self.tilt + np.array([y, x]) for y in shifts for x in shifts]
        return np.stack([_pattern(self.spots, self.structure, tilt, spec) for tilt in moved])


def draw_crystals(rng: np.random.Generator, spec: PhantomSpec) -> list[Crystal]:
    """Draw crystals, none close to another."""
    crystals: list[Crystal] = []
    for _ in range(spec.n_crystals):
        candidates = [_crystal(rng, spec) for _ in range(_CANDIDATES)]
        likeness = [
            max((_cosine(candidate.pattern, other.pattern) for other in crystals), default=0)
            for candidate in candidates
        ]
        crystals.append(candidates[int(np.argmin(likeness))])
    return crystals


def _crystal(rng: np.random.Generator, spec: PhantomSpec) -> Crystal:
    """Draw one lattice and its kinematic-like pattern: Friedel pairs under an envelope that a tilt moves."""
    side = min(spec.pattern_shape)
    lengths = side * rng.uniform(*spec.lattice_spacing, size=2)
    first = rng.uniform(0, 2 * math.pi)
    angles = np.array([first, first + rng.uniform(*_LATTICE_ANGLES)])
    lattice = lengths[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    reach = math.hypot(*spec.pattern_shape) / (side * spec.lattice_spacing[0] * math.sin(_LATTICE_ANGLES[0]))
    orders = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    indices = np.stack(np.meshgrid(orders, orders, indexing="ij"), axis=-1).reshape(-1, 2)
    spots = indices @ lattice
    draws = rng.standard_normal(len(spots))
    # Reversed, the list runs through the opposite spots, so the sum is the same for both of a Friedel pair.
    structure = np.exp(spec.spot_variation * (draws + draws[::-1]) / math.sqrt(2))
    structure[len(spots) // 2] = 0  # the direct beam
    tilt = rng.normal(0, _TILT * (side * spec.spot_falloff), size=2)
    pattern = _pattern(spots, structure, tilt, spec)
    return Crystal(lattice=lattice, spots=spots, structure=structure, tilt=tilt, pattern=pattern)


def _pattern(spots: FloatArray, structure: FloatArray, tilt: FloatArray, spec: PhantomSpec) -> FloatArray:
    """Draw spots under an envelope about ``tilt``, unit sum."""
    falloff = min(spec.pattern_shape) * spec.spot_falloff
    envelope = np.exp(-((spots - tilt) ** 2).sum(axis=1) / (2 * falloff**2))
    return _unit_sum(_drawn(spots, structure * envelope, spec))


def draw_beam(spec: PhantomSpec) -> FloatArray:
    """Draw the direct beam, (pattern_y, pattern_x), unit sum: as wide as a spot."""
    return _unit_sum(_drawn(np.zeros((1, 2)), np.ones(1), spec))


def draw_background(spec: PhantomSpec) -> FloatArray:
    """Draw the diffuse background, (pattern_y, pattern_x), unit sum: round about the beam, with long tails."""
    y, x = (
        axis - center for axis, center in zip(np.ogrid[*map(slice, spec.pattern_shape)], _center(spec), strict=True)
    )
    width = min(spec.pattern_shape) * spec.background_width
    return _unit_sum(np.asarray((1 + (y**2 + x**2) / width**2) ** -1.5))


def _center(spec: PhantomSpec) -> tuple[float, float]:
    (size_y, size_x), (offset_y, offset_x) = spec.pattern_shape, spec.beam_offset
    return (size_y - 1) / 2 + offset_y, (size_x - 1) / 2 + offset_x


def _drawn(spots: FloatArray, amplitudes: FloatArray, spec: PhantomSpec) -> FloatArray:
    """Gaussian spots at sub-pixel positions (n, 2) relative to the direct beam."""
    sigma = min(spec.pattern_shape) * spec.spot_sigma
    profile_y, profile_x = (
        np.exp(-((np.arange(size) - center - spots[:, axis, None]) ** 2) / (2 * sigma**2))
        for axis, (size, center) in enumerate(zip(spec.pattern_shape, _center(spec), strict=True))
    )
    return np.asarray((amplitudes[:, None] * profile_y).T @ profile_x)


def _unit_sum(pattern: FloatArray) -> FloatArray:
    return np.asarray(pattern / pattern.sum())


def _cosine(a: FloatArray, b: FloatArray) -> float:
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
