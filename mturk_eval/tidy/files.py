"""Tidy tables from CSV files, ours or anybody's.

Every complaint names the file, the row as a spreadsheet numbers it (the header is row 1) and the
column, and says what to do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mturk_eval.errors import TableError
from mturk_eval.tidy.columns import (
    LABEL_COLUMNS,
    RATINGS_COLUMNS,
    VOTES_COLUMNS,
    Table,
    check_repeats,
    check_roles,
    in_order,
)
from mturk_eval.tidy.csv_files import read_cells
from mturk_eval.trials import CHOICES

_MISSING = frozenset({"", "na", "nan", "n/a", "<na>"})
_WORDS_SHOWN = 5
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about a file that does not fit, in the words of the command that reads it.

    ``drop`` ends the sentence that says to correct a cell; ``rename`` takes the name of a column.
    """

    other_kind: str
    rename: str
    drop: str


ANALYZE = Advice(
    other_kind="Give another file or another --model.",
    rename="Rename with --column {}=NAME, NAME being the file's column.",
    drop=", or leave such rows out with --drop-missing",
)
METRIC_VALUES = Advice(
    other_kind="",
    rename="Name the column {} in the file: it says which stimulus a row is about.",
    drop="",
)


def read_ratings(
    path: Path,
    *,
    rename: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = None,
    drop_missing: bool = False,
    advice: Advice = ANALYZE,
) -> Table:
    """Read ratings, one row per answer.

    Parameters
    ----------
    path : Path
        A CSV file with a header (also ``.csv.gz``); separated by commas, semicolons or tabs.
    rename : mapping
        Our name to the file's: ``{"rater": "worker"}``.
    scale : (low, high), optional
        The lowest and the highest rating there can be; without it any number is a rating.
    drop_missing : bool
        Leave out rows with an empty or non-numeric rating (or an empty rater, image or method)
        instead of refusing the file; how many, and what they held, is in the table's warnings.
    advice : Advice
        What the command that reads the file can be told; a message advises nothing else.

    Raises
    ------
    TableError
        If a column is missing or a cell is not what its column holds.
    """
    needed = [name for name in RATINGS_COLUMNS if name != "bpp"]
    frame = _read_columns(
        path, rename, needed=needed, wrong_kind=("choice", "votes"), advice=advice
    )
    frame, dropped = _numeric_response(
        path, frame, "rating", drop_missing=drop_missing, advice=advice
    )
    frame, nameless = _complete(path, frame, needed, drop_missing=drop_missing, advice=advice)
    _check_scale(path, frame, "rating", scale)
    return _finished(path, frame, RATINGS_COLUMNS, [*dropped, *nameless])


def read_votes(
    path: Path,
    *,
    rename: Mapping[str, str] | None = None,
    drop_missing: bool = False,
    advice: Advice = ANALYZE,
) -> Table:
    """Read votes between two reconstructions, one row per answer; see `read_ratings`.

    ``choice`` is ``left``, ``right`` or ``not_sure``. Other words are refused, or left out and
    counted with ``drop_missing``; a file with no usable choice at all is refused in any case.
    """
    needed = [name for name in VOTES_COLUMNS if name != "bpp"]
    frame = _read_columns(
        path, rename, needed=needed, wrong_kind=("rating", "ratings"), advice=advice
    )
    frame, strange = _known_choice(path, frame, drop_missing=drop_missing, advice=advice)
    frame, nameless = _complete(path, frame, needed, drop_missing=drop_missing, advice=advice)
    return _finished(path, frame, VOTES_COLUMNS, [*strange, *nameless])


