"""The names of a classifier's classes, and which of them count as one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mturk_eval.compressors.classifier_preserving.errors import ClassListError

_COLUMNS = ("class", "superclass")


def numbered(n: int) -> tuple[str, ...]:
    """Labels for classes without names.

    Examples
    --------
    >>> numbered(2)
    ('class 0', 'class 1')
    """
    return tuple(f"class {index}" for index in range(n))


def read_labels(path: Path, n: int) -> tuple[str, ...]:
    """Read the labels of n classes, in the classifier's order.

    A text file with one label per line; or JSON: a list of labels, or an object from index to
    label or to ``[id, label]``. Two classes may have one label (ImageNet has two cranes).

    Raises
    ------
    ClassListError
        If it is no such file, or has more or fewer labels than classes.
    """
    text = _read(path)
    if path.suffix.lower() == ".json":
        labels = _labels_of_json(path, text)
    else:
        labels = [line.strip() for line in text.strip().splitlines()]
    if "" in labels:
        raise ClassListError(f"{path}, label {labels.index('') + 1}: it is empty.")
    if len(labels) != n:
        raise ClassListError(
            f"{path} has {len(labels)} labels, but the classifier has {n} classes. Give the list "
            "that the classifier was trained with, in its order."
        )
    return tuple(labels)


def read_superclasses(path: Path, labels: Sequence[str]) -> tuple[str, ...]:
    """Read which superclass each class belongs to.

    A CSV with the columns ``class`` (a label, or an index from 0) and ``superclass``. A class
    that is not listed stands for itself.

    Returns
    -------
    tuple of str
        The superclass of every class, in the classifier's order.

    Raises
    ------
    ClassListError
        If a row names a class that does not exist or was named before.
    """
    reader = csv.DictReader(io.StringIO(_read(path), newline=""))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ClassListError(f"{path}: column {missing[0]} is missing (class,superclass).")
    groups: dict[int, str] = {}
    for row in _readable(path, reader):
        where = f"{path}, row {reader.line_num}"
        name, group = ((row[column] or "").strip() for column in _COLUMNS)
        indices = _indices(name, labels)
        if not indices:
            raise ClassListError(f"{where}, column class: the classifier has no class {name!r}.")
        if not group:
            raise ClassListError(f"{where}, column superclass: {name} has none.")
        if indices[0] in groups:
            raise ClassListError(f"{where}, column class: {name} has a superclass already.")
        groups.update(dict.fromkeys(indices, group))
    return tuple(groups.get(index, label) for index, label in enumerate(labels))


def _readable(path: Path, rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise ClassListError(f"{path}: not a readable CSV file ({error}).") from error


def _indices(name: str, labels: Sequence[str]) -> list[int]:
    named = [index for index, label in enumerate(labels) if label == name]
    if not named and name.isdecimal() and len(name) <= 9 and int(name) < len(labels):
        return [int(name)]
    return named


def _labels_of_json(path: Path, text: str) -> list[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ClassListError(f"{path}: not readable as JSON ({error}).") from error
    if isinstance(document, dict):
        missing = [str(index) for index in range(len(document)) if str(index) not in document]
        if missing:
            raise ClassListError(f"{path}: class {missing[0]} of {len(document)} is missing.")
        document = [document[str(index)] for index in range(len(document))]
    if not isinstance(document, list):
        raise ClassListError(f"{path}: neither a list of labels nor an object from index to label.")
    return [_label(path, index, item) for index, item in enumerate(document)]


def _label(path: Path, index: int, item: Any) -> str:
    label = item[-1] if isinstance(item, list) and item else item
    if not isinstance(label, str):
        raise ClassListError(f"{path}, label {index + 1}: {item!r} is no label.")
    return label.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassListError(f"{path}: not a readable text file ({error}).") from error
