"""Memory that the program no longer uses goes back to the system."""

import ctypes
from contextlib import suppress


def give_back_memory() -> None:
    """Give free memory back, also from between what is still in use, where the C library can (glibc).

    Left alone it would keep what large steps freed, and the next step, which needs other sizes, would take more.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