def read_table(
    path: Path,
    *,
    response: str,
    variables: Collection[str] = (),
    rename: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = None,
    drop_missing: bool = False,
) -> Table:
    """Read a table with any column names, for a model given as a formula.

    Parameters
    ----------
    response : str
        The column with the answers; numeric.
    variables : collection of str
        The other columns the formula needs; they must exist and have no empty cell. A column whose
        cells are all numbers is numeric, but for names such as ``rater``, ``image`` and ``method``.
    """
    needed = [response, *variables]
    frame = _read_columns(path, rename, needed=needed, wrong_kind=None, advice=ANALYZE)
    frame, dropped = _numeric_response(
        path, frame, response, drop_missing=drop_missing, advice=ANALYZE
    )
    frame, nameless = _complete(path, frame, needed, drop_missing=drop_missing, advice=ANALYZE)
    _check_scale(path, frame, response, scale)
    for name in frame.columns.difference([response, *LABEL_COLUMNS]):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if numbers.notna().eq(frame[name].notna()).all() and numbers.notna().any():
            frame = frame.assign(**{name: numbers})
    return _finished(path, frame, (), [*dropped, *nameless])


def read_metric_values(path: Path) -> pd.DataFrame:
    """Read objective metrics: a row per stimulus, with its image, method (and bpp), and a column
    per metric; or columns ``metric`` and ``value``.

    Raises
    ------
    TableError
        If a column is missing or a cell is not what its column holds.
    """
    frame = _read_columns(
        path, None, needed=["image", "method"], wrong_kind=None, advice=METRIC_VALUES
    )
    for name in frame.columns.difference([*LABEL_COLUMNS, "metric", "bpp"]):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        wrong = frame[frame[name].notna() & numbers.isna()]
        if wrong.empty:
            frame = frame.assign(**{name: numbers})
        elif numbers.notna().any():
            raise TableError(
                f"{path}, row {wrong.index[0]}, column {name}: '{wrong[name].iloc[0]}' is not a "
                "number. Correct it, or leave the column out."
            )
    return frame.reset_index(drop=True)


def _read_columns(
    path: Path,
    rename: Mapping[str, str] | None,
    *,
    needed: Sequence[str],
    wrong_kind: tuple[str, str] | None,
    advice: Advice,
) -> pd.DataFrame:
    """The file as text columns under our names, rows numbered as in a spreadsheet."""
    header, rows = read_cells(path)
    frame = pd.DataFrame(
        [cells for _, cells in rows],
        columns=pd.Index(header),
        index=pd.Index([number for number, _ in rows], dtype=np.int64),
        dtype=object,
    )
    if frame.empty:
        raise TableError(f"{path} has a header and no rows.")
    frame = frame.mask(frame.map(lambda cell: cell.lower() in _MISSING), np.nan)
    for ours, theirs in (rename or {}).items():
        if theirs not in header:
            raise TableError(
                f"{path} has no column '{theirs}' to be {ours} (--column {ours}={theirs}). "
                f"It has {_list(header)}."
            )
        if ours in header and ours != theirs:
            frame = frame.drop(columns=ours)
    frame = frame.rename(columns={theirs: ours for ours, theirs in (rename or {}).items()})
    missing = [name for name in needed if name not in frame]
    if missing:
        if wrong_kind is not None and wrong_kind[0] in frame:
            raise TableError(
                f"{path} holds {wrong_kind[1]} (it has a column {wrong_kind[0]}), and "
                f"{_list(needed)} are needed here. {advice.other_kind}"
            )
        raise TableError(
            f"{path} has no column {_list(missing)}; it has {_list(header)}. "
            + (
                "Separate columns by commas, semicolons or tabs."
                if len(header) == 1 and len(needed) > 1
                else advice.rename.format(missing[0])
            )
        )
    if "bpp" in frame:
        frame = frame.assign(bpp=_numbers(path, frame, "bpp"))
    check_roles(frame, str(path))
    return frame


def _known_choice(
    path: Path, frame: pd.DataFrame, *, drop_missing: bool, advice: Advice
) -> tuple[pd.DataFrame, list[str]]:
    """Rows whose choice is one of ours or empty, and the other words."""
    frame = frame.assign(choice=frame["choice"].str.lower())
    strange = frame["choice"].notna() & ~frame["choice"].isin(CHOICES)
    if strange.any() and not drop_missing:
        row, count = frame.index[strange][0], int(strange.sum())
        others = "" if count == 1 else f" ({count} such rows)"
        raise TableError(
            f"{path}, row {row}, column choice: '{frame.loc[row, 'choice']}' is not one of "
            f"{', '.join(CHOICES)}{others}. Write the side that was chosen{advice.drop}."
        )
    if not frame["choice"].isin(CHOICES).any():
        raise TableError(
            f"{path}, column choice: no row holds one of {', '.join(CHOICES)}. Write the side that "
            "was chosen."
        )
    return frame[~strange], [f"'{word}'" for word in frame.loc[strange, "choice"]]


