"""Votes counted per triplet: an original and two reconstructions of it.

Whose votes count is decided before: every row that is given is used. A vote of "not sure" counts
as half a vote for each side, and as one vote in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError, TableError
from mturk_eval.trials import CHOICES

_COLUMNS = ("image", "method_left", "method_right", "choice")

PictureKey = tuple[str, str, float | None]
"""Image, method and target rate of a reconstruction; None (or NaN) where there is no rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triplets:
    """Votes on n triplets.

    Attributes
    ----------
    image : ndarray of str, shape (n,)
        The content's name: the unit of splits and intervals.
    bpp : ndarray of float, shape (n,)
        Target rate in bits per pixel; NaN where there is none.
    method_first, method_second : ndarray of str, shape (n,)
        How the two reconstructions were made.
    original, first, second : ndarray of str, shape (n,)
        Keys of the three pictures: SHA-256 of their decoded RGB pixels.
    votes_first, votes_second, votes_not_sure : ndarray of int, shape (n,)
        How many raters called the first closer to the original, the second, or neither.

    Raises
    ------
    InvalidInputError
        If the columns differ in length, a count is negative, or a triplet has no votes.
    """

    image: NDArray[np.str_]
    bpp: NDArray[np.float64]
    method_first: NDArray[np.str_]
    method_second: NDArray[np.str_]
    original: NDArray[np.str_]
    first: NDArray[np.str_]
    second: NDArray[np.str_]
    votes_first: NDArray[np.int64]
    votes_second: NDArray[np.int64]
    votes_not_sure: NDArray[np.int64]

    def __post_init__(self) -> None:
        sizes = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(sizes.values())) > 1:
            shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise InvalidInputError(f"Columns of triplets differ in length: {shown}.")
        counts = np.column_stack([self.votes_first, self.votes_second, self.votes_not_sure])
        wrong = np.flatnonzero((counts < 0).any(axis=1) | (counts.sum(axis=1) == 0))
        if len(wrong):
            raise InvalidInputError(
                f"Triplet {wrong[0] + 1} of {len(counts)} ({self._name(int(wrong[0]))}) has votes "
                f"{counts[wrong[0]].tolist()} for first, second, not sure: give counts of at least "
                "0, and one vote or more in all."
            )

    def __len__(self) -> int:
        return len(self.image)

    @property
    def n_votes(self) -> NDArray[np.int64]:
        """Votes per triplet, "not sure" included."""
        return self.votes_first + self.votes_second + self.votes_not_sure

    @property
    def share_second(self) -> NDArray[np.float64]:
        """Share of votes for the second, 0 to 1; half of every "not sure"."""
        return np.asarray((self.votes_second + 0.5 * self.votes_not_sure) / self.n_votes)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Triplets:
        """Some triplets, by index or mask."""
        return Triplets(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def with_votes(self, minimum: int) -> Triplets:
        """The triplets that have at least ``minimum`` votes."""
        return self.take(self.n_votes >= minimum)

    def swapped(self) -> Triplets:
        """The same triplets with first and second exchanged."""
        return Triplets(
            image=self.image,
            bpp=self.bpp,
            method_first=self.method_second,
            method_second=self.method_first,
            original=self.original,
            first=self.second,
            second=self.first,
            votes_first=self.votes_second,
            votes_second=self.votes_first,
            votes_not_sure=self.votes_not_sure,
        )

    def notes(self) -> tuple[str, ...]:
        """What a reader of results must know of the votes."""
        notes = []
        unsure, total = int(self.votes_not_sure.sum()), int(self.n_votes.sum())
        if unsure:
            notes.append(
                f"{unsure} of {total} votes were 'not sure': each counts as half a vote for either "
                "reconstruction."
            )
        if len(self) and int(self.n_votes.min()) != int(self.n_votes.max()):
            notes.append(
                f"Triplets have {self.n_votes.min()} to {self.n_votes.max()} votes: fits and "
                "log-losses weigh a triplet by its votes, 2AFC scores count every triplet the same."
            )
        same = int((self.first == self.second).sum())
        if same:
            notes.append(
                f"In {same} of {len(self)} triplets both reconstructions have the same pixels: "
                "every metric scores 1/2 there."
            )
        return tuple(notes)

    def _name(self, row: int) -> str:
        rate = "" if np.isnan(self.bpp[row]) else f", bpp {self.bpp[row]:g}"
        methods = f"{self.method_first[row]} against {self.method_second[row]}"
        return f"image {self.image[row]}{rate}, {methods}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePairs:
    """The distinct (original, reconstruction) pairs of triplets.

    Attributes
    ----------
    pairs : tuple of (str, str)
        Keys of the original and of the reconstruction; m of them.
    first, second : ndarray of int, shape (n,)
        Which pair is the first and the second side of every triplet: with ``features`` of shape
        (m, C), ``features[first]`` are the pair features of the first reconstructions.
    """

    pairs: tuple[tuple[str, str], ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


def picture_pairs(triplets: Triplets) -> PicturePairs:
    """List every (original, reconstruction) pair once, those of one original together."""
    original = np.concatenate([triplets.original, triplets.original])
    other = np.concatenate([triplets.first, triplets.second])
    both = pd.MultiIndex.from_arrays([original, other])
    codes, distinct = both.factorize()
    # sorting keeps an original's pairs together, so that its activations are computed once
    order = np.argsort(pd.factorize(np.array([pair[0] for pair in distinct]))[0], kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    first, second = np.split(place[codes], 2)
    listed = distinct[order]
    return PicturePairs(
        pairs=tuple((str(one), str(two)) for one, two in listed),
        first=first.astype(np.int64),
        second=second.astype(np.int64),
    )


def triplets_from_votes(
    votes: pd.DataFrame,
    pictures: Mapping[PictureKey, str],
    originals: Mapping[str, str],
    *,
    minimum_votes: int = 1,
) -> Triplets:
    """Count votes per triplet, whichever side a reconstruction was shown on.

    Parameters
    ----------
    votes : DataFrame
        Columns ``image``, ``method_left``, ``method_right``, ``choice`` (``left``, ``right``,
        ``not_sure``) and, where there are rates, ``bpp``; one row per vote. Every row is used:
        leave out what was screened out, practice, catch, repeat and identical trials. Errors name
        rows by the table's index.
    pictures : mapping of (image, method, bpp) to str
        Pixel digest of every reconstruction; bpp None or NaN where there is none.
    originals : mapping of image to str
        Pixel digest of every original.
    minimum_votes : int, default 1
        Triplets with fewer votes are left out.

    Returns
    -------
    Triplets
        Sorted by image, rate and methods; the first method is the alphabetically smaller one.

    Raises
    ------
    TableError
        If a column or cell is missing, a choice is none of the three, both sides are the same
        method, or an image or a reconstruction is unknown. The first such row is named.
    InvalidInputError
        If no triplet has enough votes.

    Examples
    --------
    >>> votes = pd.DataFrame({"rater": ["r1", "r2", "r3"], "image": "kodim01", "bpp": 0.5,
    ...     "method_left": ["jxl", "webp", "jxl"], "method_right": ["webp", "jxl", "webp"],
    ...     "choice": ["left", "right", "not_sure"]})
    >>> pictures = {("kodim01", "jxl", 0.5): "a1", ("kodim01", "webp", 0.5): "b2"}
    >>> found = triplets_from_votes(votes, pictures, {"kodim01": "c3"})
    >>> found.votes_first, found.votes_not_sure, found.share_second.round(3)
    (array([2]), array([1]), array([0.167]))
    """
    if minimum_votes < 1:
        raise InvalidInputError(f"minimum_votes is {minimum_votes}: give 1 or more.")
    rows = _checked(votes)
    digests = {(image, method, _rate(bpp)): key for (image, method, bpp), key in pictures.items()}
    _check_known(rows, digests, originals)
    swap = rows["method_left"] > rows["method_right"]
    chosen = rows["choice"].map({"left": 0, "right": 1, "not_sure": 2}).to_numpy(np.int64)
    chosen = np.where(swap & (chosen < 2), 1 - chosen, chosen)
    counted = pd.DataFrame(
        {
            "image": rows["image"],
            "bpp": rows["bpp"],
            "one": rows["method_left"].where(~swap, rows["method_right"]),
            "two": rows["method_right"].where(~swap, rows["method_left"]),
            **{name: (chosen == code).astype(np.int64) for code, name in enumerate("fsn")},
        }
    )
    table = counted.groupby(["image", "bpp", "one", "two"], dropna=False, as_index=False).sum()
    table = table[table[["f", "s", "n"]].sum(axis=1) >= minimum_votes]
    if table.empty:
        raise InvalidInputError(
            f"No triplet has {minimum_votes} votes or more. Collect more votes, or lower the "
            "minimum."
        )
    keys = list(zip(table["image"], table["bpp"].map(_rate), strict=True))
    return Triplets(
        image=_text(table["image"]),
        bpp=table["bpp"].to_numpy(np.float64),
        method_first=_text(table["one"]),
        method_second=_text(table["two"]),
        original=np.array([originals[image] for image, _ in keys], dtype=np.str_),
        first=np.array(
            [
                digests[image, method, bpp]
                for (image, bpp), method in zip(keys, table["one"], strict=True)
            ]
        ),
        second=np.array(
            [
                digests[image, method, bpp]
                for (image, bpp), method in zip(keys, table["two"], strict=True)
            ]
        ),
        votes_first=table["f"].to_numpy(np.int64),
        votes_second=table["s"].to_numpy(np.int64),
        votes_not_sure=table["n"].to_numpy(np.int64),
    )


def _rate(bpp: float | None) -> float | None:
    """A rate that compares equal to itself: rounded, and None for NaN."""
    return None if bpp is None or np.isnan(bpp) else round(float(bpp), 9)


def _text(column: pd.Series[str]) -> NDArray[np.str_]:
    return np.array(column.to_list(), dtype=np.str_)


def _checked(votes: pd.DataFrame) -> pd.DataFrame:
    """The needed columns with names as text and rates as numbers."""
    missing = [name for name in _COLUMNS if name not in votes]
    if missing:
        raise TableError(
            f"The votes have no column {', '.join(missing)}; they have "
            f"{', '.join(map(str, votes.columns))}."
        )
    if votes.empty:
        raise TableError("There are no votes: the table has no rows.")
    for name in _COLUMNS:
        _refuse(
            votes,
            votes[name].isna().to_numpy(),
            f"has no {name}. Fill the cell, or leave the row out.",
        )
    rows = pd.DataFrame({name: votes[name].astype(str) for name in _COLUMNS})
    rates = (
        pd.to_numeric(votes["bpp"], errors="coerce")
        if "bpp" in votes
        else pd.Series(np.nan, votes.index)
    )
    if "bpp" in votes:
        _refuse(
            votes,
            (rates.isna() & votes["bpp"].notna()).to_numpy(),
            "has a bpp that is no number. Correct it.",
        )
    rows["bpp"] = rates.astype(np.float64).round(9)
    _refuse(
        votes,
        ~rows["choice"].isin(CHOICES).to_numpy(),
        f"has a choice that is none of {', '.join(CHOICES)}. Correct it, or leave the row out.",
    )
    _refuse(
        votes,
        (rows["method_left"] == rows["method_right"]).to_numpy(),
        "compares a method with itself. Leave identical trials out of the votes.",
    )
    return rows


def _check_known(
    rows: pd.DataFrame, digests: Mapping[PictureKey, str], originals: Mapping[str, str]
) -> None:
    """Refuse the first row about an image or reconstruction that was not given."""
    unknown = ~rows["image"].isin(list(originals))
    if unknown.any():
        row = rows[unknown].iloc[0]
        raise TableError(
            f"Row {rows.index[unknown][0]} of the votes is about image {row['image']}, of which no "
            f"original was given ({int(unknown.sum())} such rows). Add the original, or leave the "
            "rows out."
        )
    for side in ("method_left", "method_right"):
        keys = zip(rows["image"], rows[side], rows["bpp"].map(_rate), strict=True)
        absent = np.array([key not in digests for key in keys])
        if absent.any():
            row = rows[absent].iloc[0]
            rate = "" if np.isnan(row["bpp"]) else f" at {row['bpp']:g} bpp"
            raise TableError(
                f"Row {rows.index[absent][0]} of the votes, column {side}: no reconstruction of "
                f"image {row['image']} by {row[side]}{rate} was given ({int(absent.sum())} such "
                "rows). Add the picture, or leave the rows out."
            )


def _refuse(votes: pd.DataFrame, wrong: NDArray[np.bool_], problem: str) -> None:
    if wrong.any():
        raise TableError(f"Row {votes.index[wrong][0]} of the votes {problem}")
