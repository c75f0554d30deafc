"""Types, constants and the shape check that every record shares."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.signedinteger[Any]]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

Better = Literal["higher", "lower"]
Confidence = Literal["high", "medium", "low"]
Role = Literal["crystal", "background", "vacuum", "duplicate", "split", "dead"]

NO_CRYSTAL = -1
OVERLAP_THRESHOLDS = (0.75, 0.80, 0.85, 0.90, 0.95)


def require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence at the call
    """Raise ValueError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)


def empty() -> Mapping[Any, Any]:
    """Give an empty mapping that nobody can write to."""
    return MappingProxyType({})


def spread(values: AnyArray, mask: BoolArray, fill: float) -> AnyArray:
    """Put values (n, ...) where ``mask`` is True: (*mask.shape, ...), ``fill`` elsewhere."""
    out = np.full((*mask.shape, *values.shape[1:]), fill, dtype=values.dtype)
    out[mask] = values
    return out


class PatternArray(Protocol):
    """Whatever can be sliced like a 4-D array: ndarray, memmap, h5py.Dataset, dask array."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, key: Any, /) -> Any: ...  # noqa: ANN401
