"""What a method finds in a scan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlap:
    """The two strongest crystals of each probe, (scan_y, scan_x) each.

    Attributes
    ----------
    first, second : int
    low, high : float
        95 % interval of the second's share in the Bragg counts of the two.
    reported : bool
        Where overlap is said to be.
    """

    first: NDArray[np.integer]
    second: NDArray[np.integer]
    low: Floats
    high: Floats
    reported: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a method found.

    Attributes
    ----------
    n_crystals : int
    labels : (scan_y, scan_x) int
    patterns : (n, pattern_y, pattern_x) float
    weights : (n, scan_y, scan_x) float
        Bragg counts.
    confidence : str
        "high", "medium", "low", or "" where a method has none.
    faults : tuple of str
        Names of the faults that were found in the scan.
    votes : mapping of str to int
        What single criteria would choose, by name.
    seconds : mapping of str to float
        By what they were spent on.
    overlap : Overlap or None
        What it says of pairs, probe by probe, if it does.
    """

    n_crystals: int
    labels: NDArray[np.integer] | None = None
    patterns: Floats | None = None
    weights: Floats | None = None
    confidence: str = ""
    faults: tuple[str, ...] = ()
    votes: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    overlap: Overlap | None = None