def _numeric_response(
    path: Path, frame: pd.DataFrame, column: str, *, drop_missing: bool, advice: Advice
) -> tuple[pd.DataFrame, list[str]]:
    numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
    unusable = ~np.isfinite(numbers)
    if unusable.any() and not drop_missing:
        row = frame.index[unusable][0]
        cell = frame.loc[row, column]
        what = "the cell is empty or NA" if pd.isna(cell) else f"'{cell}' is not a number"
        if isinstance(cell, str) and _DECIMAL_COMMA.fullmatch(cell):
            what += f" (write {cell.replace(',', '.')})"
        count = int(unusable.sum())
        others = "" if count == 1 else f" ({count} such rows)"
        raise TableError(
            f"{path}, row {row}, column {column}: {what}{others}. Correct it{advice.drop}."
        )
    kept = frame.assign(**{column: numbers})[~unusable]
    if kept.empty:
        raise TableError(f"{path}, column {column}: no row holds a number.")
    cells = frame.loc[unusable, column]
    return kept, ["empty" if pd.isna(cell) else f"'{cell}'" for cell in cells]


def _complete(
    path: Path,
    frame: pd.DataFrame,
    columns: Sequence[str],
    *,
    drop_missing: bool,
    advice: Advice,
) -> tuple[pd.DataFrame, list[str]]:
    """Rows in which every column of ``columns`` is filled."""
    empty = frame[list(columns)].isna()
    bad = empty.any(axis=1)
    if bad.any() and not drop_missing:
        row = frame.index[bad][0]
        column = next(name for name in columns if empty.loc[row, name])
        count = int(bad.sum())
        others = "" if count == 1 else f" ({count} rows have an empty cell)"
        raise TableError(
            f"{path}, row {row}, column {column}: the cell is empty{others}. Fill it{advice.drop}."
        )
    kept = frame[~bad]
    if kept.empty:
        raise TableError(f"{path}: no row is complete in {_list(columns)}.")
    return kept, ["empty"] * int(bad.sum())


def _numbers(path: Path, frame: pd.DataFrame, column: str) -> pd.Series[float]:
    numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
    wrong = frame[frame[column].notna() & ~np.isfinite(numbers)]
    if not wrong.empty:
        raise TableError(
            f"{path}, row {wrong.index[0]}, column {column}: '{wrong[column].iloc[0]}' is not a "
            "number. Write bits per pixel with a decimal point, or leave the cell empty."
        )
    return numbers


def _check_scale(
    path: Path, frame: pd.DataFrame, column: str, scale: tuple[float, float] | None
) -> None:
    if scale is None:
        return
    low, high = scale
    outside = frame[(frame[column] < low) | (frame[column] > high)]
    if not outside.empty:
        raise TableError(
            f"{path}, row {outside.index[0]}, column {column}: {outside[column].iloc[0]:g} is "
            f"outside the scale {low:g} to {high:g}. Correct the cell or give another --scale."
        )


def _finished(
    path: Path, frame: pd.DataFrame, columns: Sequence[str], dropped: Sequence[str]
) -> Table:
    if "bpp" in columns and "bpp" not in frame:
        frame = frame.assign(bpp=np.nan)
    warnings = check_repeats(frame, str(path))
    if dropped:
        rows = "1 row" if len(dropped) == 1 else f"{len(dropped)} rows"
        words = [f"{n} {word}" for word, n in Counter(dropped).most_common(_WORDS_SHOWN)]
        more = ", …" if len(set(dropped)) > _WORDS_SHOWN else ""
        left = (
            f"{rows} without a usable answer left out (--drop-missing): {_list(words)}{more}; "
            f"{len(frame)} kept."
        )
        warnings = (left, *warnings)
    return Table(frame=in_order(frame, columns), source=str(path), warnings=warnings)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
