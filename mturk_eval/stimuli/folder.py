"""A folder of stimuli: what codecs and compressors made, with one stimuli.csv that lists it.

``METHOD/TARGET/IMAGE.ext`` is the coded file whose bytes count, ``METHOD/TARGET/IMAGE.png`` the
picture shown to raters, at its original's size. Any number of commands add to one folder, so that
all that they make can be compared in one batch.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.folder_names import (
    place_of,
    refuse_shared_files,
    refuse_unwritable,
    safe_name,
)
from mturk_eval.stimuli.folder_rows import Entry, read_rows, rows_bytes
from mturk_eval.stimuli.images import RESIZE_FILTER, png_bytes, resize_to
from mturk_eval.stimuli.whole_file import write_whole
from mturk_eval.trials import Stimulus

__all__ = [
    "Entry", "Reconstruction", "StimuliFolder", "Target", "Unreachable", "is_resized",
    "request_digest", "safe_name", "stimulus_id",
]  # fmt: skip

TABLE: Final = "stimuli.csv"
# Rows that are not in the table yet; one small file each, so that any process can add one.
_PENDING: Final = ".row-"
_RESIZED: Final = ", coded at "


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The size that was asked for: a word for folders and ids, and a rate where there is one.

    Examples
    --------
    >>> Target.rate(0.3)
    Target(label='0.3', bpp=0.3)
    """

    label: str
    bpp: float | None = None

    @classmethod
    def rate(cls, bpp: float) -> Target:
        """Bits per pixel of the original, to six digits; trials compare methods of one rate."""
        label = f"{bpp:g}"
        return cls(label=label, bpp=float(label))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """One original as one method made it.

    Attributes
    ----------
    image, method : str
        The original's name (its file's stem), and what made this.
    target : Target
    coded : bytes
        The whole file whose size counts.
    suffix : str
        Of the coded file, with its dot.
    shown : Image
        What the coded file decodes to; kept at its original's size.
    encoder, settings : str
        What wrote it, with its version; with which settings, for a person to read.
    request : str
        Digest of all that was asked (`request_digest`).
    """

    image: str
    method: str
    target: Target
    coded: bytes
    suffix: str
    shown: Image.Image
    encoder: str
    settings: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A target that a method cannot meet for one original, and why."""

    image: str
    method: str
    target: Target
    encoder: str
    reason: str
    request: str


def request_digest(
    original: bytes, image: str, method: str, target: Target, *settings: object
) -> str:
    """Digest of an original's file and of all that was asked for it: equal means done already."""
    digest = hashlib.sha256(original)
    for asked in (image, method, target, *settings):
        text = repr(asked).encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:16]


