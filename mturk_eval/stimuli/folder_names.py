"""Names of images and methods as parts of paths, and those that no folder of stimuli can hold."""

from __future__ import annotations

from collections.abc import Mapping

from mturk_eval.errors import StimuliError


def safe_name(name: str) -> str:
    """A name as one part of a path: no separators, no leading dot.

    Examples
    --------
    >>> safe_name("../cat")
    '_cat'
    """
    kept = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name)
    return kept.lstrip(".") or "_"


def place_of(image: str, method: str, label: str) -> str:
    """Where files are in their folder, without suffix."""
    return f"{safe_name(method)}/{safe_name(label)}/{safe_name(image)}"


def refuse_unwritable(image: str, method: str) -> None:
    """Refuse names that a table would not give back as they were."""
    if not method or method != method.strip() or not method.isprintable():
        raise StimuliError(
            f"--method {method!r} cannot name a method: it is empty, begins or ends with a blank, "
            "or holds signs that cannot be printed."
        )
    try:
        image.encode()
    except UnicodeEncodeError as error:
        raise StimuliError(f"{image!r}: the name is not UTF-8; rename the file.") from error
    if not image.strip() or {"\n", "\r", "\0"} & set(image):
        raise StimuliError(f"{image!r}: the name is blank, or has several lines; rename the file.")


def refuse_shared_files(there: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse names that differ only in signs that files' names do not have here."""
    owners = {place: name for name, place in there.items()}
    for name, place in wanted.items():
        owner = owners.setdefault(place, name)
        if owner != name:
            raise StimuliError(
                f"{owner} and {name} would be written to the same file, {place}. Rename one image, "
                "or give another name (--method)."
            )
