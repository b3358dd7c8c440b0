"""Splits of triplets by original, so that no picture content is both trained on and tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sized
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.triplets import Triplets
from mturk_eval.stats.documents import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalSplit:
    """Which triplets train and which test; no original is in both.

    Attributes
    ----------
    train, test : ndarray of int
        Rows of the triplets.
    train_images, test_images : tuple of str
        The originals' names, sorted.
    seed : int or None
        None where the test originals were listed, or none is held out.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    train_images: tuple[str, ...]
    test_images: tuple[str, ...]
    seed: int | None

    def describe(self) -> str:
        """The split in one sentence."""
        if not len(self.test):
            return (
                f"No original held out: {_count(self.train_images, 'original')} "
                f"({_count(self.train, 'triplet')}) to train, no score on others."
            )
        how = "as listed" if self.seed is None else f"drawn with seed {self.seed}"
        return (
            f"Split by original, {how}: {_count(self.train_images, 'original')} "
            f"({_count(self.train, 'triplet')}) to train, {_count(self.test_images, 'original')} "
            f"({_count(self.test, 'triplet')}) held out."
        )

    def document(self) -> Document:
        """As JSON."""
        return {
            "unit": "original",
            "seed": self.seed,
            "n_train": len(self.train),
            "n_test": len(self.test),
            "train_images": list(self.train_images),
            "test_images": list(self.test_images),
        }


def original_groups(triplets: Triplets) -> NDArray[np.int64]:
    """Which triplets are of one original: of one image name, or of one original's pixels.

    Returns
    -------
    ndarray of int, shape (n,)
        Codes from 0, in the alphabetical order of each group's first image name.
    """
    name, names = pd.factorize(triplets.image, sort=True)
    digest, digests = pd.factorize(triplets.original, sort=True)
    n = len(names) + len(digests)
    edges = coo_array((np.ones(len(name)), (name, len(names) + digest)), shape=(n, n))
    _, part = connected_components(edges, directed=False)
    codes, _ = pd.factorize(part[: len(names)])  # names are sorted: so are the groups
    return np.asarray(codes, dtype=np.int64)[name]


def split_by_original(
    triplets: Triplets, *, test_share: float = 0.2, seed: int = 0
) -> OriginalSplit:
    """Draw a share of the originals to hold out.

    Image names with the same original pixels count as one original. At least one original is on
    either side.

    Raises
    ------
    MetricInputError
        If ``test_share`` is not between 0 and 1, or there is one original only.
    """
    if not 0 < test_share < 1:
        raise MetricInputError(
            f"The share of originals to hold out is between 0 and 1, not {test_share:g}. (The "
            "command line takes 0 to train on all.)"
        )
    group = original_groups(triplets)
    n_groups = int(group.max()) + 1 if len(group) else 0
    if n_groups < 2:
        raise MetricInputError(
            f"There is {n_groups} original: to hold one out takes two or more. Add votes on other "
            "originals, or train without a test by --test-share 0."
        )
    n_test = min(max(1, round(test_share * n_groups)), n_groups - 1)
    drawn = np.random.default_rng(seed).permutation(n_groups)[:n_test]
    return _split(triplets, np.isin(group, drawn), seed)


def split_listed(triplets: Triplets, test_images: Collection[str]) -> OriginalSplit:
    """Hold out the originals that are named.

    Raises
    ------
    MetricInputError
        If a name is unknown, nothing is left to train on, or a held-out original is also trained
        on under another name.
    """
    known = set(map(str, triplets.image))
    unknown = sorted(set(test_images) - known)
    if unknown:
        raise MetricInputError(
            f"{len(unknown)} of the images to hold out have no votes, first {unknown[0]!r}. Give "
            "names as they are in the votes' column image."
        )
    held_out = np.isin(triplets.image, list(test_images))
    if held_out.all() or not held_out.any():
        side = "train on" if held_out.all() else "hold out"
        raise MetricInputError(f"The list leaves no original to {side}. Change the list.")
    return _split(triplets, held_out, None)


def all_to_train(triplets: Triplets) -> OriginalSplit:
    """Hold nothing out: every vote trains, and no score can be given."""
    return _split(triplets, np.zeros(len(triplets), dtype=np.bool_), None)


def refuse_leak(train: Triplets, test: Triplets) -> None:
    """Refuse a test that holds an original of the training.

    Raises
    ------
    MetricInputError
        If an image name, or an original's pixels under any name, is on both sides.
    """
    names = np.intersect1d(train.image, test.image)
    if len(names):
        raise MetricInputError(
            f"{len(names)} originals are both trained on and held out, first {str(names[0])!r}: "
            "scores would be too good. Split by original."
        )
    pixels = np.intersect1d(train.original, test.original)
    if len(pixels):
        one = str(train.image[train.original == pixels[0]][0])
        other = str(test.image[test.original == pixels[0]][0])
        raise MetricInputError(
            f"{one!r} is trained on and {other!r} is held out, but their originals have the same "
            f"pixels ({len(pixels)} such originals): scores would be too good. Put both on one "
            "side."
        )


def folds_by_original(triplets: Triplets, n_folds: int) -> NDArray[np.int64]:
    """Assign originals to folds of cross-validation, without a seed.

    Originals are dealt out in the order of a hash of their pixels' digest, so the folds depend
    neither on the order of rows nor on which side is called first.

    Returns
    -------
    ndarray of int, shape (n,)
        Folds from 0 to ``n_folds - 1``; fewer where there are fewer originals.
    """
    group = original_groups(triplets)
    _, first_row = np.unique(group, return_index=True)
    marks = [_mark(min(triplets.original[group == code])) for code in range(len(first_row))]
    place = np.argsort(np.argsort(marks, kind="stable"), kind="stable")
    return np.asarray(place % n_folds)[group]


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _mark(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()


def _split(triplets: Triplets, held_out: NDArray[np.bool_], seed: int | None) -> OriginalSplit:
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    refuse_leak(triplets.take(train), triplets.take(test))
    return OriginalSplit(
        train=train,
        test=test,
        train_images=tuple(map(str, np.unique(triplets.image[train]))),
        test_images=tuple(map(str, np.unique(triplets.image[test]))),
        seed=seed,
    )
