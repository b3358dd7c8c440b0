"""What a benchmark consists of: contenders that do one task, and rows that compare their laps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Numbers = dict[str, float]
"""What a contender found, by name, for comparison: criterion, df, …"""


class Watch:
    """Measures named laps: ``with watch("fit"): …``; a lap run again replaces its time."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}

    @contextmanager
    def __call__(self, lap: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.laps[lap] = time.perf_counter() - started


Work = Callable[[pd.DataFrame, Watch], Numbers]


@dataclass(frozen=True, kw_only=True)
class PythonContender:
    """``work(table, watch)`` does the task and times its laps; ImportError if not installed."""

    name: str
    work: Work
    slow: bool = False
    """Takes minutes: left out of quick runs."""
    note: str = ""
    """What a reader of the table has to know: another model, a part of the task only."""


@dataclass(frozen=True, kw_only=True)
class RContender:
    """A script of ``r/`` with its arguments; see ``r/timing.R`` for what it prints."""

    name: str
    script: str
    arguments: tuple[str, ...]
    slow: bool = False
    note: str = ""


Contender = PythonContender | RContender


@dataclass(frozen=True, kw_only=True)
class Target:
    """How many times faster than a rival we want to be."""

    rival: str
    at_least: float | None = None
    beyond: float | None = None
    laps: tuple[str, ...] | None = None
    """The rival's laps to compare with, where they are not named as ours."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: the sum of some of our laps, what it is compared with, and limits."""

    title: str
    laps: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    limit_s: float | None = None
    limit_gb: float | None = None
    beyond_gb: float | None = None
    beyond_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set, who works on it (ourselves first), and the rows that come out."""

    key: str
    data: str
    contenders: tuple[Contender, ...]
    rows: tuple[Row, ...]
    slow: bool = False
    warm_up: str = "paperlike_300workers"
    compare: tuple[str, ...] = ()
    """Names of the numbers that all contenders should agree in."""

    @property
    def ours(self) -> Contender:
        """The first contender."""
        return self.contenders[0]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What came out of one contender's process.

    ``laps`` are medians over ``repeats``, seconds. ``peak_gb`` is the whole process's peak
    resident memory, the table included; ``base_gb`` what it held before the work.
    """

    contender: str
    laps: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 0
    peak_gb: float | None = None
    base_gb: float | None = None
    numbers: Numbers = field(default_factory=dict)
    absent: str = ""
    """Why there is nothing: not installed, left out of a quick run, failed."""

    def seconds(self, laps: tuple[str, ...]) -> float | None:
        """Sum of these laps; None where one was not run."""
        return sum(self.laps[lap] for lap in laps) if set(laps) <= set(self.laps) else None

    @classmethod
    def of(cls, contender: str, found: Mapping[str, Any]) -> Measurement:
        """From what a process printed."""
        return cls(
            contender=contender,
            laps=found["laps"],
            repeats=int(found["repeats"]),
            peak_gb=found.get("peak_gb"),
            base_gb=found.get("base_gb"),
            numbers=found["numbers"],
        )
