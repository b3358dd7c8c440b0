"""Sums over the levels of the eliminated term, one small weight matrix per level.

With ``A_w`` the (K, q) cross-products of level w with all other random coefficients, the engine
needs ``sum_w A_w' V_w A_w`` for given weights, and for a given matrix N all ``A_w N A_w'``. Both
are linear in what is given, so where the ``A_w`` are sparse the products of their entries are
listed once, and each sum is then one pass over that list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import blas

Array = NDArray[np.float64]

_SMALL = 400_000
"""Entries up to which a dense matrix costs no more than the overhead of a sparse one."""
_FLOPS_PER_PAIR = 12.0
"""A dense product does this many multiplications in the time of one entry of the list."""
_STORED_PAIRS = 100_000_000
"""Longest list that is kept (12 bytes an entry); longer ones are made anew in slices."""
_SLICE_PAIRS = 2_000_000
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
    if float(rows) * q * q < _FLOPS_PER_PAIR * pairs and rows * q < 4 * _STORED_PAIRS:
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
        total = np.zeros((self._q, self._q), order="F")
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

    An entry of the list has a row ``(w, pair of terms)``, a column (the place in the upper
    triangle of a C-ordered q x q matrix, which is the lower one of a Fortran-ordered) and a value.
    """

    def __init__(self, products: sparse.csr_array, n_terms: int) -> None:
        self._k = n_terms
        self._q = products.shape[1]
        self._n_levels = products.shape[0] // n_terms
        term, other = np.tril_indices(n_terms)
        self._terms = term, other
        self._kind = np.zeros((n_terms, n_terms), dtype=np.int32)
        self._kind[term, other] = self._kind[other, term] = np.arange(len(term))
        self._columns = products.indices.astype(np.int32, copy=False)
        self._values = np.asarray(products.data)
        self._term_of = np.repeat(
            np.tile(np.arange(n_terms, dtype=np.int32), self._n_levels), np.diff(products.indptr)
        )
        self._starts = products.indptr[::n_terms].astype(np.int64)
        counts = np.diff(self._starts)
        self._n_pairs = int((counts * (counts + 1) // 2).sum())
        self._stored = self._store() if self._n_pairs <= _STORED_PAIRS else None

    def weighted(self, weights: Array) -> Array:
        """See `WeightedGram`."""
        q = self._q
        flat = np.ascontiguousarray(weights[:, *self._terms]).ravel()
        parts = [part.T @ flat for part in self._lists()]
        total = parts[0]
        for part in parts[1:]:
            total += part
        return np.asarray(total.reshape(q, q).T)

    def traces(self, matrix: Array) -> Array:
        """See `WeightedGram`."""
        double = matrix.T.ravel() * 2.0  # off the diagonal an entry stands for two
        double[:: self._q + 1] *= 0.5
        total = np.zeros(self._n_levels * len(self._terms[0]))
        for part in self._lists():
            total += part @ double
        total = total.reshape(self._n_levels, -1)
        result = np.empty((self._n_levels, self._k, self._k))
        for kind, (a, b) in enumerate(zip(*self._terms, strict=True)):
            result[:, a, b] = result[:, b, a] = total[:, kind] * (1.0 if a == b else 0.5)
        return result

    def _lists(self) -> Iterator[sparse.csr_array | sparse.coo_array]:
        if self._stored is not None:
            yield self._stored
            return
        for rows, columns, values in self._slices():
            yield sparse.coo_array((values, (rows, columns)), shape=self._shape())

    def _shape(self) -> tuple[int, int]:
        return self._n_levels * len(self._terms[0]), self._q * self._q

    def _store(self) -> sparse.csr_array | sparse.coo_array:
        rows = np.empty(self._n_pairs, dtype=np.int32)
        columns = np.empty(self._n_pairs, dtype=np.int32)
        values = np.empty(self._n_pairs)
        end = 0
        for some_rows, some_columns, some_values in self._slices():
            part = slice(end, end + len(some_rows))
            rows[part], columns[part], values[part] = some_rows, some_columns, some_values
            end = part.stop
        return sparse.coo_array((values, (rows, columns)), shape=self._shape())

    def _slices(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], Array]]:
        """The list in parts, levels with equally many entries together."""
        counts = np.diff(self._starts)
        by_count = np.argsort(counts, kind="stable")
        sizes, first = np.unique(counts[by_count], return_index=True)
        for size, levels in zip(sizes, np.split(by_count, first[1:]), strict=True):
            if size == 0:
                continue
            one, two = (pair.astype(np.int32) for pair in np.triu_indices(int(size)))
            step = max(1, _SLICE_PAIRS // len(one))
            for start in range(0, len(levels), step):
                yield self._pairs_of(levels[start : start + step], int(size), one, two)

    def _pairs_of(
        self,
        levels: NDArray[np.intp],
        size: int,
        one: NDArray[np.int32],
        two: NDArray[np.int32],
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], Array]:
        entries = self._starts[levels][:, None] + np.arange(size)
        columns, values = self._columns[entries], self._values[entries]
        value = values[:, one]
        value *= values[:, two]
        low, high = columns[:, one], columns[:, two]
        if self._k == 1:  # the entries of a level are in the order of their columns
            low *= np.int32(self._q)
            low += high
            row = np.repeat(levels.astype(np.int32), len(one))
            return row, low.ravel(), value.ravel()
        terms = self._term_of[entries]
        first, second = terms[:, one], terms[:, two]
        # two entries of one column and different terms count twice, as (a, b) and as (b, a)
        value[(low == high) & (first != second)] *= 2.0
        row = self._kind[first, second] + levels[:, None].astype(np.int32) * len(self._terms[0])
        place = np.minimum(low, high) * np.int32(self._q) + np.maximum(low, high)
        return row.astype(np.int32).ravel(), place.astype(np.int32).ravel(), value.ravel()
