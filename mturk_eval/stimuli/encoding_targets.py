"""Which originals to encode, and how large each file shall be."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.folder import TABLE, StimuliFolder, Target
from mturk_eval.stimuli.rate_matching import Side

_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked of a codec for one original: a rate, a size, or a quality.

    Attributes
    ----------
    target : Target
        Its bits per pixel give the size where ``n_bytes`` and ``quality`` are None.
    n_bytes : int or None
    quality : float or None
    """

    target: Target
    n_bytes: int | None = None
    quality: float | None = None


Asks = Mapping[str, tuple[Ask, ...]]
"""What is asked for each original, by its name."""


def target_bytes(ask: Ask, n_pixels: int, side: Side) -> int | None:
    """The size to match in whole bytes, or None where a quality is asked for.

    Examples
    --------
    >>> target_bytes(Ask(target=Target.rate(0.15)), 101, "under")
    1
    """
    if ask.n_bytes is not None or ask.target.bpp is None:
        return ask.n_bytes
    exact = Fraction(str(ask.target.bpp)) * n_pixels / 8
    return max(math.floor(exact) if side == "under" else math.ceil(exact), 1)


def ask_rates(images: Iterable[str], bpps: Sequence[float]) -> Asks:
    """The same rates for all, in bits per pixel of the original."""
    asks = tuple(Ask(target=target) for target in dict.fromkeys(map(Target.rate, bpps)))
    return dict.fromkeys(images, asks)


def ask_bytes(images: Iterable[str], n_bytes: int) -> Asks:
    """One size for all."""
    return dict.fromkeys(images, (Ask(target=Target(label=f"{n_bytes}-bytes"), n_bytes=n_bytes),))


def ask_quality(images: Iterable[str], quality: float) -> Asks:
    """One quality for all, whatever the sizes."""
    ask = Ask(target=Target(label=f"quality-{quality:g}"), quality=quality)
    return dict.fromkeys(images, (ask,))


def ask_listed(images: Iterable[str], source: Path) -> Asks:
    """A size of its own for each original, from a table or as large as a folder's files.

    Parameters
    ----------
    images : iterable of str
    source : Path
        A CSV file with the columns ``image,bytes``; a folder of files of the same names; or a
        method's folder in a folder of stimuli, for the sizes of its coded files.

    Returns
    -------
    mapping
        Originals without a size are not in it.

    Raises
    ------
    StimuliError
        With every row that is wrong, and every size without an original.
    """
    names = list(images)
    if source.name == TABLE or (source / TABLE).is_file():
        # It would hold what is made next as well, and the same command could not go on.
        raise StimuliError(
            f"{source} holds the files of every method. Give the folder of the one to match, "
            "such as stimuli/human/chat."
        )
    sizes, problems = _file_sizes(source) if source.is_dir() else _listed_sizes(source)
    problems += [
        f"{where}: there is no original named {image}."
        for image, (_, where) in sizes.items()
        if image not in names
    ]
    if not sizes and not problems:
        problems = ["it holds no size."]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS])
        more = len(problems) - _SHOWN_PROBLEMS
        raise StimuliError(
            f"{source} and the originals do not fit together:\n{shown}"
            + (f"\n  and {more} more" if more > 0 else "")
        )
    target = Target(label="matched")
    return {
        image: (Ask(target=target, n_bytes=sizes[image][0]),) for image in names if image in sizes
    }


_Sizes = dict[str, tuple[int, str]]  # bytes, and where that is written


def _file_sizes(folder: Path) -> tuple[_Sizes, list[str]]:
    sizes: _Sizes = {}
    problems = []
    for image, path in _coded_files(folder) or _plain_files(folder):
        if image in sizes:
            problems.append(f"{path}: {sizes[image][1]} is of {image}, too; give a folder of one.")
        elif path.stat().st_size == 0:
            problems.append(f"{path}: the file is empty.")
        sizes.setdefault(image, (path.stat().st_size, str(path)))
    return sizes, problems


def _coded_files(folder: Path) -> list[tuple[str, Path]]:
    """What the table of a folder of stimuli names as coded in a folder inside it."""
    here = folder.resolve()
    root = next((parent for parent in here.parents if (parent / TABLE).is_file()), None)
    if root is None:
        return []
    stimuli = [entry.stimulus for entry in StimuliFolder(root).entries()]
    coded = [(s.image, root / s.encoded_path) for s in stimuli if s.encoded_path]
    return [
        (image, folder / path.relative_to(here))
        for image, path in coded
        if path.is_relative_to(here) and path.is_file()
    ]


def _plain_files(folder: Path) -> list[tuple[str, Path]]:
    return [
        (path.stem, path)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]


def _listed_sizes(table: Path) -> tuple[_Sizes, list[str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StimuliError(f"{table}: not a readable CSV file ({error}).") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for column in ("image", "bytes"):
        if column not in (reader.fieldnames or ()):
            raise StimuliError(f"{table}: column {column} is missing; it needs image,bytes.")
    sizes: _Sizes = {}
    problems = []
    try:
        for row in reader:
            where = f"row {reader.line_num}"
            image, size = (row["image"] or "").strip(), (row["bytes"] or "").strip()
            if not image:
                problems.append(f"{where}, column image: empty.")
                continue
            if image in sizes:
                problems.append(f"{where}, column image: {image} is listed twice.")
            is_count = size.isascii() and size.isdecimal() and len(size) <= 18 and int(size) > 0
            if not is_count:
                problems.append(
                    f"{where}, column bytes: {size!r} is not a whole number of at least 1."
                )
            sizes.setdefault(image, (int(size) if is_count else 0, where))
    except csv.Error as error:
        raise StimuliError(f"{table}: not a readable CSV file ({error}).") from error
    return sizes, problems
