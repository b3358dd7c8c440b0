"""Scores, left bias and tie parameter of highest likelihood: Fisher scoring on the pairs shown.

The information about scores is the Laplacian of the graph of pairs, weighted by how much each pair
tells. It does not know the scores' common level; adding a multiple of the all-ones matrix fixes
that without changing a difference. Many items are solved by conjugate gradients, few by Cholesky.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.pairs.choice_models import Chances, ChoiceModel, chances, tie_start
from mturk_eval.stats.pairs.existence import has_finite_maximum, left_bias_is_identified
from mturk_eval.stats.pairs.vote_counts import VoteCounts
from mturk_eval.stats.threads import threads_for

_MAX_ITERATIONS = 60
STEP_TOLERANCE: dict[ChoiceModel, float] = {"bradley-terry": 1e-6, "thurstone": 1e-9}
"""Largest change of a parameter in the last step. Bradley-Terry's scoring is Newton's method, whose
next step would be of the order of this squared; Thurstone's shrinks by a constant factor."""
TELLS_NOTHING = 1e-7
"""Information of one vote below which a pair is under suspicion: items 16 logits apart."""
WELL_CONDITIONED = 1e-7
"""Least ratio of a Cholesky factor's diagonal entries: a condition number of at most 1e14."""
_DENSE_UP_TO = 150
"""Items up to which a Cholesky factorisation beats conjugate gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFit:
    """Estimates from votes between pairs.

    Attributes
    ----------
    model : {"bradley-terry", "thurstone"}
    scores : ndarray, shape (K,)
        Mean zero, higher is better; logits (Bradley-Terry), or standard deviations of a felt
        difference (Thurstone).
    left_bias : float or None
        Added to the item on the left, in the scores' unit; None where it was not, or could not be,
        estimated.
    tie : float or None
        Logarithm of Davidson's parameter, or Thurstone's threshold; None without ties.
    covariance : ndarray, shape (P, P)
        Inverse expected information about scores, left bias, tie (as far as present), taking votes
        as independent. The scores' block is singular: they sum to zero.
    prior_sd : float or None
        Standard deviation, in the scores' unit, of the normal prior with mean 0 on every
        parameter; None for plain maximum likelihood.
    """

    model: ChoiceModel
    scores: NDArray[np.float64]
    left_bias: float | None
    tie: float | None
    covariance: NDArray[np.float64]
    log_likelihood: float
    prior_sd: float | None
    iterations: int

    @property
    def parameters(self) -> NDArray[np.float64]:
        """Scores, then left bias, then tie, as far as present."""
        rest = [value for value in (self.left_bias, self.tie) if value is not None]
        return np.concatenate([self.scores, rest])

    def chances(self, counts: VoteCounts) -> Chances:
        """Chances of the three answers of every pair under the estimates."""
        difference = self.scores[counts.left_item] - self.scores[counts.right_item]
        return chances(self.model, difference + (self.left_bias or 0.0), self.tie)


def fit_pairs(
    counts: VoteCounts,
    model: ChoiceModel,
    *,
    left_bias: bool = True,
    prior_sd: float | None = None,
) -> PairFit:
    """Fit one of the two choice models, see `fit_bradley_terry` and `fit_thurstone`."""
    problem = problem_of(counts, model, left_bias=left_bias)
    precision = 0.0 if prior_sd is None else 1.0 / prior_sd**2
    if prior_sd is None and not counts.connected:
        raise StatisticsError(
            "No finite scores: some items never lost to the rest, or were never compared with "
            "them. Collect votes between all items, or give a prior (prior_sd, e.g. 3)."
        )
    with threads_for(problem.n_parameters):
        estimate = maximise(problem, counts.answers, precision)
        if estimate is None:
            raise StatisticsError(why_there_is_no_maximum(problem, counts))
        covariance = _inverse(problem, estimate.weights, precision)
    k = len(counts.items)
    theta = estimate.parameters
    return PairFit(
        model=model,
        scores=theta[:k],
        left_bias=float(theta[k]) if problem.has_bias else None,
        tie=float(theta[-1]) if problem.has_ties else None,
        covariance=covariance,
        log_likelihood=estimate.log_likelihood,
        prior_sd=prior_sd,
        iterations=estimate.iterations,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is estimated from which pairs; the answers come apart, since resamples change them."""

    model: ChoiceModel
    n_items: int
    left_item: NDArray[np.int64]
    right_item: NDArray[np.int64]
    differences: csr_array  # (pairs, items + bias): row times parameters is the difference
    has_bias: bool
    has_ties: bool

    @property
    def n_parameters(self) -> int:
        return self.n_items + self.has_bias + self.has_ties

    def chances(self, theta: NDArray[np.float64]) -> Chances:
        difference = theta[self.left_item] - theta[self.right_item]
        if self.has_bias:
            difference = difference + theta[self.n_items]
        return chances(self.model, difference, float(theta[-1]) if self.has_ties else None)

    def project(self, by_difference: NDArray[np.float64], by_tie: float) -> NDArray[np.float64]:
        """Derivatives by the pairs' differences and the tie, as derivatives by the parameters."""
        k = self.n_items
        parts = [
            np.bincount(self.left_item, weights=by_difference, minlength=k)
            - np.bincount(self.right_item, weights=by_difference, minlength=k)
        ]
        if self.has_bias:
            parts.append(np.array([by_difference.sum()]))
        if self.has_ties:
            parts.append(np.array([by_tie]))
        return np.concatenate(parts)


