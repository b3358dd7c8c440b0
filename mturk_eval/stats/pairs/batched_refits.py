"""Fits of many resamples of the same pairs at once: the steps of `maximise`, for all in one array.

Only the plain way is gone here: full scoring steps from the estimates of all votes. A resample that
wants more care (a step that must be halved, a matrix close to singular, chances that run to 0 or 1)
is left to `maximise`, so that both give the same maxima.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.pairs.choice_models import chances
from mturk_eval.stats.pairs.maximum_likelihood import (
    STEP_TOLERANCE,
    TELLS_NOTHING,
    WELL_CONDITIONED,
    Problem,
)

_Floats = NDArray[np.float64]
_Rows = NDArray[np.bool_]

_MOST_STEPS = 25
_SMALLEST_TIE = 1e-12  # of Thurstone's threshold, outside of which there is no model


def refits(
    problem: Problem, answers: _Floats, precision: float, *, start: _Floats
) -> tuple[_Floats, _Rows]:
    """Maximum likelihood parameters of every resample, as far as full steps reach them.

    Parameters
    ----------
    answers : ndarray, shape (resamples, pairs, 3)
        With not-sure answers in every resample if the problem has ties.
    precision : float
        Of the normal prior on all parameters; 0 for none.
    start : ndarray, shape (P,)

    Returns
    -------
    parameters : ndarray, shape (resamples, P)
    reached : ndarray of bool, shape (resamples,)
        Where the parameters are a maximum; elsewhere they are of no use.
    """
    theta = np.tile(start, (len(answers), 1))
    reached = np.zeros(len(answers), dtype=bool)
    at_work = np.arange(len(answers))
    point = _Point.at(problem, theta, answers, precision)
    for _ in range(_MOST_STEPS):
        if not len(at_work):
            break
        step, solved = _steps(problem, point, precision, theta[at_work])
        before = point.value
        theta[at_work] += step
        point = _Point.at(problem, theta[at_work], answers[at_work], precision)
        going_up = solved & (point.value >= before - 1e-12 * np.abs(before))
        small = np.abs(step).max(axis=1) < STEP_TOLERANCE[problem.model]
        telling = np.all(point.of_difference >= TELLS_NOTHING * point.shown, axis=1)
        reached[at_work] = going_up & small & (telling | (precision > 0))
        on = going_up & ~small
        at_work, point = at_work[on], point.rows(on)
    return theta, reached


def connected(problem: Problem, answers: _Floats) -> _Rows:
    """Whether every item beats every other over a chain of others, for each of the resamples."""
    k, i, j = problem.n_items, problem.left_item, problem.right_item
    beats = np.zeros((len(answers), k, k), dtype=np.float32)
    beats[:, np.arange(k), np.arange(k)] = 1.0
    beats[:, i, j] += answers[:, :, 0] + answers[:, :, 1] > 0
    beats[:, j, i] += answers[:, :, 2] + answers[:, :, 1] > 0
    length = 1
    while length < k - 1:  # chains of at most this length; one of k - 1 passes every item
        beats = np.minimum(beats @ beats, 1.0)
        length *= 2
    return np.asarray(beats.all(axis=(1, 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """Likelihood, its gradient and the information of the pairs at one point per resample."""

    value: _Floats  # (resamples,): with the prior
    gradient: _Floats  # (resamples, P)
    of_difference: _Floats  # (resamples, pairs), as Weights.difference
    cross: _Floats
    tie: _Floats  # (resamples,)
    shown: _Floats  # (resamples, pairs)

    @classmethod
    def at(cls, problem: Problem, theta: _Floats, answers: _Floats, precision: float) -> _Point:
        n, n_pairs, _ = answers.shape
        difference = (problem.differences @ theta[:, : problem.differences.shape[1]].T).T
        tie = None
        if problem.has_ties:
            tie = theta[:, -1]
            if problem.model == "thurstone":
                tie = np.maximum(tie, _SMALLEST_TIE)  # a point so bad that `maximise` takes over
            tie = np.repeat(tie, n_pairs)
        found = chances(problem.model, difference.ravel(), tie)
        by_difference = found.by_difference.reshape(answers.shape)
        by_tie = found.by_tie.reshape(answers.shape)
        log_chance = found.log_chance.reshape(answers.shape)
        shown = answers.sum(axis=2)
        expected = np.exp(log_chance) * shown[:, :, None]
        gradient = np.empty_like(theta)
        slope = np.einsum("rpa,rpa->rp", answers, by_difference)
        gradient[:, : problem.differences.shape[1]] = (problem.differences.T @ slope.T).T
        cross, of_tie = np.zeros((n, n_pairs)), np.zeros(n)
        if problem.has_ties:
            gradient[:, -1] = np.einsum("rpa,rpa->r", answers, by_tie)
            cross = np.einsum("rpa,rpa,rpa->rp", expected, by_difference, by_tie)
            of_tie = np.einsum("rpa,rpa,rpa->r", expected, by_tie, by_tie)
        gradient -= precision * theta
        return cls(
            value=np.einsum("rpa,rpa->r", answers, log_chance)
            - precision / 2 * np.einsum("rp,rp->r", theta, theta),
            gradient=gradient,
            of_difference=np.einsum("rpa,rpa,rpa->rp", expected, by_difference, by_difference),
            cross=cross,
            tie=of_tie,
            shown=shown,
        )

    def rows(self, chosen: _Rows) -> _Point:
        return _Point(
            value=self.value[chosen],
            gradient=self.gradient[chosen],
            of_difference=self.of_difference[chosen],
            cross=self.cross[chosen],
            tie=self.tie[chosen],
            shown=self.shown[chosen],
        )


def _steps(
    problem: Problem, point: _Point, precision: float, theta: _Floats
) -> tuple[_Floats, _Rows]:
    """Scoring steps, and whether the information was well enough conditioned for one."""
    information = _information(problem, point, precision)
    try:
        factor = np.linalg.cholesky(information)
        solved = np.ones(len(theta), dtype=bool)
    except np.linalg.LinAlgError:  # of one resample, and numpy does not say of which
        factor, solved = _one_by_one(information)
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    solved &= diagonal.min(axis=1) >= WELL_CONDITIONED * diagonal.max(axis=1)
    step = np.zeros_like(theta)
    step[solved] = np.linalg.solve(information[solved], point.gradient[solved][:, :, None])[:, :, 0]
    k = problem.n_items
    step[:, :k] -= step[:, :k].mean(axis=1, keepdims=True)
    return step, solved


def _one_by_one(information: _Floats) -> tuple[_Floats, _Rows]:
    factor = np.zeros_like(information)
    solved = np.zeros(len(information), dtype=bool)
    for row, matrix in enumerate(information):
        try:
            factor[row] = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            continue
        solved[row] = True
    return factor, solved


def _information(problem: Problem, point: _Point, precision: float) -> _Floats:
    """As of one fit: the scores' common shift is made as well determined as a score."""
    k, size, n = problem.n_items, problem.n_parameters, len(point.shown)
    i, j = problem.left_item, problem.right_item
    information = np.zeros((n, size, size))
    between = np.zeros((n, k, k))
    between[:, i, j] = point.of_difference  # an ordered pair stands in one row of the counts
    between += between.transpose(0, 2, 1)
    diagonal = between.sum(axis=2)
    information[:, :k, :k] = diagonal.mean(axis=1)[:, None, None] / k - between
    information[:, np.arange(k), np.arange(k)] += diagonal
    if problem.has_bias:
        column = (problem.differences.T @ point.of_difference.T).T
        information[:, : k + 1, k] = information[:, k, : k + 1] = column
    if problem.has_ties:
        information[:, -1, :-1] = information[:, :-1, -1] = (
            problem.differences.T @ point.cross.T
        ).T
        information[:, -1, -1] = point.tie
    information[:, np.arange(size), np.arange(size)] += precision
    return information
