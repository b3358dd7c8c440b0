"""Likelihood ratios of nested cumulative models, and what is no comparison."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.ordinal.comparison import compare_ordinal
from mturk_eval.stats.ordinal.fitting import fit_ordinal
from tests.stats.ordinal.studies import random_block, slope_blocks, study
from tests.stats.reference import reference_models, reference_table


def test_a_slope_is_tested_against_the_boundary_mixture() -> None:
    table = study(1)
    image, rater = slope_blocks(table)
    intercepts = (random_block(table["image"]), rater)
    smaller = fit_ordinal(table["rating"], table[["x"]], intercepts)
    larger = fit_ordinal(table["rating"], table[["x"]], (image, rater))
    test = compare_ordinal(smaller, larger)
    gain = 2 * (larger.log_likelihood - smaller.log_likelihood)
    assert test.df == 2
    assert test.chi_square == pytest.approx(gain)
    expected = (stats.chi2.sf(gain, 1) + stats.chi2.sf(gain, 2)) / 2
    assert test.p_boundary == pytest.approx(expected)
    assert test.document()["n_observations"] == len(table)


def test_a_fixed_effect_is_tested_by_the_plain_chi_square() -> None:
    """The likelihood ratio of R's clm fits to the wine data."""
    table = reference_table("wine")
    fixed = np.column_stack([table["temp"] == "warm", table["contact"] == "yes"]).astype(float)
    larger = fit_ordinal(table["rating"], fixed)
    test = compare_ordinal(fit_ordinal(table["rating"], fixed[:, :1]), larger)
    assert (test.df, test.p_boundary) == (1, None)
    assert larger.log_likelihood == pytest.approx(reference_models("wine")[0]["logLik"])
    assert test.chi_square == pytest.approx(larger.z[1] ** 2, rel=0.15)


def test_models_that_are_not_nested_are_refused() -> None:
    table = study(1, images=5, raters=8)
    fixed = table[["x"]].to_numpy()
    image, rater = random_block(table["image"]), random_block(table["rater"], group="rater")
    by_image = fit_ordinal(table["rating"], fixed, (image,))
    by_rater = fit_ordinal(table["rating"], fixed, (rater,))
    plain = fit_ordinal(table["rating"], fixed)
    with pytest.raises(InvalidInputError, match="no place for its random term"):
        compare_ordinal(by_image, by_rater)
    with pytest.raises(InvalidInputError, match="the same"):
        compare_ordinal(plain, plain)
    with pytest.raises(InvalidInputError, match="different links"):
        compare_ordinal(fit_ordinal(table["rating"], fixed, link="probit"), by_image)
    with pytest.raises(InvalidInputError, match="different data"):
        compare_ordinal(fit_ordinal(table["rating"][:-1], fixed[:-1]), by_image)
    with pytest.raises(InvalidInputError, match="same predictions"):
        compare_ordinal(plain, fit_ordinal(table["rating"], fixed[:, :0], (image,)))
