"""The penalised information H = I + V'DV of crossed random effects, factored by blocks.

V has one row per answer with a handful of entries. The eliminated term's part of H is block
diagonal; a Schur complement leaves a dense matrix over the kept terms' q2 coefficients alone. The
part between the two is worked through in slices of the eliminated term's levels, so that memory
stays bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from mturk_eval.stats.ordinal.layout import Layout, TermLayout

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.intp]

_SLICE_ENTRIES = 1 << 23
"""Entries of one dense slice between eliminated and kept coefficients: 64 MiB."""
_KEPT_ENTRIES = 1 << 26
"""Entries of all slices up to which the gradient finds them kept: 512 MiB."""


class Pattern:
    """Where each row's entries of V lie, fixed for a data set.

    ``first`` is the eliminated term; ``columns2`` (K2, n) are the kept terms' coefficients of each
    row, numbered 0 … q2 - 1.
    """

    def __init__(self, layout: Layout) -> None:
        self.first: TermLayout = layout.terms[0]
        self.others = layout.terms[1:]
        self.starts = layout.starts
        n = len(layout.y)
        offset = 0
        columns: list[Index] = []
        for term in self.others:
            columns.extend(offset + term.codes * term.columns + k for k in range(term.columns))
            offset += term.levels * term.columns
        self.q1, self.q2 = self.first.levels * self.first.columns, offset
        self.columns2: Index = np.array(columns, dtype=np.intp).reshape(len(columns), n)

    @cached_property
    def pairs2(self) -> Index:
        """Places in a q2 x q2 matrix of every pair of a row's kept entries, (K2, K2, n)."""
        columns = self.columns2
        return columns[:, None, :] * self.q2 + columns[None, :, :]

    @cached_property
    def slices(self) -> tuple[_Slice, ...]:
        """The eliminated term's levels in slices of bounded size."""
        per_level = max(1, self.first.columns * self.q2)
        step = max(1, _SLICE_ENTRIES // per_level)
        ends = np.append(self.starts, len(self.first.codes))
        return tuple(
            _Slice.of(self, low, min(low + step, self.first.levels), ends)
            for low in range(0, self.first.levels, step)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    """Levels ``low`` to ``high`` of the eliminated term, the rows they have, and their places."""

    levels: slice
    rows: slice
    n_levels: int
    places: Index  # (K1, K2, rows), in an array of (levels, K1, q2)

    @classmethod
    def of(cls, pattern: Pattern, low: int, high: int, ends: Index) -> _Slice:
        rows = slice(int(ends[low]), int(ends[high]))
        k1 = pattern.first.columns
        level = pattern.first.codes[rows] - low
        along = (level * k1 + np.arange(k1)[:, None]) * pattern.q2
        places = along[:, None, :] + pattern.columns2[None, :, rows]
        return cls(
            levels=slice(low, high),
            rows=rows,
            n_levels=high - low,
            places=np.ascontiguousarray(places),
        )


class Information:
    """H at given loadings and weights, with its factor.

    Parameters
    ----------
    v1, v2 : ndarray, shapes (K1, n), (K2, n)
        Each row's entries of V on the eliminated and on the kept coefficients.
    weights : ndarray, shape (n,)
        D, nonnegative.
    """

    def __init__(self, pattern: Pattern, v1: Matrix, v2: Matrix, weights: Vector) -> None:
        self.pattern, self.v1, self.v2 = pattern, v1, v2
        self.d1 = v1 * weights
        self.whitening, log_blocks = self._eliminated_blocks()
        keep = len(pattern.slices) * _SLICE_ENTRIES <= _KEPT_ENTRIES
        self._whitened: list[NDArray[np.float64]] | None = [] if keep else None
        self.schur, log_schur = self._schur(v2 * weights)
        self.log_determinant = log_blocks + log_schur

    def _eliminated_blocks(self) -> tuple[NDArray[np.float64], float]:
        """Per level R (K1 x K1) with R'R the inverse of its block, and the blocks' log det."""
        starts, k1 = self.pattern.starts, self.pattern.first.columns
        blocks = np.empty((len(starts), k1, k1))
        for a in range(k1):
            for b in range(a + 1):
                sums = np.add.reduceat(self.v1[a] * self.d1[b], starts)
                blocks[:, a, b] = blocks[:, b, a] = sums
            blocks[:, a, a] += 1
        roots = np.sqrt(blocks) if k1 == 1 else np.linalg.cholesky(blocks)
        log_determinant = 2 * float(np.log(np.diagonal(roots, axis1=1, axis2=2)).sum())
        return 1 / roots if k1 == 1 else np.linalg.inv(roots), log_determinant

    def _schur(self, d2: Matrix) -> tuple[Matrix, float]:
        """Lower Cholesky factor of the Schur complement, in Fortran order, and its log det."""
        pattern = self.pattern
        k1, q2 = pattern.first.columns, pattern.q2
        if q2 == 0:
            return np.zeros((0, 0)), 0.0
        products = self.v2[:, None, :] * d2[None, :, :]
        sums = np.bincount(pattern.pairs2.ravel(), products.ravel(), q2 * q2)
        schur: Matrix = sums.astype(np.float64, copy=False).reshape(q2, q2).T
        schur.flat[:: q2 + 1] += 1
        for part in pattern.slices:
            whitened = self._whitened_slice(part)
            if self._whitened is not None:
                self._whitened.append(whitened)
            flat = whitened.reshape(part.n_levels * k1, q2).T
            schur = blas.dsyrk(-1.0, flat, beta=1.0, c=schur, lower=1, overwrite_c=1)
        factor, problem = lapack.dpotrf(schur, lower=1, clean=1, overwrite_a=1)
        if problem:
            raise np.linalg.LinAlgError("the information is not positive definite")
        return factor, 2 * float(np.log(np.diagonal(factor)).sum())

    def _whitened_slice(self, part: _Slice) -> NDArray[np.float64]:
        """R times the part of H between a slice of eliminated levels and the kept terms."""
        k1, q2 = self.pattern.first.columns, self.pattern.q2
        products = self.d1[:, None, part.rows] * self.v2[None, :, part.rows]
        size = part.n_levels * k1 * q2
        sums: Vector = np.bincount(part.places.ravel(), products.ravel(), size).astype(
            np.float64, copy=False
        )
        return _times(self.whitening[part.levels], sums.reshape(part.n_levels, k1, q2))

    def project(self, values: Vector) -> tuple[Vector, Vector]:
        """V'values: sums over rows for the eliminated and for the kept coefficients."""
        return project(self.pattern, self.v1, self.v2, values)

    def spread(self, u1: Vector, u2: Vector) -> Vector:
        """V u, one value per row."""
        return spread(self.pattern, self.v1, self.v2, u1, u2)

    def solve(self, g1: Vector, g2: Vector) -> tuple[Vector, Vector]:
        """H⁻¹ g."""
        pattern = self.pattern
        r1 = self._blocks_solve(g1)
        if pattern.q2 == 0:
            return r1, g2
        codes, k1 = pattern.first.codes, pattern.first.columns
        by_row = np.einsum("kn,nk->n", self.d1, r1.reshape(-1, k1)[codes])
        back = np.bincount(pattern.columns2.ravel(), (self.v2 * by_row).ravel(), pattern.q2)
        x2, _ = lapack.dpotrs(self.schur, g2 - back, lower=1)
        forth = np.einsum("kn,kn->n", self.v2, x2[pattern.columns2])
        sums = np.add.reduceat(self.d1 * forth, pattern.starts, axis=1).T.ravel()
        return r1 - self._blocks_solve(sums), x2

    def _blocks_solve(self, g1: Vector) -> Vector:
        whitening, k1 = self.whitening, self.pattern.first.columns
        if k1 == 1:
            return np.asarray(whitening[:, 0, 0] ** 2 * g1)
        half = whitening @ g1.reshape(-1, k1, 1)
        return np.asarray((whitening.transpose(0, 2, 1) @ half).ravel())

    def inverse_parts(self) -> InverseParts:
        """The entries of H⁻¹ that rows and levels need."""
        pattern = self.pattern
        k1, q2 = pattern.first.columns, pattern.q2
        back = self.whitening.transpose(0, 2, 1)
        eliminated = back @ self.whitening
        if q2 == 0:
            own1 = self._on_blocks(eliminated)
            return InverseParts(
                eliminated=eliminated, kept=np.zeros((0, 0)), own1=own1, own2=self.v2
            )
        lower, _ = lapack.dpotri(self.schur, lower=1)
        kept = np.tril(lower) + np.tril(lower, -1).T
        own1 = np.empty_like(self.v1)
        own2 = np.zeros_like(self.v2)
        for a, columns in enumerate(pattern.columns2):
            for b, others in enumerate(pattern.columns2):
                own2[a] += kept[columns, others] * self.v2[b]
        for number, part in enumerate(pattern.slices):
            whitened = (
                self._whitened_slice(part) if self._whitened is None else self._whitened[number]
            )
            flat = whitened.reshape(part.n_levels * k1, q2).T
            through = blas.dsymm(1.0, kept, flat, lower=1).T.reshape(whitened.shape)
            turned = back[part.levels]
            inner = np.einsum("laj,lbj->lab", through, whitened)
            eliminated[part.levels] += turned @ inner @ self.whitening[part.levels]
            crossing = _times(turned, through).ravel()[part.places]
            own1[:, part.rows] = -np.einsum("abn,bn->an", crossing, self.v2[:, part.rows])
            own2[:, part.rows] -= np.einsum("abn,an->bn", crossing, self.v1[:, part.rows])
        own1 += self._on_blocks(eliminated)
        return InverseParts(eliminated=eliminated, kept=kept, own1=own1, own2=own2)

    def _on_blocks(self, blocks: NDArray[np.float64]) -> Matrix:
        """Each row's eliminated entries times its level's block."""
        codes = self.pattern.first.codes
        if len(self.v1) == 1:
            return np.asarray(blocks[codes, 0, 0] * self.v1)
        return np.asarray(np.einsum("nab,bn->an", blocks[codes], self.v1))


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseParts:
    """Parts of H⁻¹: diagonal blocks (L, K1, K1) of the eliminated term, all of the kept terms.

    ``own1``, ``own2``: H⁻¹ v of every row's v, at the row's own coefficients.
    """

    eliminated: NDArray[np.float64]
    kept: Matrix
    own1: Matrix
    own2: Matrix


def _times(blocks: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per level a K1 x K1 block times K1 x q2 values."""
    return np.asarray(blocks * values if values.shape[1] == 1 else blocks @ values)


def spread(pattern: Pattern, v1: Matrix, v2: Matrix, u1: Vector, u2: Vector) -> Vector:
    """V u, one value per row."""
    codes, k1 = pattern.first.codes, pattern.first.columns
    total = v1[0] * (u1[codes] if k1 == 1 else u1[codes * k1])
    for k in range(1, k1):
        total += v1[k] * u1[codes * k1 + k]
    for values, columns in zip(v2, pattern.columns2, strict=True):
        total += values * u2[columns]
    return np.asarray(total)


def project(pattern: Pattern, v1: Matrix, v2: Matrix, values: Vector) -> tuple[Vector, Vector]:
    """V'values: sums over rows for the eliminated and for the kept coefficients."""
    sums1 = np.add.reduceat(v1 * values, pattern.starts, axis=1).T.ravel()
    sums2 = np.bincount(pattern.columns2.ravel(), (v2 * values).ravel(), pattern.q2)
    return sums1, sums2.astype(np.float64, copy=False)
