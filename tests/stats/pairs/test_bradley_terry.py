"""Bradley-Terry: published fixtures, R's numbers, symmetries, and what has no finite answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.pairs.bradley_terry import fit_bradley_terry
from mturk_eval.stats.pairs.vote_counts import VoteCounts, count_votes
from mturk_eval.stats.pairs.vote_scores import VoteScores, score_methods
from mturk_eval.stats.resampling.weights import ResamplingUnit
from tests.stats.reference import reference_models, reference_votes

FOUR = np.array([[0, 3, 2, 7], [1, 0, 6, 3], [4, 3, 0, 0], [1, 2, 5, 0]], dtype=float)
NAMES = ("a", "b", "c", "d")

wins = st.lists(st.integers(1, 40), min_size=12, max_size=12).map(
    lambda cells: _off_diagonal(np.array(cells, dtype=float))
)


def _off_diagonal(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.zeros((4, 4))
    matrix[~np.eye(4, dtype=bool)] = cells
    return matrix


def _scores(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return fit_bradley_terry(VoteCounts.from_wins(NAMES, matrix), left_bias=False).scores


def _votes(rows: list[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rater", "image", "method_left", "method_right", "choice"])


def _differences(result: VoteScores) -> dict[str, float]:
    score = {row.item: row.score for row in result.rows}
    return {item: value - score["a"] for item, value in score.items()}


def test_the_fixture_of_the_methodology() -> None:
    fit = fit_bradley_terry(VoteCounts.from_wins(NAMES, FOUR), left_bias=False)
    np.testing.assert_allclose(fit.scores, [0.5099, 0.0740, -0.4704, -0.1135], atol=5e-5)
    errors = np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(errors, [0.3804, 0.3680, 0.3580, 0.3651], atol=5e-5)
    v = fit.covariance
    assert np.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1]) == pytest.approx(0.6342, abs=5e-5)


def test_plain_scores_are_those_of_r() -> None:
    r = reference_models("votes_4methods")["bradley_terry"]
    fit = fit_bradley_terry(count_votes(reference_votes()), left_bias=False)
    np.testing.assert_allclose(
        fit.scores[1:] - fit.scores[0], [r["est"][k] for k in ("Xb", "Xc", "Xd")], atol=1e-6
    )
    assert fit.log_likelihood == pytest.approx(r["logLik"], abs=1e-6)
    v = fit.covariance
    for item, key in ((1, "Xb"), (2, "Xc"), (3, "Xd")):
        error = np.sqrt(v[0, 0] + v[item, item] - 2 * v[0, item])
        assert error == pytest.approx(r["se"][key], abs=1e-6)


def test_the_left_bias_is_that_of_r() -> None:
    r = reference_models("votes_4methods")["bradley_terry_left_bias"]
    result = score_methods(reference_votes(), unit="rating")
    assert result.left_bias == pytest.approx(r["est"]["(Intercept)"], abs=1e-6)
    assert result.left_bias_std_error == pytest.approx(r["se"]["(Intercept)"], abs=1e-5)
    differences = _differences(result)
    assert differences["b"] == pytest.approx(r["est"]["Xb"], abs=1e-6)
    assert differences["d"] == pytest.approx(r["est"]["Xd"], abs=1e-6)


@pytest.mark.parametrize(
    ("unit", "key"),
    [
        ("rater", "se_cluster_worker"),
        ("image", "se_cluster_image"),
        ("both", "se_cluster_two_way"),
    ],
)
def test_clustered_errors_are_those_of_r_s_sandwich(unit: ResamplingUnit, key: str) -> None:
    """R's are without the left term, which changes them by half a percent at most here."""
    expected = reference_models("votes_4methods")["bradley_terry"][key]
    result = score_methods(reference_votes(), unit=unit)
    error = {frozenset((c.item, c.over)): c.std_error for c in result.comparisons}
    for item, value in zip("bcd", expected, strict=True):
        assert error[frozenset(("a", item))] == pytest.approx(value, rel=5e-3)


@given(matrix=wins, order=st.permutations(range(4)))
@settings(max_examples=40, deadline=None)
def test_scores_follow_their_methods(matrix: NDArray[np.float64], order: list[int]) -> None:
    """Renaming methods renames their scores and changes nothing else."""
    np.testing.assert_allclose(
        _scores(matrix[np.ix_(order, order)]), _scores(matrix)[order], atol=1e-6
    )


