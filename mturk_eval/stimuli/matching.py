"""Which file is a reconstruction of which original: by folders and stems, or by a stimuli.csv."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.images import CODED_SUFFIXES, is_coded


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionFile:
    """A file that shows one original as one method made it at one target rate.

    ``coded_bytes`` is the size of the coded file, None where only a decoded copy is known;
    ``encoded_path`` is that file as the batch should name it.
    """

    path: Path
    image: str
    method: str
    target_bpp: float | None
    coded_bytes: int | None
    encoded_path: str
    encoder: str = ""
    settings: str = ""


def find_originals(folder: Path) -> dict[str, Path]:
    """Find the original images of a folder, by stem, sorted.

    Raises
    ------
    StimuliError
        If there are none, or two files share a stem.
    """
    return _images_by_stem(folder, needed="original images")


def find_pictures(paths: Sequence[Path]) -> dict[str, Path]:
    """Find the originals that are meant by files and folders, by stem.

    Raises
    ------
    StimuliError
        If one is not there, a folder holds no image, or two files share a name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = find_originals(path)
        elif path.is_file():
            files = {path.stem: path}
        else:
            raise StimuliError(f"{path}: there is no such file or folder.")
        for image, file in files.items():
            other = found.setdefault(image, file)
            if other.resolve() != file.resolve():
                raise StimuliError(
                    f"{file} and {other} have the same name without suffix; files are matched by "
                    "it, so rename one."
                )
    return dict(sorted(found.items()))


def find_reconstructions(source: Path) -> list[ReconstructionFile]:
    """Find reconstructions in ``METHOD/IMAGE.ext``, ``METHOD/BPP/IMAGE.ext`` or a stimuli.csv.

    A folder that holds a stimuli.csv is what that lists.

    Raises
    ------
    StimuliError
        If the folder or table is not laid out so.
    """
    if source.is_file():
        return _from_table(source)
    if (source / "stimuli.csv").is_file():
        return _from_table(source / "stimuli.csv")
    methods = _subfolders(source)
    found: list[ReconstructionFile] = []
    for method in methods:
        rates = _subfolders(method)
        wrong = [rate.name for rate in rates if _positive(rate.name) is None]
        if wrong:
            raise StimuliError(
                f"{method / wrong[0]}: folders inside a method are bit-rates in bits per pixel, "
                "such as 0.25."
            )
        for folder, target_bpp in [(method, None), *((r, _positive(r.name)) for r in rates)]:
            for image, path in _images_by_stem(folder, needed="").items():
                coded = is_coded(path)
                found.append(
                    ReconstructionFile(
                        path=path,
                        image=image,
                        method=method.name,
                        target_bpp=target_bpp,
                        coded_bytes=path.stat().st_size if coded else None,
                        encoded_path=path.relative_to(source).as_posix() if coded else "",
                    )
                )
    if not found:
        raise StimuliError(
            f"{source}: no reconstructions found. They belong in METHOD/IMAGE.ext or "
            "METHOD/BPP/IMAGE.ext, or give a stimuli.csv."
        )
    return found


