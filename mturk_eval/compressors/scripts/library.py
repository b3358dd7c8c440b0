"""A library of elements: pictures with transparent backgrounds, each with an id and a hash.

``elements.csv`` in the library's folder is its manifest (id, name, sha256). An id stays with its
content for ever, so that what was compiled with a smaller library is decoded with a larger one.
"""

from __future__ import annotations

import csv
import hashlib
import io
import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image

from mturk_eval.compressors.scripts.errors import LibraryError
from mturk_eval.compressors.scripts.operations import LARGEST_NUMBER
from mturk_eval.stimuli.whole_file import write_whole

MANIFEST: Final = "elements.csv"
COLUMNS: Final = ("id", "name", "sha256")
LARGEST_ELEMENT_BYTES: Final = 1 << 26
LARGEST_ELEMENT_PX: Final = 1 << 25
_SUFFIXES: Final = (".png", ".webp")
_FORMATS: Final = ("PNG", "WEBP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One picture of a library: its id in compiled scripts, its name in scripts, its hash."""

    id: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementLibrary:
    """What a manifest lists; the pictures stay in their files until they are opened.

    Attributes
    ----------
    elements : tuple of Element
    folder : Path or None
        Where the files are; None where only sizes are asked for.
    """

    elements: tuple[Element, ...]
    folder: Path | None = None

    @property
    def place(self) -> str:
        """The library, for messages."""
        return str(self.folder / MANIFEST) if self.folder else "the library"

    def named(self, name: str) -> Element:
        """The element of a name; raises LibraryError if there is none."""
        for element in self.elements:
            if element.name == name:
                return element
        raise LibraryError(
            f"The element {name} is not in {self.place}. Add its file and catalogue it "
            "(stimuli script library), or correct the name."
        )

    def of_id(self, number: int) -> Element:
        """The element of an id; raises LibraryError if there is none."""
        for element in self.elements:
            if element.id == number:
                return element
        raise LibraryError(f"Element {number} is not in {self.place}, which is not the right one.")

    def mark(self, ids: Iterable[int]) -> str:
        """Eight hexadecimal digits of what some elements are, which compiled scripts carry."""
        digest = hashlib.sha256()
        for number in sorted(set(ids)):
            digest.update(f"{number} {self.of_id(number).sha256}\n".encode())
        return digest.hexdigest()[:8]

    def file_bytes(self, names: Iterable[str]) -> int:
        """Bytes of the files of some elements, each counted once."""
        return sum(len(self.read(self.named(name))) for name in set(names))

    def read(self, element: Element) -> bytes:
        """The file of an element, if it is still what the manifest says.

        Raises
        ------
        LibraryError
            If it is missing, unreadable, too large or changed; names the element.
        """
        if self.folder is None:
            raise LibraryError(f"{_label(element)}: this library has no files.")
        path = self.folder / element.name
        data = _file_bytes(path)
        if hashlib.sha256(data).hexdigest() != element.sha256:
            raise LibraryError(
                f"{path} ({_label(element)}) is not the file that {self.place} lists: its SHA-256 "
                "is another. Bring the old file back; a new one needs a name of its own."
            )
        return data

    def open(self, element: Element) -> Image.Image:
        """The picture of an element, mode RGBA; raises LibraryError as `read` does."""
        return _decoded(self.folder or Path(), element.name, self.read(element))


def read_library(folder: Path) -> ElementLibrary:
    """Read a library's manifest.

    Raises
    ------
    LibraryError
        If there is none, or a row is wrong; names row and column.
    """
    manifest = folder / MANIFEST
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise LibraryError(
            f"{manifest} does not exist. Make it with: mturk-eval stimuli script library {folder}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{manifest}: not a readable CSV file ({error}).") from error
    try:
        elements = tuple(_rows(manifest, text))
    except csv.Error as error:
        raise LibraryError(f"{manifest}: not a readable CSV file ({error}).") from error
    return ElementLibrary(elements=elements, folder=folder)


def catalogue(folder: Path) -> ElementLibrary:
    """List the pictures of a folder in its manifest: old ones keep their ids, new ones follow.

    Raises
    ------
    LibraryError
        If a listed file is missing or changed, or a picture cannot be decoded; the manifest stays
        as it was.
    """
    if not folder.is_dir():
        raise LibraryError(f"{folder} is not a folder.")
    known = read_library(folder).elements if (folder / MANIFEST).exists() else ()
    library = ElementLibrary(elements=known, folder=folder)
    for element in known:
        library.read(element)
    names = {element.name for element in known}
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    new = sorted(name for path in found if (name := _name(folder, path)) not in names)
    start = 1 + max((element.id for element in known), default=-1)
    added = tuple(_added(folder, number, name) for number, name in enumerate(new, start))
    if not known and not added:
        raise LibraryError(f"{folder} holds no PNG or WebP file.")
    if added:
        _write_manifest(folder, (*known, *added))
    return ElementLibrary(elements=(*known, *added), folder=folder)


def _added(folder: Path, number: int, name: str) -> Element:
    if not _is_plain(name):
        raise LibraryError(f"{folder / name}: rename it; a name here has no signs to escape.")
    data = _file_bytes(folder / name)
    _decoded(folder, name, data)
    return Element(id=number, name=name, sha256=hashlib.sha256(data).hexdigest())


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _label(element: Element) -> str:
    return f"element {element.id}, {element.name}"


def _file_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_ELEMENT_BYTES:
            raise LibraryError(f"{path}: an element has at most {LARGEST_ELEMENT_BYTES:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise LibraryError(
            f"{path}, an element of the library, cannot be read: {error.strerror or error}."
        ) from error


def _decoded(folder: Path, name: str, data: bytes) -> Image.Image:
    place = folder / name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > LARGEST_ELEMENT_PX:
                    raise LibraryError(f"{place}: more than {LARGEST_ELEMENT_PX:,} pixels.")
                return image.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise LibraryError(f"{place}: more than {LARGEST_ELEMENT_PX:,} pixels.") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise LibraryError(f"{place}: not a PNG or WebP picture ({error}).") from error


def _rows(manifest: Path, text: str) -> Iterator[Element]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise LibraryError(f"{manifest}: column {missing[0]} is missing.")
    ids: set[int] = set()
    names: set[str] = set()
    for row in reader:
        where = f"{manifest}, row {reader.line_num}"
        if None in row or None in row.values():
            raise LibraryError(f"{where}: not as many cells as the header.")
        element = _element(where, row)
        if element.id in ids or element.name in names:
            raise LibraryError(f"{where}: this id or this name is there already.")
        ids.add(element.id)
        names.add(element.name)
        yield element


def _element(where: str, row: dict[str, str]) -> Element:
    number, name, sha256 = (row[column] for column in COLUMNS)
    if not (number.isascii() and number.isdigit() and len(number) <= 8) or (
        int(number) > LARGEST_NUMBER
    ):
        raise LibraryError(f"{where}, column id: {number[:20]!r} is not 0 to {LARGEST_NUMBER:,}.")
    if not _is_plain(name):
        raise LibraryError(f"{where}, column name: {name!r} is no path inside the library.")
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise LibraryError(f"{where}, column sha256: not 64 hexadecimal digits.")
    return Element(id=int(number), name=name, sha256=sha256)


def _is_plain(name: str) -> bool:
    """Whether a name leads into the library and nowhere else."""
    path = PurePosixPath(name)
    inside = bool(name) and not path.is_absolute() and ".." not in path.parts
    return inside and path.as_posix() == name and name.isprintable() and "\\" not in name


def _write_manifest(folder: Path, elements: Iterable[Element]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((element.id, element.name, element.sha256) for element in elements)
    write_whole(folder / MANIFEST, buffer.getvalue().encode())
