"""Differential scores: each rating against the same rater's rating of the hidden original."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ratings.dmos import differential_opinion_scores
from mturk_eval.stats.ratings.mos import mean_opinion_scores

RATINGS = pd.DataFrame(
    {
        "rater": ["ann", "ann", "bob", "bob", "cem", "cem"],
        "image": ["sky"] * 6,
        "method": ["jxl", "webp"] * 3,
        "rating": [7, 5, 8, 8, 4, 3],
    }
)
ORIGINALS = pd.DataFrame({"rater": ["ann", "bob", "cem"], "image": "sky", "rating": [9, 7, 6]})


def test_scores_are_test_minus_original_plus_the_highest_rating() -> None:
    """ACR with hidden reference: 7 - 9 + 10, 8 - 7 + 10, 4 - 6 + 10 have mean 9.0."""
    result = differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 10))
    assert [row.mean for row in result.rows] == pytest.approx([9.0, 8 + 0.0])
    assert [row.mean for row in result.methods] == pytest.approx([9.0, 8.0])


def test_a_rater_s_own_use_of_the_scale_cancels() -> None:
    harsh = RATINGS["rater"] == "ann"
    shifted = RATINGS.assign(rating=RATINGS["rating"] - 2 * harsh)
    originals = ORIGINALS.assign(rating=ORIGINALS["rating"] - 2 * (ORIGINALS["rater"] == "ann"))
    one = differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 10))
    other = differential_opinion_scores(shifted, originals, scale=(1, 10))
    assert one.rows == other.rows
    assert one.rows[0].std_error is not None
    raw = mean_opinion_scores(RATINGS).rows[0].std_error
    assert raw is not None
    assert one.rows[0].std_error < raw


def test_several_ratings_of_an_original_are_averaged() -> None:
    twice = pd.concat([ORIGINALS, ORIGINALS.assign(rating=ORIGINALS["rating"] - 1)])
    result = differential_opinion_scores(RATINGS, twice, scale=(1, 10))
    assert result.rows[0].mean == pytest.approx(9.5)


def test_ratings_without_their_original_are_left_out_and_counted() -> None:
    result = differential_opinion_scores(RATINGS, ORIGINALS.iloc[:2], scale=(1, 10))
    assert (result.n_unmatched, result.means.n_observations) == (2, 4)
    assert any("2 of 6 ratings are left out" in warning for warning in result.warnings)


def test_reconstructions_above_their_original_are_kept_and_counted() -> None:
    result = differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 10))
    assert any("2 of 6 ratings are above" in warning for warning in result.warnings)


def test_the_document_is_that_of_means_under_its_own_name() -> None:
    document = differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 10)).document()
    assert (document["model"], document["highest"], document["n_unmatched"]) == ("dmos", 10.0, 0)
    assert len(document["rows"]) == 2
    json.dumps(document, allow_nan=False)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(StatisticsError, match="No rater rated an image's original"):
        differential_opinion_scores(RATINGS, ORIGINALS.assign(image="sea"), scale=(1, 10))
    with pytest.raises(StatisticsError, match="originals have no column rating"):
        differential_opinion_scores(RATINGS, ORIGINALS[["rater", "image"]], scale=(1, 10))
    with pytest.raises(InvalidInputError, match="not on the scale 1 to 5"):
        differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 5))
    with pytest.raises(InvalidInputError, match="not bounded"):
        differential_opinion_scores(RATINGS, ORIGINALS, scale=(1, 10), interval="bounded")
