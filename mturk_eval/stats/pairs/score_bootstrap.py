"""Bootstrap of scores: raters, images, both, or single votes are drawn and the model fitted again.

Counts of a resample are weights times counts per cluster, so a resample costs a sum and a few
scoring steps from the estimates, not a pass over the votes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.parallel import map_tasks
from mturk_eval.stats.pairs.batched_refits import connected, refits
from mturk_eval.stats.pairs.maximum_likelihood import PairFit, Problem, maximise, problem_of
from mturk_eval.stats.pairs.vote_counts import CodedVotes, VoteCounts
from mturk_eval.stats.resampling.weights import ResamplingUnit, cluster_weights
from mturk_eval.stats.threads import threads_for

_Floats = NDArray[np.float64]

_BATCHED_UP_TO = 60
"""Items up to which the steps of many resamples at once are faster than one after the other."""
_RESAMPLES_PER_TASK = 100  # fixed, so that the numbers do not depend on the number of workers


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
    with threads_for(problem.n_parameters):
        parameters = _refit_all(problem, counts, answers, task.fit)
        held = np.isnan(parameters[:, 0])
        if held.any():
            rescue = replace(task.fit, prior_sd=task.rescue_sd)
            parameters[held] = _refit_all(problem, counts, answers[held], rescue)
    return Replicates(parameters=parameters, held_by_prior=int(held.sum()))


def _refit_all(
    problem: Problem, counts: VoteCounts, answers: _Floats, fit: PairFit
) -> NDArray[np.float64]:
    """Parameters of every resample: NaN where there is no maximum, and for a tie without ties."""
    parameters = np.full((len(answers), problem.n_parameters), np.nan)
    if not problem.has_ties:
        parameters[:] = _refit_alike(problem, counts, answers, fit, fit.parameters)
        return parameters
    tied = answers[:, :, 1].any(axis=1)
    parameters[tied] = _refit_alike(problem, counts, answers[tied], fit, fit.parameters)
    # the tie parameter of votes without ties is at the edge of its range
    untied = replace(problem, has_ties=False)
    parameters[~tied, :-1] = _refit_alike(untied, counts, answers[~tied], fit, fit.parameters[:-1])
    return parameters


def _refit_alike(
    problem: Problem, counts: VoteCounts, answers: _Floats, fit: PairFit, start: _Floats
) -> NDArray[np.float64]:
    """Parameters of resamples that all have ties, or all have none; NaN without a maximum."""
    precision = 0.0 if fit.prior_sd is None else 1.0 / fit.prior_sd**2
    parameters = np.full((len(answers), len(start)), np.nan)
    left = np.ones(len(answers), dtype=bool)
    if problem.n_items <= _BATCHED_UP_TO:
        if fit.prior_sd is None:
            left = connected(problem, answers)
        of_left, reached = refits(problem, answers[left], precision, start=start)
        chosen = np.flatnonzero(left)[reached]
        parameters[chosen] = of_left[reached]
        left[chosen] = False
    elif fit.prior_sd is None:
        left = np.array([replace(counts, answers=resample).connected for resample in answers])
    for row in np.flatnonzero(left):
        estimate = maximise(problem, answers[row], precision, start=start)
        if estimate is not None:
            parameters[row] = estimate.parameters
    return parameters


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
        # votes of a rater in a cell of one image count together, then a cell's over the images
        places, place = np.unique(cells * votes.n_images + votes.image, return_inverse=True)
        cell, image = np.divmod(places, votes.n_images)
        table = _sums(place, votes.rater, (len(places), votes.n_raters))
        at_places = (table @ np.ascontiguousarray(of_raters.T)) * of_images.T[image]
        gather = _sums(cell, np.arange(len(places)), (n_cells, len(places)))
        drawn = np.ascontiguousarray((gather @ at_places).T)
    else:
        cluster, n = (
            (votes.rater, votes.n_raters) if unit == "rater" else (votes.image, votes.n_images)
        )
        weights = np.ascontiguousarray(cluster_weights(n, resamples, rng).T)
        drawn = np.ascontiguousarray((_sums(cells, cluster, (n_cells, n)) @ weights).T)
    return drawn.reshape(resamples, -1, 3)


def _sums(
    row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]
) -> csr_array[np.float64]:
    """A sparse table of how often each row and column occur together."""
    return csr_array((np.ones(len(row)), (row, column)), shape=shape)
