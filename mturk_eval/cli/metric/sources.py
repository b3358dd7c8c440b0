"""Votes and the pictures they are about, from wherever they are, as `mturk_eval.metric` takes them.

Votes are in the ledger, in a CSV, or in a folder as BAPPS publishes them. The ledger stores no
picture, so pictures come from a batch folder or from folders of originals and reconstructions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mturk_eval.cli.answers import Answers
from mturk_eval.errors import InvalidInputError, StimuliError, TableError

if TYPE_CHECKING:
    import pandas as pd

    from mturk_eval.metric.pictures import Picture, PicturePair
    from mturk_eval.metric.triplets import PictureKey, PicturePairs, Triplets

Progress = Callable[[int, int], None]
_STATUS, _REJECTED = "assignment_status", "Rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFiles:
    """Files of originals by image, and of reconstructions by image, method and target rate."""

    originals: Mapping[str, Path]
    reconstructions: Mapping[PictureKey, Path]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """Where pictures are: folders of files, or batch folders of `generate`."""

    originals: Path | None
    reconstructions: Path | None
    batch_folders: tuple[Path, ...]

    def find(self) -> PictureFiles:
        """List the files; none is decoded.

        Raises
        ------
        InvalidInputError
            If no or two kinds of place are given.
        StimuliError, BatchError
            If a folder is not laid out as it should be, or folders contradict each other.
        """
        folders = self.originals is not None or self.reconstructions is not None
        if self.batch_folders and folders:
            raise InvalidInputError(
                "Pictures are given twice: by --batch-folder and by --originals and "
                "--reconstructions. Give one of the two."
            )
        if self.batch_folders:
            return _of_batches(self.batch_folders)
        if self.originals is None or self.reconstructions is None:
            raise InvalidInputError(
                "Where are the pictures? Votes and the ledger hold none. Give --batch-folder DIR, "
                "made by `mturk-eval generate`, or --originals DIR with --reconstructions DIR."
            )
        return _of_folders(self.originals, self.reconstructions)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteSource:
    """Where votes are, and which of them count."""

    answers: Answers
    pictures: PictureSource
    bapps: Path | None = None
    bapps_votes: int | None = None
    excluded_raters: tuple[str, ...] = ()
    exclude_rejected: bool = False
    minimum_votes: int = 1

    def read(self, progress: Progress) -> VotedPictures:
        """Read votes and decode the pictures they are about, each once for its digest.

        Raises
        ------
        MturkEvalError
            For the first thing wrong with a table, a folder or a picture.
        """
        if self.bapps is not None:
            return self._of_bapps(self.bapps, progress)
        from mturk_eval.tidy.columns import model_rows

        table, _ = self.answers.votes()
        has_roles = "role" in table.frame
        table = model_rows(table)
        frame = _without(table.frame, self.excluded_raters, table.source)
        n_rejected = _n_rejected(frame)
        if self.exclude_rejected:
            frame = _without_rejected(frame, table.source)
        files = self.pictures.find()
        numbered = self.answers.data is not None  # the ledger's answers have no row a user knows
        triplets, pictures, rows = _digested(
            frame, files, self.minimum_votes, progress, numbered=numbered
        )
        return VotedPictures(
            triplets=triplets,
            pictures={picture.digest: picture for picture in pictures},
            source=table.source,
            n_raters=int(frame["rater"].nunique()),
            screening=self._screening(has_roles, n_rejected),
            notes=(
                *table.warnings,
                *files.notes,
                *_rejected_note(0 if self.exclude_rejected else n_rejected, len(frame)),
                *triplets.notes(),
                *_grey_note(pictures),
            ),
            rows=rows,
        )

    def _screening(self, has_roles: bool, n_rejected: int | None) -> str:
        parts = [
            "main trials only" if has_roles else "every row, as the votes have no column role",
            f"raters left out: {', '.join(self.excluded_raters) or 'none'}",
        ]
        if n_rejected is not None:
            what = "left out" if self.exclude_rejected else "counted"
            parts.append(f"votes of rejected assignments: {n_rejected:,}, {what}")
        if self.minimum_votes > 1:
            parts.append(f"triplets with fewer than {self.minimum_votes} votes left out")
        return "; ".join(parts)

    def _of_bapps(self, folder: Path, progress: Progress) -> VotedPictures:
        from mturk_eval.metric.bapps import read_bapps

        if self.answers.data is not None or self.excluded_raters or self.exclude_rejected:
            raise InvalidInputError(
                "--bapps holds the votes, without raters: --votes, --exclude-rater and "
                "--exclude-rejected mean nothing beside it."
            )
        read = read_bapps(folder, votes=self.bapps_votes, progress=progress)
        triplets = read.triplets.with_votes(self.minimum_votes)
        if not len(triplets):
            raise InvalidInputError(
                f"{folder}: no triplet has {self.minimum_votes} votes or more. Lower "
                "--minimum-votes."
            )
        return VotedPictures(
            triplets=triplets,
            pictures=read.pictures,
            source=str(folder),
            n_raters=None,
            screening="as published",
            notes=triplets.notes(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VotedPictures:
    """Votes counted per triplet, and the pictures by their digest.

    Attributes
    ----------
    source : str
        The file, the folder, or the ledger and its batches.
    n_raters : int or None
        None where the votes do not tell.
    screening : str
        Which votes were left out, in words.
    notes : tuple of str
        What a reader of results must know.
    rows : mapping of str to int
        The row of the user's table that first shows a picture, by its digest, for messages.
    """

    triplets: Triplets
    pictures: Mapping[str, Picture]
    source: str
    n_raters: int | None
    screening: str
    notes: tuple[str, ...]
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The votes in one sentence."""
        n = len(set(map(str, self.triplets.image)))
        raters = "" if self.n_raters is None else f" of {self.n_raters:,} raters"
        return (
            f"{self.source}: {int(self.triplets.n_votes.sum()):,} votes{raters} on "
            f"{len(self.triplets):,} triplets of {n:,} originals"
        )

    def listed(self) -> PicturePairs:
        """The distinct pairs of an original and a reconstruction."""
        from mturk_eval.metric.triplets import picture_pairs

        return picture_pairs(self.triplets)

    def pairs(self) -> list[PicturePair]:
        """The same with the files, to compute features of."""
        from mturk_eval.metric.pictures import PicturePair

        return [
            PicturePair(
                original=self.pictures[one],
                reconstruction=self.pictures[other],
                row=self.rows.get(other),
            )
            for one, other in self.listed().pairs
        ]


