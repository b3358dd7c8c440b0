"""Votes counted by ordered pair: who stood left, who right, and what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCounts:
    """Counts over ordered pairs, each of shape (K, K): row i stood left of column j.

    ``left[i, j]``: i, on the left, was chosen; ``right[i, j]``: j, on the right, was chosen;
    ``tie[i, j]``: not sure.
    """

    items: tuple[str, ...]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    tie: NDArray[np.float64]

    @classmethod
    def from_wins(cls, items: Sequence[str], wins: NDArray[np.float64]) -> VoteCounts:
        """Counts without sides: ``wins[i, j]`` is how often i was chosen over j."""
        upper = np.triu(np.asarray(wins, dtype=np.float64), 1)
        lower = np.tril(np.asarray(wins, dtype=np.float64), -1).T
        return cls(items=tuple(items), left=upper, right=lower, tie=np.zeros_like(upper))

    @property
    def shown(self) -> NDArray[np.float64]:
        """How often each ordered pair was shown and answered."""
        return self.left + self.right + self.tie

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
        return int(self.shown.sum())

    @property
    def connected(self) -> bool:
        """Whether scores exist: every item beats every other, if over a chain of others.

        A tie counts as a win for both.
        """
        edges = csr_matrix(((self.wins + self.ties) > 0).astype(np.int64))
        n_parts, _ = connected_components(edges, directed=True, connection="strong")
        return bool(n_parts == 1)


def count_votes(votes: pd.DataFrame) -> VoteCounts:
    """Count votes with columns ``method_left``, ``method_right`` and ``choice``."""
    items = tuple(sorted({*votes["method_left"].astype(str), *votes["method_right"].astype(str)}))
    index = {item: code for code, item in enumerate(items)}
    i = votes["method_left"].astype(str).map(index).to_numpy(np.int64)
    j = votes["method_right"].astype(str).map(index).to_numpy(np.int64)
    choice = votes["choice"].to_numpy()

    def counted(answer: str) -> NDArray[np.float64]:
        cells = (i * len(items) + j)[choice == answer]
        return np.bincount(cells, minlength=len(items) ** 2).reshape(len(items), -1).astype(float)

    return VoteCounts(
        items=items, left=counted("left"), right=counted("right"), tie=counted("not_sure")
    )
