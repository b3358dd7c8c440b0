"""Sums over the levels of the eliminated term, one small weight matrix per level.

With ``A_w`` the (K, q) cross-products of level w with all other random coefficients, the engine
needs ``sum_w A_w' V_w A_w`` for given weights, and for a given matrix N all ``A_w N A_w'``. Both
are linear in what is given, so where the ``A_w`` are sparse the products of their entries are
listed once, and each sum is then one pass over that list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import blas

Array = NDArray[np.float64]
Codes = NDArray[np.int32]

_SMALL = 400_000
"""Entries up to which a dense matrix costs no more than the overhead of a sparse one."""
_FLOPS_PER_PAIR = 40.0
"""A dense product does this many multiplications while the list gets and uses one entry."""
_DENSE_NUMBERS = 250_000_000
"""Largest dense matrix: 2 GB."""
_STORED_PAIRS = 100_000_000
"""Longest list that is kept (8 to 16 bytes an entry); longer ones are made anew in slices."""
_PART_CELLS = 65_536
"""Places per part of the list: 0.5 MB, which a core's second-level cache holds."""
_SLICE_NUMBERS = 8_000_000


class WeightedGram(Protocol):
    """The two sums, for L levels of K terms and q other coefficients."""

    def weighted(self, weights: Array) -> Array:
        """``sum_w A_w' V_w A_w``: (L, K, K) symmetric to (q, q), valid in the lower triangle."""

    def traces(self, matrix: Array) -> Array:
        """``A_w N A_w'``: (q, q), of which the lower triangle is read, to (L, K, K)."""


def weighted_gram(products: Array | sparse.csr_array, n_terms: int) -> WeightedGram:
    """Choose the cheaper way for cross-products of shape (L * K, q), levels before terms."""
    rows, q = products.shape
    if isinstance(products, np.ndarray):
        return DenseGram(products, n_terms)
    counts = np.diff(products.indptr[::n_terms]).astype(np.float64)
    pairs = float((counts * (counts + 1) / 2).sum())
    if float(rows) * q * q < _FLOPS_PER_PAIR * pairs and rows * q <= _DENSE_NUMBERS:
        return DenseGram(products.toarray(), n_terms)
    return PairGram(products, n_terms)


def is_small(rows: int, q: int) -> bool:
    """Whether cross-products of this shape are held dense from the start."""
    return rows * q <= _SMALL


