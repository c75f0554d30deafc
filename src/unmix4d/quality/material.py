"""Where there is specimen, judged by the Bragg counts of each probe."""

import numpy as np

from unmix4d.records import BoolArray, FloatArray

SHARE = 0.1
QUANTILE = 0.9
OWN_SHARE = 0.5


def find_material(bragg_counts: FloatArray, probe_mask: BoolArray) -> BoolArray:
    """Find the probes whose 3 x 3 mean of Bragg counts is above a tenth of its 90 % quantile.

    A probe's own counts must reach half of that limit, so that material does not bleed over its edge into vacuum.

    Parameters
    ----------
    bragg_counts : (scan_y, scan_x) float
        Counts in the spots of all crystals; 0 where a probe is masked.
    probe_mask : (scan_y, scan_x) bool
        Probes that count; the mean is over those only.

    Returns
    -------
    (scan_y, scan_x) bool
    """
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow import

    around = uniform_filter(probe_mask.astype(np.float64), 3, mode="constant")
    summed = uniform_filter(np.where(probe_mask, bragg_counts, 0.0).astype(np.float64), 3, mode="constant")
    smooth = summed / np.maximum(around, np.finfo(float).eps)
    limit = SHARE * float(np.quantile(smooth[probe_mask], QUANTILE))
    return np.asarray(probe_mask & (smooth > limit) & (bragg_counts > OWN_SHARE * limit))
