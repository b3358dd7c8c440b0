"""Ratings laid out for the Laplace approximation: rows in the order of the largest random term.

The largest term (raters, as a rule) is *eliminated*: its part of the penalised information is
block diagonal, so whatever its size it is taken out by a Schur complement. The other terms are
*kept* in one dense block. Columns are centred and scaled here, so that the search sees numbers of
order one, and `Layout.to_original` takes the parameters back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock

_DEPENDENT = 1e-12

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermLayout:
    """One random term, columns first.

    Attributes
    ----------
    place : int
        Which of the model's terms it is.
    levels, columns : int
        L and K.
    codes : ndarray of intp, shape (n,)
    z : ndarray, shape (K, n)
        The term's columns in working units: orthonormal over the answers, or of unit size for
        ``||``, whatever units and origin the columns have.
    transform : ndarray, shape (K, K)
        Working columns are the term's times this; a factor of the term's covariance is this times
        the factor in working units.
    rows, cols : ndarray of intp
        Places in the K x K factor of its parameters.
    start : int
        Of its parameters among all of them.
    """

    place: int
    levels: int
    columns: int
    codes: Index
    z: Matrix
    transform: Matrix
    rows: Index
    cols: Index
    start: int

    def factor(self, parameters: Vector) -> Matrix:
        """The lower triangular factor of the covariance, in working units."""
        factor = np.zeros((self.columns, self.columns))
        factor[self.rows, self.cols] = parameters[self.start : self.start + len(self.rows)]
        return factor

    def loadings(self, factor: Matrix) -> Matrix:
        """Rows' weights on independent standard coefficients, shape (K, n)."""
        if self.columns == 1:
            return np.asarray(factor[0, 0] * self.z)
        return np.stack(
            [
                sum(factor[x, y] * self.z[x] for x in range(y, self.columns))
                for y in range(self.columns)
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Data of a cumulative model; equal rows are one row with their number as ``weights``.

    Attributes
    ----------
    y : ndarray of intp, shape (n,)
        Category of every row, 0 … J - 1.
    weights : ndarray, shape (n,), or None
        None where every row stands for one answer.
    x : ndarray, shape (p, n)
        Fixed columns less ``center``, divided by ``scale``.
    terms : tuple of TermLayout
        The eliminated term first; empty for a model without a random part.
    starts : ndarray of intp
        First row of every level of the eliminated term.
    """

    n_categories: int
    y: Index
    weights: Vector | None
    x: Matrix
    center: Vector
    scale: Vector
    terms: tuple[TermLayout, ...]
    starts: Index

    @property
    def n_thresholds(self) -> int:
        """J - 1."""
        return self.n_categories - 1

    @property
    def n_location(self) -> int:
        """Number of thresholds and fixed effects: the parameters before those of the terms."""
        return self.n_thresholds + len(self.x)

    @property
    def n_parameters(self) -> int:
        """Number of all parameters."""
        return self.n_location + sum(len(term.rows) for term in self.terms)

    def limits(self, thresholds: Vector, eta: Vector) -> tuple[Vector, Vector]:
        """Where every row's interval of the latent scale ends and begins, less ``eta``."""
        edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
        return edges[self.y + 1] - eta, edges[self.y] - eta

    def weighted(self, values: Vector) -> Vector:
        """Values times the number of answers each row stands for."""
        return values if self.weights is None else values * self.weights

    def threshold_sums(self, upper: Vector, lower: Vector) -> Vector:
        """Derivatives by the limits, summed to derivatives by the J - 1 thresholds."""
        by_upper = np.bincount(self.y, upper, self.n_categories)[:-1]
        return np.asarray(by_upper + np.bincount(self.y, lower, self.n_categories)[1:])

    def to_original(self) -> Matrix:
        """The matrix that takes thresholds and fixed effects to the user's columns."""
        change = np.eye(self.n_location)
        change[: self.n_thresholds, self.n_thresholds :] = self.center / self.scale
        change[self.n_thresholds :, self.n_thresholds :] = np.diag(1 / self.scale)
        return change


def lay_out(
    category: NDArray[np.intp], n_categories: int, fixed: Matrix, blocks: Sequence[RandomBlock]
) -> Layout:
    """Merge equal rows, sort by the largest term, centre and scale.

    Parameters
    ----------
    category : ndarray of intp, shape (n,)
        0 … J - 1.
    fixed : ndarray, shape (n, p)
        Without an intercept.

    Raises
    ------
    StatisticsError
        If the columns of a random term are linearly dependent.
    """
    center, scale = _center_and_scale(fixed)
    order = sorted(range(len(blocks)), key=lambda place: -blocks[place].n_coefficients)
    rows, weights = _distinct_rows(category, fixed, blocks)
    if blocks:
        sorting = np.argsort(blocks[order[0]].codes[rows], kind="stable")
        rows, weights = rows[sorting], None if weights is None else weights[sorting]
    y = category[rows]
    x = np.ascontiguousarray(((fixed[rows] - center) / scale).T)
    start = n_categories - 1 + len(x)
    starts_of_parameters = {}
    for place, block in enumerate(blocks):
        starts_of_parameters[place] = start
        start += len(block.factor_index[0])
    terms = tuple(_term(blocks[place], place, rows, starts_of_parameters[place]) for place in order)
    codes = terms[0].codes if terms else np.zeros(0, dtype=np.intp)
    return Layout(
        n_categories=n_categories,
        y=y,
        weights=weights,
        x=x,
        center=center,
        scale=scale,
        terms=terms,
        starts=np.flatnonzero(np.diff(codes, prepend=-1)),
    )


def _term(block: RandomBlock, place: int, rows: Index, start: int) -> TermLayout:
    transform = _working_units(block)
    factor_rows, factor_cols = block.factor_index
    return TermLayout(
        place=place,
        levels=block.n_levels,
        columns=block.n_terms,
        codes=block.codes[rows].astype(np.intp),
        z=np.ascontiguousarray((block.columns[rows] @ transform).T),
        transform=transform,
        rows=factor_rows,
        cols=factor_cols,
        start=start,
    )


def _working_units(block: RandomBlock) -> Matrix:
    gram = block.columns.T @ block.columns / len(block.columns)
    size = np.sqrt(np.diag(gram))
    dependent = bool(np.any(size == 0))
    if not dependent:
        values = np.linalg.eigvalsh(gram / np.outer(size, size))
        dependent = bool(values[0] < _DEPENDENT)
    if dependent:
        raise StatisticsError(
            f"The columns {', '.join(block.terms)} of the random term by {block.group} are "
            "linearly dependent (a column is zero, or a sum of the others), so their variances "
            "cannot be told apart. Leave one of them out of the term."
        )
    if not block.correlated:
        return np.diag(1 / size)
    return np.linalg.inv(np.linalg.cholesky(gram).T)


def _center_and_scale(fixed: Matrix) -> tuple[Vector, Vector]:
    if fixed.shape[1] == 0:
        return np.zeros(0), np.ones(0)
    center, scale = fixed.mean(axis=0), fixed.std(axis=0)
    return center, np.where(scale > 0, scale, 1.0)


def _distinct_rows(
    category: Index, fixed: Matrix, blocks: Sequence[RandomBlock]
) -> tuple[Index, Vector | None]:
    """First row of each distinct combination of everything, and how many rows it stands for."""
    key = category.astype(np.int64)
    for block in blocks:
        key = _joined(key, block.codes.astype(np.int64), block.n_levels)
    for columns in (fixed, *(block.columns for block in blocks)):
        for column in columns.T:
            column_codes, values = pd.factorize(column)
            if len(values) > 1:
                key = _joined(key, column_codes.astype(np.int64), len(values))
    codes, distinct = pd.factorize(key)
    if len(distinct) == len(key):
        return np.arange(len(key)), None
    first = np.zeros(len(distinct), dtype=np.intp)
    first[codes[::-1]] = np.arange(len(key))[::-1]
    return first, np.bincount(codes).astype(np.float64)


def _joined(key: NDArray[np.int64], codes: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """One key for two, renumbered before it could overflow."""
    if int(key.max(initial=0)) > np.iinfo(np.int64).max // (2 * max(n, 1)):
        key = pd.factorize(key)[0].astype(np.int64)
    return key * n + codes
