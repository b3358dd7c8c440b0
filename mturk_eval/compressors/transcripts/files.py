"""Sessions of human compression in, a folder of stimuli with their sizes out."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from mturk_eval.compressors.transcripts.counting import BZIP2_LEVEL
from mturk_eval.compressors.transcripts.messages import ChatFormat
from mturk_eval.compressors.transcripts.sessions import CountedSession
from mturk_eval.errors import StimuliError
from mturk_eval.parallel import Progress
from mturk_eval.stimuli.folder import (
    Entry,
    Reconstruction,
    StimuliFolder,
    Target,
    request_digest,
    safe_name,
)
from mturk_eval.stimuli.images import open_for_display, open_still
from mturk_eval.stimuli.making import FAILURES, Failure, make_each, problem_of
from mturk_eval.stimuli.whole_file import write_whole
from mturk_eval.trials import Stimulus

METHOD: Final = "human"
TARGET: Final = Target(label="chat")
"""The rate is what the describer needed; none is asked for."""
CODED_SUFFIX: Final = ".txt.bz2"
_STRETCH: Final = 0.02  # of the aspect ratio; less comes from rounding and cropping by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one image was sent as, and how much smaller that is.

    Attributes
    ----------
    image : str
    format : ChatFormat
    describer : str
    messages, characters : int
        Of the describer's text.
    text_bytes, coded_bytes : int
        In UTF-8, and compressed by bzip2.
    bpp : float
        8 · coded_bytes by pixels of the original.
    original_bytes : int
        Of the original's file.
    is_shown : bool
        Whether there is a reconstruction to rate.
    notes : tuple of str
    """

    image: str
    format: ChatFormat
    describer: str
    messages: int
    characters: int
    text_bytes: int
    coded_bytes: int
    bpp: float
    original_bytes: int
    is_shown: bool
    notes: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Bytes of the original's file by bytes of the text: 47 to 2203 in the paper."""
        return self.original_bytes / self.coded_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `write_stimuli` did.

    Attributes
    ----------
    rates : tuple of Rate
    failures : tuple of Failure
    sizes : Path
        The table that other codecs are matched to.
    sized : tuple of str
        Images in that table, those of earlier calls among them.
    """

    rates: tuple[Rate, ...]
    failures: tuple[Failure, ...]
    sizes: Path
    sized: tuple[str, ...]


def write_stimuli(
    counted: Sequence[CountedSession],
    out: Path,
    *,
    method: str = METHOD,
    background: tuple[int, int, int] = (128, 128, 128),
    workers: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Write texts, final pictures and the table of sizes into a folder of stimuli.

    ``METHOD/chat/IMAGE.txt`` is the text that counts, ``IMAGE.txt.bz2`` beside it the file whose
    bytes are the rate, ``IMAGE.png`` the picture shown; ``sizes.csv`` (``image,bytes``) is what
    other codecs are matched to. What is there from the same files is left as it is, sizes of
    earlier calls stay, and one picture that fails does not stop the others.

    Parameters
    ----------
    counted : sequence of CountedSession
    out : Path
        A folder of stimuli, new or to be added to.
    method : str, default "human"
        Another one has a table of sizes of its own, ``sizes-METHOD.csv``.
    background : (int, int, int)
        Under transparent pixels.
    workers, progress
        As in `mturk_eval.stimuli.making.make_each`.

    Raises
    ------
    StimuliError
        If the folder's table is not one, or the folder cannot be written.
    """
    out = out.absolute()  # processes elsewhere do not start here
    folder = StimuliFolder(out)
    table = out / ("sizes.csv" if method == METHOD else f"sizes-{safe_name(method)}.csv")
    _read_sizes(table)  # what is no table is told before any work
    done = folder.begin((one.session.image, method, TARGET) for one in counted)
    job = _Job(
        out=out,
        method=method,
        background=background,
        done=done,
    )
    results = make_each(
        partial(_write_session, job), counted, folder, workers=workers, progress=progress
    )
    rates = tuple(result for result in results if isinstance(result, Rate))
    with folder.locked():  # other commands add to it as well
        sizes = _read_sizes(table) | {rate.image: rate.coded_bytes for rate in rates}
        write_whole(table, _sizes_bytes(sizes))
    return Outcome(
        rates=rates,
        failures=tuple(result for result in results if isinstance(result, Failure)),
        sizes=table,
        sized=tuple(sorted(sizes)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    out: Path
    method: str
    background: tuple[int, int, int]
    done: Mapping[str, Entry]


def _write_session(job: _Job, counted: CountedSession) -> Rate | Failure:
    """One session, from its files to files; run where the work is done."""
    session, description = counted.session, counted.description
    try:
        original = _bytes(session.original)
        place = job.out / safe_name(job.method) / safe_name(TARGET.label) / safe_name(session.image)
        write_whole(place.with_name(f"{place.name}.txt"), description.text.encode())
        notes = description.notes
        if session.reconstruction is None:
            write_whole(place.with_name(f"{place.name}{CODED_SUFFIX}"), description.coded)
            size = open_still(session.original, job.background).size
        else:
            stimulus, stretched = _stimulus(job, counted, original, session.reconstruction)
            size = stimulus.width_px, stimulus.height_px
            notes += stretched
    except FAILURES as error:
        return Failure(image=session.image, problem=problem_of(session.chat, error))
    return Rate(
        image=session.image,
        format=counted.format,
        describer=description.describer,
        messages=description.messages,
        characters=len(description.text),
        text_bytes=len(description.text.encode()),
        coded_bytes=len(description.coded),
        bpp=8 * len(description.coded) / (size[0] * size[1]),
        original_bytes=len(original),
        is_shown=session.reconstruction is not None,
        notes=notes,
    )


def _stimulus(
    job: _Job, counted: CountedSession, original: bytes, reconstruction: Path
) -> tuple[Stimulus, tuple[str, ...]]:
    """The picture shown, made now or before, and what to say of its shape."""
    session, description = counted.session, counted.description
    final = hashlib.sha256(_bytes(reconstruction)).hexdigest()
    request = request_digest(
        original, session.image, job.method, TARGET, description.coded, final, job.background
    )
    if request in job.done:
        return job.done[request].stimulus, ()
    shown = open_for_display(reconstruction, job.background)
    size = open_still(session.original, job.background).size
    made = Reconstruction(
        image=session.image,
        method=job.method,
        target=TARGET,
        coded=description.coded,
        suffix=CODED_SUFFIX,
        shown=shown,
        encoder=f"bzip2 -{BZIP2_LEVEL}",
        settings=f"{description.messages} messages of a describer, {len(description.text)} "
        f"characters, from a {counted.format} chat",
        request=request,
    )
    stretch = (shown.width * size[1]) / (shown.height * size[0])
    notes: tuple[str, ...] = ()
    if abs(stretch - 1) > _STRETCH:
        notes = (
            f"WARNING: the picture is {shown.width}×{shown.height}, its original {size[0]}×"
            f"{size[1]}; it is stretched by {abs(stretch - 1):.0%} to be shown at that size. "
            "Crop it",
        )
    folder = StimuliFolder(job.out)
    return folder.leave(folder.write(made, size)).stimulus, notes


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StimuliError(f"{path} cannot be read: {error.strerror or error}.") from error


def _sizes_bytes(sizes: Mapping[str, int]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["image", "bytes"])
    writer.writerows(sorted(sizes.items()))
    return buffer.getvalue().encode()


def _read_sizes(path: Path) -> dict[str, int]:
    """The table that an earlier command left; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
        return {row["image"]: int(row["bytes"]) for row in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise StimuliError(
            f"{path}: not a table of image,bytes. Delete it, or give another folder (--out)."
        ) from error
