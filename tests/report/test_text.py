"""What a result reads like in a terminal: it fits, names units, says what intervals cover."""

from __future__ import annotations

import re
from typing import cast

import numpy as np
import pandas as pd
import pytest

from mturk_eval.report.tables import Cell
from mturk_eval.report.text.result import MOST_ROWS, first_rows, result_text
from mturk_eval.stats.evaluation.bd_rate import bd_rate
from mturk_eval.stats.evaluation.metrics import evaluate_metrics
from mturk_eval.stats.mixed.model import fit_mixed
from mturk_eval.stats.ordinal.model import fit_ordinal_ratings
from mturk_eval.stats.pairs.rater_reliability import rater_reliability
from mturk_eval.stats.pairs.score_units import ScoreUnit
from mturk_eval.stats.pairs.tournament import run_tournament
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.ratings.bias_inconsistency import bias_inconsistency
from mturk_eval.stats.ratings.dmos import differential_opinion_scores
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from mturk_eval.stats.ratings.sos import sos
from mturk_eval.stats.reliability.ratings import rating_reliability
from mturk_eval.stats.reliability.votes import vote_reliability
from mturk_eval.stats.resampling.weights import ResamplingUnit
from tests.report.studies import a_rating_study, a_voting_study

_WIDTH = 100
RATED = a_rating_study().query("role == 'main'")
VOTED = a_voting_study().query("role == 'main'")
ORIGINALS = RATED.query("method == 'human'").assign(method="original", rating=9.0)


def _words(result: object) -> str:
    """The text with its line breaks undone, after a look at how wide it is."""
    text = result_text(result)
    widest = max(text.splitlines(), key=len)
    assert len(widest) <= _WIDTH, widest
    assert not re.search(r"\bnan\b|\binf\b|None|array\(", text), text
    return " ".join(text.split())


def _rated_curves(images: int = 4, raters: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        (f"r{rater}", f"photo-{image}", method, bpp, 2 + 1.5 * step + better + rng.normal(0, 0.4))
        for rater in range(raters)
        for image in range(images)
        for method, better in (("jpeg", 0.0), ("avif", 1.0))
        for step, bpp in enumerate((0.1, 0.2, 0.4, 0.8))
    ]
    return pd.DataFrame(rows, columns=["rater", "image", "method", "bpp", "rating"])


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("rater", "whole raters resampled 20 times (seed 0). They speak about other raters and"),
        ("rating", "single ratings resampled"),
        ("image", "They speak about other images and these raters"),
        ("both", "other raters and, for the methods' means, other images"),
    ],
)
def test_means_say_what_was_drawn_and_what_that_covers(unit: ResamplingUnit, said: str) -> None:
    assert said in _words(mean_opinion_scores(RATED, unit=unit, resamples=20))


def test_means_name_their_kind_of_interval() -> None:
    assert "95% t intervals, mean ± t × SE." in _words(mean_opinion_scores(RATED, interval="t"))
    bounded = mean_opinion_scores(RATED, interval="bounded", scale=(1, 10))
    assert "intervals that stay on the scale" in _words(bounded)
    assert "resampled" not in _words(bounded)
    bca = mean_opinion_scores(RATED, interval="bca", resamples=50, ci_level=0.9)
    assert "90% BCa bootstrap intervals" in _words(bca)


def test_differential_scores_say_which_number_equals_the_original() -> None:
    found = differential_opinion_scores(RATED, ORIGINALS, scale=(1, 10), resamples=20)
    text = _words(found)
    assert "Differential opinion scores (120 ratings)" in text
    assert "10 is as good as the original; higher is better" in text


def test_the_sos_parameter_is_explained_with_the_scale_it_was_fitted_on() -> None:
    text = _words(sos(RATED, scale=(1, 10), resamples=20))
    assert "variance of ratings = a × (mean - 1) × (10 - mean)" in text
    assert "images resampled 20 times with all their ratings" in text
    one = _words(sos(RATED.query("image == 'photo-0'"), scale=(1, 10), resamples=20))
    assert "There is no interval" in one


def test_biases_come_with_a_warning_of_whom_they_speak_about() -> None:
    text = _words(bias_inconsistency(RATED))
    assert "Raters, the least consistent first" in text
    assert "not about other raters or images" in text
    assert "Restricted maximum" in _words(bias_inconsistency(RATED, estimation="reml"))


