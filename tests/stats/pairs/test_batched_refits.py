"""Refits of many resamples at once have the maxima that one after the other has."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mturk_eval.stats.pairs import score_bootstrap
from mturk_eval.stats.pairs.batched_refits import connected, refits
from mturk_eval.stats.pairs.choice_models import ChoiceModel
from mturk_eval.stats.pairs.maximum_likelihood import PairFit, fit_pairs, maximise, problem_of
from mturk_eval.stats.pairs.score_bootstrap import bootstrap_scores
from mturk_eval.stats.pairs.vote_counts import CodedVotes, VoteCounts
from mturk_eval.stats.resampling.weights import ResamplingUnit, cluster_weights
from tests.stats.pairs.votes import simulated_votes


@pytest.mark.parametrize("model", ["bradley-terry", "thurstone"])
@pytest.mark.parametrize("prior_sd", [None, 2.0])
@pytest.mark.parametrize(
    ("n_raters", "tie", "left_bias"),
    [(40, None, True), (40, -0.5, True), (40, -0.5, False), (7, None, True), (7, -2.5, True)],
)
def test_replicates_are_those_of_single_fits(
    model: ChoiceModel,
    prior_sd: float | None,
    n_raters: int,
    tie: float | None,
    left_bias: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of seven raters, where many resamples are unanimous, unconnected or without ties."""
    votes = CodedVotes.of(
        simulated_votes(
            6, scores=(2.0, 0.3, -0.3, -2.0), n_raters=n_raters, votes_each=10, n_images=3, tie=tie
        )
    )
    fit = fit_pairs(votes.counts, model, left_bias=left_bias, prior_sd=prior_sd)
    batched = bootstrap_scores(fit, votes, unit="rater", resamples=120, seed=2, rescue_sd=3.0)
    monkeypatch.setattr(score_bootstrap, "_BATCHED_UP_TO", 0)
    single = bootstrap_scores(fit, votes, unit="rater", resamples=120, seed=2, rescue_sd=3.0)
    np.testing.assert_allclose(batched.parameters, single.parameters, atol=1e-9)
    assert batched.held_by_prior == single.held_by_prior
    assert (single.held_by_prior > 0) == (n_raters == 7 and prior_sd is None)


def test_resamples_without_a_maximum_leave_the_others_of_their_batch_alone() -> None:
    """One is unanimous (its steps run away), one cannot tell sides from scores."""
    counts = _three_pairs()
    problem = problem_of(counts, "bradley-terry", left_bias=True)
    good = np.array([[5.0, 0, 3], [4, 0, 2], [3, 0, 3], [2, 0, 4]])
    unanimous = np.array([[8.0, 0, 0], [6, 0, 0], [6, 0, 0], [0, 0, 6]])
    one_sided = good * [[1], [0], [1], [0]]
    answers = np.stack([unanimous, good, one_sided, 2 * good])
    start = np.zeros(problem.n_parameters)
    found, reached = refits(problem, answers, 0.0, start=start)
    single = [maximise(problem, each, 0.0, start=start) for each in answers]
    assert list(reached) == [False, True, False, True]
    assert [each is not None for each in single] == list(reached)
    for row, estimate in enumerate(single):
        if estimate is not None:
            np.testing.assert_allclose(found[row], estimate.parameters, atol=1e-9)


@pytest.mark.parametrize("k", [2, 3, 5, 9, 17])
def test_connection_is_that_of_the_counts(k: int) -> None:
    """Every item reaches every other: a ring does, also the longest, and a broken one does not."""
    rng = np.random.default_rng(k)
    left, right = np.nonzero(~np.eye(k, dtype=bool))
    answers = rng.poisson(0.35, (60, len(left), 3)).astype(np.float64)
    answers *= rng.random((60, 1, 3)) < 0.8
    ring = np.zeros((2, len(left), 3))
    ring[:, (right - left) % k == 1, 0] = 1.0
    ring[1, left == 0] = 0.0
    answers = np.concatenate([answers, ring])
    counts = VoteCounts(
        items=tuple(map(str, range(k))), left_item=left, right_item=right, answers=answers[0]
    )
    problem = problem_of(counts, "bradley-terry", left_bias=False)
    expected = [
        VoteCounts(items=counts.items, left_item=left, right_item=right, answers=each).connected
        for each in answers
    ]
    assert expected[-2:] == [True, False]
    assert list(connected(problem, answers)) == expected


@pytest.mark.parametrize("unit", ["rater", "image", "both"])
def test_votes_of_a_resample_are_weighed_by_their_raters_and_images(unit: ResamplingUnit) -> None:
    """By hand, vote by vote."""
    votes = CodedVotes.of(simulated_votes(8, n_raters=9, votes_each=12, n_images=4, tie=-1.0))
    found = score_bootstrap._resampled_answers(votes, unit, 15, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    raters, images = np.ones((15, 9)), np.ones((15, 4))
    if unit != "image":
        raters = cluster_weights(9, 15, rng)
    if unit != "rater":
        images = cluster_weights(4, 15, rng)
    expected = np.zeros_like(found)
    for pair, answer, rater, image in zip(
        votes.pair, votes.answer, votes.rater, votes.image, strict=True
    ):
        expected[:, pair, answer] += raters[:, rater] * images[:, image]
    np.testing.assert_array_equal(found, expected)


def test_many_items_are_fitted_one_resample_after_the_other() -> None:
    rng = np.random.default_rng(9)
    k, n = 65, 4_000
    left = rng.integers(0, k, n)
    right = (left + rng.integers(1, k, n)) % k
    shown, pair = np.unique(left * k + right, return_inverse=True)
    answer = 2 * rng.integers(0, 2, n)
    cells = np.bincount(3 * pair + answer, minlength=3 * len(shown)).reshape(-1, 3)
    counts = VoteCounts(
        items=tuple(map(str, range(k))), left_item=shown // k, right_item=shown % k,
        answers=cells.astype(np.float64),
    )  # fmt: skip
    votes = CodedVotes(
        counts=counts, pair=pair, answer=answer, rater=np.arange(n) % 50,
        image=np.zeros(n, dtype=np.int64), n_raters=50, n_images=1,
    )  # fmt: skip
    fit: PairFit = fit_pairs(counts, "bradley-terry")
    drawn = bootstrap_scores(fit, votes, unit="rater", resamples=30, seed=0, rescue_sd=3.0)
    error: NDArray[np.float64] = drawn.parameters[:, :k].std(axis=0)
    assert np.median(error / np.sqrt(np.diag(fit.covariance)[:k])) == pytest.approx(1.0, abs=0.25)


def _three_pairs() -> VoteCounts:
    """Three items; the last pair is the first with its sides changed."""
    return VoteCounts(
        items=("a", "b", "c"),
        left_item=np.array([0, 0, 1, 1]),
        right_item=np.array([1, 2, 2, 0]),
        answers=np.tile([1.0, 0.0, 1.0], (4, 1)),
    )
