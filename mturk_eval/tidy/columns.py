"""The columns of tidy data and the rules that hold wherever the rows came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from mturk_eval.errors import TableError
from mturk_eval.trials import ROLES

RATINGS_COLUMNS = ("rater", "image", "method", "bpp", "rating")
VOTES_COLUMNS = ("rater", "image", "bpp", "method_left", "method_right", "choice")
LABEL_COLUMNS = frozenset(
    {"rater", "image", "method", "method_left", "method_right", "choice", "role", "batch", "hit"}
    | {"trial_id"}
)
"""Columns that hold names even where the names are digits: rater 7 is no seven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of answers, where they are from, and what was noticed on the way.

    Attributes
    ----------
    frame : DataFrame
        One row per answer. Its index is the row's number in the file, the header being row 1.
    source : str
        The file, or the ledger and its batches, in words.
    warnings : tuple of str
        What a reader of results must know: rows dropped, rows that occur twice.
    """

    frame: pd.DataFrame
    source: str
    warnings: tuple[str, ...] = field(default=())


def model_rows(table: Table) -> Table:
    """The rows a model may use: those of main trials; every row where no role is known.

    Practice, catch, repeat and identical trials stay in exports and never enter a model.
    """
    frame = table.frame
    if "role" not in frame:
        return table
    main = frame[frame["role"] == "main"]
    left_out = frame.loc[frame["role"] != "main", "role"].value_counts()
    if left_out.empty:
        return table
    counts = ", ".join(f"{count} {role}" for role, count in left_out.items())
    note = f"Trials that are not main trials are not in the model: {counts}."
    return replace(table, frame=main, warnings=(*table.warnings, note))


def check_roles(frame: pd.DataFrame, source: str) -> None:
    """Refuse a ``role`` column that means something else.

    Raises
    ------
    TableError
        At the first row whose role is not one of ours.
    """
    if "role" not in frame:
        return
    strange = frame[~frame["role"].isin(ROLES)]
    if not strange.empty:
        row, value = strange.index[0], strange["role"].iloc[0]
        raise TableError(
            f"{source}, row {row}, column role: {_shown(value)} is not a trial's role "
            f"({', '.join(ROLES)}). If the column means something else, rename it in the file."
        )


def check_repeats(frame: pd.DataFrame, source: str) -> tuple[str, ...]:
    """Refuse a trial that one rater answered twice; count rows that are equal in every column.

    Returns
    -------
    tuple of str
        The warning about equal rows, if there are any. They are kept: two raters without a
        pseudonym may well have answered the same.

    Raises
    ------
    TableError
        If a ``trial_id`` occurs twice for one rater (of one batch).
    """
    if {"trial_id", "rater"} <= set(frame.columns):
        key = ["rater", "trial_id", *(["batch"] if "batch" in frame else [])]
        repeated = frame[frame["trial_id"].notna() & frame.duplicated(key, keep="first")]
        if not repeated.empty:
            row = repeated.index[0]
            same = (frame[key] == repeated.iloc[0][key]).all(axis=1)
            raise TableError(
                f"{source}, row {row}, column trial_id: rater {_shown(repeated['rater'].iloc[0])} "
                f"answered trial {_shown(repeated['trial_id'].iloc[0])} already in row "
                f"{frame.index[same][0]}. Keep one of the rows."
            )
    equal = int(frame.duplicated(keep="first").sum())
    if not equal:
        return ()
    first = frame.index[frame.duplicated(keep="first")][0]
    rows = "1 row is" if equal == 1 else f"{equal} rows are"
    return (
        f"{rows} equal to an earlier row in every column and counted as separate answers "
        f"(first: row {first}). If they are copies, remove them from the file.",
    )


def in_order(frame: pd.DataFrame, first: Sequence[str]) -> pd.DataFrame:
    """The columns in a fixed order: those of the contract, then the others as they came."""
    known = [name for name in first if name in frame]
    return frame[[*known, *(name for name in frame.columns if name not in known)]]


def _shown(value: object) -> str:
    return "an empty cell" if pd.isna(value) else f"'{value}'"  # type: ignore[call-overload]