@pytest.mark.parametrize(
    ("model", "unit", "said"),
    [
        ("bradley-terry", "logit", "A difference of 1 logit means being chosen in 73%"),
        ("bradley-terry", "JOD", "A difference of 1 JOD means being chosen in 75%"),
        ("bradley-terry", "Elo", "A difference of 100 Elo points means being chosen in 64%"),
        ("thurstone", "JOD", "A difference of 1 JOD means being chosen in 75%"),
        ("thurstone", "probit", "A difference of 1 probit means being chosen in 84%"),
    ],
)
def test_scores_name_their_model_and_what_a_unit_means(model: str, unit: str, said: str) -> None:
    scores = score_methods(
        VOTED,
        model="thurstone" if model == "thurstone" else "bradley-terry",
        score_unit=cast(ScoreUnit, unit),
    )
    text = _words(scores)
    assert said in text
    assert "of votes that are sure" in text
    assert ("Thurstone scores" in text) == (model == "thurstone")
    assert ("Davidson" in text) == (model == "bradley-terry")
    assert f"{scores.counts.n_ties} not sure" in text


def test_scores_of_many_items_are_cut_and_counted() -> None:
    names = [f"codec-{number:02d}" for number in range(12)]
    rng = np.random.default_rng(1)
    pairs = [rng.choice(names, 2, replace=False) for _ in range(900)]
    votes = pd.DataFrame(pairs, columns=["method_left", "method_right"]).assign(
        rater=[f"r{n % 15}" for n in range(900)],
        image=[f"i{n % 7}" for n in range(900)],
        choice=rng.choice(["left", "right"], 900),
    )
    text = _words(score_methods(votes))
    assert f"… and {66 - MOST_ROWS} more differences: with --json." in text
    assert "row chosen over column" not in text


def test_scores_without_an_interval_say_so() -> None:
    text = _words(score_methods(VOTED.query("rater == 'r0'")))
    assert "There are no intervals" in text


def test_a_tournament_shows_each_rate_chance_and_how_ties_are_broken() -> None:
    text = _words(run_tournament(VOTED))
    for rate in ("0.1 bpp: 6 images", "0.5 bpp: 6 images"):
        assert rate in text
    assert "By chance every method shown everywhere would win 1.5" in text
    assert "intervals of a share of images (Wilson's" in text
    assert "resampled" not in text
    drawn = _words(run_tournament(VOTED, unit="both", resamples=20))
    assert "raters and images resampled 20 times" in drawn
    assert all(name in text for name in ("by_head_to_head", "by_vote_share", "by_score"))
    one = run_tournament(VOTED.query("rater == 'r0'"), unit="both", resamples=20)
    assert "There are no intervals" in _words(one)


def test_rater_reliability_says_what_guessing_is_and_is_not_for() -> None:
    golden = a_voting_study().query("role == 'catch'")
    text = _words(rater_reliability(VOTED, golden))
    assert "golden: trials with a known answer" in text
    assert "no reason to refuse payment" in text
    assert "golden" not in _words(rater_reliability(VOTED))


def test_rater_reliability_of_votes_without_rates() -> None:
    """An empty bpp column once met a join of strings with a missing value."""
    text = _words(rater_reliability(VOTED.assign(bpp=np.nan)))
    assert "hific" in text
    assert "hific ·" not in text


def test_reliability_of_ratings_explains_each_coefficient() -> None:
    text = _words(rating_reliability(RATED, resamples=20))
    for word in ("Krippendorff's alpha", "ICC(2,k)", "split-half SROCC", "F distribution"):
        assert word in text
    assert "120 answers of 10 raters to 12 units (image × method)" in text
    incomplete = _words(rating_reliability(RATED.iloc[1:], resamples=20))
    assert "ICC(A,k)" in incomplete
    assert "Tests that" not in incomplete


def test_reliability_of_votes_explains_agreement_and_not_icc() -> None:
    text = _words(vote_reliability(VOTED, resamples=20))
    assert "pairwise agreement: how often two raters gave the same vote" in text
    assert "ICC" not in text


