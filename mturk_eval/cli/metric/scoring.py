"""Which files `metric score` compares: from arguments, folders, or a CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mturk_eval.errors import InvalidInputError, StimuliError, TableError

if TYPE_CHECKING:
    from mturk_eval.metric.scoring import FilePair

_COLUMNS = ("reference", "distorted")


def pairs_to_score(reference: Path, distorted: Sequence[Path]) -> list[FilePair]:
    """Pair pictures with their originals.

    An original goes with files, or with every picture of a folder. A folder of originals goes with
    folders whose pictures have the same names without suffix, or ``METHOD/IMAGE.ext`` and
    ``METHOD/BPP/IMAGE.ext`` below them. A CSV stands alone.

    Raises
    ------
    InvalidInputError
        If the arguments do not fit together or something is not there; a CSV's row is named.
    """
    if reference.suffix.lower() == ".csv":
        if distorted:
            raise InvalidInputError(
                f"{reference} lists its pictures in columns reference and distorted: give no "
                "others beside it."
            )
        return _of_table(reference)
    if not distorted:
        raise InvalidInputError(
            f"What is to be compared with {reference}? Give pictures or folders after it."
        )
    for path in (reference, *distorted):
        if not path.exists():
            raise InvalidInputError(f"{path}: there is no such file or folder.")
    if reference.is_dir():
        return [pair for folder in distorted for pair in _of_folders(reference, folder)]
    return [pair for path in distorted for pair in _of_one(reference, path)]


def _of_one(original: Path, path: Path) -> list[FilePair]:
    from mturk_eval.metric.scoring import FilePair
    from mturk_eval.stimuli.matching import find_originals

    files = list(find_originals(path).values()) if path.is_dir() else [path]
    return [FilePair(original=original, reconstruction=file) for file in files]


def _of_folders(originals: Path, folder: Path) -> list[FilePair]:
    from mturk_eval.metric.scoring import FilePair
    from mturk_eval.stimuli.matching import find_originals, find_reconstructions

    if not folder.is_dir():
        raise InvalidInputError(
            f"{originals} is a folder and {folder} is a file: give folders on both sides, or one "
            "original."
        )
    known = find_originals(originals)
    has_methods = any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())
    files = (
        [(file.image, file.path) for file in find_reconstructions(folder)]
        if has_methods
        else list(find_originals(folder).items())
    )
    for image, path in files:
        if image not in known:
            raise StimuliError(
                f"{path}: {originals} has no original {image}. Files are matched by name without "
                "suffix: rename it, or add the original."
            )
    # Those of one original together: it is then decoded once.
    return [
        FilePair(original=known[image], reconstruction=path)
        for image, path in sorted(files, key=lambda file: (file[0], str(file[1])))
    ]


def _of_table(table: Path) -> list[FilePair]:
    from mturk_eval.metric.scoring import FilePair

    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise TableError(f"{table} has no column {', '.join(missing)}.")
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{table}: not a readable CSV file ({error}).") from error
    except OSError as error:
        raise TableError(f"{table}: {error.strerror or error}.") from error
    if not rows:
        raise TableError(f"{table} has a header and no rows.")
    pairs = []
    for number, row in rows:
        for name in _COLUMNS:
            if not row[name]:
                raise TableError(f"{table}, row {number}, column {name}: the cell is empty.")
            if not (table.parent / row[name]).is_file():
                raise TableError(
                    f"{table}, row {number}, column {name}: {table.parent / row[name]} does not "
                    "exist. Paths are relative to the CSV."
                )
        one, other = (table.parent / row[name] for name in _COLUMNS)
        pairs.append(FilePair(original=one, reconstruction=other, row=number))
    return pairs
