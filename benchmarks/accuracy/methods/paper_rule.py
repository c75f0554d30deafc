"""The number that the paper's published scripts report, by the package's own ``unmix4d.paper`` (Cao et al. 2025).

To be affordable images are 32 x 32 throughout, instead of 128 x 128 for the sweep and full size for the model, and
the model of knee + 4 components has 200 iterations instead of 1,500. The scripts leave four numbers; their median
is taken.
"""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.scan import SimulatedScan
from unmix4d.paper import count
from unmix4d.paper.images import WHITE_QUANTILE, Images, to_eight_bit

TITLE = "the paper's rule"
WATCHED = ("paper", "quality", "factorize/kullback", "factorize/descent", "decide/elbow")

SIDE = 32
ITERATIONS = 200
SEED = 0


def run(scan: SimulatedScan) -> Answer:
    """Sweep, find the knee, judge the images."""
    begun = time.perf_counter()
    images = as_scripts_read(scan.patterns)
    knee = count.knee_of(count.loss_sweep(images, count.KS, seed=SEED)) or count.KS[0]
    model = count.fit_model(images, knee + count.MARGIN, seed=SEED, max_iter=ITERATIONS)
    scores = count.score_images(count.rank_one_images(model, images.shape), seed=SEED)
    chosen = count.middle([one.reported for one in scores])
    return Answer(
        n_crystals=chosen,
        votes={"paper": chosen, "paper knee": knee},
        seconds={"whole": time.perf_counter() - begun},
    )


def as_scripts_read(patterns: NDArray[np.integer]) -> Images:
    """8-bit images, white at the 99.9 % grey level of the scan, averaged to a side of 32."""
    factor = patterns.shape[-1] // SIDE
    white = max(float(np.quantile(patterns[::4, ::4], WHITE_QUANTILE)), 1.0)
    grey = to_eight_bit(patterns, white)
    small = grey.reshape(*patterns.shape[:2], SIDE, factor, SIDE, factor).mean(axis=(3, 5))
    values = np.rint(small).astype(np.uint8).reshape(-1, SIDE * SIDE)
    return Images(values=values, shape=(SIDE, SIDE), white=white)
