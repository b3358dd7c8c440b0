"""What every command shares: the study's settings, JSON on stdout, messages on stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mturk_eval.config import Settings

_SECONDS_BETWEEN_LINES = 3.0


@dataclass(frozen=True)
class GlobalOptions:
    """What stands before the command's name."""

    config: Path | None = None


def settings_of(ctx: typer.Context, options: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force for a command: its options over environment, file and defaults."""
    from mturk_eval.config import load_settings

    common = ctx.obj if isinstance(ctx.obj, GlobalOptions) else GlobalOptions()
    return load_settings(common.config, options)


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str, allow_nan=False))


def say(message: str) -> None:
    """Tell the user something that is not the result."""
    typer.echo(message, err=True)


def count(n: int, noun: str) -> str:
    """A number with its noun: 1 HIT, 2 HITs."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@contextmanager
def stopping(advice: str) -> Iterator[None]:
    """Turn Ctrl-C into one sentence that says what is kept and how to go on."""
    from mturk_eval.errors import StoppedError

    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"stopped. {advice}") from None


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; call it with done and all.

    Where stderr is no terminal, a line is printed every few seconds if there is more to tell.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(label, total=None)
        told_done, told_at = 0, time.monotonic()

        def show(done: int, total: int) -> None:
            nonlocal told_done, told_at
            bar.update(task, completed=done, total=total)
            late = time.monotonic() - told_at > _SECONDS_BETWEEN_LINES
            if not console.is_terminal and late and done != told_done:
                told_done, told_at = done, time.monotonic()
                say(f"{label}: {done} of {total}")

        yield show