def test_the_ordinal_model_in_words() -> None:
    result = fit_ordinal_ratings(RATED)
    text = _words(result)
    assert "Ordinal model (cumulative logit)" in text
    assert "human" in text
    assert "Differences between methods on the latent scale" in text
    assert "Thresholds between answers" in text
    assert "They speak about other images and raters" in text
    assert "standard deviation of 1.00 (probit)" in _words(
        fit_ordinal_ratings(RATED, formula="rating ~ method + (1 | rater)", link="probit")
    )


def test_the_ordinal_model_shows_predicted_effects_as_its_document_does() -> None:
    result = fit_ordinal_ratings(RATED)
    assert "Predicted effects by image, as differences from the average" in _words(result)
    (first, *rest) = result.document()["predicted_effects"]
    assert set(first) == {"group", "level", "term", "value", "std_error", "ci_low", "ci_high"}
    assert {row["group"] for row in [first, *rest]} == {"image", "rater"}


def test_models_of_ratings_say_what_to_report_and_of_whom_it_speaks() -> None:
    place = RATED["image"].str[-1].astype(int) - 2.5
    differing = RATED.assign(rating=RATED["rating"] + place * (RATED["method"] == "webp"))
    mixed = _words(fit_mixed(differing))
    assert "To report: the differences of marginal means" in mixed
    assert "They speak about other images and raters of the same kind" in mixed
    assert "drawn towards the average" in mixed
    slopes_left_out = "rating ~ method + (1 | image) + (1 | rater)"
    for fit in (fit_mixed, fit_ordinal_ratings):
        text = _words(fit(RATED, formula=slopes_left_out))
        assert "speak about other raters of the same kind" in text


def test_sum_coding_names_the_levels_behind_its_numbers() -> None:
    text = _words(fit_mixed(RATED, contrasts="sum", reference={"method": "webp"}))
    assert "Sum coding: method1 is webp, each against the mean of all." in text
    assert "Sum coding" not in _words(fit_mixed(RATED))


def test_columns_of_differences_are_named_by_what_they_hold() -> None:
    plain = result_text(fit_mixed(RATED, adjustment="none", df="none"))
    head = next(line for line in plain.splitlines() if line.startswith("difference "))
    assert head.split()[:6] == ["difference", "estimate", "SE", "df", "z", "p"]
    assert "p None" not in plain
    profiled = _words(fit_mixed(RATED, interval="profile"))
    assert "intervals of terms by profile likelihood" in profiled


def test_bd_rates_say_which_sign_is_better_and_why_images_are_left_out() -> None:
    table = _rated_curves()
    text = _words(bd_rate(table, anchor="jpeg", resamples=20))
    assert "against jpeg" in text
    assert "below 0 % is better" in text
    assert "left out because" not in text
    flat = (table["image"] == "photo-0") & (table["method"] == "avif")
    refused = bd_rate(table.assign(rating=table["rating"].mask(flat, 5.0)), anchor="jpeg")
    assert "left out because" in _words(refused)
    assert "does not rise with the rate" in _words(refused)


def test_metrics_are_told_apart() -> None:
    means = pd.DataFrame(mean_opinion_scores(_rated_curves(), resamples=20).document()["rows"])
    rng = np.random.default_rng(1)
    scores = means[["image", "method", "bpp"]].assign(
        psnr=30 + means["mean"] + rng.normal(0, 0.3, len(means)),
        lpips=1 - means["mean"] / 10 + rng.normal(0, 0.1, len(means)),
    )
    text = _words(evaluate_metrics(means, scores, resamples=20))
    for word in ("SROCC", "PLCC", "RMSE", "outlier ratio", "Krasula", "psnr - lpips", "one image"):
        assert word in text
    assert "They speak about other images" in text
    alone = _words(evaluate_metrics(means, scores.drop(columns="lpips"), resamples=20))
    assert "Differences between metrics" not in alone


def test_a_cut_table_says_what_is_missing() -> None:
    rows: list[list[Cell]] = [[str(number), number] for number in range(MOST_ROWS + 1)]
    assert first_rows(["a", "b"], rows, "things").endswith("… and 1 more things: with --json.")
    assert "more" not in first_rows(["a", "b"], rows[:MOST_ROWS], "things")


def test_an_unknown_result_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="no text for a int"):
        result_text(1)
