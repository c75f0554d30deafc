"""HyperSpy's lazy decomposition("NMF") with Poisson normalisation, from the file."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.clock import Clock
from benchmarks.matrix import Factors, open_matrix

WATCHED = ("prepare", "hyperspy", "scikit-learn", "dask", "numpy")
TITLE = "HyperSpy decomposition, NMF, lazy"


def run(path: Path, ks: Sequence[int], clock: Clock, _options: Mapping[str, object]) -> dict[int, Factors]:
    """Fit each k on its own; what it refuses is kept word by word."""
    import dask  # noqa: PLC0415 - slow to load
    import dask.array as da  # noqa: PLC0415
    import hyperspy.api as hs  # noqa: PLC0415

    logging.getLogger("hyperspy").setLevel("ERROR")
    _, matrix = open_matrix(path)
    patterns = np.load(path, mmap_mode="r")
    chunked = da.from_array(patterns, chunks=("auto", "auto", -1, -1)).astype(np.float32)
    signal = hs.signals.Signal2D(chunked).as_lazy()
    # As signals: a plain array would be taken with its axes the other way round.
    left_out = hs.signals.BaseSignal(~matrix.probe_mask).T
    dark = hs.signals.Signal2D(~matrix.pixel_mask)
    found = {}
    small = hs.signals.Signal2D(np.random.default_rng(0).random((6, 6, 6, 6), dtype=np.float32)).as_lazy()
    with warnings.catch_warnings():  # what HyperSpy loads at first use is not part of the work
        warnings.simplefilter("ignore")
        small.decomposition(True, algorithm="NMF", output_dimension=2, print_info=False)  # noqa: FBT003 - theirs
    for k in ks:
        try:
            with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"), clock.part(f"k={k}"):
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
            factors, loadings = np.asarray(results.factors), np.asarray(results.loadings)
            found[k] = (
                factors[matrix.pixel_mask.ravel()].T.astype(np.float32),
                loadings[matrix.probe_mask.ravel()].astype(np.float32),
            )
        except Exception as error:  # noqa: BLE001 - whatever it says is the result
            clock.said.append(f"k={k}: {type(error).__name__}: {error}")
            clock.parts.pop(f"k={k}", None)
    return found
