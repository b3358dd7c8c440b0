"""Bradley-Terry scores from votes between pairs, with a side bias and ties.

A vote of someone who sees i on the left and j on the right is decided by s_i - s_j + g, with g the
pull of the left side. `not_sure` is Davidson's tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.pairs.vote_counts import VoteCounts

_MAX_ITERATIONS = 50
_RUNAWAY_LOGITS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BradleyTerryFit:
    """Maximum likelihood estimates.

    Attributes
    ----------
    scores : ndarray, shape (K,)
        Logits, mean zero, higher is better.
    left_bias : float or None
        Logits added to the item on the left; None where it was not, or could not be, estimated.
    log_tie : float or None
        Logarithm of Davidson's tie parameter; None without ties.
    covariance : ndarray, shape (P, P)
        Of scores, then left bias, then log tie where present, taking votes as independent. The
        scores' block is singular: they sum to zero.
    influence : ndarray, shape (K, K, 3, P)
        How one vote moves the parameters, to first order, by the item on the left, that on the
        right and the answer (left, not sure, right). Summed over clusters of votes, its outer
        products are the cluster-robust covariance.
    ridge_sd : float or None
        Standard deviation of a normal prior on the parameters (logits); None for plain maximum
        likelihood.
    """

    scores: NDArray[np.float64]
    left_bias: float | None
    log_tie: float | None
    covariance: NDArray[np.float64]
    influence: NDArray[np.float64]
    log_likelihood: float
    ridge_sd: float | None


def fit_bradley_terry(
    counts: VoteCounts,
    *,
    left_bias: bool = True,
    ridge_sd: float | None = None,
) -> BradleyTerryFit:
    """Scale K items from counts of pairwise choices by maximum likelihood [1]_ [2]_.

    Parameters
    ----------
    counts : VoteCounts
        ``left[i, j]``: i on the left of j was chosen; ``right[i, j]``: j was; ``tie[i, j]``.
    left_bias : bool
        Whether to estimate the pull of the left side.
    ridge_sd : float, optional
        Standard deviation in logits of a normal prior on every parameter.

    Raises
    ------
    StatisticsError
        If there are fewer than two items, or no finite maximum without a prior.

    References
    ----------
    .. [1] Hunter (2004), MM algorithms for generalized Bradley-Terry models, Ann. Statist. 32(1).
    .. [2] Davidson (1970), On extending the Bradley-Terry model to accommodate ties, JASA 65(329).

    Examples
    --------
    >>> wins = np.array([[0.0, 1.0], [3.0, 0.0]])
    >>> fit = fit_bradley_terry(VoteCounts.from_wins(["a", "b"], wins), left_bias=False)
    >>> round(float(np.diff(fit.scores)[0]), 4)  # log(3 / 1)
    1.0986
    """
    k = len(counts.items)
    if k < 2:
        raise StatisticsError(
            "Scores need votes between at least two different methods. Give votes in which "
            "method_left and method_right differ."
        )
    problem = _Problem.of(counts, left_bias=left_bias)
    precision = 0.0 if ridge_sd is None else 1.0 / ridge_sd**2
    theta = problem.maximise(precision)
    if theta is None:
        raise StatisticsError(
            "No finite scores: some choices are unanimous or unconnected. Use a ridge."
        )
    information = problem.information(theta) + precision * np.eye(len(theta))
    inverse = np.linalg.inv(information)
    pair_influence = problem.score_rows(theta) @ inverse @ problem.basis.T
    influence = np.zeros((k, k, 3, len(problem.basis)))
    influence[problem.left_item, problem.right_item] = pair_influence
    parameters = problem.basis @ theta
    return BradleyTerryFit(
        scores=parameters[:k],
        left_bias=float(parameters[k]) if problem.has_bias else None,
        log_tie=float(parameters[-1]) if problem.has_ties else None,
        covariance=problem.basis @ inverse @ problem.basis.T,
        influence=influence,
        log_likelihood=problem.log_likelihood(theta),
        ridge_sd=ridge_sd,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """The likelihood over free parameters; ``basis`` maps them to scores, bias and log tie.

    Row r of ``directions`` is the gradient of pair r's log odds of left over right.
    """

    left_item: NDArray[np.int64]
    right_item: NDArray[np.int64]
    directions: NDArray[np.float64]
    tie_direction: NDArray[np.float64]
    votes: NDArray[np.float64]  # (pairs, 3): left, tie, right
    basis: NDArray[np.float64]
    has_bias: bool
    has_ties: bool

    @classmethod
    def of(cls, counts: VoteCounts, *, left_bias: bool) -> _Problem:
        k = len(counts.items)
        i, j = np.nonzero(counts.shown)
        votes = np.column_stack([counts.left[i, j], counts.tie[i, j], counts.right[i, j]])
        zero_sum = np.linalg.svd(np.ones((1, k)))[2][1:].T  # (K, K - 1), orthonormal
        difference = np.zeros((len(i), k))
        difference[np.arange(len(i)), i] += 1.0
        difference[np.arange(len(i)), j] -= 1.0
        directions = difference @ zero_sum
        rank = np.linalg.matrix_rank(directions)
        with_bias = np.column_stack([directions, np.ones(len(i))])
        has_bias = left_bias and bool(np.linalg.matrix_rank(with_bias) > rank)
        has_ties = bool(counts.tie.any())
        free = k - 1 + has_bias + has_ties
        basis = np.zeros((k + has_bias + has_ties, free))
        basis[:k, : k - 1] = zero_sum
        basis[k:, k - 1 :] = np.eye(has_bias + has_ties)
        design = np.zeros((len(i), free))
        design[:, : k - 1] = directions
        if has_bias:
            design[:, k - 1] = 1.0
        tie_direction = np.zeros(free)
        if has_ties:
            tie_direction[-1] = 1.0
        return cls(
            left_item=i,
            right_item=j,
            directions=design,
            tie_direction=tie_direction,
            votes=votes.astype(np.float64),
            basis=basis,
            has_bias=has_bias,
            has_ties=has_ties,
        )

    def log_probabilities(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of left, tie and right for every ordered pair, shape (pairs, 3)."""
        half = self.directions @ theta / 2
        tie = float(self.tie_direction @ theta) if self.has_ties else -np.inf
        utility = np.column_stack([half, np.full(len(half), tie), -half])
        return np.asarray(utility - np.logaddexp.reduce(utility, axis=1, keepdims=True))

    def log_likelihood(self, theta: NDArray[np.float64]) -> float:
        logs = self.log_probabilities(theta)
        return float(np.sum(self.votes[self.votes > 0] * logs[self.votes > 0]))

    def score_rows(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of one vote's log-likelihood, shape (pairs, 3, parameters)."""
        chance = np.exp(self.log_probabilities(theta))
        utility = self._utility_gradient()
        expected = np.einsum("ro,rop->rp", chance, utility)
        return np.asarray(utility - expected[:, None, :])

    def information(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        chance = np.exp(self.log_probabilities(theta))
        rows = self.score_rows(theta)
        weight = chance * self.votes.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("ro,rop,roq->pq", weight, rows, rows))

    def _utility_gradient(self) -> NDArray[np.float64]:
        tie = np.broadcast_to(self.tie_direction, self.directions.shape)
        return np.stack([self.directions / 2, tie, -self.directions / 2], axis=1)

    def maximise(self, precision: float) -> NDArray[np.float64] | None:
        """Newton with step halving; None where the maximum runs away to infinity."""
        theta = np.zeros(self.directions.shape[1])
        value = self.log_likelihood(theta)
        for _ in range(_MAX_ITERATIONS):
            gradient = np.einsum("ro,rop->p", self.votes, self.score_rows(theta))
            gradient -= precision * theta
            hessian = self.information(theta) + precision * np.eye(len(theta))
            if np.linalg.cond(hessian) > 1e12:
                return None
            step = np.linalg.solve(hessian, gradient)
            for halving in range(30):
                trial = theta + step * 0.5**halving
                trial_value = self.log_likelihood(trial) - precision / 2 * float(trial @ trial)
                if trial_value >= value - 1e-12 * abs(value):
                    break
            theta, value = trial, trial_value
            if np.abs(self.basis @ theta).max() > _RUNAWAY_LOGITS and precision == 0.0:
                return None
            if np.abs(step).max() < 1e-9:
                return theta
        return None
