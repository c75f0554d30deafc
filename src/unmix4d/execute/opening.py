"""Opening what block work runs on: this process, worker processes here, or a cluster elsewhere."""

import importlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from unmix4d.errors import ResourceError, UsageError
from unmix4d.execute.cluster import Dask
from unmix4d.execute.interrupts import children_uninterrupted
from unmix4d.execute.local import Executor, executor

CONNECT_S = 10.0
WORKER_BYTES = 200 * 2**20  # what the libraries take in each process


@contextmanager
def open_executor(
    *, threads: int, workers: int = 0, scheduler: str | None = None, memory: int | None = None
) -> Iterator[Executor]:
    """Open what block work runs on, and close again what was opened.

    Parameters
    ----------
    threads : int
        Threads of this process; they do the blocks if there are neither workers nor a scheduler.
    workers : int
        Processes to start on this machine, of one thread each; 0 = none.
    scheduler : str, optional
        Address of a running dask scheduler, such as ``tcp://10.0.0.1:8786``.
    memory : int, optional
        Bytes that the ``workers`` may take together. They are not killed for going beyond: pages of a mapped file
        count as theirs.

    Yields
    ------
    Executor

    Raises
    ------
    UsageError
        If both workers and a scheduler are given, the scheduler cannot be reached or has workers of another
        version, workers cannot start, or the package distributed is missing.
    ResourceError
        If the memory does not suffice for the workers themselves.
    """
    if workers and scheduler is not None:
        raise UsageError("--workers starts processes here and --scheduler uses those elsewhere: give one of them")
    if scheduler is not None:
        with _quiet(), _connect(scheduler) as client:
            _require_same_version(client, scheduler)
            yield Dask(client)
    elif workers > 0:
        if memory is not None and memory < workers * WORKER_BYTES:
            need = workers * WORKER_BYTES / 1e9
            raise ResourceError(f"{workers} workers take {need:.1f} GB before they read anything: use fewer")
        with _quiet(), _start_workers(workers) as client:
            yield Dask(client)
    else:
        yield executor(threads)


def _distributed() -> Any:  # noqa: ANN401 - a module that may be missing
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "--workers and --scheduler need the package distributed: pip install 'unmix4d[distributed]'"
        ) from error


def _connect(address: str) -> Any:  # noqa: ANN401 - a distributed.Client
    kind = _distributed().Client
    client = kind.__new__(kind)  # one that fails to start must be closed too, or it holds up the end of the program
    try:
        client.__init__(address, timeout=CONNECT_S, set_as_default=False)
    except Exception as error:
        client.close(timeout=1)
        raise UsageError(
            f"no dask scheduler answers at {address} ({type(error).__name__}): start one with dask scheduler, "
            "and give the address that it prints"
        ) from error
    return client


def _require_same_version(client: Any, address: str) -> None:  # noqa: ANN401 - a distributed.Client
    """Refuse workers that would compute something else."""
    mine = version("unmix4d")
    found = client.run(version, "unmix4d", on_error="return")
    for worker, answer in found.items():
        if answer != mine:
            has = "no unmix4d" if isinstance(answer, PackageNotFoundError) else f"unmix4d {answer}"
            raise UsageError(
                f"the worker {worker} of the scheduler at {address} has {has}, this process {mine}: install the "
                "same version everywhere"
            )


@contextmanager
def _start_workers(n_workers: int) -> Iterator[Any]:
    """Start worker processes here; everything that they write besides results is removed with them."""
    distributed = _distributed()
    with ExitStack() as opened:
        scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="unmix4d-", ignore_cleanup_errors=True))
        opened.enter_context(importlib.import_module("dask").config.set({"temporary-directory": scratch}))
        try:
            with children_uninterrupted():
                cluster = opened.enter_context(
                    distributed.LocalCluster(
                        n_workers=n_workers,
                        threads_per_worker=1,
                        processes=True,
                        host="127.0.0.1",
                        dashboard_address=None,
                        # each opens a web server all the same: not to the network, nor on a port that is taken
                        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                        worker_dashboard_address="127.0.0.1:0",
                        memory_limit=0,  # it would count the pages of a mapped file
                        silence_logs=logging.CRITICAL,
                    )
                )
        except Exception as error:
            raise UsageError(
                f"worker processes could not be started ({type(error).__name__}); a Python script that uses "
                'workers must do its work under: if __name__ == "__main__"'
            ) from error
        yield opened.enter_context(distributed.Client(cluster, set_as_default=False, direct_to_workers=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep distributed from talking to the terminal; what matters becomes a sentence of ours."""
    _distributed()
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    loggers = [logger for logger in known if logger.name.partition(".")[0] in {"distributed", "tornado"}]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