def match(
    originals: dict[str, Path], reconstructions: Sequence[ReconstructionFile]
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Check that every reconstruction has its original.

    Returns
    -------
    originals : dict
        Those that have at least one reconstruction.
    notes : tuple of str
        What was left out or is missing, for the user to read.

    Raises
    ------
    StimuliError
        If a reconstruction has no original, or two stand for the same condition.
    """
    orphans = [f for f in reconstructions if f.image not in originals]
    if orphans:
        listed = "\n".join(f"  {f.path}" for f in orphans[:20])
        more = f"\n  and {len(orphans) - 20} more" if len(orphans) > 20 else ""
        raise StimuliError(
            f"No original of the same name (without suffix) for:\n{listed}{more}\n"
            "Rename them, or add the originals."
        )
    counts = Counter((f.image, f.method, f.target_bpp) for f in reconstructions)
    for (image, method, target_bpp), count in counts.items():
        if count > 1:
            rate = "" if target_bpp is None else f" at {target_bpp:g} bpp"
            raise StimuliError(f"{count} reconstructions of {image} by {method}{rate}; keep one.")
    used = {f.image for f in reconstructions}
    notes = [
        f"{image} has no reconstruction and is left out."
        for image in originals
        if image not in used
    ]
    conditions = {(f.method, f.target_bpp) for f in reconstructions}
    missing = len(conditions) * len(used) - len(counts)
    if missing:
        notes.append(
            f"{missing} of {len(conditions) * len(used)} image × method cells have no "
            "reconstruction; the design is incomplete there."
        )
    return {image: path for image, path in originals.items() if image in used}, tuple(notes)


def _from_table(table: Path) -> list[ReconstructionFile]:
    rows = list(_rows(table))
    found = []
    for number, row in rows:
        where = f"{table}, row {number}"
        if row["role"] != "reconstruction" or row.get("state", "ok") == "unreachable":
            continue
        path = table.parent / row["path"]
        if not path.is_file():
            raise StimuliError(f"{where}, column path: {path} does not exist.")
        size = row.get("bytes", "")
        if size and not (size.isdecimal() and len(size) <= 18 and int(size) >= 1):
            raise StimuliError(f"{where}, column bytes: {size!r} is not a positive whole number.")
        target = row.get("target_bpp", "")
        if target and _positive(target) is None:
            raise StimuliError(f"{where}, column target_bpp: {target!r} is not a positive number.")
        _refuse_changed(where, row, table.parent)
        found.append(
            ReconstructionFile(
                path=path,
                image=row["image"],
                method=row["method"],
                target_bpp=_positive(target),
                coded_bytes=int(size) if size else None,
                encoded_path=row.get("encoded_path", ""),
                encoder=row.get("encoder", ""),
                settings=row.get("settings", ""),
            )
        )
    if not found:
        raise StimuliError(f"{table}: no row with role `reconstruction` and state `ok`.")
    return found


def _refuse_changed(where: str, row: Mapping[str, str], folder: Path) -> None:
    """Files that were edited after the table was written are not what it says of them."""
    advice = "Run the command that made it again, or correct the table."
    path, sha256 = folder / row["path"], row.get("sha256", "")
    if sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise StimuliError(f"{where}, column sha256: {path} has changed since. {advice}")
    if row.get("bytes", "") and row.get("encoded_path", ""):
        coded = folder / row["encoded_path"]
        if coded.is_file() and coded.stat().st_size != int(row["bytes"]):
            raise StimuliError(
                f"{where}, column bytes: {coded} has {coded.stat().st_size} bytes and not "
                f"{row['bytes']}. {advice}"
            )


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"role", "image", "method", "path"} - set(reader.fieldnames or ())
            if missing:
                raise StimuliError(f"{table}: column {sorted(missing)[0]} is missing.")
            for number, row in enumerate(reader, start=2):
                if None in row or None in row.values():
                    raise StimuliError(f"{table}, row {number}: not as many cells as the header.")
                yield number, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise StimuliError(f"{table}: not a readable CSV file ({error}).") from error


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise StimuliError(f"{folder} is not a folder.")
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images_by_stem(folder: Path, *, needed: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise StimuliError(f"{folder} is not a folder.")
    suffixes = Image.registered_extensions()
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    unknown = [path for path in files if path.suffix.lower() not in suffixes]
    if unknown and len(unknown) == len(files):
        raise StimuliError(
            f"{folder}: none of its {len(files)} files is an image that can be decoded here, e.g. "
            f"{unknown[0].name}. Decode them to PNG first, or take the folder out."
        )
    coded = [path for path in unknown if path.suffix.lower() in CODED_SUFFIXES]
    if coded:
        raise StimuliError(f"{coded[0]}: {coded[0].suffix} cannot be decoded here; make it PNG.")
    found: dict[str, Path] = {}
    for path in files:
        if path in unknown:
            continue
        if path.stem in found:
            raise StimuliError(
                f"{path} and {found[path.stem].name} have the same name without suffix; "
                "files are matched by it, so keep one."
            )
        found[path.stem] = path
    if needed and not found:
        raise StimuliError(f"{folder}: no {needed} found.")
    return found


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
