"""Moments of the model's columns under the inverse of V, without ever forming V.

V is the covariance of the n answers, ``V = s² (I + Z G Z')``. Two steps of Woodbury's identity give
Z'V⁻¹Z and Z'V⁻¹X from sums over the answers: the random term with most coefficients goes first,
level by level, so that dense factorisations are left for the other terms only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseMoments:
    """Moments of the random and fixed columns under V⁻¹.

    ``random`` is Z'V⁻¹Z, shape (q, q), ``mixed`` Z'V⁻¹X, shape (q, p). ``places`` says by block and
    term which of the q coefficients are its: those of one term lie side by side.
    """

    random: Matrix
    mixed: Matrix
    places: tuple[tuple[slice, ...], ...]


def inverse_moments(fit: LinearFit) -> InverseMoments:
    """Z'V⁻¹Z and Z'V⁻¹X by two steps of Woodbury's identity, the largest block first."""
    if not fit.blocks:
        p = fit.fixed.shape[1]
        return InverseMoments(random=np.zeros((0, 0)), mixed=np.zeros((0, p)), places=())
    order = sorted(range(len(fit.blocks)), key=lambda j: -fit.blocks[j].n_coefficients)
    blocks, factors = [fit.blocks[j] for j in order], [fit.factors[j] for j in order]
    places = _places(blocks)
    first = slice(0, blocks[0].n_coefficients)
    rest = slice(first.stop, places[-1][-1].stop)

    random, mixed = _cross_products(fit.fixed, blocks, places)
    random, mixed = _without_first(random, mixed, blocks[0], factors[0])
    if rest.start < rest.stop:
        scaled = _times_factors(random[rest], blocks[1:], factors[1:])
        system = _times_factors(scaled[:, rest].T, blocks[1:], factors[1:])
        system.flat[:: len(system) + 1] += 1.0
        root = linalg.cholesky(system, lower=True, overwrite_a=True, check_finite=False)
        half = linalg.solve_triangular(root, scaled, lower=True, check_finite=False)
        half_mixed = linalg.solve_triangular(
            root, _times_factors(mixed[rest], blocks[1:], factors[1:]), lower=True
        )
        random -= half.T @ half
        mixed -= half.T @ half_mixed
    by_block = dict(zip(order, places, strict=True))
    return InverseMoments(
        random=random / fit.residual_variance,
        mixed=mixed / fit.residual_variance,
        places=tuple(by_block[j] for j in range(len(order))),
    )


def _places(blocks: Sequence[RandomBlock]) -> list[tuple[slice, ...]]:
    places, start = [], 0
    for block in blocks:
        edges = start + block.n_levels * np.arange(block.n_terms + 1)
        places.append(tuple(slice(int(a), int(b)) for a, b in pairwise(edges)))
        start = int(edges[-1])
    return places


def _cross_products(
    fixed: Matrix, blocks: Sequence[RandomBlock], places: Sequence[Sequence[slice]]
) -> tuple[Matrix, Matrix]:
    """Z'Z, shape (q, q), and Z'X, shape (q, p), by counting over the rows."""
    q = places[-1][-1].stop
    random, mixed = np.zeros((q, q)), np.empty((q, fixed.shape[1]))
    for j, block in enumerate(blocks):
        for place, column in zip(places[j], block.columns.T, strict=True):
            for k, values in enumerate(fixed.T):
                mixed[place, k] = np.bincount(block.codes, column * values, block.n_levels)
            for other_place, other in zip(places[j], block.columns.T, strict=True):
                sums = np.bincount(block.codes, column * other, block.n_levels)
                np.fill_diagonal(random[place, other_place], sums)
        for i in range(j):
            _fill_crossed(random, blocks[i], places[i], block, places[j])
    return random, mixed


def _fill_crossed(
    random: Matrix,
    first: RandomBlock,
    first_places: Sequence[slice],
    second: RandomBlock,
    second_places: Sequence[slice],
) -> None:
    """Sums of products over the answers of each pair of levels."""
    shape = (first.n_levels, second.n_levels)
    cell = first.codes.astype(np.int64) * shape[1] + second.codes
    for place, column in zip(first_places, first.columns.T, strict=True):
        for other_place, other in zip(second_places, second.columns.T, strict=True):
            sums = np.bincount(cell, column * other, shape[0] * shape[1]).reshape(shape)
            random[place, other_place] = sums
            random[other_place, place] = sums.T


def _without_first(
    random: Matrix, mixed: Matrix, block: RandomBlock, factor: Matrix
) -> tuple[Matrix, Matrix]:
    """Moments under the inverse of I + Z1 G Z1', Z1 the first block; level by level."""
    n_levels, n_terms = block.n_levels, block.n_terms
    size = block.n_coefficients
    own = np.empty((n_levels, n_terms, n_terms))  # Z1'Z1 of each level
    for a in range(n_terms):
        for b in range(n_terms):
            square = random[a * n_levels : (a + 1) * n_levels, b * n_levels : (b + 1) * n_levels]
            own[:, a, b] = square.diagonal()
    inner = np.eye(n_terms) + factor.T @ own @ factor
    weights = factor @ np.linalg.solve(inner, np.broadcast_to(factor.T, inner.shape))
    left = own @ weights

    def by_level(matrices: Matrix, rows: Matrix) -> Matrix:
        shaped = rows.reshape(n_terms, n_levels, -1)
        return np.asarray(np.einsum("lab,blm->alm", matrices, shaped).reshape(rows.shape))

    others = random[:size, size:]
    weighted, weighted_mixed = by_level(weights, others), by_level(weights, mixed[:size])
    mixed[size:] -= others.T @ weighted_mixed
    mixed[:size] -= by_level(left, mixed[:size])
    random[size:, size:] -= others.T @ weighted
    random[:size, size:] -= by_level(left, others)
    random[size:, :size] = random[:size, size:].T
    remaining = own - left @ own
    for a in range(n_terms):
        for b in range(n_terms):
            square = random[a * n_levels : (a + 1) * n_levels, b * n_levels : (b + 1) * n_levels]
            np.fill_diagonal(square, remaining[:, a, b])
    return random, mixed


def _times_factors(
    rows: Matrix, blocks: Sequence[RandomBlock], factors: Sequence[Matrix]
) -> Matrix:
    """The transposed block-diagonal Cholesky factor of the random effects, times ``rows``."""
    out = np.empty(rows.shape)
    start = 0
    for block, factor in zip(blocks, factors, strict=True):
        place = slice(start, start + block.n_coefficients)
        shaped = rows[place].reshape(block.n_terms, -1)
        out[place] = (factor.T @ shaped).reshape(out[place].shape)
        start = place.stop
    return out
