"""What lies in the scan: vacuum, grains that reach over each other, stacked crystals and minority grains."""

import math

import numpy as np

from unmix4d.read.phantom.spec import PhantomSpec, ask
from unmix4d.records import BoolArray, FloatArray, IntArray

_EVENING = 2  # rounds that make grains of similar size out of random ones
_WOBBLE = 0.15  # how far boundaries leave the straight line, in units of the grain size
_RIM = 1 / 3  # part of a stacked area's rise over which the upper crystal fades in


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], length: float) -> FloatArray:
    """Random field within -1...1, smooth over ``length`` times the geometric mean of the sides."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to load

    field = gaussian_filter(rng.standard_normal(shape), length * math.sqrt(math.prod(shape)))
    field -= field.mean()
    return np.asarray(field / max(np.abs(field).max(), np.finfo(float).tiny))


def bend_shares(field_y: FloatArray, field_x: FloatArray, bends: tuple[float, ...]) -> FloatArray:
    """Share of each pair of bends at every probe, (n_bends**2, scan_y, scan_x): linear between its neighbours."""

    def along(field: FloatArray) -> FloatArray:
        knots = np.array(bends)[:, None, None]
        return np.asarray(np.maximum(0, 1 - np.abs(field - knots) / (bends[1] - bends[0])))

    pairs = along(field_y)[:, None] * along(field_x)
    return np.asarray(pairs.reshape(-1, *field_y.shape))


def draw_vacuum(rng: np.random.Generator, spec: PhantomSpec) -> BoolArray:
    """Exactly the asked share of the scan, behind a wavy edge."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.indices(spec.scan_shape)
    slope = (y * math.sin(angle) + x * math.cos(angle)) / max(spec.scan_shape)
    height = slope + 0.1 * smooth_field(rng, spec.scan_shape, 1 / 12)
    vacuum = np.zeros(spec.scan_shape, dtype=bool)
    vacuum.flat[np.argsort(height, axis=None)[: round(spec.vacuum_fraction * vacuum.size)]] = True
    return vacuum


def draw_fractions(rng: np.random.Generator, spec: PhantomSpec, material: BoolArray) -> FloatArray:
    """Compose the material: grains, then crystals over them, then minority grains."""
    n_grains = (spec.n_crystals - spec.n_minority) * spec.grains_per_crystal
    n_sites = int(material.sum())
    needed = n_grains + spec.n_minority * spec.minority_probes[1]
    ask(n_sites >= needed, f"{n_sites} probes of material cannot hold grains of {needed}: enlarge scan_shape")
    fractions = np.zeros((spec.n_crystals, *spec.scan_shape))
    majority = fractions[: spec.n_crystals - spec.n_minority]
    majority[...] = _grains(rng, spec, material)
    _stack(rng, spec, majority, material)
    free = material.copy()
    for minority in range(len(majority), spec.n_crystals):
        grain = _small_grain(rng, free, int(rng.integers(*spec.minority_probes, endpoint=True)))
        fractions[:, grain] *= 1 - spec.minority_share
        fractions[minority, grain] = spec.minority_share
        free &= ~grain
    fractions *= material
    return fractions


def _grains(rng: np.random.Generator, spec: PhantomSpec, material: BoolArray) -> FloatArray:
    """Voronoi cells with wavy boundaries that reach over each other, summing to 1."""
    n_crystals = spec.n_crystals - spec.n_minority
    sites = _even_sites(rng, np.argwhere(material), n_crystals * spec.grains_per_crystal)
    size = math.sqrt(material.sum() / len(sites))
    length = size / (2 * math.sqrt(material.size))
    wobble = [_WOBBLE * size * smooth_field(rng, spec.scan_shape, length) for _ in range(2)]
    places = np.indices(spec.scan_shape) + np.stack(wobble)
    squared = ((places - sites[:, :, None, None]) ** 2).sum(axis=1)
    apart = np.hypot(*(sites[:, None] - sites).T) + np.eye(len(sites))
    # Of each grain, how far the probe is from the straight boundary between it and the grain that holds the probe.
    distance = (squared - squared.min(axis=0)) / (2 * np.moveaxis(apart[squared.argmin(axis=0)], -1, 0))
    width = max(spec.overlap_width, np.finfo(float).eps)
    presence = np.clip(1 - 2 * distance / width, 0, 1)
    presence = presence.reshape(spec.grains_per_crystal, n_crystals, *spec.scan_shape).max(axis=0)
    return np.asarray(presence / presence.sum(axis=0))


def _even_sites(rng: np.random.Generator, places: IntArray, n: int) -> FloatArray:
    """Choose n of the places (m, 2), then move each to the middle of what is nearest to it, a few times."""
    sites = np.asarray(rng.choice(places, n, replace=False), dtype=float)
    for _ in range(_EVENING):
        nearest = ((places[:, None] - sites) ** 2).sum(axis=2).argmin(axis=1)
        for i in np.unique(nearest):
            sites[i] = places[nearest == i].mean(axis=0)
    return sites


def _stack(rng: np.random.Generator, spec: PhantomSpec, fractions: FloatArray, material: BoolArray) -> None:
    """Lay, over blobs of the material, the crystal that is rarest below each of them (in place)."""
    from scipy.ndimage import label  # noqa: PLC0415 - slow to load

    n_stacked = round(spec.stacked_fraction * material.sum())
    if n_stacked == 0 or len(fractions) == 1:
        return
    field = smooth_field(rng, spec.scan_shape, 1 / (3 * math.sqrt(len(fractions))))
    heights = np.sort(field[material])
    floor = heights[-n_stacked]
    stacked = material & (field >= floor)
    rise = (field - floor) / ((heights[-1] - floor) or 1.0)  # a single probe does not rise
    share = spec.stacked_share * np.clip(rise / _RIM, 0.1, 1)
    areas, n_areas = label(stacked)
    for area in (areas == i for i in range(1, n_areas + 1)):
        order = rng.permutation(len(fractions))
        rarest = order[np.argmin(fractions[order][:, area].sum(axis=1))]
        fractions[:, area] *= 1 - share[area]
        fractions[rarest, area] += share[area]


def _small_grain(rng: np.random.Generator, free: BoolArray, n_probes: int) -> BoolArray:
    """Choose the n free probes nearest to one of them."""
    sites = np.argwhere(free)
    nearest = np.argsort(np.hypot(*(sites - rng.choice(sites)).T), kind="stable")[:n_probes]
    grain = np.zeros_like(free)
    grain[tuple(sites[nearest].T)] = True
    return grain
