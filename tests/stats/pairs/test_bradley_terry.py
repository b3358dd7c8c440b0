"""Bradley-Terry: published fixtures, R's numbers, symmetries, and what has no finite answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.pairs.bradley_terry import fit_bradley_terry
from mturk_eval.stats.pairs.score_units import ScoreUnit
from mturk_eval.stats.pairs.vote_counts import VoteCounts, count_votes
from mturk_eval.stats.pairs.vote_scores import VoteScores, score_methods
from tests.stats.pairs.votes import (
    baseball_counts,
    citation_counts,
    error_of_difference,
    simulated_votes,
)
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


def test_citations_are_those_of_r() -> None:
    r = reference_models("citations")["bradley_terry"]
    items, counts = citation_counts()
    fit = fit_bradley_terry(counts, left_bias=False)
    first = items.index("Biometrika")
    for name, value in r["est"].items():
        item = items.index(name.removeprefix(".."))
        assert fit.scores[item] - fit.scores[first] == pytest.approx(value, abs=1e-6)
        error = error_of_difference(fit.covariance, first, item)
        assert error == pytest.approx(r["se"][name], rel=1e-5)


def test_home_advantage_is_that_of_r() -> None:
    models = reference_models("baseball")
    items, counts = baseball_counts()
    first = items.index("Baltimore")
    for key, home in (("no_order_effect", False), ("home_advantage", True)):
        r = models[key]
        fit = fit_bradley_terry(counts, left_bias=home)
        for item, team in enumerate(items):
            if item == first:
                continue
            value, error = r["est"][f"team{team}"], r["se"][f"team{team}"]
            assert fit.scores[item] - fit.scores[first] == pytest.approx(value, abs=1e-6)
            found = error_of_difference(fit.covariance, first, item)
            assert found == pytest.approx(error, rel=1e-5)
        if home:
            assert fit.left_bias == pytest.approx(r["est"]["at.home"], abs=1e-6)
            assert np.sqrt(fit.covariance[-1, -1]) == pytest.approx(r["se"]["at.home"], rel=1e-5)


FIVE = np.array(
    [[0, 12, 7, 9, 11], [5, 0, 8, 10, 6], [6, 9, 0, 7, 12], [3, 4, 8, 0, 9], [2, 7, 3, 6, 0]],
    dtype=float,
)


def test_choix_and_evalica_agree() -> None:
    """choix 0.4.1 (ilsr_pairwise_dense) and evalica 0.4.2 (bradley_terry), to all digits shown."""
    counts = VoteCounts.from_wins("abcde", FIVE)
    fit = fit_bradley_terry(counts, left_bias=False)
    expected = [0.7376932752, -0.0396296452, 0.201342316, -0.2702622124, -0.6291437336]
    np.testing.assert_allclose(fit.scores, expected, atol=1e-9)
    held = fit_bradley_terry(counts, left_bias=False, prior_sd=np.sqrt(4.5))
    choix_alpha = [0.7254902216, -0.0396496618, 0.1989632771, -0.2657651349, -0.6190387019]
    np.testing.assert_allclose(held.scores, choix_alpha, atol=1e-6)


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
    counts = VoteCounts.from_matrices(
        NAMES, left=on_left, right=(matrix - on_left).T, tie=np.zeros((4, 4))
    )
    fit = fit_bradley_terry(counts)
    bias = fit.left_bias or 0.0
    chance = 1 / (1 + np.exp(-(fit.scores[:, None] - fit.scores[None, :] + bias)))
    expected = (counts.shown * chance).sum(axis=1) + (counts.shown * (1 - chance)).sum(axis=0)
    np.testing.assert_allclose(expected, counts.wins.sum(axis=1), atol=1e-5)


@given(matrix=wins)
@settings(max_examples=30, deadline=None)
def test_mirrored_sides_mirror_the_bias(matrix: NDArray[np.float64]) -> None:
    turned = np.where(np.eye(4, dtype=bool), 0.0, matrix[::-1, ::-1] + 1)
    counts = VoteCounts.from_matrices(NAMES, left=matrix, right=turned)
    mirrored = VoteCounts.from_matrices(
        NAMES, left=counts.right.T, right=counts.left.T, tie=counts.tie
    )
    one, other = fit_bradley_terry(counts), fit_bradley_terry(mirrored)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    assert one.left_bias == pytest.approx(-(other.left_bias or 0.0), abs=1e-6)


def test_ties_follow_davidson() -> None:
    """One pair, 6 to 2 with 4 ties: s = log 3 and nu = 4 / sqrt(12), in closed form."""
    counts = VoteCounts.from_matrices(
        ("a", "b"),
        left=np.array([[0.0, 6], [0, 0]]),
        right=np.array([[0.0, 2], [0, 0]]),
        tie=np.array([[0.0, 4], [0, 0]]),
    )
    fit = fit_bradley_terry(counts, left_bias=False)
    assert fit.scores[0] - fit.scores[1] == pytest.approx(np.log(3))
    assert np.exp(fit.tie or 0.0) == pytest.approx(4 / np.sqrt(12))


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
    covered = []
    for seed in range(60):
        comparison = next(
            c
            for c in score_methods(simulated_votes(seed, rater_taste_sd=0.6)).comparisons
            if {c.item, c.over} == {"x", "y"}
        )
        # tastes vary, so the population's logit is a little nearer to zero than 0.8
        covered.append((comparison.ci_low or 0) <= 0.74 <= (comparison.ci_high or 0))
    assert np.mean(covered) >= 0.87


def test_davidson_finds_the_parameters_that_made_the_votes() -> None:
    votes = simulated_votes(1, n_raters=400, votes_each=50, tie=-0.5)
    result = score_methods(votes, unit="rating")
    score = {row.item: row for row in result.rows}
    for item, truth in (("x", 0.8), ("y", 0.0), ("z", -0.8)):
        assert score[item].score == pytest.approx(truth, abs=4 * (score[item].std_error or 0))
    assert result.left_bias == pytest.approx(0.3, abs=0.06)
    assert result.tie_parameter == pytest.approx(np.exp(-0.5), abs=0.04)


def test_many_items_are_solved_as_few_are() -> None:
    """Conjugate gradients beyond 150 items, Cholesky before: the same likelihood equations."""
    rng = np.random.default_rng(5)
    k, n = 220, 12_000
    scores = rng.normal(0, 0.6, k)
    i = rng.integers(0, k, n)
    j = (i + rng.integers(1, k, n)) % k
    left = rng.random(n) < 1 / (1 + np.exp(-(scores[i] - scores[j] + 0.2)))
    cells = np.zeros((k, k)), np.zeros((k, k))
    np.add.at(cells[0], (i[left], j[left]), 1)
    np.add.at(cells[1], (i[~left], j[~left]), 1)
    counts = VoteCounts.from_matrices([str(c) for c in range(k)], left=cells[0], right=cells[1])
    fit = fit_bradley_terry(counts)
    bias = fit.left_bias or 0.0
    chance = 1 / (1 + np.exp(-(fit.scores[:, None] - fit.scores[None, :] + bias)))
    expected = (counts.shown * chance).sum(axis=1) + (counts.shown * (1 - chance)).sum(axis=0)
    np.testing.assert_allclose(expected, counts.wins.sum(axis=1), atol=1e-6)
    assert (counts.shown * chance).sum() == pytest.approx(counts.left.sum(), abs=1e-6)
    np.testing.assert_allclose(fit.covariance[:k, :k].sum(axis=0), 0, atol=1e-10)
    weight = counts.shown * chance * (1 - chance)
    between = weight + weight.T
    information = np.diag(between.sum(axis=1)) - between
    border = weight.sum(axis=1) - weight.sum(axis=0)
    full = np.block([[information, border[:, None]], [border[None, :], weight.sum()]])
    np.testing.assert_allclose(fit.covariance, np.linalg.pinv(full), atol=1e-9)


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


@pytest.mark.parametrize(
    ("score_unit", "per_logit"), [("logit", 1.0), ("Elo", 173.7178), ("JOD", 1 / np.log(3))]
)
def test_units_are_linear_views(score_unit: ScoreUnit, per_logit: float) -> None:
    plain = score_methods(reference_votes())
    seen = score_methods(reference_votes(), score_unit=score_unit)
    assert seen.document()["unit"] == score_unit
    for row, other in zip(plain.rows, seen.rows, strict=True):
        assert other.score == pytest.approx(per_logit * row.score, rel=1e-6)
        assert other.ci_high == pytest.approx(per_logit * (row.ci_high or 0), rel=1e-6)
    assert seen.comparisons[0].probability == plain.comparisons[0].probability
    assert seen.left_bias == pytest.approx(per_logit * (plain.left_bias or 0), rel=1e-6)


def test_a_unit_of_the_other_model_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="choose one of logit, JOD, Elo"):
        score_methods(reference_votes(), score_unit="probit")


@pytest.mark.parametrize(
    "wrong", [{"ci_level": 1.5}, {"prior_sd": 0.0}, {"prior_sd": np.nan}, {"resamples": 1}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        score_methods(reference_votes(), **wrong)  # type: ignore[arg-type]


def test_a_prior_that_is_asked_for_is_labelled() -> None:
    free = score_methods(reference_votes())
    held = score_methods(reference_votes(), prior_sd=0.05)
    assert held.prior_sd == 0.05
    assert "normal prior" in held.ci_method
    assert any("asked for" in warning for warning in held.warnings)
    assert abs(held.rows[0].score) < abs(free.rows[0].score)
    assert free.prior_sd is None


def test_an_answer_that_is_none_is_refused_with_its_row() -> None:
    votes = _votes([("ann", "sky", "a", "b", "left"), ("bob", "sky", "b", "a", "middle")])
    with pytest.raises(StatisticsError, match=r"row 2 .*'middle'"):
        score_methods(votes)


def test_scores_do_not_exist_for_an_item_that_never_lost() -> None:
    wins = np.array([[0.0, 3, 2], [0, 0, 1], [0, 2, 0]])
    with pytest.raises(StatisticsError, match="never lost"):
        fit_bradley_terry(VoteCounts.from_wins("abc", wins), left_bias=False)


def test_far_apart_items_converge() -> None:
    """A chain of items, each 9 logits above the next, is no runaway: the maximum is finite."""
    wins = np.zeros((4, 4))
    for better in range(3):
        wins[better, better + 1], wins[better + 1, better] = 8_103.0, 1.0
    fit = fit_bradley_terry(VoteCounts.from_wins(NAMES, wins), left_bias=False)
    np.testing.assert_allclose(np.diff(fit.scores), -np.log(8_103.0), rtol=1e-6)