@given(matrix=wins)
@settings(max_examples=40, deadline=None)
def test_turning_every_vote_turns_every_score(matrix: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(_scores(matrix.T), -_scores(matrix), atol=1e-6)


@given(matrix=wins, left=st.floats(0.2, 0.8))
@settings(max_examples=40, deadline=None)
def test_expected_wins_are_observed_wins(matrix: NDArray[np.float64], left: float) -> None:
    """The likelihood equations: the model predicts every method's number of wins."""
    matrix = np.where(matrix > 0, matrix + 1, 0)  # both sides win at least once
    on_left = np.where(matrix > 0, np.clip(np.round(matrix * left), 1, matrix - 1), 0)
    counts = VoteCounts(items=NAMES, left=on_left, right=(matrix - on_left).T, tie=np.zeros((4, 4)))
    fit = fit_bradley_terry(counts)
    bias = fit.left_bias or 0.0
    chance = 1 / (1 + np.exp(-(fit.scores[:, None] - fit.scores[None, :] + bias)))
    expected = (counts.shown * chance).sum(axis=1) + (counts.shown * (1 - chance)).sum(axis=0)
    np.testing.assert_allclose(expected, counts.wins.sum(axis=1), atol=1e-5)


@given(matrix=wins)
@settings(max_examples=30, deadline=None)
def test_mirrored_sides_mirror_the_bias(matrix: NDArray[np.float64]) -> None:
    counts = VoteCounts(
        items=NAMES, left=matrix, right=matrix[::-1, ::-1] + 1, tie=np.zeros((4, 4))
    )
    counts.right[np.eye(4, dtype=bool)] = 0
    mirrored = VoteCounts(items=NAMES, left=counts.right.T, right=counts.left.T, tie=counts.tie)
    one, other = fit_bradley_terry(counts), fit_bradley_terry(mirrored)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    assert one.left_bias == pytest.approx(-(other.left_bias or 0.0), abs=1e-6)


def test_ties_follow_davidson() -> None:
    """One pair, 6 to 2 with 4 ties: s = log 3 and nu = 4 / sqrt(12), in closed form."""
    counts = VoteCounts(
        items=("a", "b"),
        left=np.array([[0.0, 6], [0, 0]]),
        right=np.array([[0.0, 2], [0, 0]]),
        tie=np.array([[0.0, 4], [0, 0]]),
    )
    fit = fit_bradley_terry(counts, left_bias=False)
    assert fit.scores[0] - fit.scores[1] == pytest.approx(np.log(3))
    assert np.exp(fit.log_tie or 0.0) == pytest.approx(4 / np.sqrt(12))


def test_unanimous_votes_get_a_ridge_and_say_so() -> None:
    votes = _votes([(f"r{n}", "sky", *("ab" if n % 2 else "ba"), "left" if n % 2 else "right")
                    for n in range(10)])  # fmt: skip
    result = score_methods(votes)
    assert not result.connected
    assert [row.item for row in result.rows] == ["a", "b"]
    assert np.isfinite(result.rows[0].score)
    assert any("ridge" in warning for warning in result.warnings)
    assert result.document()["connected"] is False


def test_everybody_choosing_left_is_a_bias_without_bound() -> None:
    votes = _votes([(f"r{n}", "sky", *("ab" if n % 2 else "ba"), "left") for n in range(10)])
    result = score_methods(votes)
    assert result.connected
    assert any("ridge" in warning for warning in result.warnings)
    assert (result.left_bias or 0) > 1


def test_fixed_sides_leave_no_bias_to_estimate() -> None:
    votes = _votes([(f"r{n}", "sky", "a", "b", "left" if n % 3 else "right") for n in range(30)])
    result = score_methods(votes)
    assert result.left_bias is None
    assert _differences(result)["b"] == pytest.approx(np.log(10 / 20))


def test_a_known_truth_is_covered_by_intervals_over_raters() -> None:
    truth, bias = np.array([0.8, 0.0, -0.8]), 0.3
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pair = np.array([rng.permutation(3)[:2] for _ in range(600)])
        rater = np.repeat(np.arange(30), 20)
        own = rng.normal(0, 0.6, (30, 3))  # a rater's own taste
        value = truth[None, :] + own[rater]
        rows = np.arange(600)
        odds = value[rows, pair[:, 0]] - value[rows, pair[:, 1]] + bias
        left = rng.random(600) < 1 / (1 + np.exp(-odds))
        votes = pd.DataFrame(
            {"rater": rater, "image": "sky", "method_left": np.array(list("xyz"))[pair[:, 0]],
             "method_right": np.array(list("xyz"))[pair[:, 1]],
             "choice": np.where(left, "left", "right")}
        )  # fmt: skip
        comparison = next(
            c for c in score_methods(votes).comparisons if {c.item, c.over} == {"x", "y"}
        )
        # tastes vary, so the population's logit is a little nearer to zero than 0.8
        covered.append((comparison.ci_low or 0) <= 0.74 <= (comparison.ci_high or 0))
    assert np.mean(covered) >= 0.87


def test_one_rater_has_scores_and_no_interval() -> None:
    votes = _votes([("ann", f"i{n}", "a", "b", "left" if n % 3 else "right") for n in range(9)])
    result = score_methods(votes)
    assert result.rows[0].ci_low is None
    assert any("one rater" in warning for warning in result.warnings)


def test_the_document_is_the_contract_s() -> None:
    document = score_methods(reference_votes()).document()
    assert {"model", "n_observations", "generalises_to", "warnings", "rows", "unit", "left_bias",
            "ties", "n_votes", "connected"} <= set(document)  # fmt: skip
    assert set(document["rows"][0]) == {"item", "score", "std_error", "ci_low", "ci_high"}
    assert (document["unit"], document["n_votes"], document["ties"]) == ("logit", 28_800, 0)
    assert document["generalises_to"] == ["raters"]
    assert sum(row["score"] for row in document["rows"]) == pytest.approx(0, abs=1e-9)


def test_votes_between_a_method_and_itself_are_left_out() -> None:
    votes = _votes([("ann", "sky", "a", "a", "left"), ("bob", "sky", "b", "b", "right")])
    with pytest.raises(StatisticsError, match="two different methods"):
        score_methods(votes)
