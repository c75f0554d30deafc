"""Inner loops that are compiled to machine code when they are first called."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

ORDER_IS_FREE = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers, once: the machine code is kept on disk for the next process.

    Other threads run meanwhile. Sums may be taken in another order than written, which makes them fast; values that
    are not finite keep their meaning.
    """
    made = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=ORDER_IS_FREE)(function)
    return cast("Function", made)


def inlined(function: Function) -> Function:
    """Compile a function into each compiled function that calls it.

    Needed where a function is called from Python too: of two compiled copies the one that was loaded first would
    serve both callers, and sums in another order would make the answer depend on what ran before.
    """
    made = numba.njit(inline="always", error_model="numpy", fastmath=ORDER_IS_FREE)(function)
    return cast("Function", made)
