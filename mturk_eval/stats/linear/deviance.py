"""Minus twice the (restricted) log likelihood, with fixed effects and residual variance profiled.

The response and the fixed effects enter rotated: orthonormal columns, and the residuals of least
squares at unit variance. So neither their units nor their correlation costs digits.

References
----------
.. [1] Gilmour, Thompson & Cullis (1995), Average information REML, Biometrics 51(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.cross_products import CrossProducts
from mturk_eval.stats.linear.equations import MixedEquations, NotPositiveDefiniteError
from mturk_eval.stats.linear.rotation import Rotation

Array = NDArray[np.float64]

_PERFECT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The criterion and the estimates at given relative covariance factors.

    Attributes
    ----------
    value : float
        REML criterion or ML deviance, with the constants of lme4.
    gradient : ndarray or None
        Its derivatives in theta.
    estimates : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
    residual_variance : float
    """

    value: float
    gradient: Array | None
    estimates: Array
    covariance: Array
    residual_variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledDeviance:
    """The criterion as a function of the covariance factors alone."""

    sums: CrossProducts
    rotation: Rotation
    reml: bool

    @property
    def degrees_of_freedom(self) -> int:
        """What the residual variance is divided by: n - p for REML, n for ML."""
        p = self.rotation.n_fixed
        return self.sums.n_rows - (p if self.reml else 0)

    def at(self, factors: Sequence[Array]) -> Point:
        """Solve the equations at given coded factors.

        Raises
        ------
        NotPositiveDefiniteError
            If rounding leaves them without a solution.
        StatisticsError
            If no residual variance is left.
        """
        return Point(self, factors)


