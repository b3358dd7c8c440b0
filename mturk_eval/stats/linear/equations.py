"""The mixed-model equations at given variances, solved by blocks.

With V = I + Z G Z' (in units of the residual variance), ``N = (Z'Z + G^-1)^-1`` is all that the
likelihood and its derivatives need. The eliminated block of N is found level by level; for the
rest a Schur complement of q x q is factorised once [1]_. Where a covariance is singular, G^-1 does
not exist and the complement is formed with a factor of G instead.

References
----------
.. [1] Bates, Mächler, Bolker & Walker (2015), Fitting linear mixed-effects models using lme4, J.
   Stat. Softw. 67(1), section 3; here solved by blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import blas, lapack

from mturk_eval.stats.linear.cross_products import CrossProducts

Array = NDArray[np.float64]

_SMALLEST_FACTOR = 1e-4
_LARGEST_RATIO = 1e3
_TILE = 128


class NotPositiveDefiniteError(ArithmeticError):
    """The equations have no solution at these variances, to rounding."""


class MixedEquations:
    """Z'Z + G^-1 at given factors of G, factorised.

    Parameters
    ----------
    sums : CrossProducts
    factors : sequence of ndarray
        Per block a K x K matrix F with G = F F', in the block's coding.

    Attributes
    ----------
    log_determinant : float
        Of V.
    """

    def __init__(self, sums: CrossProducts, factors: Sequence[Array]) -> None:
        self._sums = sums
        self._factor = np.zeros((1, 1)) if sums.eliminated is None else factors[sums.eliminated]
        self.shrunk, own_log_determinant = _eliminated_inverse(sums.own, self._factor)
        self.rest_factors = tuple(factors[place] for place in sums.rest)
        self._rest: _RestByPrecision | _RestByFactor | None = None
        self.log_determinant = own_log_determinant
        if sums.n_rest:
            complement = sums.gram.weighted(-self.shrunk)
            _add_lower(complement, sums.rest_own)
            kind = _RestByPrecision if _regular(self.rest_factors) else _RestByFactor
            self._rest = kind(sums, self.rest_factors, complement)
            self.log_determinant += self._rest.log_determinant

    def solve(self, own: Array, rest: Array) -> tuple[Array, Array]:
        """``N @ [own; rest]`` for right-hand sides of shape (L, K, m) and (q, m)."""
        first = self.shrunk @ own
        if self._rest is None:
            return first, rest
        between = self._sums.between
        flat = first.reshape(own.shape[0] * own.shape[1], own.shape[2])
        second = self._rest.solve(rest - between.T @ flat)
        back = (between @ second).reshape(own.shape)
        return first - self.shrunk @ back, second

    def times(self, own: Array, rest: Array) -> tuple[Array, Array]:
        """``Z'Z @ [own; rest]`` for coefficients of shape (L, K, m) and (q, m)."""
        sums = self._sums
        first = sums.own @ own
        if self._rest is None:
            return first, rest
        first += (sums.between @ rest).reshape(own.shape)
        flat = own.reshape(own.shape[0] * own.shape[1], own.shape[2])  # also of zero columns
        return first, sums.between.T @ flat + sums.rest_own @ rest

    def rest_inverse(self) -> Array:
        """The rest block of N, shape (q, q), valid in the lower triangle."""
        return np.zeros((0, 0)) if self._rest is None else self._rest.inverse()

    def full_rest_inverse(self) -> Array:
        """The same, valid throughout."""
        return np.zeros((0, 0)) if self._rest is None else self._rest.full_inverse()

    def rest_traces(self) -> list[Array]:
        """Per rest block the sum over its levels of the diagonal blocks of Z'V^-1Z."""
        return [] if self._rest is None else self._rest.traces()

    def rest_products(self, one: int, two: int) -> Array:
        """Inner products of the blocks of Z'V^-1Z between two rest blocks, (K, M, K, M).

        Entry (s, t, u, v) is that of the levels' matrix of terms s and t with that of u and v.
        """
        return np.zeros((0, 0, 0, 0)) if self._rest is None else self._rest.products(one, two)

    def rest_shares(self, gram: Array, turned: Array) -> list[Array]:
        """Per rest block the diagonal blocks, summed over levels, of ``H gram H'``.

        H is I - C N, C being the complement. ``gram`` is symmetric, of shape (q, q), its lower
        triangle being read, and ``turned`` is ``N @ gram``.
        """
        return [] if self._rest is None else self._rest.shares(gram, turned)


