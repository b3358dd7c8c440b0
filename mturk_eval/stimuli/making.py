"""Making many reconstructions for one folder: what is done is kept at once, what fails is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from mturk_eval.errors import MturkEvalError
from mturk_eval.parallel import Progress, map_tasks
from mturk_eval.stimuli.folder import StimuliFolder

_Task = TypeVar("_Task")
_Made = TypeVar("_Made")

_SECONDS_BETWEEN_TABLES: Final = 1.0

FAILURES: Final = (
    MturkEvalError, OSError, ValueError, TypeError, RuntimeError, SystemError, MemoryError,
    ArithmeticError, LookupError,
)  # fmt: skip
"""What libraries raise at a picture that they cannot take; it must not stop the other pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One image that could not be done, and why."""

    image: str
    problem: str


def problem_of(path: Path, error: Exception) -> str:
    """What one of `FAILURES` says to a user; with the file, where it does not come from us.

    Examples
    --------
    >>> problem_of(Path("cat.png"), ZeroDivisionError("division by zero"))
    'cat.png: ZeroDivisionError: division by zero'
    """
    if isinstance(error, MemoryError):
        return f"{path}: not enough memory; run fewer --workers."
    if isinstance(error, MturkEvalError):
        return str(error)
    return f"{path}: {type(error).__name__}: {error}"


def make_each(
    make: Callable[[_Task], _Made],
    tasks: Sequence[_Task],
    folder: StimuliFolder,
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> list[_Made]:
    """Apply a function that leaves rows for a folder's table (`StimuliFolder.leave`) to every task.

    The table is brought up to date now and then and at the end, also after Ctrl-C.

    Parameters
    ----------
    make : callable
        Gives what it made, or a `Failure`; see `map_tasks` for what it may be.
    workers, dask, progress
        As in `map_tasks`. Machines of a cluster must see the same files.

    Raises
    ------
    MturkEvalError
        If a process was ended from outside.
    """
    try:
        return map_tasks(
            make, tasks, workers=workers, dask=dask, progress=_gathering(folder, progress)
        )
    except BrokenExecutor as error:
        raise MturkEvalError(
            "A process was ended by the system, most often for want of memory. What is done is "
            "kept; run the same command with fewer --workers."
        ) from error
    finally:
        folder.gather()


def _gathering(folder: StimuliFolder, progress: Progress | None) -> Progress:
    """Progress that also brings the table up to date, now and then."""
    latest = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal latest
        if progress is not None:
            progress(done, total)
        if time.monotonic() - latest > _SECONDS_BETWEEN_TABLES:
            folder.gather()
            latest = time.monotonic()

    return tell
