"""Votes counted by ordered pair: who stood left, who right, and what was chosen.

Only pairs that were shown are kept, so a thousand items with thirty votes each cost thirty
thousand rows, not a million. The matrices are views for figures and tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from mturk_eval.errors import StatisticsError

ANSWERS: tuple[str, str, str] = ("left", "not_sure", "right")
"""The answers of a vote, in the order of every array that has one column per answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCounts:
    """Answers of every ordered pair that was shown; left and right item always differ.

    Attributes
    ----------
    items : tuple of str
        The K items that were compared.
    left_item, right_item : ndarray of int, shape (pairs,)
        Which item stood left and which right.
    answers : ndarray, shape (pairs, 3)
        How often the left item was chosen, neither (not sure), and the right item.
    """

    items: tuple[str, ...]
    left_item: NDArray[np.int64]
    right_item: NDArray[np.int64]
    answers: NDArray[np.float64]

    @classmethod
    def from_matrices(
        cls,
        items: Sequence[str],
        *,
        left: NDArray[np.float64],
        right: NDArray[np.float64],
        tie: NDArray[np.float64] | None = None,
    ) -> VoteCounts:
        """Counts from matrices of shape (K, K) whose row i stood left of column j.

        ``left[i, j]``: i was chosen; ``right[i, j]``: j was; ``tie[i, j]``: not sure.
        """
        ties = np.zeros_like(left) if tie is None else tie
        i, j = np.nonzero(left + right + ties)
        answers = np.column_stack([left[i, j], ties[i, j], right[i, j]])
        return cls(
            items=tuple(items), left_item=i, right_item=j, answers=answers.astype(np.float64)
        )

    @classmethod
    def from_wins(cls, items: Sequence[str], wins: NDArray[np.float64]) -> VoteCounts:
        """Counts without sides: ``wins[i, j]`` is how often i was chosen over j."""
        upper = np.triu(np.asarray(wins, dtype=np.float64), 1)
        lower = np.tril(np.asarray(wins, dtype=np.float64), -1).T
        return cls.from_matrices(items, left=upper, right=lower)

    @property
    def left(self) -> NDArray[np.float64]:
        """``left[i, j]``: i, on the left, was chosen over j. Shape (K, K), as all matrices here."""
        return self._matrix(self.answers[:, 0])

    @property
    def right(self) -> NDArray[np.float64]:
        """``right[i, j]``: j, on the right, was chosen over i."""
        return self._matrix(self.answers[:, 2])

    @property
    def tie(self) -> NDArray[np.float64]:
        """``tie[i, j]``: not sure, i on the left of j."""
        return self._matrix(self.answers[:, 1])

    @property
    def shown(self) -> NDArray[np.float64]:
        """How often each ordered pair was shown and answered."""
        return self._matrix(self.answers.sum(axis=1))

    @property
    def wins(self) -> NDArray[np.float64]:
        """``wins[i, j]``: how often i was chosen over j, on whichever side."""
        return self.left + self.right.T

    @property
    def ties(self) -> NDArray[np.float64]:
        """Not-sure votes of each pair, symmetric."""
        return self.tie + self.tie.T

    @property
    def n_votes(self) -> int:
        """All answers, ties included."""
        return int(self.answers.sum())

    @property
    def n_ties(self) -> int:
        """Answers that were not sure."""
        return int(self.answers[:, 1].sum())

    @property
    def connected(self) -> bool:
        """Whether every item beats every other, if over a chain of others.

        A tie counts as a win for both. Without this no finite scores exist.
        """
        left_beats = (self.answers[:, 0] + self.answers[:, 1]) > 0
        right_beats = (self.answers[:, 2] + self.answers[:, 1]) > 0
        winner = np.concatenate([self.left_item[left_beats], self.right_item[right_beats]])
        loser = np.concatenate([self.right_item[left_beats], self.left_item[right_beats]])
        k = len(self.items)
        edges = csr_matrix((np.ones(len(winner)), (winner, loser)), shape=(k, k))
        n_parts, _ = connected_components(edges, directed=True, connection="strong")
        return bool(n_parts == 1)

    def _matrix(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        k = len(self.items)
        flat = np.bincount(self.left_item * k + self.right_item, weights=values, minlength=k * k)
        return flat.reshape(k, k).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedVotes:
    """Single votes beside their counts: which pair, which answer, whose, about which image.

    Attributes
    ----------
    counts : VoteCounts
    pair : ndarray of int, shape (n,)
        The row of ``counts`` each vote belongs to.
    answer : ndarray of int, shape (n,)
        The column of ``counts.answers``: 0 left, 1 not sure, 2 right.
    rater, image : ndarray of int, shape (n,)
        From 0 to ``n_raters - 1`` and ``n_images - 1``.
    """

    counts: VoteCounts
    pair: NDArray[np.int64]
    answer: NDArray[np.int64]
    rater: NDArray[np.int64]
    image: NDArray[np.int64]
    n_raters: int
    n_images: int

    @classmethod
    def of(cls, votes: pd.DataFrame) -> CodedVotes:
        """Votes with columns method_left, method_right, choice and, where known, rater, image."""
        left, right, items = _codes_of_items(votes)
        answer = codes_of_answers(votes["choice"])
        k = len(items)
        shown, pair = np.unique(left * k + right, return_inverse=True)
        cells = np.bincount(pair * 3 + answer, minlength=3 * len(shown))
        counts = VoteCounts(
            items=items,
            left_item=shown // k,
            right_item=shown % k,
            answers=cells.reshape(-1, 3).astype(np.float64),
        )
        rater, n_raters = _codes(votes, "rater")
        image, n_images = _codes(votes, "image")
        return cls(
            counts=counts,
            pair=pair.astype(np.int64),
            answer=answer,
            rater=rater,
            image=image,
            n_raters=n_raters,
            n_images=n_images,
        )


def count_votes(votes: pd.DataFrame) -> VoteCounts:
    """Count votes with columns ``method_left``, ``method_right`` and ``choice``."""
    return CodedVotes.of(votes).counts


def codes_of_answers(choice: pd.Series[str]) -> NDArray[np.int64]:
    """0 for left, 1 for not sure, 2 for right.

    Raises
    ------
    StatisticsError
        If there is any other answer.
    """
    codes = pd.Index(ANSWERS).get_indexer(pd.Index(choice)).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise StatisticsError(
            f"A vote's choice is left, right or not_sure; row {unknown[0] + 1} of the votes has "
            f"{choice.iloc[int(unknown[0])]!r}. Correct it, or leave the row out."
        )
    return codes


def _codes_of_items(
    votes: pd.DataFrame,
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    both = pd.concat([votes["method_left"], votes["method_right"]], ignore_index=True)
    codes, items = pd.factorize(both.astype(str), sort=True)
    left, right = np.split(np.asarray(codes, dtype=np.int64), 2)
    return left, right, tuple(map(str, items))


def _codes(votes: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], int]:
    if column not in votes:
        return np.zeros(len(votes), dtype=np.int64), 1
    codes, levels = pd.factorize(votes[column])
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0]) + 1
        raise StatisticsError(
            f"Row {row} of the votes has no {column}, and intervals depend on which votes share "
            f"one. Fill the cell, or leave the row out."
        )
    return np.asarray(codes, dtype=np.int64), len(levels)