def _eliminated_inverse(own: Array, factor: Array) -> tuple[Array, float]:
    """``F (F' A_w F + I)^-1 F'`` of every level w, and the log determinants' sum."""
    k = factor.shape[0]
    if k == 1:
        square = factor[0, 0] ** 2
        scale = square * own + 1.0
        return square / scale, float(np.log(scale).sum())
    inner = factor.T @ own @ factor + np.eye(k)
    root = np.linalg.cholesky(inner)
    half = np.linalg.inv(root) @ factor.T
    log_determinant = 2.0 * float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
    return half.swapaxes(1, 2) @ half, log_determinant


def _regular(factors: Sequence[Array]) -> bool:
    """Whether every G is safely inverted."""
    for factor in factors:
        if factor.shape[0] == 1:
            smallest = largest = abs(float(factor[0, 0]))
        else:
            sizes = np.linalg.svd(factor, compute_uv=False)
            largest, smallest = float(sizes[0]), float(sizes[-1])
        if smallest < _SMALLEST_FACTOR or largest > _LARGEST_RATIO * smallest:
            return False
    return True


def _add_lower(matrix: Array, part: Array | sparse.csr_array) -> None:
    if isinstance(part, np.ndarray):
        matrix += part
        return
    entries = part.tocoo()
    matrix[entries.row, entries.col] += entries.data


def _cholesky(matrix: Array) -> tuple[Array, float]:
    """The lower factor, in place, and the log determinant."""
    root, info = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if info:
        raise NotPositiveDefiniteError
    return root, 2.0 * float(np.log(np.diagonal(root)).sum())


def mirrored(matrix: Array) -> Array:
    """The matrix itself, its lower triangle written over the upper one."""
    for start in range(0, len(matrix), _TILE):
        end = min(start + _TILE, len(matrix))
        tile = matrix[start:end, start:end]
        tile[:] = np.tril(tile) + np.tril(tile, -1).T
        matrix[start:end, end:] = matrix[end:, start:end].T
    return matrix


class _RestByPrecision:
    """All covariances regular: N is the inverse of the complement plus G^-1."""

    def __init__(self, sums: CrossProducts, factors: Sequence[Array], complement: Array) -> None:
        self._sums = sums
        self._precisions = [_inverse_gram(factor) for factor in factors]
        self.log_determinant = 0.0
        for place, (factor, precision) in enumerate(zip(factors, self._precisions, strict=True)):
            segments = sums.segments(place)
            levels = segments[0].stop - segments[0].start
            for a, rows in enumerate(segments):
                for b, columns in enumerate(segments[: a + 1]):
                    np.einsum("ii->i", complement[rows, columns])[:] += precision[a, b]
            self.log_determinant += levels * 2.0 * float(np.log(abs(np.linalg.det(factor))))
        self._root, log_determinant = _cholesky(complement)
        self._inverse: Array | None = None
        self._is_full = False
        self.log_determinant += log_determinant

    def solve(self, right: Array) -> Array:
        if self._inverse is not None:
            product: Array = blas.dsymm(1.0, self._inverse, right, lower=1)
            return product
        solution, _ = lapack.dpotrs(self._root, right, lower=1)
        return cast(Array, solution)

    def inverse(self) -> Array:
        if self._inverse is None:
            self._inverse, _ = lapack.dpotri(self._root, lower=1, overwrite_c=1)
        return self._inverse

    def traces(self) -> list[Array]:
        inverse = self.inverse()
        result = []
        for place, precision in enumerate(self._precisions):
            segments = self._sums.segments(place)
            within = _segment_traces(inverse, segments)
            levels = segments[0].stop - segments[0].start
            result.append(levels * precision - precision @ within @ precision)
        return result

    def full_inverse(self) -> Array:
        if not self._is_full:
            self._is_full = True
            return mirrored(self.inverse())
        return self.inverse()

    def products(self, one: int, two: int) -> Array:
        # Z'V^-1Z = G^-1 - G^-1 N G^-1, so that inner products of N are enough
        inverse = self.full_inverse()
        rows, columns = self._sums.segments(one), self._sums.segments(two)
        left, right = self._precisions[one], self._precisions[two]
        result = _segment_products(inverse, rows, columns)
        result = np.einsum("sx,ty,xyzw,uz,vw->stuv", left, right, result, left, right)
        if one == two:
            own = left @ _segment_traces(inverse, rows) @ left
            levels = rows[0].stop - rows[0].start
            crossed = np.einsum("st,uv->stuv", left, own)
            result += levels * np.einsum("st,uv->stuv", left, left)
            result -= crossed + crossed.transpose(2, 3, 0, 1)
        return np.asarray(result)

    def shares(self, gram: Array, turned: Array) -> list[Array]:
        del gram  # H = G^-1 N
        inverse = self.full_inverse()
        result = []
        for place, precision in enumerate(self._precisions):
            own = _segment_inner(turned, inverse, self._sums.segments(place))
            result.append(precision @ own @ precision)
        return result


