"""The scans of the benchmarks: phantoms that are made once, and a scan of the data folder, as .npy files."""

import hashlib
import json
import math
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmix4d import api
from unmix4d.read.phantom import PhantomSpec, make_phantom

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("UNMIX4D_BENCHMARKS", ROOT / ".benchmarks"))
BLOCK_VALUES = 2**22  # patterns are drawn in blocks of about this many pixels
AG_CLASSES = 5  # of the labels of ag_twins, the next one is the outside

Array = NDArray[np.integer]
Floats = NDArray[np.float64]


def middle(scan_side: int, pattern_side: int, counts: float) -> PhantomSpec:
    """Give a scan of middling difficulty: six bent crystals that overlap, vacuum and background."""
    return PhantomSpec(
        scan_shape=(scan_side, scan_side),
        pattern_shape=(pattern_side, pattern_side),
        n_crystals=6,
        counts_per_pattern=counts,
        beam_fraction=0.4,
        background_fraction=0.2,
        bending=0.3,
    )


def _huge() -> PhantomSpec:
    """Give 100,000 patterns of 512 x 512: 26 GB."""
    return replace(middle(250, 512, 8000.0), scan_shape=(250, 400), dtype="uint8")


PHANTOMS: dict[str, PhantomSpec] = {
    "tiny": middle(20, 16, 500.0),
    "phantom-64": middle(64, 64, 2000.0),
    "phantom-128": middle(128, 128, 4000.0),
    "phantom-2g": middle(256, 128, 4000.0),
    "phantom-8g": middle(256, 256, 6000.0),
    "phantom-26g": _huge(),
}
AG_TWINS = "ag-twins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A scan on disk and what is known about it.

    Attributes
    ----------
    patterns : Path
        .npy, (scan_y, scan_x, pattern_y, pattern_x).
    truth : Path
        .npz with ``labels`` (scan_y, scan_x), -1 where no crystal is, and ``facts`` (JSON).
    """

    patterns: Path
    truth: Path

    @property
    def exist(self) -> bool:
        """Whether both were made."""
        return self.patterns.exists() and self.truth.exists()

    def facts(self) -> dict[str, float | str]:
        """Give shape, share of values that are not zero and mean counts."""
        with np.load(self.truth) as stored:
            facts: dict[str, float | str] = json.loads(str(stored["facts"]))
        return facts

    def labels(self) -> Array:
        """Give the true labels."""
        with np.load(self.truth) as stored:
            return np.asarray(stored["labels"])


def files(name: str) -> Files:
    """Say where a scan is kept; the name changes with all that decides its counts."""
    made_by = sorted((ROOT / "src" / "unmix4d" / "read" / "phantom").glob("*.py"))
    sources = b"" if name == AG_TWINS else b"".join(path.read_bytes() for path in made_by)
    digest = hashlib.sha256(repr(PHANTOMS.get(name)).encode() + sources).hexdigest()[:8]
    folder = CACHE / "scans"
    return Files(patterns=folder / f"{name}-{digest}.npy", truth=folder / f"{name}-{digest}.npz")


def n_bytes(spec: PhantomSpec) -> int:
    """Size of a phantom's patterns in bytes."""
    return math.prod((*spec.scan_shape, *spec.pattern_shape)) * np.dtype(spec.dtype).itemsize


def data_folder() -> Path:
    """Say where measured scans are looked for."""
    return Path(os.environ.get("UNMIX4D_DATA", ROOT.parent / "shared" / "data"))


def available(name: str) -> bool:
    """Tell whether a scan exists or can be made."""
    return name != AG_TWINS or files(name).exist or (data_folder() / "ag_twins" / "scan.hspy").exists()


def make(name: str) -> Files:
    """Make a scan if it is not there yet."""
    wanted = files(name)
    if wanted.exist:
        return wanted
    wanted.patterns.parent.mkdir(parents=True, exist_ok=True)
    part = wanted.patterns.with_suffix(".part")
    if name == AG_TWINS:
        labels, facts = _store_ag_twins(part)
    else:
        phantom = make_phantom(PHANTOMS[name], draw=partial(draw_to_file, part))
        labels, facts = phantom.labels, {"spec": repr(PHANTOMS[name])}
    facts |= _look(part)
    with wanted.truth.open("wb") as stream:
        np.savez(stream, labels=labels, facts=json.dumps(facts))
    part.replace(wanted.patterns)
    return wanted


def draw_to_file(
    path: Path, rng: np.random.Generator, spec: PhantomSpec, sources: Floats, amounts: Floats
) -> NDArray[np.integer]:
    """Draw the electrons of a scan one by one into a .npy file, in blocks of lines.

    A Poisson number of electrons from each source, each at a pixel drawn from the source's pattern, is the same
    as a Poisson number at each pixel, and costs by the electron instead of by the pixel.
    """
    shape = (*spec.scan_shape, *spec.pattern_shape)
    patterns = np.lib.format.open_memmap(path, mode="w+", dtype=spec.dtype, shape=shape)
    flat = patterns.reshape(-1, sources[0].size)
    running = np.cumsum(sources.reshape(len(sources), -1), axis=1)
    running /= running[:, -1:]
    expected = amounts.reshape(len(amounts), -1)
    step = max(1, BLOCK_VALUES // sources[0].size)
    starts = range(0, len(flat), step)
    for start, block_rng in zip(starts, rng.spawn(len(starts)), strict=True):
        block = flat[start : start + step]
        block[...] = np.minimum(
            _electrons(block_rng, running, expected[:, start : start + step]), np.iinfo(spec.dtype).max
        )
    patterns.flush()
    return patterns


def _electrons(rng: np.random.Generator, running: Floats, expected: Floats) -> Array:
    """Draw counts (n_probes, n_pixels) of sources with cumulative patterns (n, n_pixels)."""
    n_pixels, n_probes = running.shape[1], expected.shape[1]
    probes = np.arange(n_probes)
    hits = []
    for pattern, mean in zip(running, expected, strict=True):
        numbers = rng.poisson(mean)
        pixels = np.searchsorted(pattern, rng.random(int(numbers.sum())), side="right")
        hits.append(np.repeat(probes, numbers) * n_pixels + np.minimum(pixels, n_pixels - 1))
    return np.bincount(np.concatenate(hits), minlength=n_probes * n_pixels).reshape(n_probes, n_pixels)


def _store_ag_twins(path: Path) -> tuple[Array, dict[str, float | str]]:
    """Write the patterns of ag_twins as .npy, so that every program reads the same file."""
    scan = api.open_scan(data_folder() / "ag_twins" / "scan.hspy")
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, np.asarray(scan.patterns[:]))
    with np.load(data_folder() / "ag_twins" / "truth.npz") as truth:
        labels = truth["label"].astype(np.int16)
    return np.where(labels < AG_CLASSES, labels, -1), {"spec": "ag_twins"}


def _look(path: Path) -> dict[str, float | str]:
    """Look at all patterns once: how many values are not zero, and the mean counts of a pattern."""
    patterns = np.load(path, mmap_mode="r")
    filled = total = 0
    for line in patterns:
        filled += int(np.count_nonzero(line))
        total += int(line.sum(dtype=np.uint64))
    n_probes = patterns.shape[0] * patterns.shape[1]
    return {
        "shape": " x ".join(map(str, patterns.shape)),
        "dtype": str(patterns.dtype),
        "bytes": patterns.nbytes,
        "density": filled / patterns.size,
        "counts": total / n_probes,
    }
