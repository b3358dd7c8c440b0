"""Who guesses: known guessers are found, intervals cover, golden trials count, real votes agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.pairs.rater_model import Priors, RaterVotes, _objective
from mturk_eval.stats.pairs.rater_outliers import rater_distances
from mturk_eval.stats.pairs.rater_reliability import rater_reliability

_TONE_MAPPING = Path(__file__).parents[4] / "shared/reference/pairwise/pwcmp_video_tmo.csv"


def _study(
    seed: int, n_raters: int = 40, votes_each: int = 60
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Votes, and each rater's true share of guesses: a third guess often."""
    rng = np.random.default_rng(seed)
    often = rng.random(n_raters) < 0.3
    guessing = np.where(often, rng.uniform(0.5, 1, n_raters), rng.uniform(0, 0.2, n_raters))
    scores = np.array([1.5, 0.7, 0.0, -0.6, -1.6])
    rater = np.repeat(np.arange(n_raters), votes_each)
    pair = np.array([rng.permutation(5)[:2] for _ in rater])
    seen = 1 / (1 + np.exp(scores[pair[:, 1]] - scores[pair[:, 0]]))
    left = rng.random(len(rater)) < guessing[rater] / 2 + (1 - guessing[rater]) * seen
    names = np.array(list("abcde"))
    votes = pd.DataFrame(
        {"rater": rater, "method_left": names[pair[:, 0]], "method_right": names[pair[:, 1]],
         "choice": np.where(left, "left", "right")}
    )  # fmt: skip
    return votes, guessing


def test_guessers_are_found_and_their_intervals_cover() -> None:
    covered, correlation = [], []
    for seed in range(12):
        votes, guessing = _study(seed)
        row = {int(row.rater): row for row in rater_reliability(votes).rows}
        covered += [row[r].ci_low <= q <= row[r].ci_high for r, q in enumerate(guessing)]
        found = [row[r].guessing for r in range(len(guessing))]
        correlation.append(np.corrcoef(found, guessing)[0, 1])
    assert 0.91 <= np.mean(covered) <= 0.99
    assert np.mean(correlation) > 0.85


def test_the_gradient_is_the_objective_s() -> None:
    rng = np.random.default_rng(0)
    votes = RaterVotes(
        winner=rng.integers(0, 4, 50),
        loser=rng.integers(0, 4, 50),
        rater=rng.integers(0, 3, 50),
        weight=rng.choice([0.5, 1.0], 50),
        n_items=4,
        n_raters=3,
        golden_right=np.array([3.0, 0.5, 0.0]),
        golden_wrong=np.array([1.0, 0.5, 0.0]),
    )
    priors = Priors(score_sd=1.5, a=1.5, b=2.5)
    theta = np.array([0.5, -0.2, 0.1, -0.7, 0.3, 0.6, 0.1])
    _, gradient = _objective(theta, votes, priors)

    def value(at: NDArray[np.float64]) -> float:
        return _objective(at, votes, priors)[0]

    numeric = approx_fprime(theta, value, 1e-7)
    np.testing.assert_allclose(gradient, numeric, atol=1e-4)


def test_golden_trials_tell_where_votes_cannot() -> None:
    """Two raters with the same few votes: one fails the golden trials, the other passes."""
    votes, _ = _study(3, n_raters=6)
    golden = pd.DataFrame(
        [(rater, "left" if n % 2 or rater == 0 else "right", "left" if n % 2 else "right")
         for rater in (0, 1, 99) for n in range(10)],
        columns=["rater", "choice", "expected"],
    )  # fmt: skip
    plain = {row.rater: row for row in rater_reliability(votes).rows}
    told = {row.rater: row for row in rater_reliability(votes, golden).rows}
    assert (told["0"].golden, told["0"].golden_right) == (10, 5)
    assert told["0"].guessing > plain["0"].guessing
    assert told["1"].guessing <= plain["1"].guessing
    assert told["99"].n_votes == 0
    assert told["99"].agreement is None
    assert told["99"].ci_high < 0.6


def test_methods_are_items_of_their_own_at_each_rate() -> None:
    """Everybody is right about a reversal between rates; pooled, everybody seems to guess."""
    rng = np.random.default_rng(2)
    rows = []
    for rater in range(20):
        for bpp, better in ((0.1, "a"), (0.9, "b")):
            for _ in range(15):
                left, right = rng.permutation(["a", "b"])
                choice = "left" if (left == better) == (rng.random() < 0.9) else "right"
                rows.append((rater, bpp, left, right, choice))
    columns = ["rater", "bpp", "method_left", "method_right", "choice"]
    votes = pd.DataFrame(rows, columns=columns)
    apart, pooled = rater_reliability(votes), rater_reliability(votes, items_within=())
    assert {item for item, _ in apart.scores} == {"a · 0.1", "b · 0.1", "a · 0.9", "b · 0.9"}
    assert np.mean([row.agreement for row in apart.rows]) > 0.85
    assert np.mean([row.agreement for row in pooled.rows]) < 0.6


def test_the_document_is_finite_and_says_what_was_assumed() -> None:
    votes, _ = _study(1, n_raters=5, votes_each=8)
    votes.loc[0, "choice"] = "not_sure"
    document = rater_reliability(votes).document()
    assert document["model"] == "rater-reliability"
    assert document["n_observations"] == 40
    assert document["prior_guessing"] == [1.0, 1.5]
    assert any("not sure" in warning for warning in document["warnings"])
    assert any("fewer than 10 answers" in warning for warning in document["warnings"])
    assert all(0 <= row["ci_low"] <= row["guessing"] <= row["ci_high"] <= 1
               for row in document["rows"])  # fmt: skip


def test_what_tells_nothing_is_refused() -> None:
    votes, _ = _study(1, n_raters=3, votes_each=4)
    with pytest.raises(StatisticsError, match="no golden trials"):
        rater_reliability(votes.assign(method_left="a", method_right="a"))
    with pytest.raises(InvalidInputError, match="no column expected"):
        rater_reliability(votes, votes[["rater", "choice"]])
    with pytest.raises(InvalidInputError, match="prior"):
        rater_reliability(votes, prior_guessing=(0.5, 1))
    with pytest.raises(StatisticsError, match="at least 4 raters"):
        rater_distances(votes)


def test_the_two_outlying_observers_of_the_tone_mapping_study() -> None:
    """Its authors leave out exactly two of eighteen; both looks find the same two."""
    if not _TONE_MAPPING.exists():
        pytest.skip("pwcmp_video_tmo.csv is not in ../shared/reference/pairwise")
    table = pd.read_csv(_TONE_MAPPING)
    votes = pd.DataFrame(
        {"rater": table["observer"], "image": table["scene"],
         "method_left": table["condition_A"], "method_right": table["condition_B"],
         "choice": np.where(table["is_A_selected"] == 1, "left", "right")}
    )  # fmt: skip
    guessing = rater_reliability(votes, items_within=("image",)).rows
    assert [row.ci_low > 0.1 for row in guessing[:3]] == [True, True, False]
    scene = votes["image"] + " "
    own_items = votes.assign(
        method_left=scene + votes["method_left"], method_right=scene + votes["method_right"]
    )
    distances = rater_distances(own_items)
    outlying = {row.rater for row in distances if row.outlying}
    assert len(outlying) == 2
    assert outlying == {row.rater for row in guessing[:2]}
