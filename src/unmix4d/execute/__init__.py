"""How block work runs: one function over many blocks, partial results merged in a fixed order."""

from unmix4d.execute.cluster import Dask
from unmix4d.execute.local import Counted, Executor, Serial, Threads, executor, one_blas_thread
from unmix4d.execute.memory import give_back_memory
from unmix4d.execute.opening import open_executor

__all__ = [
    "Counted",
    "Dask",
    "Executor",
    "Serial",
    "Threads",
    "executor",
    "give_back_memory",
    "one_blas_thread",
    "open_executor",
]
