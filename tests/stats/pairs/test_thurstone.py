"""Thurstone's case V: R's probit, JOD, thresholds in closed form, and far tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from mturk_eval.stats.pairs.choice_models import ChoiceModel, chances
from mturk_eval.stats.pairs.thurstone import fit_thurstone
from mturk_eval.stats.pairs.vote_counts import VoteCounts, count_votes
from mturk_eval.stats.pairs.vote_scores import score_methods
from tests.stats.pairs.votes import citation_counts, error_of_difference, simulated_votes
from tests.stats.reference import reference_models, reference_votes


def test_scores_and_errors_are_those_of_r_s_probit() -> None:
    r = reference_models("votes_4methods")["thurstone_probit"]
    fit = fit_thurstone(count_votes(reference_votes()), left_bias=False)
    assert fit.log_likelihood == pytest.approx(r["logLik"], abs=1e-6)
    for item, key in ((1, "Xb"), (2, "Xc"), (3, "Xd")):
        assert fit.scores[item] - fit.scores[0] == pytest.approx(r["est"][key], abs=1e-6)
        error = error_of_difference(fit.covariance, 0, item)
        assert error == pytest.approx(r["se"][key], rel=1e-5)


def test_citations_are_those_of_r_s_probit() -> None:
    r = reference_models("citations")["thurstone_probit"]
    items, counts = citation_counts()
    fit = fit_thurstone(counts, left_bias=False)
    first = items.index("Biometrika")
    for name, value in r["est"].items():
        item = items.index(name.removeprefix(".."))
        assert fit.scores[item] - fit.scores[first] == pytest.approx(value, abs=1e-6)
        error = error_of_difference(fit.covariance, first, item)
        assert error == pytest.approx(r["se"][name], rel=1e-5)


def test_one_jod_is_being_preferred_three_times_in_four() -> None:
    votes = reference_votes()
    votes = votes[votes["method_left"].isin(["a", "b"]) & votes["method_right"].isin(["a", "b"])]
    result = score_methods(votes, model="thurstone", left_bias=False, unit="rating")
    assert (result.score_unit, result.document()["model"]) == ("JOD", "thurstone")
    difference = result.comparisons[0].difference
    share = np.mean(np.where(votes["choice"] == "left", votes["method_left"],
                             votes["method_right"]) == result.rows[0].item)  # fmt: skip
    assert difference == pytest.approx(ndtri(share) / ndtri(0.75))
    assert result.comparisons[0].probability == pytest.approx(share)


def test_a_threshold_for_ties_in_closed_form() -> None:
    """One pair, 50 left, 30 not sure, 20 right: d - t and -d - t are two normal quantiles."""
    one = np.array([[0.0, 1.0], [0.0, 0.0]])
    counts = VoteCounts.from_matrices(("a", "b"), left=50 * one, right=20 * one, tie=30 * one)
    fit = fit_thurstone(counts)
    assert fit.left_bias is None
    assert fit.scores[0] - fit.scores[1] == pytest.approx((ndtri(0.5) - ndtri(0.2)) / 2, abs=1e-7)
    assert fit.tie == pytest.approx(-(ndtri(0.5) + ndtri(0.2)) / 2, abs=1e-7)


def test_ties_and_left_bias_together_agree_with_bradley_terry() -> None:
    """The two laws differ by little but the unit: 1.6 logits a normal deviate, 2 with many ties."""
    votes = simulated_votes(3, n_raters=200, votes_each=40, tie=-0.8)
    normal = score_methods(votes, model="thurstone", score_unit="probit")
    logistic = score_methods(votes)
    ratio = logistic.rows[0].score / normal.rows[0].score
    assert 1.5 < ratio < 2.1
    assert (logistic.left_bias or 0) / (normal.left_bias or 1) == pytest.approx(ratio, rel=0.05)
    assert [row.item for row in normal.rows] == ["x", "y", "z"]
    assert (normal.tie_parameter or 0) > 0


@pytest.mark.parametrize("model", ["bradley-terry", "thurstone"])
@pytest.mark.parametrize("tie", [None, 0.3])
def test_derivatives_are_those_of_the_chances(model: ChoiceModel, tie: float | None) -> None:
    difference = np.array([-6.0, -1.0, 0.0, 0.4, 2.5, 7.0])
    h = 1e-6
    here = chances(model, difference, tie)
    occurs = np.array([True, tie is not None, True])
    np.testing.assert_allclose(np.exp(here.log_chance).sum(axis=1), 1, atol=1e-12)
    up, down = chances(model, difference + h, tie), chances(model, difference - h, tie)
    slope = (up.log_chance - down.log_chance)[:, occurs] / (2 * h)
    np.testing.assert_allclose(here.by_difference[:, occurs], slope, atol=1e-6)
    if tie is not None:
        up, down = chances(model, difference, tie + h), chances(model, difference, tie - h)
        slope = (up.log_chance - down.log_chance) / (2 * h)
        np.testing.assert_allclose(here.by_tie, slope, atol=1e-6)


def test_far_tails_keep_their_digits() -> None:
    here = chances("thurstone", np.array([-30.0, 30.0]), 0.5)
    assert np.isfinite(here.log_chance).all()
    np.testing.assert_allclose(here.log_chance[0], here.log_chance[1, ::-1])
    assert here.by_difference[0, 0] == pytest.approx(30.5, abs=0.1)


def test_unanimous_votes_get_the_prior_of_the_model() -> None:
    counts = simulated_votes(0, n_raters=6, votes_each=5, scores=(30.0, 0.0), left_bias=0.0)
    result = score_methods(counts, model="thurstone")
    assert not result.connected
    assert result.prior_sd == pytest.approx(1.75 * 1.4826, abs=1e-3)
    assert any("ridge" in warning for warning in result.warnings)
