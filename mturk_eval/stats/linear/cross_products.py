"""The only pass over the rows: every sum that a mixed model's likelihood needs.

Afterwards nothing depends on the number of ratings. The term with most coefficients (the raters,
as a rule) is held by level, to be eliminated; the other terms share one matrix, in which all
levels of a term's first column come before those of its second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mturk_eval.stats.linear.coding import CodedBlock, Slot
from mturk_eval.stats.linear.weighted_gram import WeightedGram, is_small, weighted_gram

Array = NDArray[np.float64]

_SMALL_SIDE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossProducts:
    """Sums over rows of products of columns.

    Attributes
    ----------
    n_rows : int
    blocks : tuple of CodedBlock
    eliminated : int or None
        Place of the block with most coefficients; None if there is no block.
    rest : tuple of int
        Places of the others.
    offsets : tuple of int
        First of the q rest coefficients of each of ``rest``; then q.
    own : ndarray, shape (L, K, K)
        Eliminated block with itself.
    own_data : ndarray, shape (L, K, m)
        Eliminated block with the m data columns: the fixed effects, then the response.
    between : ndarray or csr_array, shape (L * K, q)
        Eliminated block with the rest.
    gram : WeightedGram
        The same, in the form its weighted sums need.
    rest_own : ndarray or csr_array, shape (q, q)
    rest_data : ndarray, shape (q, m)
    data : ndarray, shape (m, m)
    """

    n_rows: int
    blocks: tuple[CodedBlock, ...]
    eliminated: int | None
    rest: tuple[int, ...]
    offsets: tuple[int, ...]
    own: Array
    own_data: Array
    between: Array | sparse.csr_array
    gram: WeightedGram
    rest_own: Array | sparse.csr_array
    rest_data: Array
    data: Array

    @property
    def n_rest(self) -> int:
        """q."""
        return self.offsets[-1]

    def segments(self, place: int) -> list[slice]:
        """Where the coefficients of each term of a rest block stand."""
        block = self.blocks[self.rest[place]]
        start, size = self.offsets[place], block.n_levels
        return [slice(start + t * size, start + (t + 1) * size) for t in range(block.n_terms)]

    def with_response(self) -> list[Array]:
        """Per block, in the caller's order, its columns times the response, shape (L, K)."""
        result = [self.own_data[:, :, -1]] * len(self.blocks)
        for place, block in enumerate(self.rest):
            part = self.rest_data[self.offsets[place] : self.offsets[place + 1], -1]
            result[block] = part.reshape(self.blocks[block].n_terms, -1).T
        return result


def cross_products(data: Array, blocks: Sequence[CodedBlock]) -> CrossProducts:
    """Sum over the rows.

    Parameters
    ----------
    data : ndarray, shape (n, m)
        Fixed effects and response; Fortran order is fastest.
    blocks : sequence of CodedBlock
    """
    sizes = [block.n_coefficients for block in blocks]
    eliminated = int(np.argmax(sizes)) if sizes else None
    rest = tuple(place for place in range(len(blocks)) if place != eliminated)
    offsets = (0, *(int(end) for end in np.cumsum([sizes[place] for place in rest])))
    m = data.shape[1]
    between: Array | sparse.csr_array = np.zeros((0, 0))
    if eliminated is None:
        own, own_data = np.zeros((0, 1, 1)), np.zeros((0, 1, m))
        first_terms = 1
    else:
        first = blocks[eliminated]
        first_terms = first.n_terms
        own = _own(first)
        own_data = _with_data(first, data, by_level=True).reshape(first.n_levels, -1, m)
        between = _between(first, [blocks[place] for place in rest], offsets)
    return CrossProducts(
        n_rows=len(data),
        blocks=tuple(blocks),
        eliminated=eliminated,
        rest=rest,
        offsets=offsets,
        own=own,
        own_data=own_data,
        between=between,
        gram=weighted_gram(between, first_terms),
        rest_own=_rest_own([blocks[place] for place in rest], offsets),
        rest_data=np.concatenate(
            [np.zeros((0, m)), *(_with_data(blocks[p], data, by_level=False) for p in rest)]
        ),
        data=_gram_of(data),
    )


def _gram_of(data: Array) -> Array:
    """``data' data``; column by column, since BLAS would not gain from so few."""
    m = data.shape[1]
    result = np.empty((m, m))
    for i, j in combinations_with_replacement(range(m), 2):
        result[i, j] = result[j, i] = np.dot(data[:, i], data[:, j])
    return result


def _strides(block: CodedBlock, *, by_level: bool) -> tuple[int, int]:
    return (block.n_terms, 1) if by_level else (1, block.n_levels)


