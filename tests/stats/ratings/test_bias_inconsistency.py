"""P.910's model: the published figures, a known truth, and designs that do not determine it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ratings.bias_inconsistency import Estimation, bias_inconsistency
from tests.stats.reference import crossed_study

PLACES = (
    Path(__file__).parents[2] / "data" / "ratings",
    Path(__file__).parents[4] / "shared" / "reference" / "ratings",
)


def _published() -> tuple[pd.DataFrame, dict[str, Any]]:
    """The sample data of the Recommendation's demonstration, and what it computes from them."""
    for place in PLACES:
        if (place / "p910_sample_scores.csv").exists():
            scores = np.genfromtxt(place / "p910_sample_scores.csv", delimiter=",")
            expected = json.loads((place / "p910_sample_expected.json").read_text())
            return _tidy(scores), expected
    pytest.skip("p910_sample_scores.csv is not in tests/data/ratings nor in ../shared/reference")


def _tidy(scores: np.ndarray) -> pd.DataFrame:
    """Stimuli x raters, NaN where a rater did not rate."""
    stimulus, rater = np.nonzero(np.isfinite(scores))
    return pd.DataFrame(
        {
            "rater": [f"r{code:03}" for code in rater],
            "image": [f"s{code:03}" for code in stimulus],
            "method": "jxl",
            "rating": scores[stimulus, rater],
        }
    )


def _simulated(
    seed: int, *, stimuli: int = 30, raters: int = 20, least: float = 0.3
) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    score = rng.normal(5, 2, stimuli)
    bias = rng.normal(0, 0.8, raters)
    bias -= bias.mean()
    spread = rng.uniform(least, 2.0, raters)
    ratings = score[:, None] + bias + spread * rng.normal(size=(stimuli, raters))
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    return _tidy(ratings), (score, bias, spread)


def test_the_published_figures_are_met() -> None:
    table, expected = _published()
    result = bias_inconsistency(table)
    for ours, theirs in (
        ([row.score for row in result.rows], "mos_j"),
        ([row.residual_std_error for row in result.rows], "sos_j"),
        ([rater.bias for rater in result.raters], "bias_i"),
        ([rater.inconsistency for rater in result.raters], "inconsistency_i"),
    ):
        np.testing.assert_allclose(ours, expected[theirs], atol=1e-6)
    assert len(result.warnings) == 1
    assert "reml" in result.warnings[0]  # 26 raters are few for plain maximum likelihood


def test_no_direction_leads_to_a_higher_likelihood() -> None:
    table, _ = _simulated(1, stimuli=25, raters=20, least=0.8)
    result = bias_inconsistency(table)
    stimulus = pd.factorize(table["image"], sort=True)[0]
    rater = pd.factorize(table["rater"], sort=True)[0]
    n = len(result.rows)

    def minus_log_likelihood(x: np.ndarray) -> float:
        score, bias, log_spread = x[:n], x[n : n + 20], x[n + 20 :]
        residual = table["rating"].to_numpy() - score[stimulus] - bias[rater]
        spread = np.exp(log_spread[rater])
        return float(0.5 * np.sum(np.log(2 * np.pi * spread**2) + (residual / spread) ** 2))

    at = np.concatenate(
        [
            [row.score for row in result.rows],
            [one.bias for one in result.raters],
            np.log([one.inconsistency for one in result.raters]),
        ]
    )
    assert not any(one.held for one in result.raters)
    assert -minus_log_likelihood(at) == pytest.approx(result.log_likelihood)
    gradient = optimize.approx_fprime(at, minus_log_likelihood, 1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-4)


def test_standard_errors_are_those_of_the_joint_information() -> None:
    """Scores and biases together, by the pseudo-inverse, moved to biases of mean zero."""
    table, _ = _simulated(2)
    result = bias_inconsistency(table)
    stimuli, raters = len(result.rows), len(result.raters)
    design = np.zeros((len(table), stimuli + raters))
    design[np.arange(len(table)), pd.factorize(table["image"], sort=True)[0]] = 1
    rater = pd.factorize(table["rater"], sort=True)[0]
    design[np.arange(len(table)), stimuli + rater] = 1
    spread = np.array([one.inconsistency for one in result.raters])[rater]
    inverse = np.linalg.pinv((design / spread[:, None] ** 2).T @ design)
    constant = np.r_[np.ones(stimuli), -np.ones(raters)]
    mean_bias = np.r_[np.zeros(stimuli), np.full(raters, 1 / raters)]
    to_mean_zero = np.eye(stimuli + raters) + np.outer(constant, mean_bias)
    errors = np.sqrt(np.diag(to_mean_zero @ inverse @ to_mean_zero.T))
    ours = [row.std_error or 0.0 for row in result.rows]
    ours += [one.bias_std_error or 0.0 for one in result.raters]
    np.testing.assert_allclose(ours, errors)


def _coverage(estimation: Estimation) -> tuple[float, float, float, float]:
    """Shares of scores, biases and inconsistencies in their 95 % intervals; error of scores."""
    scores, biases, spreads, errors = [], [], [], []
    for seed in range(25):
        table, (score, bias, spread) = _simulated(seed)
        result = bias_inconsistency(table, estimation=estimation)
        scores += [
            (row.ci_low or 99) <= truth <= (row.ci_high or -99)
            for row, truth in zip(result.rows, score, strict=True)
        ]
        biases += [
            (one.bias_ci_low or 99) <= truth <= (one.bias_ci_high or -99)
            for one, truth in zip(result.raters, bias, strict=True)
        ]
        spreads += [
            (one.inconsistency_ci_low or 99) <= truth <= (one.inconsistency_ci_high or -99)
            for one, truth in zip(result.raters, spread, strict=True)
        ]
        errors.append([row.score for row in result.rows] - score)
    return (
        float(np.mean(scores)),
        float(np.mean(biases)),
        float(np.mean(spreads)),
        float(np.std(errors)),
    )