class StimuliFolder:
    """A folder of stimuli and its table; what is written is whole or not there.

    Parameters
    ----------
    path : Path
        Made with the first file that is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def table(self) -> Path:
        """The folder's stimuli.csv."""
        return self.path / TABLE

    def entries(self) -> tuple[Entry, ...]:
        """What the table lists, in its order; nothing where there is no table yet.

        Raises
        ------
        StimuliError
            If the table is not one; names row and column.
        """
        return read_rows(self.table)

    def begin(self, wanted: Iterable[tuple[str, str, Target]]) -> dict[str, Entry]:
        """Look at what is there before any work: add what an ended run left, see what is done.

        Parameters
        ----------
        wanted : iterable of (image, method, target)
            All that a command is going to make.

        Returns
        -------
        dict of str to Entry
            By request, rows that need not be made again: their files are there, or they cannot
            be met.

        Raises
        ------
        StimuliError
            If `record` would refuse what is wanted, two of it would be written to one file, or
            a name is none that a table can hold.
        """
        entries = self.gather()
        asked = [(i, m, target, stimulus_id(i, m, target)) for i, m, target in wanted]
        for image, method in dict.fromkeys((image, method) for image, method, _, _ in asked):
            refuse_unwritable(image, method)
        self._refuse_look_alikes(
            [*_cells(entries), *((i, m, target.bpp, name) for i, m, target, name in asked)]
        )
        refuse_shared_files(
            {s.id: place_of(s.image, s.method, _label(s)) for s in (e.stimulus for e in entries)},
            {name: place_of(i, m, target.label) for i, m, target, name in asked},
        )
        return {
            entry.request: entry
            for entry in entries
            if entry.stimulus.state == "unreachable" or self._is_whole(entry.stimulus)
        }

    def write(self, made: Reconstruction, original_size: tuple[int, int]) -> Entry:
        """Write the coded file and the picture shown, and return their row (see `record`).

        Parameters
        ----------
        original_size : (int, int)
            Width and height of the original in pixels, at which the reconstruction is shown.

        Raises
        ------
        StimuliError
            If the disk is full or the folder cannot be written; nothing half-written stays.
        """
        place = place_of(made.image, made.method, made.target.label)
        coded_path = f"{place}{made.suffix}"
        shown_path = f"{place}.png" if made.suffix != ".png" else f"{place}.shown.png"
        shown = png_bytes(resize_to(made.shown, original_size))
        write_whole(self.path / coded_path, made.coded)
        write_whole(self.path / shown_path, shown)
        settings = made.settings
        if made.shown.size != original_size:
            settings += (
                f"{_RESIZED}{made.shown.width}×{made.shown.height} and shown at "
                f"{original_size[0]}×{original_size[1]} ({RESIZE_FILTER})"
            )
        width, height = original_size
        return Entry(
            stimulus=Stimulus(
                id=stimulus_id(made.image, made.method, made.target),
                role="reconstruction",
                image=made.image,
                method=made.method,
                target_bpp=made.target.bpp,
                # As it will stand in the table, so that reading it back gives the same value.
                bpp=float(f"{8 * len(made.coded) / (width * height):.6g}"),
                bytes=len(made.coded),
                encoded_path=coded_path,
                width_px=width,
                height_px=height,
                sha256=hashlib.sha256(shown).hexdigest(),
                path=shown_path,
                encoder=made.encoder,
                settings=settings,
            ),
            request=made.request,
        )

    def record(self, entries: Iterable[Entry | Unreachable]) -> tuple[Entry, ...]:
        """Add rows to the table, in place of rows for the same image, method and target.

        Returns
        -------
        tuple of Entry
            All rows of the table.

        Raises
        ------
        StimuliError
            If an image would have two reconstructions by one method that trials cannot tell
            apart, or the table cannot be written.
        """
        added = [_entry(entry) for entry in entries]
        with self.locked():
            rows = {entry.stimulus.id: entry for entry in (*self.entries(), *added)}
            self._refuse_look_alikes(_cells(rows.values()))
            write_whole(self.table, rows_bytes(rows.values()))
        return tuple(rows.values())

    def leave(self, made: Entry | Unreachable) -> Entry:
        """Keep a row for the next `gather`: from any process, at any time, safe from any crash.

        Raises
        ------
        StimuliError
            If the disk is full or the folder cannot be written.
        """
        entry = _entry(made)
        name = hashlib.sha256(entry.stimulus.id.encode()).hexdigest()[:32]
        write_whole(self.path / f"{_PENDING}{name}.csv", rows_bytes([entry]))
        return entry

    def gather(self) -> tuple[Entry, ...]:
        """Add all rows that were left (`leave`) to the table, as `record` does.

        Raises
        ------
        StimuliError
            As `record`. A row that is refused because another command, run at the same time, made
            its look-alike is dropped: the folder stays one that can be added to.
        """
        pending = sorted(self.path.glob(f"{_PENDING}*.csv"))
        if not pending:
            return self.entries()
        try:
            rows = self.record(row for path in pending for row in read_rows(path))
        except _LookAlikeError:
            for path in pending:
                with suppress(_LookAlikeError):
                    self.record(read_rows(path))
                path.unlink(missing_ok=True)
            raise
        for path in pending:
            path.unlink(missing_ok=True)
        return rows

    def _refuse_look_alikes(self, cells: Iterable[tuple[str, str, float | None, str]]) -> None:
        seen: dict[tuple[str, str, float | None], str] = {}
        for image, method, target_bpp, name in cells:
            other = seen.setdefault((image, method, target_bpp), name)
            if other != name:
                raise _LookAlikeError(
                    f"{self.table} would hold {other} and {name}, which are one method without a "
                    "target rate to tell them apart. Give one of them a name of its own (--method)."
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes the table, so that no row of another's is lost."""
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _is_whole(self, stimulus: Stimulus) -> bool:
        try:
            shown = (self.path / stimulus.path).read_bytes()
            coded_bytes = (self.path / stimulus.encoded_path).stat().st_size
        except OSError:
            return False
        return (
            hashlib.sha256(shown).hexdigest() == stimulus.sha256 and coded_bytes == stimulus.bytes
        )


class _LookAlikeError(StimuliError):
    """Two reconstructions that trials could not tell apart."""


def stimulus_id(image: str, method: str, target: Target) -> str:
    """A stimulus's id in its folder: ``IMAGE/METHOD@TARGET``."""
    return f"{image}/{method}@{target.label}"


def _label(stimulus: Stimulus) -> str:
    """The target's word, which only the id holds."""
    return stimulus.id.removeprefix(f"{stimulus.image}/{stimulus.method}@")


def is_resized(stimulus: Stimulus) -> bool:
    """Whether fewer pixels were coded than are shown, as `StimuliFolder.write` noted."""
    return _RESIZED in stimulus.settings


def _cells(entries: Iterable[Entry]) -> Iterator[tuple[str, str, float | None, str]]:
    """What trials know a reconstruction by, and its id."""
    for s in (entry.stimulus for entry in entries):
        if s.role != "original" and s.state != "unreachable":
            yield s.image, s.method, s.target_bpp, s.id


def _entry(made: Entry | Unreachable) -> Entry:
    return made if isinstance(made, Entry) else _unreachable(made)


def _unreachable(missed: Unreachable) -> Entry:
    return Entry(
        stimulus=Stimulus(
            id=stimulus_id(missed.image, missed.method, missed.target),
            role="reconstruction",
            image=missed.image,
            method=missed.method,
            target_bpp=missed.target.bpp,
            width_px=0,
            height_px=0,
            sha256="",
            path="",
            encoder=missed.encoder,
            settings=missed.reason,
            state="unreachable",
        ),
        request=missed.request,
    )
