"""Clustered errors: R's sandwich, brute force over votes, and quasi-variances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mturk_eval.stats.pairs.bradley_terry import fit_bradley_terry
from mturk_eval.stats.pairs.choice_models import ChoiceModel
from mturk_eval.stats.pairs.clustered import clustered_covariance, two_way_covariance
from mturk_eval.stats.pairs.maximum_likelihood import fit_pairs
from mturk_eval.stats.pairs.quasi_variances import quasi_variances
from mturk_eval.stats.pairs.vote_counts import CodedVotes
from mturk_eval.stats.pairs.vote_scores import score_methods
from tests.stats.pairs.votes import error_of_difference, simulated_votes
from tests.stats.reference import reference_models, reference_votes


@pytest.mark.parametrize("unit", ["worker", "image", "two_way"])
def test_errors_are_those_of_r_s_sandwich(unit: str) -> None:
    r = reference_models("votes_4methods")["bradley_terry"][f"se_cluster_{unit}"]
    votes = CodedVotes.of(reference_votes())
    fit = fit_bradley_terry(votes.counts, left_bias=False)
    covariance = (
        two_way_covariance(fit, votes)
        if unit == "two_way"
        else clustered_covariance(fit, votes, votes.rater if unit == "worker" else votes.image)
    )
    for item, expected in zip((1, 2, 3), r, strict=True):
        assert error_of_difference(covariance, 0, item) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model", ["bradley-terry", "thurstone"])
@pytest.mark.parametrize("n_raters", [3, 40])
def test_the_sandwich_is_the_sum_over_clusters_of_moved_estimates(
    model: ChoiceModel, n_raters: int
) -> None:
    votes = CodedVotes.of(simulated_votes(7, n_raters=n_raters, votes_each=60, tie=-0.7))
    fit = fit_pairs(votes.counts, model)
    chances = fit.chances(votes.counts)
    score = np.zeros((n_raters, len(fit.covariance)))
    for pair, answer, rater in zip(votes.pair, votes.answer, votes.rater, strict=True):
        by_difference = chances.by_difference[pair, answer]
        score[rater, votes.counts.left_item[pair]] += by_difference
        score[rater, votes.counts.right_item[pair]] -= by_difference
        score[rater, -2] += by_difference
        score[rater, -1] += chances.by_tie[pair, answer]
    np.testing.assert_allclose(score.sum(axis=0), 0, atol=1e-5)  # the likelihood equations
    expected = fit.covariance @ (score.T @ score) @ fit.covariance * n_raters / (n_raters - 1)
    found = clustered_covariance(fit, votes, votes.rater)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("prior_sd", [None, 1.5])
@pytest.mark.parametrize("k", [4, 120, 300])
def test_two_ways_are_the_sum_less_the_crossings(k: int, prior_sd: float | None) -> None:
    """The same from three sandwiches, of few items and of more than one block of them."""
    rng = np.random.default_rng(k)
    n = 20 * k
    left = rng.integers(0, k, n)
    votes = CodedVotes.of(
        pd.DataFrame(
            {
                "rater": rng.integers(0, 25, n),
                "image": rng.integers(0, 12, n),
                "method_left": left.astype(str),
                "method_right": ((left + rng.integers(1, k, n)) % k).astype(str),
                "choice": rng.choice(["left", "not_sure", "right"], n, p=[0.5, 0.1, 0.4]),
            }
        )
    )
    fit = fit_pairs(votes.counts, "bradley-terry", prior_sd=prior_sd)
    rater, image, crossed = (
        clustered_covariance(fit, votes, cluster)
        for cluster in (votes.rater, votes.image, votes.rater * votes.n_images + votes.image)
    )
    expected = rater + image - crossed
    scale = np.abs(expected).max()
    found = two_way_covariance(fit, votes)
    np.testing.assert_allclose(found, found.T, atol=1e-12 * scale)
    if np.linalg.eigvalsh(expected).min() > -1e-9 * scale:
        np.testing.assert_allclose(found, expected, atol=1e-11 * scale)


def test_one_cluster_tells_of_no_spread() -> None:
    votes = CodedVotes.of(simulated_votes(1, n_raters=1, votes_each=200))
    fit = fit_bradley_terry(votes.counts)
    assert np.isnan(clustered_covariance(fit, votes, votes.rater)).all()


def test_a_prior_keeps_unanimous_clusters_from_looking_certain() -> None:
    votes = simulated_votes(0, n_raters=12, votes_each=10, scores=(30.0, 0.0), left_bias=0.0)
    result = score_methods(votes)
    assert (result.comparisons[0].std_error or 0) > 0.5


def test_images_that_differ_are_seen_only_by_images() -> None:
    """Where images have tastes, errors over raters are far too small, as in every real study."""
    votes = simulated_votes(2, n_raters=60, votes_each=50, n_images=15, image_taste_sd=0.8)
    error = {
        unit: score_methods(votes, unit=unit).comparisons[0].std_error or 0
        for unit in ("rating", "rater", "image", "both")
    }
    assert error["image"] > 2 * error["rater"]
    assert error["both"] == pytest.approx(error["image"], rel=0.15)
    assert error["rater"] == pytest.approx(error["rating"], rel=0.25)


def _random_covariance(seed: int, k: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(3 * k, k))
    return half.T @ half / (3 * k)


def test_three_quasi_variances_are_exact() -> None:
    covariance = _random_covariance(4, 3)
    quasi = quasi_variances(covariance)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        expected = error_of_difference(covariance, a, b) ** 2
        assert quasi[a] + quasi[b] == pytest.approx(expected, rel=1e-8)


def test_quasi_variances_give_every_difference_nearly() -> None:
    votes = CodedVotes.of(reference_votes())
    fit = fit_bradley_terry(votes.counts, left_bias=False)
    quasi = quasi_variances(fit.covariance)
    for a in range(4):
        for b in range(a):
            error = error_of_difference(fit.covariance, a, b)
            assert np.sqrt(quasi[a] + quasi[b]) == pytest.approx(error, rel=0.02)


def test_quasi_variances_do_not_depend_on_the_reference() -> None:
    covariance = _random_covariance(8, 5)
    contrast = np.eye(5)
    contrast[:, 0] -= 1.0  # everything relative to the first
    relative = contrast @ covariance @ contrast.T
    np.testing.assert_allclose(quasi_variances(relative), quasi_variances(covariance), rtol=1e-7)


def test_two_items_have_none() -> None:
    assert np.isnan(quasi_variances(np.eye(2))).all()