class DenseGram:
    """For few or full cross-products: BLAS."""

    def __init__(self, products: Array, n_terms: int) -> None:
        self._k = n_terms
        self._q = products.shape[1]
        self._products = products.reshape(len(products) // n_terms, n_terms, self._q)

    def weighted(self, weights: Array) -> Array:
        """See `WeightedGram`."""
        total: Array = np.zeros((self._q, self._q), order="F")
        for part in self._slices():
            a = self._products[part]
            flat = a.reshape(-1, self._q)
            if self._k == 1:
                weighted = flat * weights[part, 0]
            else:
                weighted = (weights[part] @ a).reshape(-1, self._q)
            total = blas.dgemm(
                1.0, flat.T, weighted.T, beta=1.0, c=total, trans_b=True, overwrite_c=True
            )
        return total

    def traces(self, matrix: Array) -> Array:
        """See `WeightedGram`."""
        result = np.empty((len(self._products), self._k, self._k))
        for part in self._slices():
            a = self._products[part]
            flat = a.reshape(-1, self._q)
            times = blas.dsymm(1.0, matrix, flat.T, lower=1).T.reshape(a.shape)
            if self._k == 1:
                result[part, 0, 0] = np.einsum("wq,wq->w", times[:, 0], a[:, 0])
            else:
                result[part] = times @ a.swapaxes(1, 2)
        return result

    def _slices(self) -> Iterator[slice]:
        step = max(1, _SLICE_NUMBERS // (self._k * self._q))
        for start in range(0, len(self._products), step):
            yield slice(start, start + step)


class PairGram:
    """For sparse cross-products: a list of the products of every two entries of a level.

    An entry of the list has a place in the upper triangle of a C-ordered q x q matrix (which is
    the lower one of a Fortran-ordered), a level with a pair of terms, and a value. The list is in
    parts by rows of the triangle, so that what a part reads and writes stays in the cache: each
    sum is then four times as fast as with one list in the order of the levels.
    """

    _stored: list[_Part] | None

    def __init__(self, products: sparse.csr_array, n_terms: int) -> None:
        self._k = n_terms
        self._q = products.shape[1]
        self._n_levels = products.shape[0] // n_terms
        self._terms = np.tril_indices(n_terms)
        self._entries = _Entries.of(products, n_terms)
        self._ones = np.ones(0)
        self._stored = list(self._made()) if self._entries.n_pairs <= _STORED_PAIRS else None

    def weighted(self, weights: Array) -> Array:
        """See `WeightedGram`."""
        q = self._q
        flat = np.ascontiguousarray(weights[:, *self._terms]).ravel()
        total = np.empty(q * q)
        for part in self._parts():
            here = total[part.first * q : part.end * q]
            here[:] = part.lists[0].to_places @ flat
            for more in part.lists[1:]:
                here += more.to_places @ flat
        return total.reshape(q, q).T

    def traces(self, matrix: Array) -> Array:
        """See `WeightedGram`."""
        q = self._q
        total = np.zeros(self._n_levels * len(self._terms[0]))
        for part in self._parts():
            # off the diagonal an entry stands for two
            double = np.multiply(matrix.T[part.first : part.end], 2.0).ravel()
            double[part.first :: q + 1] *= 0.5
            for each in part.lists:
                total += each.to_levels @ double
        by_level = total.reshape(self._n_levels, -1)
        result = np.empty((self._n_levels, self._k, self._k))
        for kind, (a, b) in enumerate(zip(*self._terms, strict=True)):
            result[:, a, b] = result[:, b, a] = by_level[:, kind] * (1.0 if a == b else 0.5)
        return result

    def _parts(self) -> Iterator[_Part]:
        return iter(self._stored) if self._stored is not None else self._made()

    def _made(self) -> Iterator[_Part]:
        step = max(1, _PART_CELLS // self._q)
        for first in range(0, self._q, step):
            end = min(first + step, self._q)
            place, kind, value = self._entries.pairs(first, end)
            shape = ((end - first) * self._q, self._n_levels * len(self._terms[0]))
            other = value != 1.0
            if other.mean() > 0.5:
                lists: tuple[_List, ...] = (_List.of(place, kind, value, shape),)
            else:  # nearly all are 1, so all parts share their ones, and 8 bytes an entry are left
                lists = (
                    _List.of(place, kind, self._first_ones(len(place)), shape),
                    _List.of(place[other], kind[other], value[other] - 1.0, shape),
                )
            yield _Part(first, end, lists)

    def _first_ones(self, count: int) -> Array:
        if count > len(self._ones):
            self._ones = np.ones(count * 5 // 4)
        return self._ones[:count]


class _List(NamedTuple):
    """Pairs as a matrix of places by levels and terms, and its transpose."""

    to_places: sparse.coo_array
    to_levels: sparse.coo_array

    @classmethod
    def of(cls, place: Codes, kind: Codes, value: Array, shape: tuple[int, int]) -> _List:
        matrix = sparse.coo_array((value, (place, kind)), shape=shape)
        return cls(matrix, matrix.T)


class _Part(NamedTuple):
    """The pairs for the rows ``first`` to ``end`` of the triangle, in one or two lists."""

    first: int
    end: int
    lists: tuple[_List, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    """The entries of sparse cross-products by level, columns ascending, and by column.

    Attributes
    ----------
    column, term, level : ndarray of int32
    value : ndarray
    level_end : ndarray of int32
        Where the entries of an entry's level end.
    by_column : ndarray of int32
        Entries in the order of their columns.
    column_start : ndarray, shape (q + 1,)
        Where each column starts in ``by_column``.
    """

    n_terms: int
    q: int
    column: Codes
    term: Codes
    level: Codes
    value: Array
    level_end: Codes
    by_column: Codes
    column_start: NDArray[np.int64]

    @classmethod
    def of(cls, products: sparse.csr_array, n_terms: int) -> _Entries:
        column = products.indices.astype(np.int32, copy=False)
        value = np.asarray(products.data)
        rows = np.repeat(np.arange(products.shape[0], dtype=np.int32), np.diff(products.indptr))
        level, term = np.divmod(rows, np.int32(n_terms))
        if n_terms > 1:
            order = np.lexsort((term, column, level))
            column, value, level, term = column[order], value[order], level[order], term[order]
        counts = np.diff(products.indptr[::n_terms])
        return cls(
            n_terms=n_terms,
            q=products.shape[1],
            column=column,
            term=term,
            level=level,
            value=value,
            level_end=np.repeat(products.indptr[n_terms::n_terms], counts).astype(np.int32),
            by_column=np.argsort(column, kind="stable").astype(np.int32),
            column_start=np.concatenate(
                [[0], np.cumsum(np.bincount(column, minlength=products.shape[1]))]
            ),
        )

    @property
    def n_pairs(self) -> int:
        return int((self.level_end - np.arange(len(self.level_end))).sum())

    def pairs(self, first: int, end: int) -> tuple[Codes, Codes, Array]:
        """Each entry of these columns with itself and all later ones of its level.

        Returns the place in the rows ``first`` to ``end`` of the triangle, the level and pair of
        terms as one number, and the product.
        """
        one = self.by_column[self.column_start[first] : self.column_start[end]]
        lengths = self.level_end[one] - one
        ends = np.cumsum(lengths)
        two = np.repeat(one - (ends - lengths).astype(np.int32), lengths)
        two += np.arange(len(two), dtype=np.int32)
        column = self.column[one]
        place = np.repeat((column - np.int32(first)) * np.int32(self.q), lengths)
        other = self.column[two]
        place += other
        value = np.repeat(self.value[one], lengths)
        value *= self.value[two]
        kind = np.repeat(self.level[one], lengths)
        if self.n_terms > 1:
            term, term_of_other = np.repeat(self.term[one], lengths), self.term[two]
            # entries of one column and different terms count twice, as (a, b) and as (b, a)
            value[(np.repeat(column, lengths) == other) & (term != term_of_other)] *= 2.0
            high = np.maximum(term, term_of_other)
            low = np.minimum(term, term_of_other)
            kind *= np.int32(self.n_terms * (self.n_terms + 1) // 2)
            kind += high * (high + np.int32(1)) // np.int32(2) + low
        return place, kind, value