def _product(one: Array | None, two: Array | None) -> Array | None:
    if one is None or two is None:
        return two if one is None else one
    return one * two


def _with_data(block: CodedBlock, data: Array, *, by_level: bool) -> Array:
    """The block's columns times the data's, shape (L * K, m)."""
    strides = _strides(block, by_level=by_level)
    result = np.zeros((block.n_coefficients, data.shape[1]))
    for slot in block.slots:
        place = slot.positions(*strides)
        for column in range(data.shape[1]):
            weight = _product(slot.value, data[:, column])
            result[:, column] += np.bincount(place, weight, block.n_coefficients)
    return result


def _own(block: CodedBlock) -> Array:
    """The block's columns times themselves, shape (L, K, K)."""
    levels, k = block.n_levels, block.n_terms
    result = np.zeros((levels, k, k))
    if len(block.slots) == 1:
        slot = block.slots[0]
        square = None if slot.value is None else slot.value**2
        count = np.bincount(slot.positions(k, 1), square, levels * k).reshape(levels, k)
        result[:, range(k), range(k)] = count
        return result
    for one, two in combinations_with_replacement(range(k), 2):
        a, b = block.slots[one], block.slots[two]
        total = np.bincount(a.level, _product(a.value, b.value), levels)
        result[:, one, two] = result[:, two, one] = total
    return result


def _between(
    first: CodedBlock, rest: Sequence[CodedBlock], offsets: Sequence[int]
) -> Array | sparse.csr_array:
    """The first block's columns (by level) times the others', shape (L * K, q)."""
    rows, q = first.n_coefficients, offsets[-1]
    small = is_small(rows, q)
    dense = np.zeros(rows * q if small else 0)
    parts: list[tuple[Slot, Slot, int, CodedBlock]] = [
        (a, b, offset, block)
        for block, offset in zip(rest, offsets, strict=False)
        for a in first.slots
        for b in block.slots
    ]
    row_list, column_list, value_list = [], [], []
    for a, b, offset, block in parts:
        row = a.positions(first.n_terms, 1)
        column = b.positions(1, block.n_levels)
        if offset:
            column = column + np.int32(offset)
        value = _product(a.value, b.value)
        if small:
            dense += np.bincount(row * np.int32(q) + column, value, rows * q)
            continue
        row_list.append(row)
        column_list.append(column)
        value_list.append(np.ones(len(row)) if value is None else value)
    if small:
        return dense.reshape(rows, q)
    if not parts:
        return np.zeros((rows, 0))
    return _summed(row_list, column_list, value_list, (rows, q))


def _summed(
    rows: Sequence[NDArray[np.int32]],
    columns: Sequence[NDArray[np.int32]],
    values: Sequence[Array],
    shape: tuple[int, int],
) -> sparse.csr_array:
    place = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csr_array(sparse.coo_array((np.concatenate(values), place), shape=shape))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _rest_own(rest: Sequence[CodedBlock], offsets: Sequence[int]) -> Array | sparse.csr_array:
    """The rest blocks' columns times themselves, shape (q, q)."""
    q = offsets[-1]
    rows, columns, values = [], [], []
    for i, j in combinations_with_replacement(range(len(rest)), 2):
        if i == j:
            own = _own(rest[i])
            level = np.arange(rest[i].n_levels, dtype=np.int32)
            for a in range(rest[i].n_terms):
                for b in range(rest[i].n_terms):
                    rows.append(offsets[i] + a * np.int32(rest[i].n_levels) + level)
                    columns.append(offsets[i] + b * np.int32(rest[i].n_levels) + level)
                    values.append(own[:, a, b])
            continue
        for one in rest[i].slots:
            for two in rest[j].slots:
                row, column, value = _cell_sums(
                    one.positions(1, rest[i].n_levels),
                    two.positions(1, rest[j].n_levels),
                    _product(one.value, two.value),
                    rest[j].n_coefficients,
                )
                row, column = row + np.int32(offsets[i]), column + np.int32(offsets[j])
                rows += [row, column]
                columns += [column, row]
                values += [value, value]
    if q <= _SMALL_SIDE:
        dense = np.zeros((q, q))
        for row, column, value in zip(rows, columns, values, strict=True):
            dense[row, column] += value
        return dense
    return _summed(rows, columns, values, (q, q))


def _cell_sums(
    row: NDArray[np.int32], column: NDArray[np.int32], value: Array | None, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Array]:
    """Values summed over equal places, one place each."""
    place = row.astype(np.int64) * width + column
    cells, cell_of = np.unique(place, return_inverse=True)
    total = np.bincount(cell_of, value, len(cells)).astype(np.float64)
    one, two = np.divmod(cells, width)
    return one.astype(np.int32), two.astype(np.int32), total