def all_pairs(files: PictureFiles, progress: Progress) -> list[PicturePair]:
    """Every reconstruction beside its original, votes or none."""
    from mturk_eval.metric.pictures import PicturePair, read_pictures

    read = read_pictures(
        [*files.originals.values(), *files.reconstructions.values()], progress=progress
    )
    return [
        PicturePair(original=read[files.originals[image]], reconstruction=read[path])
        for (image, _, _), path in files.reconstructions.items()
    ]


def _digested(
    frame: pd.DataFrame,
    files: PictureFiles,
    minimum_votes: int,
    progress: Progress,
    *,
    numbered: bool,
) -> tuple[Triplets, list[Picture], dict[str, int]]:
    """Count votes per triplet, decoding only what was voted on."""
    from mturk_eval.metric.pictures import read_pictures
    from mturk_eval.metric.triplets import triplets_from_votes

    first_row: dict[PictureKey, int] = {}
    for side in ("method_left", "method_right"):
        shown_there = zip(
            frame["image"].astype(str), frame[side].astype(str), frame["bpp"], strict=True
        )
        for (image, method, bpp), row in zip(shown_there, frame.index, strict=True):
            first_row.setdefault((image, method, _rate(bpp)), int(row))
    images = {image for image, _, _ in first_row}
    originals = {image: path for image, path in files.originals.items() if image in images}
    shown = {
        key: path
        for key, path in files.reconstructions.items()
        if (key[0], key[1], _rate(key[2])) in first_row
    }
    rows = {
        path: first_row[key[0], key[1], _rate(key[2])] for key, path in shown.items() if numbered
    }
    read = read_pictures([*originals.values(), *shown.values()], progress=progress, rows=rows)
    triplets = triplets_from_votes(
        frame,
        {key: read[path].digest for key, path in shown.items()},
        {image: read[path].digest for image, path in originals.items()},
        minimum_votes=minimum_votes,
    )
    return triplets, list(read.values()), {read[path].digest: row for path, row in rows.items()}