class Point:
    """The likelihood at given factors of the blocks' (coded) covariances.

    Attributes
    ----------
    value : float
        The criterion of the rotated data, without the rotation's constant.
    residual_variance : float
        Of the rotated response.
    """

    def __init__(self, deviance: ProfiledDeviance, factors: Sequence[Array]) -> None:
        self.deviance = deviance
        sums = deviance.sums
        p = deviance.rotation.n_fixed
        self.equations = MixedEquations(sums, factors)
        self._data = self.equations.solve(sums.own_data, sums.rest_data)
        own, rest = self._data
        remaining = sums.data - _inner(sums.own_data, own) - sums.rest_data.T @ rest
        self._root, log_determinant = _fixed_root(remaining[:p, :p])
        degrees = deviance.degrees_of_freedom
        half = self._root @ remaining[:p, p]
        self.residual = float(remaining[p, p] - half @ half)
        if not self.residual > _PERFECT * sums.data[p, p]:
            raise StatisticsError(
                "The fixed and the random effects together explain every answer exactly: no "
                "residual variance is left. Leave out the random term that has a level for each "
                "answer, or report the means (--model mos)."
            )
        self.residual_variance = self.residual / degrees
        self.coefficients = self._root.T @ half
        self.value = (
            self.equations.log_determinant
            + (log_determinant if deviance.reml else 0.0)
            + degrees * (1.0 + float(np.log(2.0 * np.pi * self.residual_variance)))
        )

    @property
    def fixed_covariance(self) -> Array:
        """Of the rotated fixed effects, in units of the residual variance."""
        return np.asarray(self._root.T @ self._root)

    @cached_property
    def _to_standard(self) -> Array:
        """Takes the data columns to fixed effects with unit precision, and to the residuals."""
        p = self.deviance.rotation.n_fixed
        result = np.zeros((p + 1, p + 1))
        result[:p, :p] = self._root.T
        result[:p, p] = -self.coefficients
        result[p, p] = 1.0
        return result

    def block_modes(self) -> list[Array]:
        """Predicted coefficients per block, in the caller's order, each of shape (L, K)."""
        last = self._to_standard[:, -1:]
        own, rest = (part @ last for part in self._data)
        return [block[:, :, 0] for block in self._per_block(own, rest)]

    def block_mode_covariances(self) -> list[Array]:
        """Per block each level's covariance, (L, K, K), in units of the residual variance.

        Given the fixed effects: the diagonal blocks of N.
        """
        sums, shrunk = self.deviance.sums, self.equations.shrunk
        result = [shrunk + shrunk @ self.own_traces @ shrunk] * len(sums.blocks)
        inverse = self.equations.rest_inverse()
        for place, block in enumerate(sums.rest):
            segments = sums.segments(place)
            k = len(segments)
            own = np.empty((sums.blocks[block].n_levels, k, k))
            for a in range(k):
                for b in range(a + 1):
                    own[:, a, b] = own[:, b, a] = np.diagonal(inverse[segments[a], segments[b]])
            result[block] = own
        return result

    @cached_property
    def scores(self) -> tuple[Array, Array]:
        """``Z'V^-1`` of the standard fixed effects and, last, of the residuals."""
        sums, turn = self.deviance.sums, self._to_standard
        own, rest = (part @ turn for part in self._data)
        first, second = self.equations.times(own, rest)
        return sums.own_data @ turn - first, sums.rest_data @ turn - second

    def block_scores(self) -> list[Array]:
        """The scores per block, in the caller's order, each of shape (L, K, p + 1)."""
        return self._per_block(*self.scores)

    def _per_block(self, own: Array, rest: Array) -> list[Array]:
        sums = self.deviance.sums
        result = [own] * len(sums.blocks)
        for place, block in enumerate(sums.rest):
            part = rest[sums.offsets[place] : sums.offsets[place + 1]]
            shape = (sums.blocks[block].n_terms, -1, part.shape[1])
            result[block] = part.reshape(shape).swapaxes(0, 1)
        return result

    @cached_property
    def own_traces(self) -> Array:
        """``A_w N A_w'`` of the eliminated block's cross-products with the rest, (L, K, K)."""
        sums = self.deviance.sums
        if not sums.n_rest:
            return np.zeros_like(sums.own)
        return sums.gram.traces(self.equations.rest_inverse())

    @cached_property
    def slopes(self) -> list[Array]:
        """The criterion's derivative in every block's coded G, in the caller's order."""
        sums, p = self.deviance.sums, self.deviance.rotation.n_fixed
        traces = [np.zeros((1, 1))] * len(sums.blocks)
        if sums.eliminated is not None:
            traces[sums.eliminated] = self._own_trace()
        for place, trace in zip(sums.rest, self.equations.rest_traces(), strict=True):
            traces[place] = trace
        result = []
        for trace, score in zip(traces, self.block_scores(), strict=True):
            residual = score[:, :, p]
            slope = trace - residual.T @ residual / self.residual_variance
            if self.deviance.reml:
                slope = slope - np.tensordot(score[:, :, :p], score[:, :, :p], ([0, 2], [0, 2]))
            result.append(slope)
        return result

    def _own_trace(self) -> Array:
        """The sum over levels of the eliminated block's diagonal of Z'V^-1Z."""
        sums = self.deviance.sums
        own, shrunk = sums.own, self.equations.shrunk
        keep = np.eye(own.shape[1]) - shrunk @ own
        inner = own @ keep - keep.swapaxes(1, 2) @ self.own_traces @ keep
        return np.asarray(inner.sum(axis=0))

    def response_slopes(self) -> list[Array]:
        """The derivative of the residual sum of squares in every block's coded G."""
        p = self.deviance.rotation.n_fixed
        return [-score[:, :, p].T @ score[:, :, p] for score in self.block_scores()]

    def from_standard(self, matrices: Array) -> Array:
        """Matrices over standard fixed effects, (r, p, p), as ones over the rotated effects."""
        return np.asarray(self._root.T @ matrices @ self._root)

    def interactions(
        self, directions: Sequence[tuple[int, Array]], columns: slice
    ) -> tuple[Array, Array]:
        """Inner products of ``V_i V^-1 x``, V_i being the derivative of V in a direction.

        Parameters
        ----------
        directions : sequence of (block, derivative of its G)
        columns : slice
            Which x: of the standard fixed effects and, last, the residuals.

        Returns
        -------
        inner : ndarray, shape (r, c, r, c)
            ``(V_i V^-1 x_a)' V^-1 (V_j V^-1 x_b)``.
        with_fixed : ndarray, shape (p, r, c)
            ``X' V^-1 V_i V^-1 x_a``, X being the standard fixed effects.
        """
        sums, p = self.deviance.sums, self.deviance.rotation.n_fixed
        width = len(range(p + 1)[columns])
        own = np.zeros((*sums.own_data.shape[:2], len(directions), width))
        rest = np.zeros((sums.n_rest, len(directions), width))
        scores = self.block_scores()
        for i, (block, direction) in enumerate(directions):
            image = direction @ scores[block][:, :, columns]
            if block == sums.eliminated:
                own[:, :, i] = image
            else:
                place = sums.rest.index(block)
                part = slice(sums.offsets[place], sums.offsets[place + 1])
                rest[part, i] = image.swapaxes(0, 1).reshape(-1, width)
        flat_own = own.reshape(*own.shape[:2], len(directions) * width)
        flat_rest = rest.reshape(len(rest), len(directions) * width)
        first, second = self.equations.times(flat_own, flat_rest)
        solved = self.equations.solve(first, second)
        inner = (
            _inner(flat_own, first)
            + flat_rest.T @ second
            - _inner(first, solved[0])
            - second.T @ solved[1]
        )
        fixed_own, fixed_rest = (score[..., :p] for score in self.scores)
        with_fixed = _inner(fixed_own, flat_own) + fixed_rest.T @ flat_rest
        r = len(directions)
        return inner.reshape(r, width, r, width), with_fixed.reshape(p, r, width)

    def average_information(self, directions: Sequence[tuple[int, Array]]) -> Array:
        """The average of observed and expected second derivatives [1]_, profiled, shape (r, r)."""
        p = self.deviance.rotation.n_fixed
        inner, with_fixed = self.interactions(directions, slice(p, p + 1))
        fixed = with_fixed[:, :, 0]
        slopes = self.response_slopes()
        own = np.array([float(np.vdot(slopes[block], d)) for block, d in directions])
        profiled = np.outer(own, own) / self.residual
        return (inner[:, 0, :, 0] - fixed.T @ fixed - profiled) / self.residual_variance


def _fixed_root(gram: Array) -> tuple[Array, float]:
    """The inverse of the lower Cholesky factor of ``X'V^-1X``, and its log determinant."""
    if not len(gram):
        return np.zeros((0, 0)), 0.0
    try:
        root = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError as error:
        raise NotPositiveDefiniteError from error
    return np.linalg.inv(root), 2.0 * float(np.log(np.diag(root)).sum())


def _inner(one: Array, two: Array) -> Array:
    """``sum_w A_w' B_w`` for arrays of shape (L, K, m)."""
    rows = one.shape[0] * one.shape[1]
    return (
        np.asarray(one.reshape(rows, -1).T @ two.reshape(rows, -1))
        if rows
        else (np.zeros((one.shape[2], two.shape[2])))
    )
