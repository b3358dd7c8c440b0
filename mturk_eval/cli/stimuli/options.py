"""What the commands that make stimuli share: where they run, and how they tell what failed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, say

if TYPE_CHECKING:
    from mturk_eval.stimuli.making import Failure

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; default: the cores there are."),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask", metavar="local|ADDRESS", help="A dask cluster that sees the same files."
    ),
]


def processes(workers: int | None) -> int:
    """As many as were asked for, else one for each core that this process may use."""
    return workers or len(os.sched_getaffinity(0))


def failures_json(failures: Sequence[Failure]) -> list[dict[str, str]]:
    """What failed, for ``--json``."""
    return [{"image": failure.image, "problem": failure.problem} for failure in failures]


def end(failures: Sequence[Failure]) -> None:
    """Name what failed, on stderr, and exit with 1 if anything did."""
    for failure in failures:
        say(f"{failure.image}: {failure.problem}")
    if failures:
        say(f"{count(len(failures), 'image')} failed; the same command tries again.")
        raise typer.Exit(1)
