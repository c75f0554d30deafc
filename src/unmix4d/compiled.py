"""Inner loops that are compiled to machine code when they are first called."""

import uuid
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import scipy.linalg.cython_blas  # noqa: F401 - what compiled products use: there before its threads are limited

Function = TypeVar("Function", bound=Callable[..., Any])

PROCESS = uuid.uuid4().hex[:8]
ORDER_IS_FREE = {"contract", "reassoc", "nsz", "arcp"}
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": ORDER_IS_FREE}


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers, once: the machine code is kept on disk for the next process.

    Other threads run meanwhile. Sums may be taken in another order than written, which makes them fast; values that
    are not finite keep their meaning.
    """
    try:
        made = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # there is no folder to keep it in
        made = numba.njit(**OPTIONS)(function)
    _name_apart(made)
    return cast("Function", made)


def inlined(function: Function) -> Function:
    """Compile a function into each compiled function that calls it.

    Needed by every function that compiled ones call. Otherwise there are two copies, and the one loaded first
    serves all: its own where this process compiled it, the caller's where that came from the disk. Sums in another
    order would then make the answer depend on who compiled.
    """
    made = numba.njit(inline="always", **OPTIONS)(function)
    return cast("Function", made)


def _name_apart(made: Any) -> None:  # noqa: ANN401 - numba's dispatcher
    """Give the files that this process adds to the kept machine code names that no other process chooses.

    numba counts them, so two processes that compile for different types at the same time take the same name, and
    the next one runs the code of the other type.
    """
    file = getattr(getattr(made, "_cache", None), "_cache_file", None)  # numba has no public way
    if file is not None:
        file._data_name_pattern = f"{file._index_name}.{PROCESS}-{{number:d}}.nbc"  # noqa: SLF001