def problem_of(counts: VoteCounts, model: ChoiceModel, *, left_bias: bool) -> Problem:
    """The pairs of these counts, with a left bias and ties where the votes can tell of them."""
    k = len(counts.items)
    if k < 2:
        raise StatisticsError(
            "Scores need votes between at least two different methods. Give votes in which "
            "method_left and method_right differ."
        )
    n = len(counts.left_item)
    has_bias = left_bias and left_bias_is_identified(counts)
    columns = [counts.left_item, counts.right_item] + [np.full(n, k)] * has_bias
    values = [1.0, -1.0] + [1.0] * has_bias
    differences = csr_array(
        (
            np.tile(values, n),
            np.column_stack(columns).ravel(),
            np.arange(n + 1) * len(values),
        ),
        shape=(n, k + has_bias),
    )
    return Problem(
        model=model,
        n_items=k,
        left_item=counts.left_item,
        right_item=counts.right_item,
        differences=differences,
        has_bias=has_bias,
        has_ties=bool(counts.answers[:, 1].any()),
    )


def why_there_is_no_maximum(problem: Problem, counts: VoteCounts) -> str:
    """What to tell a user where `maximise` found nothing."""
    if has_finite_maximum(counts.answers, problem.differences, has_ties=problem.has_ties):
        return (
            f"The fit did not converge in {_MAX_ITERATIONS} steps, although finite scores exist: "
            "some chances are extremely near 0 or 1. Give a prior (prior_sd, e.g. 3)."
        )
    return (
        "No finite scores: in some direction all answers agree (everybody chose one side, or one "
        "group of items always won). Collect more votes, or give a prior (prior_sd, e.g. 3)."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A maximum, and the information weights of the pairs there."""

    parameters: NDArray[np.float64]
    weights: Weights
    log_likelihood: float
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Expected information of every pair about (difference, tie), times how often it was shown."""

    difference: NDArray[np.float64]
    cross: NDArray[np.float64]
    tie: float

    @classmethod
    def at(cls, point: Chances, shown: NDArray[np.float64]) -> Weights:
        expected = np.exp(point.log_chance) * shown[:, None]
        return cls(
            difference=np.sum(expected * point.by_difference**2, axis=1),
            cross=np.sum(expected * point.by_difference * point.by_tie, axis=1),
            tie=float(np.sum(expected * point.by_tie**2)),
        )


def maximise(
    problem: Problem,
    answers: NDArray[np.float64],
    precision: float,
    *,
    start: NDArray[np.float64] | None = None,
) -> Estimate | None:
    """Fisher scoring with step halving from ``start``; None where no finite maximum is reached.

    Both log-likelihoods are concave, so a point without a further step is the maximum.
    """
    shown = answers.sum(axis=1)
    theta = _start(problem, answers) if start is None else start
    point = problem.chances(theta)
    value = point.log_likelihood(answers) - precision / 2 * float(theta @ theta)
    for iteration in range(1, _MAX_ITERATIONS + 1):
        gradient = problem.project(
            np.sum(answers * point.by_difference, axis=1), float(np.sum(answers * point.by_tie))
        )
        gradient -= precision * theta
        step = _solve(problem, Weights.at(point, shown), precision, gradient)
        if step is None:
            return None
        for _ in range(40):
            trial = theta + step
            trial_point = problem.chances(trial)
            trial_value = trial_point.log_likelihood(answers) - precision / 2 * float(trial @ trial)
            if trial_value >= value - 1e-12 * abs(value):
                break
            step = step / 2
        else:
            return None
        theta, point, value = trial, trial_point, trial_value
        if np.abs(step).max() < STEP_TOLERANCE[problem.model]:
            weights = Weights.at(point, shown)
            if precision == 0.0 and _has_run_away(problem, answers, weights):
                return None
            return Estimate(
                parameters=theta,
                weights=weights,
                log_likelihood=point.log_likelihood(answers),
                iterations=iteration,
            )
    return None


def _has_run_away(problem: Problem, answers: NDArray[np.float64], weights: Weights) -> bool:
    """Whether the steps ended because chances had reached 0 and 1 to machine precision.

    Some pair then tells next to nothing; whether that is a true maximum takes a linear program.
    """
    if np.all(weights.difference >= TELLS_NOTHING * answers.sum(axis=1)):
        return False
    return not has_finite_maximum(answers, problem.differences, has_ties=problem.has_ties)


def _start(problem: Problem, answers: NDArray[np.float64]) -> NDArray[np.float64]:
    theta = np.zeros(problem.n_parameters)
    if problem.has_ties:
        theta[-1] = tie_start(problem.model, float(answers[:, 1].sum() / answers.sum()))
    return theta


def _solve(
    problem: Problem, weights: Weights, precision: float, gradient: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The step; scores without a common shift. None where the information is singular."""
    if problem.n_items > _DENSE_UP_TO:
        step = _solve_sparse(problem, weights, precision, gradient)
        if step is not None:
            return step
    try:
        factor = cho_factor(
            _information(problem, weights, precision), lower=True, overwrite_a=True,
            check_finite=False,
        )  # fmt: skip
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diag(factor[0])
    if diagonal.min() < WELL_CONDITIONED * diagonal.max():
        return None
    step = np.asarray(cho_solve(factor, gradient, check_finite=False))
    step[: problem.n_items] -= step[: problem.n_items].mean()
    return step


def _solve_sparse(
    problem: Problem, weights: Weights, precision: float, gradient: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Conjugate gradients scaled by the diagonal; None where they are slow."""
    rows = problem.differences
    core = (rows.T @ diags_array(weights.difference) @ rows).tocsr()
    border = problem.project(weights.cross, weights.tie) if problem.has_ties else None
    diagonal = core.diagonal() + precision
    if border is not None:
        diagonal = np.append(diagonal, border[-1] + precision)
    if diagonal.min() <= 0:
        return None

    def times(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        product = precision * vector
        if border is None:
            return np.asarray(product + core @ vector)
        product[:-1] += core @ vector[:-1] + border[:-1] * vector[-1]
        product[-1] += border @ vector
        return product

    if precision == 0.0:  # rounding leaves a trace of the common shift, which has no solution
        gradient = gradient.copy()
        gradient[: problem.n_items] -= gradient[: problem.n_items].mean()
    size = problem.n_parameters
    operator = LinearOperator((size, size), matvec=times, dtype=np.float64)
    scale = LinearOperator((size, size), matvec=lambda v: v / diagonal, dtype=np.float64)
    step, failed = cg(operator, gradient, rtol=1e-7, atol=0.0, maxiter=150, M=scale)
    if failed or not np.isfinite(step).all():
        return None
    step[: problem.n_items] -= step[: problem.n_items].mean()
    return np.asarray(step)


def _information(problem: Problem, weights: Weights, precision: float) -> NDArray[np.float64]:
    """Dense, in column order, the scores' common shift made as well determined as a score."""
    k = problem.n_items
    size = problem.n_parameters
    information = np.zeros((size, size), order="F")
    i, j = problem.left_item, problem.right_item
    between = np.bincount(i * k + j, weights=weights.difference, minlength=k * k).reshape(k, k)
    between += between.T
    diagonal = between.sum(axis=1)
    np.subtract(_gauge(diagonal, k), between, out=information[:k, :k])
    information[np.arange(k), np.arange(k)] += diagonal
    if problem.has_bias:
        column = problem.project(weights.difference, 0.0)[: k + 1]
        information[: k + 1, k] = information[k, : k + 1] = column
    if problem.has_ties:
        column = problem.project(weights.cross, weights.tie)
        information[:, -1] = information[-1, :] = column
    information[np.arange(size), np.arange(size)] += precision
    return information


def _gauge(diagonal: NDArray[np.float64], k: int) -> float:
    return float(diagonal.mean()) / k


def _inverse(problem: Problem, weights: Weights, precision: float) -> NDArray[np.float64]:
    """Covariance of the parameters; the scores' columns sum to zero."""
    k = problem.n_items
    information = _information(problem, weights, precision)
    # the all-ones direction is an eigenvector; its eigenvalue is what the gauge and the prior gave
    level = float(information[:k, :k].sum()) / k
    factor, failed = dpotrf(information, lower=1, overwrite_a=1)
    if failed:
        raise StatisticsError(
            "The votes say next to nothing about some item's score. Collect more votes, or give a "
            "prior (prior_sd, e.g. 3)."
        )
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    covariance = np.tril(inverse) + np.tril(inverse, -1).T
    covariance[:k, :k] -= 1.0 / (level * k)
    return np.asarray(covariance)
