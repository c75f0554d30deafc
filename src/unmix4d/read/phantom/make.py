"""Puts a phantom together and counts electrons."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unmix4d.read.phantom.crystals import BENDS, draw_background, draw_beam, draw_crystals
from unmix4d.read.phantom.grains import bend_shares, draw_fractions, draw_vacuum, smooth_field
from unmix4d.read.phantom.spec import PhantomSpec
from unmix4d.records import NO_CRYSTAL, AnyArray, FloatArray, Geometry, IntArray, Scan

Draw = Callable[[np.random.Generator, PhantomSpec, FloatArray, FloatArray], AnyArray]

_DEFAULT = PhantomSpec()
_BEND_LENGTH = 1 / 6  # over which the envelope wanders, in units of the scan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phantom:
    """A made-up scan and the truth about it.

    Attributes
    ----------
    spec : PhantomSpec
    scan : Scan
    components : (n_crystals, pattern_y, pattern_x) float64
        The Bragg spots of each crystal without the direct beam, unbent, unit sum; minority crystals come last.
    states : (n_crystals, n_bends, pattern_y, pattern_x) float64
        The same under the envelopes between which bending moves, unit sums; one of each without bending.
    bends : (n_crystals, n_bends, scan_y, scan_x) float64
        Share of each state in its crystal's pattern at every probe; the sum over the states is 1.
    lattices : (n_crystals, 2, 2) float64
        Both basis vectors ``(y, x)`` of each crystal, pixels.
    beam, background : (pattern_y, pattern_x) float64
        Unit sum.
    fractions : (n_crystals, scan_y, scan_x) float64
        How the scattering material is composed; the sum is 1 in material and 0 in vacuum.
    labels : (scan_y, scan_x) int16
        The crystal with the largest fraction; -1 in vacuum.
    ratio : (scan_y, scan_x) float64
        Second largest over largest fraction; 0 in vacuum.
    bragg_counts, background_counts, beam_counts : (scan_y, scan_x) float64
        Expected counts of all spots, of the background and of the direct beam.
    """

    spec: PhantomSpec
    scan: Scan
    components: FloatArray
    states: FloatArray
    bends: FloatArray
    lattices: FloatArray
    beam: FloatArray
    background: FloatArray
    fractions: FloatArray
    labels: IntArray
    ratio: FloatArray
    bragg_counts: FloatArray
    background_counts: FloatArray
    beam_counts: FloatArray

    @property
    def crystal_counts(self) -> FloatArray:
        """Expected counts of each crystal's spots, (n_crystals, scan_y, scan_x): the true weights."""
        return np.asarray(self.fractions * self.bragg_counts)

    def expected(self, y: int, x: int) -> FloatArray:
        """Pattern of one probe without noise, (pattern_y, pattern_x) counts."""
        counts = self.crystal_counts[:, y, x, None] * self.bends[:, :, y, x]
        bragg = np.tensordot(counts, self.states, axes=2)
        return np.asarray(
            bragg + self.background_counts[y, x] * self.background + self.beam_counts[y, x] * self.beam
        )


def poisson_counts(
    rng: np.random.Generator, spec: PhantomSpec, sources: FloatArray, amounts: FloatArray
) -> AnyArray:
    """Draw the counts of a scan line by line, in memory.

    Parameters
    ----------
    rng : numpy.random.Generator
    spec : PhantomSpec
    sources : (n, pattern_y, pattern_x) float64
        Unit sums.
    amounts : (n, scan_y, scan_x) float64
        Expected counts of each source.

    Returns
    -------
    (scan_y, scan_x, pattern_y, pattern_x) of ``spec.dtype``, cut off at its largest value
    """
    patterns = np.empty((*spec.scan_shape, *spec.pattern_shape), dtype=spec.dtype)
    most = min(np.iinfo(spec.dtype).max, np.iinfo(np.int64).max) if patterns.dtype.kind in "ui" else np.inf
    pixels = sources.reshape(len(sources), -1)
    for y, line in enumerate(patterns):
        counts = rng.poisson(amounts[:, y].T @ pixels)
        line[...] = np.minimum(counts, most).reshape(line.shape)
    return patterns


