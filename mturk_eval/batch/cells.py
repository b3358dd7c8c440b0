"""Cells of a CSV row as values; a ValueError says which column is wrong, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def one_of(row: Mapping[str, str], column: str, allowed: Sequence[str]) -> Any:
    """The cell, which must be one of the allowed words."""
    if row[column] not in allowed:
        raise ValueError(f"{column}: {row[column]!r} is not {' or '.join(allowed)}")
    return row[column]


def filled(row: Mapping[str, str], column: str) -> str:
    """The cell, which must not be empty."""
    if not row[column].strip():
        raise ValueError(f"{column}: empty")
    return row[column]


def whole(row: Mapping[str, str], column: str) -> int:
    """The cell, a whole number from 0."""
    if not row[column].isdecimal():
        raise ValueError(f"{column}: {row[column]!r} is not a whole number")
    return int(row[column])


def optional_float(row: Mapping[str, str], column: str) -> float | None:
    """The cell, a positive number, or None where it is empty."""
    if not row[column]:
        return None
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{column}: {row[column]!r} is not a positive number")
    return number