def test_restricted_likelihood_holds_the_truth_where_plain_likelihood_copies_a_rater() -> None:
    """20 raters x 30 stimuli, a fifth missing: plain likelihood's intervals of scores hold 71 %."""
    scores, biases, spreads, error = _coverage("reml")
    assert 0.88 <= scores <= 0.97
    assert 0.9 <= biases <= 0.98
    assert 0.88 <= spreads <= 0.98
    plain_scores, _, _, plain_error = _coverage("ml")
    assert plain_scores < scores - 0.1
    assert error < plain_error


def test_weighting_raters_beats_plain_means() -> None:
    ours, plain = [], []
    for seed in range(25):
        table, (score, _, _) = _simulated(seed)
        result = bias_inconsistency(table, estimation="reml")
        ours.append([row.score for row in result.rows] - score)
        plain.append(table.groupby("image")["rating"].mean().to_numpy() - score)
    assert np.std(ours) < 0.8 * np.std(plain)


def test_restricted_likelihood_of_two_raters_splits_their_difference() -> None:
    """Two raters of everything: their difference alone is known, and both get half its variance."""
    table = _tidy(np.random.default_rng(9).normal(5, 1, (40, 2)))
    spreads = [one.inconsistency for one in bias_inconsistency(table, estimation="reml").raters]
    cells = table.pivot_table(index="image", columns="rater", values="rating")
    difference = cells.iloc[:, 0] - cells.iloc[:, 1]
    assert np.sum(np.square(spreads)) == pytest.approx(difference.var(), rel=1e-6)


def test_a_careless_rater_gets_little_weight_and_is_named_by_their_inconsistency() -> None:
    table, (score, _, _) = _simulated(3)
    rng = np.random.default_rng(3)
    careless = pd.DataFrame({"rater": "zed", "image": table["image"].unique(), "method": "jxl"})
    careless = careless.assign(rating=rng.uniform(-10, 20, len(careless)))
    with_them = bias_inconsistency(pd.concat([table, careless]))
    without = bias_inconsistency(table)
    assert max(with_them.raters, key=lambda one: one.inconsistency).rater == "zed"
    np.testing.assert_allclose(
        [row.score - without.rows[0].score for row in with_them.rows],
        [row.score - without.rows[0].score for row in without.rows],
        atol=1.0,
    )
    assert len(score) == len(with_them.rows)


def test_a_single_rating_of_a_rater_says_nothing_of_its_stimulus() -> None:
    table, _ = _simulated(4)
    once = pd.DataFrame({"rater": ["zed"], "image": "s003", "method": "jxl", "rating": 40.0})
    without, with_it = bias_inconsistency(table), bias_inconsistency(pd.concat([table, once]))
    differences = np.diff([row.score for row in without.rows])
    np.testing.assert_allclose(np.diff([row.score for row in with_it.rows]), differences, atol=1e-6)
    errors = [[row.std_error or 0 for row in r.rows] for r in (without, with_it)]
    assert errors[1][3] >= errors[0][3] - 1e-9
    zed = with_it.raters[-1]
    assert (zed.held, zed.inconsistency_std_error) == (True, None)
    assert any("zed" in warning for warning in with_it.warnings)


def test_scores_do_not_copy_one_rater() -> None:
    """Two raters: the likelihood has no bound as one of the spreads goes to zero."""
    table = crossed_study(5, raters=2)
    result = bias_inconsistency(table)
    common = np.sqrt(np.mean([one.inconsistency**2 for one in result.raters]))
    assert min(one.inconsistency for one in result.raters) > 0.05 * common
    assert np.isfinite([row.score for row in result.rows]).all()


def test_repeated_ratings_and_rates_are_taken() -> None:
    study = pd.concat([crossed_study(6).assign(bpp=0.1), crossed_study(6).assign(bpp=0.5)])
    result = bias_inconsistency(pd.concat([study, study]))
    assert {row.bpp for row in result.rows} == {0.1, 0.5}
    assert {row.n for row in result.rows} == {24}
    document = result.document()
    json.dumps(document, allow_nan=False)
    assert {"model", "n_observations", "generalises_to", "warnings", "rows"} <= set(document)
    assert document["generalises_to"] == ["ratings"]


def test_designs_that_do_not_determine_biases_are_refused() -> None:
    study = crossed_study(7)
    alone = study.assign(rater=[f"w{k}" for k in range(len(study))])
    with pytest.raises(StatisticsError, match="one rating"):
        bias_inconsistency(alone)
    apart = study.assign(rater=study["rater"] + study["method"])
    with pytest.raises(StatisticsError, match="2 parts"):
        bias_inconsistency(apart)
    with pytest.raises(StatisticsError, match="one stimulus"):
        bias_inconsistency(pd.concat([study[:1]] * 3))
    exact = study.assign(rating=study["image"].str[1:].astype(float))
    with pytest.raises(StatisticsError, match="exactly"):
        bias_inconsistency(exact)
    with pytest.raises(InvalidInputError, match="ci_level"):
        bias_inconsistency(study, ci_level=95)
    with pytest.raises(InvalidInputError, match="ml or reml"):
        bias_inconsistency(study, estimation="mle")  # type: ignore[arg-type]


def test_few_ratings_a_rater_are_warned_about() -> None:
    table, _ = _simulated(8, stimuli=30, raters=60)
    few = table.groupby("rater").sample(5, random_state=1)
    warnings = " ".join(bias_inconsistency(few, estimation="reml").warnings)
    assert "Half the raters gave 5 ratings or fewer" in warnings