def make_phantom(spec: PhantomSpec = _DEFAULT, *, draw: Draw = poisson_counts) -> Phantom:
    """Make a scan with Poisson noise from a specification.

    Parameters
    ----------
    spec : PhantomSpec
    draw : callable
        ``draw(rng, spec, sources, amounts)`` gives the patterns; another one may write a scan that is larger than
        memory to a file. See :func:`poisson_counts`.

    Returns
    -------
    Phantom
        Only the patterns are large; ``poisson_counts`` holds them once, in ``spec.dtype``.

    Raises
    ------
    UsageError
        If there is less material than the grains need.
    """
    # A stream for each part: another map leaves the crystals as they are.
    crystal_rng, map_rng, count_rng, bend_rng = np.random.default_rng(spec.seed).spawn(4)
    crystals = draw_crystals(crystal_rng, spec)
    states = np.stack([crystal.states(spec) for crystal in crystals])
    bends = _bends(bend_rng, spec)
    beam, background = draw_beam(spec), draw_background(spec)
    material = ~draw_vacuum(map_rng, spec)
    fractions = draw_fractions(map_rng, spec, material)
    thickness = material * (1 + spec.intensity_variation * smooth_field(map_rng, spec.scan_shape, 1 / 6))
    background_counts = spec.counts_per_pattern * spec.background_fraction * thickness
    bragg_counts = spec.counts_per_pattern * spec.bragg_fraction * thickness
    beam_counts = np.maximum(0, spec.counts_per_pattern - bragg_counts - background_counts)
    state_counts = (fractions * bragg_counts)[:, None] * bends
    patterns = draw(
        count_rng,
        spec,
        np.stack([*states.reshape(-1, *spec.pattern_shape), background, beam]),
        np.stack([*state_counts.reshape(-1, *spec.scan_shape), background_counts, beam_counts]),
    )
    return Phantom(
        spec=spec,
        scan=_scan(spec, patterns),
        components=np.stack([crystal.pattern for crystal in crystals]),
        states=states,
        bends=bends,
        lattices=np.stack([crystal.lattice for crystal in crystals]),
        beam=beam,
        background=background,
        fractions=fractions,
        labels=np.where(material, fractions.argmax(axis=0), NO_CRYSTAL).astype(np.int16),
        ratio=_ratio(fractions),
        bragg_counts=bragg_counts,
        background_counts=background_counts,
        beam_counts=beam_counts,
    )


def _scan(spec: PhantomSpec, patterns: AnyArray) -> Scan:
    geometry = Geometry(
        scan_shape=spec.scan_shape,
        pattern_shape=spec.pattern_shape,
        scan_step_nm=spec.scan_step_nm,
        pattern_step_inv_angstrom=spec.pattern_step_inv_angstrom,
    )
    metadata = {"format": "phantom", "reader": "unmix4d", "seed": spec.seed}
    return Scan(patterns=patterns, geometry=geometry, metadata=metadata)


def _bends(rng: np.random.Generator, spec: PhantomSpec) -> FloatArray:
    """How each crystal is bent where: shares of its states, (n_crystals, n_bends, scan_y, scan_x)."""
    if spec.bending == 0:
        return np.ones((spec.n_crystals, 1, *spec.scan_shape))
    fields = [[smooth_field(rng, spec.scan_shape, _BEND_LENGTH) for _ in range(2)] for _ in range(spec.n_crystals)]
    return np.stack([bend_shares(field_y, field_x, BENDS) for field_y, field_x in fields])


def _ratio(fractions: FloatArray) -> FloatArray:
    """Second largest over largest fraction, 0 where there is none."""
    if len(fractions) == 1:
        return np.zeros(fractions.shape[1:])
    second, first = np.sort(fractions, axis=0)[-2:]
    return np.asarray(np.divide(second, first, out=np.zeros_like(first), where=first > 0))
