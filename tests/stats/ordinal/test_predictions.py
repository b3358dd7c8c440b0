"""Expected answers: against the data's shares, delta-method errors, and averages over raters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.ordinal.fitting import fit_ordinal
from mturk_eval.stats.ordinal.links import Link
from mturk_eval.stats.ordinal.predictions import expected_answers, random_variance_at
from tests.stats.ordinal.studies import slope_blocks, study


def test_without_columns_the_probabilities_are_the_shares() -> None:
    rating = study(1)["rating"]
    fit = fit_ordinal(rating, np.zeros((len(rating), 0)))
    expected = expected_answers(fit, np.zeros((1, 0)))
    shares = rating.value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(expected.probabilities[0], shares, atol=1e-9)
    assert expected.mean[0] == pytest.approx(rating.mean())
    # The shares' multinomial errors: the standard error of a mean.
    assert expected.mean_std_error[0] == pytest.approx(rating.std(ddof=0) / np.sqrt(len(rating)))


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_marginal_answers_are_the_average_over_many_raters(link: Link) -> None:
    table = study(1, link=link)
    fit = fit_ordinal(table["rating"], table[["x"]], slope_blocks(table), link=link)
    at = [np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 1))]
    variance = random_variance_at(fit, at)
    by_hand = np.array([1.0, 1.0]) @ fit.random[0].covariance @ np.array([1.0, 1.0])
    assert variance[1] == pytest.approx(by_hand + fit.random[1].covariance[0, 0])
    ours = expected_answers(fit, [[0.0], [1.0]], random_variance=variance)
    nodes = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    distribution = {"logit": stats.logistic, "probit": stats.norm}[link]
    for row, x in enumerate((0.0, 1.0)):
        eta = fit.coefficients[0] * x + np.sqrt(variance[row]) * nodes
        below = [distribution.cdf(t - eta).mean() for t in fit.thresholds]
        shares = np.diff([0.0, *below, 1.0])
        assert ours.marginal_probabilities is not None
        np.testing.assert_allclose(ours.marginal_probabilities[row], shares, atol=1e-5)
        observed = table.loc[table["x"] == x, "rating"].mean()
        assert ours.marginal_mean is not None
        assert ours.marginal_mean[row] == pytest.approx(observed, abs=0.15)


def test_averages_are_averages_with_their_own_error() -> None:
    table = study(1)
    fit = fit_ordinal(table["rating"], table[["x"]])
    each = expected_answers(fit, [[0.0], [1.0]])
    both = expected_answers(fit, [[0.0], [1.0]], average=[[0.5, 0.5]])
    assert both.mean[0] == pytest.approx(each.mean.mean())
    assert both.mean_std_error[0] < each.mean_std_error.mean()


def test_rows_that_do_not_fit_are_wrong_usage() -> None:
    table = study(1, images=3, raters=5)
    fit = fit_ordinal(table["rating"], table[["x"]], names=["x"])
    with pytest.raises(InvalidInputError, match="needs 1 values, of x"):
        expected_answers(fit, [[0.0, 1.0]])
