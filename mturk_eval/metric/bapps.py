"""Votes in folders as BAPPS publishes them (Zhang et al. 2018): ``ref``, ``p0``, ``p1``, ``judge``.

``judge/NAME.npy`` holds one number, the share of raters who called ``p1`` closer to ``ref``. How
many raters there were is not in the files: BAPPS has 2 in ``train`` and 5 in ``val``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.pictures import Picture, Progress, read_pictures
from mturk_eval.metric.triplets import Triplets

VOTES_OF_BAPPS: Final[Mapping[str, int]] = {"train": 2, "val": 5}
"""Raters per triplet in the published folders."""

_SIDES: Final = ("ref", "p0", "p1")
_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class BappsFolder:
    """Triplets of a folder and where their pictures are.

    Attributes
    ----------
    triplets : Triplets
        Their image is the folder and file name of the first triplet with the same reference
        pixels, so that a split keeps those together; methods are ``SUBSET/p0`` and ``SUBSET/p1``.
    pictures : mapping of str to Picture
        By pixel digest.
    """

    triplets: Triplets
    pictures: Mapping[str, Picture]


def read_bapps(
    folder: Path,
    *,
    votes: int | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> BappsFolder:
    """Read every ``judge`` folder below (or at) a folder, such as ``2afc/val/cnn``.

    Parameters
    ----------
    votes : int, optional
        Raters per triplet; by default 2 below a folder ``train`` and 5 below ``val``.

    Raises
    ------
    MetricInputError
        If there is no such folder, a picture or judgement is missing or unreadable, the sizes of a
        triplet differ, or a share is not that of so many votes. The file is named.
    """
    judges = sorted(path for path in folder.rglob("judge") if path.is_dir())
    if not judges:
        raise MetricInputError(
            f"{folder}: no folder `judge` beside `ref`, `p0` and `p1` is in it. Give a folder laid "
            "out as BAPPS, such as 2afc/val."
        )
    names: list[str] = []
    subsets: list[str] = []
    files: list[tuple[Path, ...]] = []
    counts: list[tuple[int, int, int]] = []
    for judge in judges:
        subset = judge.parent
        n = votes if votes is not None else _votes_of(subset)
        judged = sorted(judge.glob("*.npy"))
        if not judged:
            raise MetricInputError(f"{judge}: there are no .npy files in it. Give the judgements.")
        for path in judged:
            name = subset.relative_to(folder).as_posix()
            names.append(path.stem if name == "." else f"{name}/{path.stem}")
            subsets.append(subset.name if name == "." else name)
            files.append(tuple(_picture_file(subset / side, path.stem) for side in _SIDES))
            counts.append(_counts(path, n))
    read = read_pictures(
        [path for three in files for path in three], threads=threads, progress=progress
    )
    triples = [tuple(read[path] for path in three) for three in files]
    for original, *others in triples:
        for other in others:
            _check_sizes(original, other)
    digests = np.array([[picture.digest for picture in three] for three in triples], dtype=np.str_)
    first_name: dict[str, str] = {}
    images = [
        first_name.setdefault(str(row[0]), name) for row, name in zip(digests, names, strict=True)
    ]
    first, second, not_sure = np.array(counts, dtype=np.int64).T
    return BappsFolder(
        triplets=Triplets(
            image=np.array(images, dtype=np.str_),
            bpp=np.full(len(images), np.nan),
            method_first=np.array([f"{subset}/p0" for subset in subsets], dtype=np.str_),
            method_second=np.array([f"{subset}/p1" for subset in subsets], dtype=np.str_),
            original=digests[:, 0],
            first=digests[:, 1],
            second=digests[:, 2],
            votes_first=first,
            votes_second=second,
            votes_not_sure=not_sure,
        ),
        pictures={picture.digest: picture for three in triples for picture in three},
    )


def _votes_of(subset: Path) -> int:
    for part in reversed(subset.resolve().parts):
        if part in VOTES_OF_BAPPS:
            return VOTES_OF_BAPPS[part]
    raise MetricInputError(
        f"{subset}: how many raters judged each triplet is not in the files, and the path has no "
        "`train` (2 raters in BAPPS) or `val` (5). Say how many votes there were."
    )


def _picture_file(folder: Path, stem: str) -> Path:
    for suffix in _SUFFIXES:
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            return path
    raise MetricInputError(
        f"{folder}: there is no picture {stem} ({', '.join(_SUFFIXES)}), but there is a judgement "
        "of it. Add the picture, or remove the judgement."
    )


def _counts(path: Path, n: int) -> tuple[int, int, int]:
    """Votes for p0, for p1 and for neither; half a vote stands for one that was not sure."""
    try:
        values = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64).ravel()
    except (OSError, ValueError, EOFError) as error:
        raise MetricInputError(f"{path}: not a judgement that can be read ({error}).") from error
    if values.size != 1 or not 0 <= values[0] <= 1:
        raise MetricInputError(
            f"{path}: a judgement is one number from 0 (all prefer p0) to 1, not {values.tolist()}."
        )
    halves = 2 * n * float(values[0])
    if n < 1 or abs(halves - round(halves)) > 1e-3 * n:
        raise MetricInputError(
            f"{path}: {values[0]:g} is no share of {n} votes. Say how many votes there were."
        )
    second, not_sure = divmod(round(halves), 2)
    return n - second - not_sure, second, not_sure


def _check_sizes(original: Picture, other: Picture) -> None:
    if (original.width_px, original.height_px) != (other.width_px, other.height_px):
        raise MetricInputError(
            f"{other.path}: it has {other.size_text}, its reference {original.path} has "
            f"{original.size_text}. All three pictures of a triplet have one size."
        )
