"""What a simulated scan is made of: all parameters, with the values of the middle of the bench."""

from dataclasses import dataclass

PHASES = ("gold", "silver", "iron", "silicon", "magnesia", "rutile", "spinel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that decides a scan, but for its seed.

    Attributes
    ----------
    scan_side, pattern_side : int
        Probes and pixels along each side.
    bragg_electrons : float
        Expected electrons in Bragg spots, mean over the probes that hold a crystal.
    n_crystals, n_minority, n_particles, n_repeats : int
        Distinct crystals; how many of them are grains of 20 to 60 probes, and how many are particles that lie
        over grains; how many further grains repeat an orientation.
    n_subgrains : int
        How many of the grains are turned by only ``subgrain_degrees`` from another one.
    subgrain_degrees, misorientation_degrees : float
        The latter is the least angle between all other crystals of one phase.
    boundary : float
        Probes by which a grain shifts from the upper to the lower side of the foil; boundaries are that inclined.
    thickness : float
        Half the range of the foil's thickness, relative to its mean.
    modulation : float
        Amplitude with which each reflection oscillates with thickness, 0 to 1.
    bending_degrees : float
        Range of the tilt within one crystal.
    excitation : float
        1/Å; the excitation error at which a reflection has fallen to 1/e, as precession leaves it.
    beam : str
        "saturated", "conserving" (what is not scattered stays in the beam) or "stopped".
    background : float
        Diffuse electrons that go with thickness, relative to the Bragg electrons.
    film : float
        Electrons in the ring of an amorphous film over the whole scan, relative to ``bragg_electrons``.
    descan, jitter : float
        Pixels: largest smooth shift of the pattern over the scan, standard deviation of a random one.
    n_hot, n_dead : int
        Pixels that count too much, or nothing.
    camera : str
        "cmos" (offset and read noise, 16 bit), "counting" (electrons, 16 bit) or "eight-bit" (scaled, no offset).
    spot_radius : float
        Pixels.
    vacuum : float
        Share of the scan beyond the specimen's edge.
    phases : tuple of str
        What the crystals are drawn from.
    """

    scan_side: int = 64
    pattern_side: int = 64
    bragg_electrons: float = 1500.0
    n_crystals: int = 7
    n_minority: int = 2
    n_particles: int = 1
    n_repeats: int = 1
    n_subgrains: int = 0
    subgrain_degrees: float = 3.0
    misorientation_degrees: float = 6.0
    boundary: float = 20.0
    thickness: float = 0.4
    modulation: float = 0.5
    bending_degrees: float = 0.4
    excitation: float = 0.02
    beam: str = "saturated"
    background: float = 0.7
    film: float = 0.0
    descan: float = 0.8
    jitter: float = 0.0
    n_hot: int = 6
    n_dead: int = 4
    camera: str = "cmos"
    spot_radius: float = 1.4
    vacuum: float = 0.1
    phases: tuple[str, ...] = PHASES

    @property
    def n_grains(self) -> int:
        """Grains through the whole foil that fill it."""
        return self.n_crystals - self.n_minority - self.n_particles + self.n_repeats

    @property
    def centre(self) -> float:
        """Where the direct beam is along each axis, in pixels, before descan."""
        return (self.pattern_side - 1) / 2

    @property
    def pattern_step(self) -> float:
        """1/Å of a pixel: every pattern reaches to 1.6 1/Å."""
        return 3.2 / self.pattern_side