def _rate(bpp: float | None) -> float | None:
    """A rate that equals itself, whichever table it is from."""
    return None if bpp is None or math.isnan(bpp) else round(float(bpp), 9)


def _grey_note(pictures: Sequence[Picture]) -> tuple[str, ...]:
    grey = sum(picture.was_grey for picture in pictures)
    if not grey:
        return ()
    return (
        f"{grey} of {len(pictures)} pictures have one channel, which was copied to red, green and "
        "blue.",
    )


def _without(frame: pd.DataFrame, raters: Sequence[str], source: str) -> pd.DataFrame:
    """The votes of the other raters."""
    names = frame["rater"].astype(str)
    unknown = [rater for rater in raters if not (names == rater).any()]
    if unknown:
        raise InvalidInputError(
            f"--exclude-rater {unknown[0]}: no vote of {source} is by this rater. Give names as "
            "they are in the column rater."
        )
    kept = frame[~names.isin(list(raters))]
    if kept.empty:
        advice = "Exclude fewer raters." if raters else "Collect votes on main trials first."
        raise TableError(f"{source}: no votes of main trials are left. {advice}")
    return kept


def _n_rejected(frame: pd.DataFrame) -> int | None:
    """Votes of assignments that were rejected; None where the votes do not tell."""
    if _STATUS not in frame:
        return None
    return int((frame[_STATUS] == _REJECTED).sum())


def _without_rejected(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    if _STATUS not in frame:
        raise InvalidInputError(
            f"--exclude-rejected: {source} has no column {_STATUS}. Votes of the ledger and of "
            "`mturk-eval export` have it."
        )
    kept = frame[frame[_STATUS] != _REJECTED]
    if kept.empty:
        raise TableError(f"{source}: no votes are left, all are of rejected assignments.")
    return kept


def _rejected_note(n_rejected: int | None, n_votes: int) -> tuple[str, ...]:
    if not n_rejected:
        return ()
    return (
        f"{n_rejected:,} of {n_votes:,} votes are of assignments that were rejected. They count: "
        "whether work is paid for does not decide whether it is used. --exclude-rejected leaves "
        "them out.",
    )


def _of_folders(originals: Path, reconstructions: Path) -> PictureFiles:
    from mturk_eval.stimuli.matching import find_originals, find_reconstructions, match

    found = find_reconstructions(reconstructions)
    matched, notes = match(find_originals(originals), found)
    return PictureFiles(
        originals=matched,
        reconstructions={(file.image, file.method, file.target_bpp): file.path for file in found},
        notes=notes,
    )


def _of_batches(folders: Sequence[Path]) -> PictureFiles:
    from mturk_eval.batch import read_batch

    originals: dict[str, tuple[Path, str]] = {}
    reconstructions: dict[PictureKey, tuple[Path, str]] = {}
    for folder in folders:
        for stimulus in read_batch(folder).stimuli:
            if stimulus.state != "ok":
                continue
            file = folder / stimulus.path, stimulus.sha256
            if stimulus.role == "original":
                known = originals.setdefault(stimulus.image, file)
            else:
                key = stimulus.image, stimulus.method, stimulus.target_bpp
                known = reconstructions.setdefault(key, file)
            if known[1] != file[1]:
                raise StimuliError(
                    f"{known[0]} and {file[0]} are both {stimulus.image} by {stimulus.method}, and "
                    "differ. Train on the batches one by one, or rename the image in one of them."
                )
    return PictureFiles(
        originals={image: path for image, (path, _) in originals.items()},
        reconstructions={key: path for key, (path, _) in reconstructions.items()},
    )
