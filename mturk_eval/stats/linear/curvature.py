"""Exact second derivatives of the criterion, in blocks.

With ``V_i`` the derivative of V in direction i, second derivatives need ``tr(V^-1 V_i V^-1 V_j)``,
that is, sums of products of the entries of Z'V^-1Z. Its eliminated block would be raters x raters;
through the Schur complement C it is a block-diagonal matrix less one of rank q, so that a single
q x q product per direction of that block is enough: half the cost of an evaluation, where
differences of the gradient cost two evaluations per parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from mturk_eval.stats.linear.deviance import Point
from mturk_eval.stats.linear.parametrisation import Parametrisation

Array = NDArray[np.float64]
Directions = Sequence[tuple[int, Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curvature:
    """Derivatives at a point, of the rotated problem.

    Attributes
    ----------
    theta : ndarray, shape (r, r)
        Second derivatives of the criterion in theta, the residual variance held.
    residual : ndarray, shape (r,)
        First derivatives of the residual sum of squares in theta.
    fixed : ndarray, shape (r, p, p)
        First derivatives of the fixed effects' covariance, in units of the residual variance.
    """

    theta: Array
    residual: Array
    fixed: Array


def curvature(point: Point, units: Parametrisation, theta: Array) -> Curvature:
    """Second derivatives at the point of theta."""
    directions = units.directions(theta)
    p, r = point.deviance.rotation.n_fixed, len(directions)
    inner, with_fixed = point.interactions(directions, slice(0, p + 1))
    responses = inner[:, p, :, p] - with_fixed[:, :, p].T @ with_fixed[:, :, p]
    within = with_fixed[:, :, :p].transpose(1, 0, 2)
    expected = _trace_products(point, directions)
    if point.deviance.reml:
        flat = within.reshape(r, p * p)
        expected = (
            expected
            - 2.0 * np.einsum("iaja->ij", inner[:, :p, :, :p])
            + flat @ within.swapaxes(1, 2).reshape(r, p * p).T
        )
    slopes = point.response_slopes()
    return Curvature(
        theta=units.bend(point.slopes)
        - (expected + expected.T) / 2
        + 2.0 * responses / point.residual_variance,
        residual=np.array([float(np.vdot(slopes[block], d)) for block, d in directions]),
        fixed=point.from_standard(within),
    )


def _trace_products(point: Point, directions: Directions) -> Array:
    """``tr(V^-1 V_i V^-1 V_j)``, shape (r, r)."""
    sums = point.deviance.sums
    own = [i for i, (block, _) in enumerate(directions) if block == sums.eliminated]
    rest = [i for i in range(len(directions)) if i not in own]
    result = np.zeros((len(directions), len(directions)))
    keep = np.eye(sums.own.shape[1]) - point.equations.shrunk @ sums.own
    _add_own(result, point, directions, own, keep)
    if not sums.n_rest:
        return result
    _add_rest(result, point, directions, rest)
    inverse = point.equations.full_rest_inverse()
    turned = []
    for i in own:
        weights = keep @ directions[i][1] @ keep.swapaxes(1, 2)
        gram = sums.gram.weighted(weights)
        turned.append(blas.dsymm(1.0, gram, inverse, side=1, lower=1))  # N C_i
        shares = point.equations.rest_shares(gram, turned[-1])
        for j in rest:
            block, direction = directions[j]
            share = float(np.vdot(shares[sums.rest.index(block)], direction))
            result[i, j] += share
            result[j, i] += share
    for a, i in enumerate(own):
        for b, j in enumerate(own):
            result[i, j] += float(np.einsum("ij,ji->", turned[a], turned[b]))
    return result


def _add_own(
    result: Array, point: Point, directions: Directions, own: Sequence[int], keep: Array
) -> None:
    """Both directions in the eliminated block: all but the product of rank q."""
    raw = point.deviance.sums.own @ keep
    shared = keep.swapaxes(1, 2) @ point.own_traces @ keep
    for i in own:
        for j in own:
            one, two = directions[i][1], directions[j][1]
            straight = np.einsum("wab,wba->", raw @ one, raw @ two)
            crossed = np.einsum("wab,wba->", raw @ one, shared @ two)
            crossed += np.einsum("wab,wba->", shared @ one, raw @ two)
            result[i, j] += float(straight - crossed)


def _add_rest(result: Array, point: Point, directions: Directions, rest: Sequence[int]) -> None:
    """Both directions in rest blocks: sums of products of the entries of Z'V^-1Z."""
    sums = point.deviance.sums
    products: dict[tuple[int, int], Array] = {}
    for i in rest:
        for j in rest:
            pair = sums.rest.index(directions[i][0]), sums.rest.index(directions[j][0])
            if pair not in products:
                products[pair] = point.equations.rest_products(*pair)
            result[i, j] = np.einsum(
                "stuv,su,tv->", products[pair], directions[i][1], directions[j][1]
            )
