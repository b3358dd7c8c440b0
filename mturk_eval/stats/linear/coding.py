"""A random term in the coding that costs least: cells of a factor rather than its contrasts.

Where the K columns of a term take K different values only, as contrasts of a factor do, any row
belongs to one of K cells, and ``columns = indicators @ transform``. Indicators make the
cross-products sparser (by half for two methods), and the covariance of the coefficients follows:
``G_coded = transform @ G @ transform.T``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock

Array = NDArray[np.float64]
Codes = NDArray[np.int32]

_ILL_CONDITIONED = 1e2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One entry per row of a design matrix: its level, its term, its value (None: 1)."""

    level: Codes
    term: int | Codes
    value: Array | None

    def positions(self, level_stride: int, term_stride: int) -> Codes:
        """Column of every row's entry, for either order of levels and terms."""
        place = self.level if level_stride == 1 else self.level * np.int32(level_stride)
        if isinstance(self.term, int):
            return place if self.term == 0 else place + np.int32(self.term * term_stride)
        return place + self.term * np.int32(term_stride)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedBlock:
    """A random term as the engine holds it.

    Attributes
    ----------
    transform : ndarray, shape (K, K)
        The term's columns are the coded ones times this; a factor of the coded covariance is this
        times a factor of the term's.
    working : ndarray, shape (K, K)
        The same for columns that are orthonormal (or of unit size, for ``||``): in these units the
        search for variances runs, whatever units and contrasts the columns have.
    slots : tuple of Slot
        The entries of a row of the coded design matrix.
    """

    n_levels: int
    n_terms: int
    transform: Array
    working: Array
    slots: tuple[Slot, ...]

    @property
    def n_coefficients(self) -> int:
        """L x K."""
        return self.n_levels * self.n_terms


def coded(block: RandomBlock) -> CodedBlock:
    """Code a block.

    Raises
    ------
    StatisticsError
        If the columns are linearly dependent.
    """
    columns, k = block.columns, block.n_terms
    patterns = _patterns(columns)
    if patterns is not None:
        cells, cell_of = patterns
        share = np.bincount(cell_of, minlength=k) / len(columns) if k > 1 else np.ones(1)
        root = _triangle((cells.T * share) @ cells, block)
        slot = Slot(level=block.codes, term=cell_of if k > 1 else 0, value=None)
        return _coded_block(block, transform=cells, root=root, slots=(slot,))
    root = _triangle(columns.T @ columns / len(columns), block)
    scale = np.diag(np.sqrt((root**2).sum(axis=0)))
    transform = scale if np.linalg.cond(root / np.diag(scale)) < _ILL_CONDITIONED else root
    values = columns @ np.linalg.inv(transform)
    slots = tuple(
        Slot(level=block.codes, term=term, value=np.ascontiguousarray(values[:, term]))
        for term in range(k)
    )
    return _coded_block(block, transform=transform, root=root, slots=slots)


def _coded_block(
    block: RandomBlock, *, transform: Array, root: Array, slots: tuple[Slot, ...]
) -> CodedBlock:
    if not block.correlated:
        root = np.diag(np.sqrt((root**2).sum(axis=0)))
    return CodedBlock(
        n_levels=block.n_levels,
        n_terms=block.n_terms,
        transform=transform,
        working=transform @ np.linalg.inv(root),
        slots=slots,
    )


def _patterns(columns: Array) -> tuple[Array, Codes] | None:
    """The K different rows of the columns and which of them each row is; None if there are more."""
    n, k = columns.shape
    cells = np.empty((k, k))
    cell_of = np.full(n, -1, dtype=np.int32)
    first = 0
    for cell in range(k):
        cells[cell] = columns[first]
        same = columns[:, 0] == cells[cell, 0]
        for term in range(1, k):
            same &= columns[:, term] == cells[cell, term]
        cell_of[same] = cell
        if cell + 1 < k or not same.all():
            rest = cell_of < 0
            first = int(rest.argmax())
            if not rest[first]:
                return (cells, cell_of) if cell + 1 == k else None
    return None if (cell_of < 0).any() else (cells, cell_of)


def _triangle(gram: Array, block: RandomBlock) -> Array:
    """The upper Cholesky factor of the columns' mean squares and products."""
    size = np.sqrt(np.diag(gram))
    dependent = bool((size == 0).any())
    if not dependent:
        try:
            root = np.linalg.cholesky(gram / np.outer(size, size)).T
        except np.linalg.LinAlgError:
            dependent = True
        else:
            dependent = bool(np.diag(root).min() < 1e-7)
    if dependent:
        raise StatisticsError(
            f"The columns {', '.join(block.terms)} of the random term by {block.group} are "
            "linearly dependent (a column is constant, zero, or a sum of the others), so their "
            "variances cannot be told apart. Leave one of them out of the term."
        )
    return np.asarray(root * size)
