"""The rows of a stimuli folder's table: a batch's columns, and what each row was made from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mturk_eval.batch.stimuli_table import STIMULI_COLUMNS, read_stimulus, stimulus_row
from mturk_eval.errors import StimuliError
from mturk_eval.trials import Stimulus

# Beyond the columns of a batch: what the row was made from, so that a rerun knows what is done.
REQUEST_COLUMN: Final = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of a folder's stimuli.csv."""

    stimulus: Stimulus
    request: str


def read_rows(table: Path) -> tuple[Entry, ...]:
    """Read a table, in its order; nothing where there is none.

    Raises
    ------
    StimuliError
        If the file is no such table; names row and column.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise StimuliError(f"{table}: not a readable CSV file ({error}).") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in STIMULI_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise StimuliError(f"{table}: column {missing[0]} is missing. Give another folder (--out).")
    entries = []
    try:
        for row in reader:
            where = f"{table}, row {reader.line_num}"
            if None in row or None in row.values():
                raise StimuliError(f"{where}: not as many cells as the header.")
            try:
                stimulus = read_stimulus(row)
            except ValueError as error:
                raise StimuliError(f"{where}, {error}.") from error
            entries.append(Entry(stimulus=stimulus, request=row.get(REQUEST_COLUMN, "")))
    except csv.Error as error:
        raise StimuliError(f"{table}: not a readable CSV file ({error}).") from error
    return tuple(entries)


def rows_bytes(entries: Iterable[Entry]) -> bytes:
    """Write a table: by method and rate, originals first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*STIMULI_COLUMNS, REQUEST_COLUMN])
    writer.writerows(
        [*stimulus_row(row.stimulus), row.request] for row in sorted(entries, key=_order)
    )
    return buffer.getvalue().encode()


def _order(entry: Entry) -> tuple[object, ...]:
    s = entry.stimulus
    return (s.role != "original", s.method, s.target_bpp or 0.0, s.id)
