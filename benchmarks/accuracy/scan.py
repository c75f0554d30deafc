"""Makes a simulated scan with its truth: ``make_scan(spec, seed)``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import detector
from benchmarks.accuracy.crystals import Crystal, library
from benchmarks.accuracy.detector import Faults, Light
from benchmarks.accuracy.scattering import Bragg, choose_crystals, scatter
from benchmarks.accuracy.scene import Scene, make_scene
from benchmarks.accuracy.spec import Spec

Floats = NDArray[np.float64]

NO_CRYSTAL = -1
DARK = 0.05  # probes with less than this share of the mean Bragg electrons hold no crystal
DRAWS = 100
FEWEST_PROBES, MOST_OF_MINORITY = 20, 60  # at which a crystal is the strongest
CENTRE_OFFSET = 0.8  # pixels
BEAM_MARGIN = 2.5  # pixels about the beam's disc that no pattern is judged by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a scan really holds.

    Attributes
    ----------
    labels, second : (scan_y, scan_x) int
        Crystal with the most and second most Bragg electrons; -1 where there is none.
    ratio : (scan_y, scan_x) float
        Second over first.
    fractions : (n_crystals, scan_y, scan_x) float
        Share of each crystal in the Bragg electrons; 0 where there is none.
    patterns : (n_crystals, pattern_y, pattern_x) float
        Mean pattern of each crystal in electrons on a detector without fault, without beam and background.
    minority : (n_crystals,) bool
    centre : (2,) float
        Of the direct beam, down and right, in pixels, as the mean over the scan.
    beam_radius : float
        Pixels around it that no pattern is judged by.
    phases : tuple of str
    faults : Faults
    """

    labels: NDArray[np.int16]
    second: NDArray[np.int16]
    ratio: Floats
    fractions: Floats
    patterns: Floats
    minority: NDArray[np.bool_]
    centre: Floats
    beam_radius: float
    phases: tuple[str, ...]
    faults: Faults

    @property
    def n_crystals(self) -> int:
        """Number of distinct crystals."""
        return len(self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedScan:
    """Patterns (scan_y, scan_x, pattern_y, pattern_x) as a camera wrote them, and the truth."""

    spec: Spec
    seed: int
    patterns: NDArray[np.integer]
    truth: Truth
    bragg: tuple[Bragg, ...]
    light: Light

    def clean(self) -> NDArray[np.integer]:
        """Count the same electrons again, in (scan_y, scan_x, pattern_y, pattern_x), without any fault.

        Neither shift, faulty pixels, stop nor camera: what perfect cleaning could give. Electrons are drawn anew.
        """
        faults, rng = Faults.none(self.spec), np.random.default_rng([self.seed, 5])
        electrons = detector.expected(self.spec, self.bragg, self.light, faults.shifts, self.truth.centre)
        return rng.poisson(electrons).astype(np.uint32).reshape(self.patterns.shape)

    def sources(self) -> Floats:
        """Give the true mean patterns of all crystals, the background, the film and the beam.

        Returns
        -------
        (n, pattern_y, pattern_x) float
            What there is not, is left out.
        """
        kinds = {"background": self.light.background, "film": self.light.film, "beam": self.light.beam}
        found = [*self.truth.patterns]
        for kind, amounts in kinds.items():
            if amounts.any():
                zero = np.zeros(1, dtype=np.float32)
                light = Light(**{name: zero + (name == kind) for name in kinds})
                shifts = np.zeros((1, 2), dtype=np.float32)
                found.append(detector.expected(self.spec, [], light, shifts, self.truth.centre)[0])
        return np.array(found, dtype=np.float64)


def make_scan(spec: Spec, seed: int) -> SimulatedScan:
    """Make a scan.

    Scene, crystals, faults and noise have random numbers of their own, so that one factor that changes leaves the
    rest of a seed as it is.

    Parameters
    ----------
    spec : Spec
    seed : int

    Returns
    -------
    SimulatedScan
    """
    scene, crystals, bragg = _compose(spec, seed)
    rng = np.random.default_rng([seed, 3])
    centre = spec.centre + rng.uniform(-CENTRE_OFFSET, CENTRE_OFFSET, 2)
    faults = Faults.draw(spec, centre, rng)
    amounts = _amounts(spec, bragg)
    full = detector.full_level(spec, bragg)
    light = detector.make_light(spec, scene.thickness.sum(axis=0).ravel(), amounts.sum(axis=0), full)
    electrons = detector.expected(spec, bragg, light, faults.shifts, centre)
    written = detector.record(spec, electrons, faults, full, np.random.default_rng([seed, 4]))
    side = spec.scan_side
    return SimulatedScan(
        spec=spec,
        seed=seed,
        patterns=written.reshape(side, side, *written.shape[1:]),
        truth=Truth(
            **_maps(spec, amounts),
            patterns=_mean_patterns(spec, bragg, centre),
            minority=scene.minority,
            centre=centre,
            beam_radius=spec.spot_radius + BEAM_MARGIN,
            phases=tuple(crystal.phase for crystal in crystals),
            faults=faults,
        ),
        bragg=tuple(bragg),
        light=light,
    )


def _compose(spec: Spec, seed: int) -> tuple[Scene, list[Crystal], list[Bragg]]:
    """Draw scenes until every crystal is the strongest at enough probes, and at few if it is a minority."""
    crystals = choose_crystals(spec, library(), np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 0])
    for _ in range(DRAWS):
        scene = make_scene(spec, rng)
        bragg = scatter(spec, scene, crystals, np.random.default_rng([seed, 2]))
        labels = _maps(spec, _amounts(spec, bragg))["labels"]
        area = np.bincount(labels[labels >= 0], minlength=spec.n_crystals)
        if (area >= FEWEST_PROBES).all() and (area[scene.minority] <= MOST_OF_MINORITY).all():
            return scene, crystals, bragg
    raise ValueError(f"no scene was found for seed {seed} and {spec}")


