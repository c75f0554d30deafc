"""What a phantom is made from."""

from dataclasses import dataclass

import numpy as np

from unmix4d.errors import UsageError

_ROUND_OFF = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSpec:
    """Every knob of a phantom; two equal specifications give the same counts.

    Attributes
    ----------
    scan_shape, pattern_shape : tuple of int
        ``(scan_y, scan_x)`` probes and ``(pattern_y, pattern_x)`` pixels. Lengths on the detector are shares of the
        shorter pattern side, so that another shape alone gives the same picture at another size.
    n_crystals : int
        Distinct crystals, minority crystals included.
    grains_per_crystal : int
        Separate grains of each crystal that is not a minority.
    counts_per_pattern : float
        Expected counts of every pattern; what a crystal scatters is missing in the direct beam.
    beam_fraction, background_fraction : float
        Share of the counts in the direct beam and in the diffuse background at mean thickness; the spots take the
        rest.
    beam_offset : tuple of float
        ``(y, x)`` shift of the direct beam, and of all spots with it, from the middle of the detector, pixels.
    background_width : float
        Width of the diffuse background, share of the pattern side.
    spot_sigma : float
        Standard deviation of a spot and of the direct beam, share of the pattern side.
    spot_falloff : float
        Standard deviation of the Gaussian by which spots weaken away from the beam, share of the pattern side.
    spot_variation : float
        Spread of the natural logarithm of the structure factors' squares; 0 = all alike.
    lattice_spacing : tuple of float
        Shortest and longest basis vector of the lattices, share of the pattern side.
    overlap_width : float
        Mean width in probes of the band along a boundary in which both grains are present. Across it the ratio of
        second to first fraction falls linearly from 1 at the boundary to 0.
    stacked_fraction : float
        Share of the material where, besides, another crystal lies over the grain.
    stacked_share : float
        Fraction of that other crystal in the middle of such an area.
    vacuum_fraction : float
        Share of the scan without material, on one side.
    intensity_variation : float
        Smooth relative variation of the scattered intensity within grains: 0.2 = between 0.8 and 1.2.
    bending : float
        How far the envelope over a crystal's spots moves within its grains, as a bent crystal's does, in units of
        ``spot_falloff``: its centre wanders smoothly over the scan by up to this much along both detector axes.
        The spots stay where they are and their sum stays the same. 0 = the same pattern everywhere.
    n_minority : int
        How many of the crystals are single small grains.
    minority_probes : tuple of int
        Smallest and largest number of probes of such a grain.
    minority_share : float
        Fraction of the minority crystal within its grain; the rest is what surrounds it.
    scan_step_nm, pattern_step_inv_angstrom : float or None
    dtype : str
        Data type of the patterns; counts above the largest value of an integer type are cut off.
    seed : int
    """

    scan_shape: tuple[int, int] = (48, 64)
    pattern_shape: tuple[int, int] = (64, 64)
    n_crystals: int = 5
    grains_per_crystal: int = 1
    counts_per_pattern: float = 5000.0
    beam_fraction: float = 0.4
    background_fraction: float = 0.2
    beam_offset: tuple[float, float] = (0.3, -0.2)
    background_width: float = 0.15
    spot_sigma: float = 0.02
    spot_falloff: float = 0.22
    spot_variation: float = 0.7
    lattice_spacing: tuple[float, float] = (0.13, 0.22)
    overlap_width: float = 6.0
    stacked_fraction: float = 0.1
    stacked_share: float = 0.45
    vacuum_fraction: float = 0.1
    intensity_variation: float = 0.2
    bending: float = 0.0
    n_minority: int = 0
    minority_probes: tuple[int, int] = (20, 60)
    minority_share: float = 1.0
    scan_step_nm: float | None = 2.0
    pattern_step_inv_angstrom: float | None = 0.03
    dtype: str = "uint16"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be made, in one sentence.

        Raises
        ------
        UsageError
        """
        shares = ("beam_fraction", "background_fraction", "stacked_fraction", "stacked_share", "minority_share")
        for name in (*shares, "vacuum_fraction"):
            value = getattr(self, name)
            ask(0 <= value <= 1, f"{name} must lie in 0...1, got {value}")
        for name in ("counts_per_pattern", "background_width", "spot_sigma", "spot_falloff"):
            value = getattr(self, name)
            ask(value > 0, f"{name} must be positive, got {value}")
        for name in ("overlap_width", "intensity_variation", "spot_variation", "bending"):
            value = getattr(self, name)
            ask(value >= 0, f"{name} must not be negative, got {value}")
        ask(min(*self.scan_shape, *self.pattern_shape) >= 1, "scan_shape and pattern_shape must be positive")
        ask(self.grains_per_crystal >= 1, f"grains_per_crystal must be 1 or more, got {self.grains_per_crystal}")
        ask(
            0 <= self.n_minority < self.n_crystals,
            f"of {self.n_crystals} crystals {self.n_minority} cannot be a minority: at least one must not be",
        )
        ask(0 < self.lattice_spacing[0] <= self.lattice_spacing[1], "lattice_spacing must be positive, ascending")
        ask(1 <= self.minority_probes[0] <= self.minority_probes[1], "minority_probes must be positive, ascending")
        ask(np.dtype(self.dtype).kind in "uif", f"dtype must be an integer or float type, got {self.dtype}")
        scattered = self.background_fraction + self.bragg_fraction
        ask(
            scattered <= 1 - self.beam_fraction + _ROUND_OFF and scattered * (1 + self.intensity_variation) <= 1,
            "beam_fraction, background_fraction and intensity_variation scatter more than there is: lower one",
        )

    @property
    def bragg_fraction(self) -> float:
        """Share of the counts in the spots at mean thickness."""
        return max(0.0, 1 - self.beam_fraction - self.background_fraction)


def ask(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence at the call
    """Raise UsageError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise UsageError(message)
