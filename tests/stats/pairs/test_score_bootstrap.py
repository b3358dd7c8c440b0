"""Bootstrap of scores: the same numbers however computed, and errors like the sandwich's."""

from __future__ import annotations

import numpy as np
import pytest

from mturk_eval.stats.pairs.bradley_terry import fit_bradley_terry
from mturk_eval.stats.pairs.score_bootstrap import bootstrap_scores
from mturk_eval.stats.pairs.vote_counts import CodedVotes
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.resampling.weights import ResamplingUnit
from tests.stats.pairs.votes import simulated_votes


def _tasty_votes() -> CodedVotes:
    votes = simulated_votes(
        5, n_raters=40, votes_each=30, n_images=25, rater_taste_sd=0.5, image_taste_sd=0.7
    )
    return CodedVotes.of(votes)


@pytest.mark.parametrize("unit", ["rater", "image", "rating"])
def test_errors_are_near_the_sandwich_s(unit: ResamplingUnit) -> None:
    votes = simulated_votes(
        5, n_raters=40, votes_each=30, n_images=25, rater_taste_sd=0.5, image_taste_sd=0.7
    )
    robust = score_methods(votes, unit=unit)
    drawn = score_methods(votes, unit=unit, interval="bootstrap", resamples=400)
    assert drawn.rows[0].score == robust.rows[0].score
    for one, other in zip(drawn.comparisons, robust.comparisons, strict=True):
        assert one.std_error == pytest.approx(other.std_error, rel=0.2)
    assert drawn.ci_method.startswith("percentile bootstrap over")
    assert (drawn.resamples, drawn.seed) == (400, 0)


def test_drawing_both_is_at_least_as_wide_as_one() -> None:
    votes = _tasty_votes()
    fit = fit_bradley_terry(votes.counts)
    error = {
        unit: bootstrap_scores(
            fit, votes, unit=unit, resamples=300, seed=1, rescue_sd=3.0
        ).parameters[:, 0].std()
        for unit in ("rater", "image", "both")
    }  # fmt: skip
    assert error["both"] > 0.95 * max(error["rater"], error["image"])


def test_numbers_do_not_depend_on_the_processes() -> None:
    votes = _tasty_votes()
    fit = fit_bradley_terry(votes.counts)
    one, two = (
        bootstrap_scores(
            fit, votes, unit="both", resamples=120, seed=4, rescue_sd=3.0, workers=workers
        )
        for workers in (1, 2)
    )
    np.testing.assert_array_equal(one.parameters, two.parameters)
    other = bootstrap_scores(fit, votes, unit="both", resamples=120, seed=5, rescue_sd=3.0)
    assert not np.array_equal(one.parameters, other.parameters)


def test_resamples_without_finite_scores_are_held_and_counted() -> None:
    votes = simulated_votes(3, n_raters=8, votes_each=8, scores=(2.0, 0.0, -2.0), left_bias=0.0)
    result = score_methods(votes, interval="bootstrap", resamples=200)
    assert result.connected
    assert any("resamples have no finite scores" in warning for warning in result.warnings)
    assert all(np.isfinite([row.ci_low or 0, row.ci_high or 0]).all() for row in result.rows)


def test_resamples_without_ties_keep_their_scores() -> None:
    votes = simulated_votes(2, n_raters=30, votes_each=20)
    votes.loc[0, "choice"] = "not_sure"  # in one of thirty raters: missing from a third
    coded = CodedVotes.of(votes)
    drawn = bootstrap_scores(
        fit_bradley_terry(coded.counts), coded, unit="rater", resamples=100, seed=0, rescue_sd=3.0
    )
    assert 10 < np.isnan(drawn.parameters[:, -1]).sum() < 70
    assert np.isfinite(drawn.parameters[:, :-1]).all()
    assert drawn.held_by_prior == 0
    assert score_methods(votes, interval="bootstrap", resamples=60).rows[0].std_error is not None
