"""The guessing model of raters: with probability q a rater flips a coin instead of looking.

The chance that rater r chooses item i over j is q_r / 2 + (1 - q_r) / (1 + exp(s_j - s_i)). On a
golden trial, whose answer is known, a rater who looks is right. Nobody is worse than a coin, so a
careless rater cannot turn the scale around.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from scipy.special import expit

from mturk_eval.errors import StatisticsError

_HIGHEST = 1.0 - 1e-9
_GRID = 400  # points of q; the posterior of q is one-dimensional, given the scores


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterVotes:
    """Votes as wins of one item over another, and golden trials, by rater.

    Attributes
    ----------
    winner, loser, rater : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
        1 for a vote; a vote that was not sure is two halves.
    golden_right, golden_wrong : ndarray, shape (n_raters,)
        Golden trials answered rightly and wrongly; halves where the answer was not sure.
    """

    winner: NDArray[np.int64]
    loser: NDArray[np.int64]
    rater: NDArray[np.int64]
    weight: NDArray[np.float64]
    n_items: int
    n_raters: int
    golden_right: NDArray[np.float64]
    golden_wrong: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Normal on scores, mean 0 (``score_sd`` in logits); Beta(``a``, ``b``) on guessing."""

    score_sd: float
    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterFit:
    """Most probable values: ``scores`` (n_items,), logits, and ``guessing`` (n_raters,)."""

    scores: NDArray[np.float64]
    guessing: NDArray[np.float64]


def fit_raters(votes: RaterVotes, priors: Priors) -> RaterFit:
    """Scores and guessing of highest posterior density, jointly, by bounded quasi-Newton.

    Raises
    ------
    StatisticsError
        If it does not converge.
    """
    k = votes.n_items
    start = np.concatenate([np.zeros(k), np.full(votes.n_raters, 0.2)])
    # where something multiplies the logarithm of q, q stays off zero
    off_zero = (votes.golden_wrong > 0) | (priors.a > 1)
    bounds = Bounds(
        np.concatenate([np.full(k, -np.inf), np.where(off_zero, 1e-9, 0.0)]),
        np.concatenate([np.full(k, np.inf), np.full(votes.n_raters, _HIGHEST)]),
    )
    found = minimize(
        _objective,
        start,
        args=(votes, priors),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": 5_000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-6, "maxcor": 20},
    )
    if not found.success:
        raise StatisticsError(
            f"Rater reliability did not converge ({found.message}). Narrow the priors, or leave "
            "out raters with very few votes."
        )
    return RaterFit(scores=found.x[:k], guessing=found.x[k:])


def guessing_limits(
    votes: RaterVotes, scores: NDArray[np.float64], priors: Priors, ci_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of highest posterior density of every rater's guessing, given the scores.

    Unlike one with equal tails it reaches 0 for a rater who shows no sign of guessing.
    """
    grid = (np.arange(_GRID) + 0.5) / _GRID
    seen = expit(scores[votes.winner] - scores[votes.loser])
    log_posterior = np.empty((votes.n_raters, _GRID))
    for place, q in enumerate(grid):
        log_chance = votes.weight * np.log(q / 2 + (1 - q) * seen)
        log_posterior[:, place] = np.bincount(
            votes.rater, weights=log_chance, minlength=votes.n_raters
        )
    log_posterior = (
        log_posterior
        + votes.golden_right[:, None] * np.log1p(-grid / 2)
        + votes.golden_wrong[:, None] * np.log(grid / 2)
        + ((priors.a - 1) * np.log(grid) + (priors.b - 1) * np.log1p(-grid))
    )
    density = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    density /= density.sum(axis=1, keepdims=True)
    # the density has one peak, so its most probable points are neighbours
    order = np.argsort(-density, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(density, order, axis=1), axis=1)
    n_kept = (reached < ci_level).sum(axis=1) + 1
    rank = np.argsort(order, axis=1)
    kept = rank < n_kept[:, None]
    low = kept.argmax(axis=1) / _GRID
    high = 1.0 - kept[:, ::-1].argmax(axis=1) / _GRID
    return low, high


def _objective(
    theta: NDArray[np.float64], votes: RaterVotes, priors: Priors
) -> tuple[float, NDArray[np.float64]]:
    """Minus the log posterior, up to a constant, and its gradient."""
    k = votes.n_items
    scores, q = theta[:k], theta[k:]
    seen = expit(scores[votes.winner] - scores[votes.loser])
    guess = q[votes.rater]
    chance = guess / 2 + (1 - guess) * seen
    value = float(votes.weight @ np.log(chance)) - float(scores @ scores) / 2 / priors.score_sd**2
    by_margin = votes.weight * (1 - guess) * seen * (1 - seen) / chance
    by_scores = (
        np.bincount(votes.winner, weights=by_margin, minlength=k)
        - np.bincount(votes.loser, weights=by_margin, minlength=k)
        - scores / priors.score_sd**2
    )
    by_guessing: NDArray[np.float64] = np.bincount(
        votes.rater, weights=votes.weight * (0.5 - seen) / chance, minlength=votes.n_raters
    ).astype(np.float64)
    value += float(votes.golden_right @ np.log1p(-q / 2)) + (priors.b - 1) * float(
        np.log1p(-q).sum()
    )
    by_guessing = by_guessing - votes.golden_right / (2 - q) - (priors.b - 1) / (1 - q)
    # log q is left out where nothing multiplies it: q may then be 0
    for weight in (votes.golden_wrong, np.full_like(q, priors.a - 1)):
        given = weight != 0
        value += float(weight[given] @ np.log(q[given] / 2))
        by_guessing[given] += weight[given] / q[given]
    return -value, -np.concatenate([by_scores, by_guessing])
