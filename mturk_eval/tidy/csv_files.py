"""CSV files as cells of text, and tables as CSV files."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mturk_eval.errors import TableError

_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
"""What Excel puts before a table to name the separator."""


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the non-empty rows with their numbers; cells stripped of outer blanks.

    Parameters
    ----------
    path : Path
        UTF-8, also ``.csv.gz``; separated by commas, semicolons or tabs.

    Raises
    ------
    TableError
        If the file cannot be read, or a row has not as many cells as the header.
    """
    reader, first_row = _reader(path)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise TableError(f"{path} is empty; a table starts with a row of column names.")
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise TableError(
                f"{path}, row {first_row}: column {', '.join(sorted(twice))} occurs twice."
            )
        rows = []
        for number, cells in enumerate(reader, start=first_row + 1):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise TableError(
                    f"{path}, row {number}: {len(cells)} cells where the header has {len(header)}. "
                    "Quote cells that contain the separator, and close every quotation mark."
                )
            rows.append((number, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise TableError(f"{path}: not readable as CSV ({error}).") from error
    return header, rows


def column_names(path: Path) -> tuple[str, ...]:
    """The names in a table's header."""
    return tuple(read_cells(path)[0])


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table: UTF-8, times in ISO 8601 UTC, missing cells empty; all of the file or nothing.

    Columns keep the frame's order; rows too.
    """
    shown = frame.copy()
    for name in shown.columns:
        if isinstance(shown[name].dtype, pd.DatetimeTZDtype):
            times = shown[name].dt.tz_convert("UTC")
            shown[name] = times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3] + "Z"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            shown.to_csv(file, index=False, lineterminator="\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _reader(path: Path) -> tuple[Iterator[list[str]], int]:
    """The rows of a file, and the number of the first: 1, or 2 below a line ``sep=;``."""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        if raw[:4] == b"PK\x03\x04":
            raise TableError(f"{path} is a workbook, not a CSV. Save the sheet as 'CSV UTF-8'.")
        text = raw.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path}: the compressed file is damaged ({error}).") from error
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: byte {error.start} is not UTF-8. Save the file as 'CSV UTF-8'."
        ) from error
    if named := _SEPARATOR_LINE.match(text):
        body = io.StringIO(text[named.end() :], newline="")
        return csv.reader(body, delimiter=named[1]), 2
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1
