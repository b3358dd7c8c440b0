"""One task after the other, over processes, or over a cluster: the same numbers each way.

A task carries all it needs, its seed included (``numpy.random.SeedSequence.spawn``), so that where
and when it runs changes nothing.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from mturk_eval.errors import InvalidInputError

Progress = Callable[[int, int], None]
"""Called with how many tasks are done, and of how many."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

LOCAL_CLUSTER: Final = "local"
_FEWEST_LOCAL_PROCESSES = 2
_SECONDS_TO_CONNECT = 10
_ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss)://[^\s/]+:\d+")


def map_tasks(
    function: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> list[_Result]:
    """Apply a function to every task, in this process or in others.

    Parameters
    ----------
    function : callable
        A function of a module, or a ``functools.partial`` of one: other processes import it.
    tasks : sequence
        Arguments, one per call; each holds its own seed if it draws random numbers.
    workers : int, default 1
        Processes of this machine; 1 stays in this process.
    dask : str, optional
        ``local`` starts a cluster of ``workers`` processes on this machine, at least two; an
        address such as ``tcp://host:8786`` uses the cluster that is there, all of it. Its machines
        need the same version of mturk-eval.
    progress : callable, optional
        Called with the number of results so far and the number of tasks.

    Returns
    -------
    list
        Results in the order of the tasks. What the function raises is raised here; Ctrl-C stops
        the processes that were started and raises `KeyboardInterrupt`.

    Raises
    ------
    InvalidInputError
        If ``workers`` is below 1, dask's scheduler does not answer, or the extra is missing.

    Examples
    --------
    >>> map_tasks(abs, [3, -1])
    [3, 1]
    """
    if workers < 1:
        raise InvalidInputError(f"{workers} workers: give 1 or more (--workers).")
    if not tasks:
        return []
    if dask is not None:
        with _dask_client(dask, workers) as client:
            # dask counts the tasks in flight itself, so that joblib is given all of the cluster.
            return _run(function, tasks, progress, n_jobs=-1, backend="dask", client=client)
    if workers == 1:
        return _collect(map(function, tasks), len(tasks), progress)
    # Tasks are small matrices: more threads than processes would only wait for each other.
    return _run(
        function,
        tasks,
        progress,
        n_jobs=min(workers, len(tasks)),
        backend="loky",
        inner_max_num_threads=1,
    )


def _run(
    function: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    progress: Progress | None,
    **backend: Any,
) -> list[_Result]:
    """All tasks through one of joblib's backends."""
    import joblib

    with joblib.parallel_config(**backend):
        parallel = joblib.Parallel(return_as="generator")
        with _interrupts_kept_from_children():
            results = parallel(joblib.delayed(function)(task) for task in tasks)
        try:
            return _collect(results, len(tasks), progress)
        finally:
            # On an error or Ctrl-C what still waits is not begun, which joblib would warn about.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                results.close()


def _collect(results: Iterator[_Result], total: int, progress: Progress | None) -> list[_Result]:
    collected = []
    for result in results:
        collected.append(result)
        if progress is not None:
            progress(len(collected), total)
    return collected


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal, and one is enough to stop them all.

    Processes that start meanwhile inherit that it is ignored here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say so, and only there Ctrl-C is raised
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _dask_client(dask: str, workers: int) -> Iterator[Any]:
    """A client of the cluster there is, or of one that lives as long as the block."""
    try:
        import distributed
    except ImportError as error:
        raise InvalidInputError(
            "--dask needs dask's scheduler, which is not installed: "
            "run `pip install 'mturk-eval[dask]'`, or use --workers."
        ) from error
    if dask == LOCAL_CLUSTER:
        with _interrupts_kept_from_children():
            cluster = distributed.LocalCluster(
                n_workers=max(workers, _FEWEST_LOCAL_PROCESSES),
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # for nobody else, on any free port
                silence_logs=logging.CRITICAL,
            )
        with _quiet("tornado.application"), cluster, distributed.Client(cluster) as client:
            yield client
        return
    if not _ADDRESS.fullmatch(dask):
        raise InvalidInputError(
            f"--dask {dask}: give {LOCAL_CLUSTER}, or the address of a dask scheduler such as "
            "tcp://host:8786."
        )
    try:
        client = distributed.Client(dask, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"--dask {dask}: no dask scheduler answers there. Start one with `dask scheduler`, "
            f"give its address (tcp://HOST:8786), or use --dask {LOCAL_CLUSTER}."
        ) from error
    with _quiet("tornado.application"), client:
        yield client


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Keep a logger from reporting that connections close while a cluster is stopped."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
