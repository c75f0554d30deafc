"""HyperSpy's decomposition("NMF") with Poisson normalisation, in memory."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clock import Clock
from benchmarks.matrix import Factors, open_matrix

WATCHED = ("prepare", "hyperspy", "scikit-learn", "numpy")
TITLE = "HyperSpy decomposition, NMF, in memory"


def run(path: Path, ks: Sequence[int], clock: Clock, _options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit each k on its own, on the probes and pixels that the others use."""
    import hyperspy.api as hs  # noqa: PLC0415 - slow to load

    logging.getLogger("hyperspy").setLevel("ERROR")
    _, matrix = open_matrix(path)
    signal = hs.signals.Signal2D(np.load(path).astype(np.float32))
    # As signals: a plain array would be taken with its axes the other way round.
    left_out = hs.signals.BaseSignal(~matrix.probe_mask).T
    dark = hs.signals.Signal2D(~matrix.pixel_mask)
    found = {}
    small = hs.signals.Signal2D(np.random.default_rng(0).random((6, 6, 6, 6), dtype=np.float32))
    with warnings.catch_warnings():  # what HyperSpy loads at first use is not part of the work
        warnings.simplefilter("ignore")
        small.decomposition(True, algorithm="NMF", output_dimension=2, print_info=False)  # noqa: FBT003 - theirs
    for k in ks:
        with warnings.catch_warnings(), clock.part(f"k={k}"):
            warnings.simplefilter("ignore")
            signal.decomposition(
                normalize_poissonian_noise=True,
                algorithm="NMF",
                output_dimension=k,
                navigation_mask=left_out,
                signal_mask=dark,
                print_info=False,
            )
        results = signal.learning_results
        found[k] = (
            results.factors[matrix.pixel_mask.ravel()].T.astype(np.float32),
            results.loadings[matrix.probe_mask.ravel()].astype(np.float32),
        )
    return found
