"""How fast and how well spots are registered, and what the gate keeps apart: ``python -m benchmarks.spots``.

``registration``: one way to find the spots of the same kind of patterns a row, ours with each background, and what
a user of scikit-image would write; CPU seconds of one thread. ``places``: errors of places and intensities in white
noise. ``gating``: what the gate rejects where nothing changes, and what it lets across a sharp boundary.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree
from skimage.feature import blob_log, peak_local_max
from skimage.filters import gaussian
from skimage.restoration import rolling_ball

from unmix4d.execute import Serial
from unmix4d.prepare.alike import NEIGHBOURS, Cells, measure_noise, pair_sums
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.epattern.background import NAMES
from unmix4d.prepare.epattern.filter import EPattern, Sight
from unmix4d.prepare.filters import ScanMean
from unmix4d.prepare.gating import GatedMean
from unmix4d.read.phantom import PhantomSpec, make_phantom

SIDE, WIDTH, HEIGHT = 256, 1.5, 100.0
GATE = 0.01


def spots_on_a_hill(rng: np.random.Generator, width: float) -> tuple[np.ndarray, np.ndarray]:
    """One pattern of 49 spots, 100 counts high, on a hill of 40 and 10 everywhere; and their places."""
    y, x = np.indices((SIDE, SIDE))
    clean = 40 * np.exp(-((y - SIDE / 2) ** 2 + (x - SIDE / 2) ** 2) / (2 * (SIDE / 6) ** 2)) + 10
    grid = np.stack(np.meshgrid(*[np.arange(1, 8) * SIDE / 8] * 2, indexing="ij"), -1).reshape(-1, 2)
    places = grid + rng.uniform(-3, 3, grid.shape)
    for cy, cx in places:
        clean += HEIGHT * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    return clean, places


def scene(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """Counts of such patterns (n, y, x), and the places of their spots."""
    made = [spots_on_a_hill(rng, WIDTH) for _ in range(n)]
    return np.stack([rng.poisson(clean) for clean, _ in made]).astype(np.float32), [places for _, places in made]


def ours(background: str) -> Callable[[np.ndarray], list[np.ndarray]]:
    filtering = EPattern(
        spot_background=background, sight=Sight(level=HEIGHT, width=WIDTH, center=None, gain=1.0), center=False
    )

    def find(patterns: np.ndarray) -> list[np.ndarray]:
        table = filtering.register(patterns[None])
        places = np.stack([table.y, table.x], axis=1)
        return [places[a:b] for a, b in zip(table.first[:-1], table.first[1:], strict=True)]

    return find


def by_blobs(patterns: np.ndarray) -> list[np.ndarray]:
    return [
        blob_log(one - rolling_ball(one, radius=SIDE / 10), min_sigma=1, max_sigma=3, num_sigma=5, threshold=5)[
            :, :2
        ]
        for one in patterns
    ]


def by_local_maxima(patterns: np.ndarray) -> list[np.ndarray]:
    return [
        peak_local_max(
            gaussian(one - rolling_ball(one, radius=SIDE / 10), WIDTH), min_distance=3, threshold_abs=20
        ).astype(float)
        for one in patterns
    ]


def registration() -> None:
    rng = np.random.default_rng(0)
    print("| way | patterns/s | found | false | rms off, px, one axis |\n|---|---|---|---|---|")
    ways = [*((f"ePattern, {name}", ours(name), 32) for name in NAMES)]
    ways += [("rolling_ball + blob_log", by_blobs, 2), ("rolling_ball + peak_local_max", by_local_maxima, 2)]
    for words, find, n in ways:
        patterns, places = scene(n, rng)
        find(patterns[:1])
        begun = time.process_time()
        found = find(patterns)
        seconds = time.process_time() - begun
        off, n_false = [], 0
        for mine, truth in zip(found, places, strict=True):
            distance, nearest = cKDTree(mine).query(truth)
            good = distance < 2
            off.append((mine[nearest] - truth)[good])
            n_false += len(mine) - int(good.sum())
        error = np.concatenate(off)
        rms = np.sqrt(np.mean(error**2))
        print(f"| {words} | {n / seconds:.3g} | {len(error)} of {49 * n} | {n_false} | {rms:.3f} |")


def places() -> None:
    """Spots 32 px apart on a hill; errors relative to the truth."""
    print("| width, px | peak over noise | rms off, one axis | median distance | intensity bias | scatter | told |")
    print("|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(1)
    for width in (1.0, 1.5, 2.0, 3.0):
        filtering = EPattern(sight=Sight(level=HEIGHT, width=width, gain=0.0))
        total = 2 * np.pi * width**2 * HEIGHT
        for snr in (10, 20, 50):
            off, shares, told = [], [], []
            for _ in range(20):
                clean, truth = spots_on_a_hill(rng, width)
                noisy = clean + 40 + rng.normal(0, HEIGHT / snr, clean.shape)
                table = filtering.register(noisy[None, None].astype(np.float32))
                found = np.stack([table.y, table.x], axis=1)
                distance, nearest = cKDTree(found).query(truth)
                seen = nearest[distance < 1.5]
                off.append(found[seen] - truth[distance < 1.5])
                shares.append(table.intensity[seen] / total - 1)
                told.append(table.intensity_noise[seen] / total)
            error, share, noise = (np.concatenate(values) for values in (off, shares, told))
            print(
                f"| {width} | {snr} | {np.sqrt(np.mean(error**2)):.3f} | {np.median(np.hypot(*error.T)):.3f} | "
                f"{share.mean():+.1%} | {share.std():.1%} | {noise.mean():.1%} |"
            )


def gating() -> None:
    print("| counts | rejected, constant area | noise left: gated, plain | accepted inside | across |")
    print("|---|---|---|---|---|")
    for counts in (300, 1000, 3000, 10000):
        spec = PhantomSpec(
            scan_shape=(40, 48),
            counts_per_pattern=counts,
            overlap_width=1e-3,
            intensity_variation=0,
            stacked_fraction=0,
            vacuum_fraction=0,
        )
        phantom = make_phantom(spec)
        prepared = prepare(phantom.scan, executor=Serial())
        made = prepared.fitted(GatedMean(gate=GATE))
        patterns = np.asarray(phantom.scan.patterns, dtype=np.float32)
        inside, across = [], []
        for step in NEIGHBOURS:
            pairs, sums = pair_sums(made.cells.of(patterns), step)
            same = phantom.labels.ravel()[pairs]
            accepted = made.noise.are_same(sums, GATE)
            inside.append(accepted[same[:, 0] == same[:, 1]])
            across.append(accepted[same[:, 0] != same[:, 1]])
        flat = np.random.default_rng(0).poisson(patterns.mean(axis=(0, 1)), patterns.shape).astype(np.float32)
        cells = Cells(side=made.cells.side)
        noise = measure_noise(
            [flat[y : y + 4, x : x + 4] for y in range(0, 40, 10) for x in range(0, 48, 8)], cells
        )
        calm = GatedMean(gate=GATE, cells=cells, noise=noise)
        rejected = (calm.partners(flat).reshape(40, 48, 8)[1:-1, 1:-1] < 0).mean()
        left = [
            (made(flat)[1:-1, 1:-1].var(axis=(0, 1)).sum() / flat.var(axis=(0, 1)).sum()) ** 0.5
            for made in (calm, ScanMean())
        ]
        print(
            f"| {counts} | {rejected:.2%} | {left[0]:.3f}, {left[1]:.3f} | {np.concatenate(inside).mean():.1%} | "
            f"{np.concatenate(across).mean():.1%} |"
        )


if __name__ == "__main__":
    for part in sys.argv[1:] or ("registration", "places", "gating"):
        {"registration": registration, "places": places, "gating": gating}[part]()
