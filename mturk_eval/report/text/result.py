"""The text of one result, by its type; each module of this folder registers those it can write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from mturk_eval.report.tables import Cell, text_table

MOST_ROWS = 40
"""Rows of a table beside the main one that a terminal gets; ``--json`` has all."""


@singledispatch
def result_text(result: object) -> str:
    """A result for the terminal, without its warnings."""
    raise TypeError(f"no text for a {type(result).__name__}")


def first_rows(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    what: str,
    *,
    digits: int = 3,
    most: int = MOST_ROWS,
) -> str:
    """A table that fits a screen: its first rows, then how many more ``what`` there are.

    Examples
    --------
    >>> print(first_rows(["rater", "bias"], [["ann", 0.5], ["bob", -0.5]], "raters", most=1))
    rater   bias
    -----  -----
    ann    0.500
    … and 1 more raters: with --json.
    """
    table = text_table(header, rows[:most], digits=digits)
    rest = len(rows) - most
    return table if rest <= 0 else f"{table}\n… and {rest:,} more {what}: with --json."