class _RestByFactor:
    """Some covariance singular: N is F S^-1 F' with S = I + F' C F."""

    def __init__(self, sums: CrossProducts, factors: Sequence[Array], complement: Array) -> None:
        self._sums = sums
        self._factors = factors
        self._complement = mirrored(complement)
        half = self._times(self._complement, transposed=True)
        inner = np.asfortranarray(self._times(np.ascontiguousarray(half.T), transposed=True))
        inner[np.diag_indices(len(inner))] += 1.0
        self._root, self.log_determinant = _cholesky(inner)
        self._inverse: Array | None = None

    def _times(self, matrix: Array, *, transposed: bool) -> Array:
        factors = [factor.T if transposed else factor for factor in self._factors]
        return _times_blocks(self._sums, factors, matrix)

    def solve(self, right: Array) -> Array:
        solution, _ = lapack.dpotrs(self._root, self._times(right, transposed=True), lower=1)
        return self._times(solution, transposed=False)

    def inverse(self) -> Array:
        if self._inverse is None:
            inner, _ = lapack.dpotri(self._root, lower=1)
            half = self._times(mirrored(inner), transposed=False)
            full = self._times(np.ascontiguousarray(half.T), transposed=False)
            self._inverse = np.asfortranarray(full)
        return self._inverse

    def traces(self) -> list[Array]:
        left = self._left()
        return [
            _segment_inner(left, self._complement, self._sums.segments(place))
            for place in range(len(self._factors))
        ]

    def full_inverse(self) -> Array:
        return self.inverse()

    def products(self, one: int, two: int) -> Array:
        precision = blas.dgemm(1.0, self._left(), self._complement)  # C - C N C
        return _segment_products(precision, self._sums.segments(one), self._sums.segments(two))

    def shares(self, gram: Array, turned: Array) -> list[Array]:
        moved = mirrored(gram) - blas.dsymm(1.0, self._complement, turned, lower=1)
        left = self._left()
        return [
            _segment_inner(moved, left, self._sums.segments(place))
            for place in range(len(self._factors))
        ]

    def _left(self) -> Array:
        left: Array = blas.dsymm(-1.0, self._complement, self.inverse(), lower=1)
        left[np.diag_indices(len(left))] += 1.0
        return left


def _inverse_gram(factor: Array) -> Array:
    inverse = np.linalg.inv(factor)
    return np.asarray(inverse.T @ inverse)


def _segment_traces(matrix: Array, segments: Sequence[slice]) -> Array:
    """Sums of the diagonals of a symmetric matrix's blocks, its lower triangle being read."""
    result = np.empty((len(segments), len(segments)))
    for a, rows in enumerate(segments):
        for b, columns in enumerate(segments[: a + 1]):
            result[a, b] = result[b, a] = np.trace(matrix[rows, columns])
    return result


def _segment_inner(one: Array, two: Array, segments: Sequence[slice]) -> Array:
    """Inner products of the rows of two matrices' segments, shape (K, K)."""
    return np.array(
        [[float(np.einsum("ij,ij->", one[a], two[b])) for b in segments] for a in segments]
    )


def _segment_products(matrix: Array, rows: Sequence[slice], columns: Sequence[slice]) -> Array:
    """Inner products of the blocks (s, t) and (u, v) of a matrix, shape (K, M, K, M)."""
    blocks = [matrix[row, column] for row in rows for column in columns]
    result = np.empty((len(blocks), len(blocks)))
    for a, one in enumerate(blocks):
        for b, two in enumerate(blocks[: a + 1]):
            result[a, b] = result[b, a] = float(np.einsum("ij,ij->", one, two))
    k, m = len(rows), len(columns)
    return result.reshape(k, m, k, m)


def _times_blocks(sums: CrossProducts, blocks: Sequence[Array], matrix: Array) -> Array:
    """``(I x B) @ matrix`` for every rest block, B being K x K."""
    result = np.empty_like(matrix)
    for place, block in enumerate(blocks):
        segments = sums.segments(place)
        for rows, weights in zip(segments, block, strict=True):
            np.multiply(matrix[segments[0]], weights[0], out=result[rows])
            for columns, weight in zip(segments[1:], weights[1:], strict=True):
                if weight != 0.0:
                    result[rows] += weight * matrix[columns]
    return result