def _amounts(spec: Spec, bragg: Sequence[Bragg]) -> Floats:
    """Bragg electrons of each crystal at each probe: (n_crystals, n_probes)."""
    amounts = np.zeros((len(bragg), spec.scan_side**2))
    for own, one in zip(amounts, bragg, strict=True):
        own[one.probes] = one.intensity.sum(axis=1)
    return amounts


def _maps(spec: Spec, amounts: Floats) -> dict[str, NDArray[Any]]:
    """Labels, runners-up, ratio and fractions from the Bragg electrons of each crystal."""
    total = amounts.sum(axis=0)
    lit = total > DARK * spec.bragg_electrons
    padded = np.concatenate([amounts, np.zeros((2, amounts.shape[1]))])
    first, second = np.argsort(-padded, axis=0, kind="stable")[:2]
    most, next_most = (np.take_along_axis(padded, index[None], axis=0)[0] for index in (first, second))
    shared = lit & (next_most > 0)
    found = {
        "labels": np.where(lit, first, NO_CRYSTAL).astype(np.int16),
        "second": np.where(shared, second, NO_CRYSTAL).astype(np.int16),
        "ratio": np.divide(next_most, most, out=np.zeros_like(most), where=shared),
        "fractions": np.divide(amounts, total, out=np.zeros_like(amounts), where=lit),
    }
    side = spec.scan_side
    return {name: values.reshape(*values.shape[:-1], side, side) for name, values in found.items()}


def _mean_patterns(spec: Spec, bragg: Sequence[Bragg], centre: Floats) -> Floats:
    side = spec.pattern_side
    patterns = np.zeros((len(bragg), side * side), dtype=np.float32)
    none = np.zeros((1, 2), dtype=np.float32)
    for pattern, one in zip(patterns, bragg, strict=True):
        mean = Bragg(
            probes=np.zeros(1, dtype=np.intp), places=one.places, intensity=one.intensity.mean(axis=0)[None]
        )
        detector.draw_spots(pattern[None], spec, mean, none, centre)
    return patterns.reshape(-1, side, side).astype(np.float64)
