"""Bootstrap of scores: raters, images, both, or single votes are drawn and the model fitted again.

Counts of a resample are weights times counts per cluster, so a resample costs a sum and a few
scoring steps from the estimates, not a pass over the votes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.stats.pairs.maximum_likelihood import PairFit, Problem, maximise, problem_of
from mturk_eval.stats.pairs.vote_counts import CodedVotes, VoteCounts
from mturk_eval.stats.parallel import map_tasks
from mturk_eval.stats.resampling.weights import ResamplingUnit, cluster_weights

_RESAMPLES_PER_TASK = 50  # fixed, so that the numbers do not depend on the number of workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """Bootstrap replicates.

    Attributes
    ----------
    parameters : ndarray, shape (resamples, P)
        Scores (mean zero), then left bias, then tie; NaN where a resample has no ties to tell of.
    held_by_prior : int
        Resamples without a finite maximum, whose scores a prior holds.
    """

    parameters: NDArray[np.float64]
    held_by_prior: int


def bootstrap_scores(
    fit: PairFit,
    votes: CodedVotes,
    *,
    unit: ResamplingUnit,
    resamples: int,
    seed: int,
    rescue_sd: float,
    workers: int = 1,
    dask: str | None = None,
) -> Replicates:
    """Fit resamples of the votes.

    Parameters
    ----------
    fit : PairFit
        The fit to ``votes.counts``; resamples have its model, left bias and prior.
    unit : {"rater", "image", "both", "rating"}
        What is drawn with replacement; with both, raters and images independently [1]_, each vote
        counting the product of how often its rater and its image were drawn.
    rescue_sd : float
        Standard deviation of the normal prior for resamples that have no finite maximum: left out,
        they would hide just the resamples that were the most extreme.
    workers, dask
        As in `map_tasks`; they change nothing but the time.

    References
    ----------
    .. [1] Owen (2007), The pigeonhole bootstrap, Ann. Appl. Statist. 1(2).
    """
    sizes = [_RESAMPLES_PER_TASK] * (resamples // _RESAMPLES_PER_TASK)
    if rest := resamples % _RESAMPLES_PER_TASK:
        sizes.append(rest)
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    tasks = [
        _Task(fit=fit, votes=votes, unit=unit, resamples=size, seed=child, rescue_sd=rescue_sd)
        for size, child in zip(sizes, seeds, strict=True)
    ]
    parts = map_tasks(_run, tasks, workers=workers, dask=dask)
    return Replicates(
        parameters=np.concatenate([part.parameters for part in parts]),
        held_by_prior=sum(part.held_by_prior for part in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    fit: PairFit
    votes: CodedVotes
    unit: ResamplingUnit
    resamples: int
    seed: np.random.SeedSequence
    rescue_sd: float


def _run(task: _Task) -> Replicates:
    rng = np.random.default_rng(task.seed)
    counts = task.votes.counts
    problem = problem_of(counts, task.fit.model, left_bias=task.fit.left_bias is not None)
    answers = _resampled_answers(task.votes, task.unit, task.resamples, rng)
    parameters = np.full((task.resamples, problem.n_parameters), np.nan)
    held = 0
    for row, resample in enumerate(answers):
        found = _refit(problem, counts, resample, task.fit)
        if found is None:
            held += 1
            rescue = replace(task.fit, prior_sd=task.rescue_sd)
            found = _refit(problem, counts, resample, rescue)
        if found is not None:
            parameters[row] = found
    return Replicates(parameters=parameters, held_by_prior=held)


def _refit(
    problem: Problem, counts: VoteCounts, answers: NDArray[np.float64], fit: PairFit
) -> NDArray[np.float64] | None:
    start = fit.parameters
    if problem.has_ties and not answers[:, 1].any():
        # the tie parameter of votes without ties is at the edge of its range
        problem, start = replace(problem, has_ties=False), start[:-1]
    if fit.prior_sd is None and not replace(counts, answers=answers).connected:
        return None
    precision = 0.0 if fit.prior_sd is None else 1.0 / fit.prior_sd**2
    estimate = maximise(problem, answers, precision, start=start)
    if estimate is None:
        return None
    missing = len(fit.parameters) - len(estimate.parameters)
    return np.concatenate([estimate.parameters, np.full(missing, np.nan)])


def _resampled_answers(
    votes: CodedVotes, unit: ResamplingUnit, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Answers of every pair in every resample, shape (resamples, pairs, 3)."""
    cells = votes.pair * 3 + votes.answer
    n_cells = 3 * len(votes.counts.answers)
    if unit == "rating":
        share = votes.counts.answers.ravel() / len(cells)
        drawn = rng.multinomial(len(cells), share, size=resamples).astype(np.float64)
    elif unit == "both":
        of_raters = cluster_weights(votes.n_raters, resamples, rng)
        of_images = cluster_weights(votes.n_images, resamples, rng)
        drawn = np.empty((resamples, n_cells))
        for row in range(resamples):
            weights = of_raters[row, votes.rater] * of_images[row, votes.image]
            drawn[row] = np.bincount(cells, weights=weights, minlength=n_cells)
    else:
        cluster, n = (
            (votes.rater, votes.n_raters) if unit == "rater" else (votes.image, votes.n_images)
        )
        table = csr_array((np.ones(len(cells)), (cells, cluster)), shape=(n_cells, n))
        drawn = np.asarray((table @ cluster_weights(n, resamples, rng).T).T)
    return drawn.reshape(resamples, -1, 3)
