"""From expected electrons to what a camera writes: spots, beam, background, shifts, faulty pixels, noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.scattering import Bragg
from benchmarks.accuracy.spec import Spec

Floats = NDArray[np.float32]
Array = NDArray[np.integer]

BLOCK = 256  # probes drawn at once
EDGE = 0.35  # pixels over which a disc fades
HALO = 0.15  # width of the background about the beam, relative to the detector's side
STRONG_BEAM = 5.0  # times what saturates
LEVEL = 1.5  # a camera saturates at this times the brightest Bragg pixel but for one in a thousand
CONSERVED_DOSE = 6.0  # times the Bragg electrons
RING = (0.42, 0.05)  # 1/Å; radius and width of the film's ring
OFFSET, GAIN, READ_NOISE = 20.0, 4.0, 3.0  # counts, counts an electron, counts
HOT = (5.0, 400.0)  # electrons, drawn on a logarithmic scale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faults:
    """What a scan suffers from.

    Attributes
    ----------
    shifts : (n_probes, 2) float
        Down and right, pixels; the mean is 0.
    hot, dead : (n,) int
        Flat pixels.
    hot_electrons : (n_hot,) float
    stop : (pattern_y, pattern_x) bool
        Where a beam stop casts its shadow.
    """

    shifts: Floats
    hot: Array
    dead: Array
    hot_electrons: Floats
    stop: NDArray[np.bool_] = field(repr=False)

    @classmethod
    def draw(cls, spec: Spec, centre: NDArray[np.float64], rng: np.random.Generator) -> "Faults":
        """Draw shifts and pixels for a scan; faulty pixels lie outside the beam."""
        shifts = _shifts(spec, rng)
        y, x = np.mgrid[: spec.pattern_side, : spec.pattern_side]
        radius = np.hypot(y - centre[0], x - centre[1])
        stop = np.zeros(radius.shape, dtype=bool)
        if spec.beam == "stopped":
            stop = (radius < spec.spot_radius + 2.5) | ((np.abs(x - centre[1]) < 1.6) & (y > centre[0]))
        outside = np.flatnonzero(((radius > spec.spot_radius + 4) & ~stop).ravel())
        faulty = rng.choice(outside, spec.n_hot + spec.n_dead, replace=False)
        return cls(
            shifts=shifts,
            hot=faulty[: spec.n_hot],
            dead=faulty[spec.n_hot :],
            hot_electrons=np.exp(rng.uniform(*np.log(HOT), spec.n_hot)).astype(np.float32),
            stop=stop,
        )

    @classmethod
    def none(cls, spec: Spec) -> "Faults":
        """Give a camera and scan coils without fault."""
        nothing = np.zeros(0, dtype=np.intp)
        side = spec.pattern_side
        return cls(
            shifts=np.zeros((spec.scan_side**2, 2), dtype=np.float32),
            hot=nothing,
            dead=nothing,
            hot_electrons=np.zeros(0, dtype=np.float32),
            stop=np.zeros((side, side), dtype=bool),
        )


def _shifts(spec: Spec, rng: np.random.Generator) -> Floats:
    """Smooth shifts that reach ``descan`` pixels at most, and random ones."""
    y, x = np.mgrid[: spec.scan_side, : spec.scan_side] / (spec.scan_side - 1) * 2 - 1
    terms = np.stack([y, x, y * y, x * x, x * y]).reshape(5, -1)
    smooth = rng.normal(size=(2, 5)) * [1, 1, 0.4, 0.4, 0.4] @ terms
    smooth -= smooth.mean(axis=1, keepdims=True)
    smooth *= spec.descan / np.abs(smooth).max()
    return np.asarray((smooth + spec.jitter * rng.normal(size=smooth.shape)).T, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Light:
    """Expected electrons before the camera, apart from Bragg spots.

    Attributes
    ----------
    background, film, beam : (n_probes,) float
    """

    background: Floats
    film: Floats
    beam: Floats


def make_light(spec: Spec, total: NDArray[np.float64], bragg: NDArray[np.float64], full: float) -> Light:
    """Say how many electrons go where.

    Parameters
    ----------
    total : (n_probes,) float
        Thickness of all crystals.
    bragg : (n_probes,) float
        Bragg electrons.
    full : float
        Electrons in one pixel at which the camera is full.
    """
    background = spec.background * spec.bragg_electrons * (0.05 + 0.95 * total)
    film = np.full(total.shape, spec.film * spec.bragg_electrons)
    if spec.beam == "conserving":
        dose = max(CONSERVED_DOSE * spec.bragg_electrons, 1.1 * float((bragg + background + film).max()))
        beam = dose - bragg - background - film
    elif spec.beam == "saturated":
        beam = STRONG_BEAM * full * np.pi * spec.spot_radius**2 * np.exp(-0.4 * total)
    else:
        beam = np.zeros(total.shape)
    return Light(
        background=background.astype(np.float32), film=film.astype(np.float32), beam=beam.astype(np.float32)
    )


def full_level(spec: Spec, bragg: Sequence[Bragg]) -> float:
    """Electrons in one pixel at which the camera is full: exposures are set so that Bragg spots fit."""
    area = np.pi * spec.spot_radius**2
    if not bragg:
        return max(50.0, spec.bragg_electrons / area)
    peaks = np.concatenate([one.intensity.max(axis=1) for one in bragg])
    return max(8.0, LEVEL * float(np.quantile(peaks, 0.999)) / area)


def expected(
    spec: Spec, bragg: Sequence[Bragg], light: Light, shifts: Floats, centre: NDArray[np.float64]
) -> Floats:
    """Render all patterns, (n_probes, pattern_y, pattern_x), in electrons."""
    side = spec.pattern_side
    images = _diffuse(spec, light, shifts, centre)
    flat = images.reshape(len(images), -1)
    for one in bragg:
        if len(one.probes):
            draw_spots(flat, spec, one, shifts, centre)
    beam = np.arange(len(images))
    if light.beam.any():
        direct = Bragg(probes=beam, places=np.zeros((1, 2)), intensity=light.beam[:, None].astype(np.float64))
        draw_spots(flat, spec, direct, shifts, centre)
    return images.reshape(-1, side, side)


def draw_spots(flat: Floats, spec: Spec, one: Bragg, shifts: Floats, centre: NDArray[np.float64]) -> None:
    """Add the spots of a crystal to patterns (n_probes, n_pixels), at their exact places, as soft discs."""
    reach = int(np.ceil(spec.spot_radius + 4 * EDGE))
    steps = np.arange(-reach, reach + 1)
    side = spec.pattern_side
    nominal = np.column_stack([-one.places[:, 1], one.places[:, 0]]) / spec.pattern_step + centre
    for start in range(0, len(one.probes), BLOCK):
        probes = one.probes[start : start + BLOCK]
        places = (nominal + shifts[probes][:, None]).astype(np.float32)  # (probes, spots, 2)
        pixel = np.rint(places).astype(np.int32)
        y, x = (pixel[..., axis, None] + steps for axis in (0, 1))
        square = (y - places[..., :1]) ** 2
        distance = np.sqrt(square[..., :, None] + ((x - places[..., 1:]) ** 2)[..., None, :])
        shape = disc(distance, spec)
        shape *= one.intensity[start : start + BLOCK, :, None, None] / shape.sum(axis=(2, 3), keepdims=True)
        inside = ((y >= 0) & (y < side))[..., :, None] & ((x >= 0) & (x < side))[..., None, :]
        index = y[..., :, None] * side + x[..., None, :] + np.arange(len(probes))[:, None, None, None] * side**2
        added = np.bincount(index[inside], weights=shape[inside], minlength=len(probes) * side**2)
        flat[probes] += added.reshape(len(probes), -1).astype(np.float32)


def disc(distance: NDArray[np.floating], spec: Spec) -> NDArray[np.floating]:
    """Profile of a spot: 1 inside, fading at its edge."""
    return np.asarray(1 / (1 + np.exp((distance - spec.spot_radius) / (EDGE / 2))))


def _diffuse(spec: Spec, light: Light, shifts: Floats, centre: NDArray[np.float64]) -> Floats:
    """Background that falls off from the beam, and the ring of a film."""
    side = spec.pattern_side
    images = np.zeros((len(shifts), side, side), dtype=np.float32)
    width = HALO * side
    at, ring_width = (value / spec.pattern_step for value in RING)
    grid = np.arange(side, dtype=np.float32)
    far = (grid - (side - 1) / 2) ** 2
    radius = np.sqrt(far[:, None] + far)
    halo_sum = ((1 + (radius / width) ** 2) ** -1.5).sum()
    ring_sum = np.exp(-(((radius - at) / ring_width) ** 2)).sum()
    for start in range(0, len(shifts), BLOCK):
        part = slice(start, start + BLOCK)
        y, x = ((grid - centre[axis] - shifts[part, axis, None]) ** 2 for axis in (0, 1))
        square = y[:, :, None] + x[:, None, :]
        images[part] = light.background[part, None, None] / halo_sum * (1 + square / width**2) ** -1.5
        if light.film.any():
            ring = np.exp(-(((np.sqrt(square) - at) / ring_width) ** 2))
            images[part] += light.film[part, None, None] / ring_sum * (ring + 0.1)
    return images


def record(
    spec: Spec, electrons: Floats, faults: Faults, full: float, rng: np.random.Generator
) -> NDArray[np.integer]:
    """Let the camera count: shadows, faulty pixels, Poisson noise, gain, offset, read noise, saturation.

    Returns
    -------
    (n_probes, pattern_y, pattern_x) uint8 or uint16
    """
    electrons[:, faults.stop] = 0
    flat = electrons.reshape(len(electrons), -1)
    flat[:, faults.hot] += faults.hot_electrons
    flat[:, faults.dead] = 0
    written = np.empty(electrons.shape, dtype=np.uint8 if spec.camera == "eight-bit" else np.uint16)
    gain, offset, noise, top = camera(spec, full)
    for start in range(0, len(electrons), BLOCK):
        counts = rng.poisson(electrons[start : start + BLOCK]).astype(np.float32) * gain
        if noise:
            counts += noise * rng.standard_normal(counts.shape, dtype=np.float32)
        np.clip(np.rint(counts + offset), 0, top, out=counts)
        written[start : start + BLOCK] = counts
    if noise:  # a dead pixel of such a camera gives its offset without noise
        written.reshape(len(written), -1)[:, faults.dead] = offset
    return written


def camera(spec: Spec, full: float) -> tuple[float, float, float, float]:
    """Gain, offset, read noise and top value in counts."""
    unbounded = spec.beam == "conserving"
    if spec.camera == "eight-bit":
        return min(250 / full, 8.0), 0.0, 0.0, 255.0
    if spec.camera == "counting":
        return 1.0, 0.0, 0.0, 65535.0 if unbounded else np.rint(full)
    return GAIN, OFFSET, READ_NOISE, 65535.0 if unbounded else min(65535.0, np.rint(OFFSET + GAIN * full))
