"""Inner loops that are compiled to machine code when they are first called."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers, once: the machine code is kept on disk for the next process.

    Other threads run meanwhile. Sums may be taken in another order than written, which makes them fast; values that
    are not finite keep their meaning.
    """
    order_is_free = {"contract", "reassoc", "nsz", "arcp"}
    made = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=order_is_free)(function)
    return cast("Function", made)
