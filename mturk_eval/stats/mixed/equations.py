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

from mturk_eval.stats.mixed.cross_products import CrossProducts

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
        flat = first.reshape(-1, own.shape[2])
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
        return first, sums.between.T @ own.reshape(-1, own.shape[2]) + sums.rest_own @ rest

    def rest_inverse(self) -> Array:
        """The rest block of N, shape (q, q), valid in the lower triangle."""
        return np.zeros((0, 0)) if self._rest is None else self._rest.inverse()

    def rest_traces(self) -> list[Array]:
        """Per rest block the sum over its levels of the diagonal blocks of Z'V^-1Z."""
        return [] if self._rest is None else self._rest.traces()

    def rest_precision(self) -> tuple[Array, Array]:
        """Z'V^-1Z of the rest, and ``I - C N``, C being the complement; both full (q, q)."""
        if self._rest is None:
            return np.zeros((0, 0)), np.zeros((0, 0))
        return self._rest.precision()

    def rest_left_times(self, matrix: Array, turned: Array) -> Array:
        """``(I - C N) @ matrix``, given ``turned = N @ matrix``."""
        return turned if self._rest is None else self._rest.left_times(matrix, turned)


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

    def precision(self) -> tuple[Array, Array]:
        inverse = mirrored(self.inverse())
        left = self._scaled(inverse)  # G^-1 N = I - C N
        both = self._scaled(left.T)
        np.negative(both, out=both)
        for place, precision in enumerate(self._precisions):
            segments = self._sums.segments(place)
            for a, rows in enumerate(segments):
                for b, columns in enumerate(segments):
                    np.einsum("ii->i", both[rows, columns])[:] += precision[a, b]
        return both, left

    def left_times(self, matrix: Array, turned: Array) -> Array:
        del matrix  # I - C N = G^-1 N
        return self._scaled(turned)

    def _scaled(self, matrix: Array) -> Array:
        return _times_blocks(self._sums, self._precisions, matrix)


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
        result = []
        for place in range(len(self._factors)):
            segments = self._sums.segments(place)
            result.append(
                np.array(
                    [
                        [float(np.vdot(left[a], self._complement[b])) for b in segments]
                        for a in segments
                    ]
                )
            )
        return result

    def precision(self) -> tuple[Array, Array]:
        left = self._left()
        return blas.dgemm(1.0, left, self._complement), left

    def left_times(self, matrix: Array, turned: Array) -> Array:
        product: Array = blas.dsymm(1.0, self._complement, turned, lower=1)
        return mirrored(matrix) - product

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
