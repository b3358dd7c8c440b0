"""Numbers as people read them, and plain-text tables for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import assert_never

_WIDTH = 96
Cell = str | int | float | None


def text_table(header: Sequence[str], rows: Sequence[Sequence[Cell]], *, digits: int = 3) -> str:
    """Columns aligned: text left, numbers right; ``–`` where there is none.

    Examples
    --------
    >>> print(text_table(["method", "mean"], [["jxl", 5.25], ["webp", None]], digits=2))
    method  mean
    ------  ----
    jxl     5.25
    webp       –
    """
    numeric = [
        all(isinstance(row[column], int | float | None) for row in rows)
        for column in range(len(header))
    ]
    shown = [[format_cell(cell, digits) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, shown)])


def format_cell(cell: Cell, digits: int = 3) -> str:
    """One cell as shown to people."""
    match cell:
        case None:
            return "–"
        case str():
            return cell
        case bool() | int():
            return f"{cell:,}"
        case float():
            return decimal(cell, digits) if math.isfinite(cell) else "–"
        case _:
            assert_never(cell)


def decimal(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with so many decimals, and no minus sign before a zero.

    Examples
    --------
    >>> decimal(-0.0004, 3), decimal(-0.0006, 3), decimal(-0.001, 2, sign=True)
    ('0.000', '-0.001', '+0.00')
    """
    rounded = round(value, digits) + 0.0  # -0.0 + 0.0 is 0.0
    return f"{rounded:+.{digits}f}" if sign else f"{rounded:.{digits}f}"


def format_rate(bpp: float | None) -> str:
    """A target rate as it was asked for."""
    return "–" if bpp is None else f"{bpp:g}"


def format_p(p: float | None) -> str:
    """A p value as papers print it."""
    if p is None:
        return "–"
    if p > 0.9995:  # rounds to 1
        return "1"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``[low, high]``, or ``–`` where there is none."""
    if low is None or high is None:
        return "–"
    return f"[{decimal(low, digits)}, {decimal(high, digits)}]"


def wrapped(text: str, lead: str = "") -> str:
    """A paragraph at the width of a terminal, hanging under its lead."""
    return textwrap.fill(
        text, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )
