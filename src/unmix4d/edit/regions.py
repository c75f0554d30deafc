"""The spatially separate parts of a cluster."""

import numpy as np

from unmix4d.records import BoolArray, IntArray

MOST_PARTS = 50


def parts_of(cluster: BoolArray, *, least: int) -> IntArray:
    """Say which part of a cluster each probe of the scan belongs to or is nearest to.

    Parts are pieces of at least ``least`` probes that hang together over edges and corners. The nearest one is that
    with the smallest chessboard distance, the lower part on ties.

    Parameters
    ----------
    cluster : (scan_y, scan_x) bool
    least : int

    Returns
    -------
    (scan_y, scan_x) int
        Parts are numbered from 0: the one with most probes first, of equal ones that which comes first in C order.

    Raises
    ------
    ValueError
        If there are fewer than two parts, or more than `MOST_PARTS`.
    """
    from scipy.ndimage import distance_transform_cdt, label  # noqa: PLC0415 - slow import

    pieces, n = label(cluster, structure=np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=n + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    kept = [int(i) + 1 for i in order if sizes[i] >= least]
    if len(kept) < 2:  # noqa: PLR2004 - one part is no split
        raise ValueError(f"has no two separate parts of at least {least} probes")
    if len(kept) > MOST_PARTS:
        raise ValueError(f"has {len(kept)} parts of at least {least} probes, of {MOST_PARTS} at most: ask for more")
    distances = [distance_transform_cdt(pieces != piece, metric="chessboard") for piece in kept]
    return np.asarray(np.argmin(np.stack(distances), axis=0))
