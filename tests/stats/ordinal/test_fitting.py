"""Fits: known truth, symmetries, boundaries, and refusals that name their reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ordinal.fit import OrdinalFit
from mturk_eval.stats.ordinal.fitting import fit_ordinal
from mturk_eval.stats.ordinal.links import Link
from tests.stats.ordinal.studies import random_block, slope_blocks, study


def _slope_fit(seed: int = 1, link: Link = "logit") -> OrdinalFit:
    table = study(seed, link=link)
    return fit_ordinal(table["rating"], table[["x"]], slope_blocks(table), link=link, names=["x"])


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_the_truth_is_found_on_average(link: Link) -> None:
    """Means over studies of effect, slope and rater SDs; and z of the effect is standard."""
    fits = [_slope_fit(seed, link) for seed in range(16)]
    effects = np.array([fit.coefficients[0] for fit in fits])
    errors = np.array([fit.std_errors[0] for fit in fits])
    assert effects.mean() == pytest.approx(0.8, abs=3 * effects.std() / 4)
    assert np.std((effects - 0.8) / errors) == pytest.approx(1, abs=0.5)
    slopes = [fit.random[0].std_devs[1] for fit in fits]
    raters = [fit.random[1].std_devs[0] for fit in fits]
    assert np.mean(slopes) == pytest.approx(0.8, abs=0.2)
    assert np.mean(raters) == pytest.approx(1.0, abs=0.15)
    assert np.mean([fit.thresholds for fit in fits], axis=0) == pytest.approx(
        np.linspace(-1.5, 2.5, 4), abs=0.3
    )


def test_modes_follow_the_true_effects_and_cover_them() -> None:
    rng = np.random.default_rng(8)
    truth = rng.normal(0, 1, 60)
    rater = np.repeat(np.arange(60, dtype=np.int32), 20)
    latent = truth[rater] + rng.logistic(size=len(rater))
    rating = np.digitize(latent, [-1.5, -0.5, 0.5, 1.5])
    term = fit_ordinal(
        rating, np.zeros((len(rater), 0)), [random_block(rater, group="rater")]
    ).random[0]
    assert np.corrcoef(term.modes[:, 0], truth)[0, 1] > 0.85
    z = (term.modes[:, 0] - (truth - truth.mean())) / term.mode_std_errors[:, 0]
    assert 0.75 < z.std() < 1.3


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 50), stretch=st.floats(0.01, 50), shift=st.floats(-20, 20))
def test_only_the_order_of_the_answers_counts(seed: int, stretch: float, shift: float) -> None:
    table = study(seed, images=4, raters=6)
    fixed = table[["x"]].to_numpy()
    plain = fit_ordinal(table["rating"], fixed)
    other = fit_ordinal(np.exp(table["rating"] / 3) * stretch + shift, fixed)
    np.testing.assert_allclose(other.coefficients, plain.coefficients, atol=1e-9)
    np.testing.assert_allclose(other.covariance, plain.covariance, atol=1e-9)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_a_reversed_scale_reverses_the_signs(link: Link) -> None:
    table = study(3, images=6, raters=10, link=link)
    up, down = (
        fit_ordinal(sign * table["rating"], table[["x"]], slope_blocks(table), link=link)
        for sign in (1, -1)
    )
    assert down.log_likelihood == pytest.approx(up.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(down.coefficients, -up.coefficients, atol=1e-5)
    np.testing.assert_allclose(down.thresholds, -up.thresholds[::-1], atol=1e-5)
    np.testing.assert_allclose(down.std_errors, up.std_errors, rtol=1e-4)


def test_units_and_origin_of_a_column_change_nothing_else() -> None:
    """A covariate in years: mean 2,000, a spread of one."""
    table = study(3, images=6, raters=10)
    year = 2000 + 2 * table["x"].to_numpy()
    rater = random_block(table["rater"], group="rater")
    plain = fit_ordinal(table["rating"], table[["x"]], slope_blocks(table))
    moved = fit_ordinal(table["rating"], year[:, None], (random_block(table["image"], year), rater))
    assert moved.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
    assert 2 * moved.coefficients[0] == pytest.approx(plain.coefficients[0], abs=1e-4)
    assert 2 * moved.std_errors[0] == pytest.approx(plain.std_errors[0], rel=1e-3)
    assert 2 * moved.random[0].std_devs[1] == pytest.approx(plain.random[0].std_devs[1], rel=1e-3)


def test_the_order_of_rows_and_terms_does_not_matter() -> None:
    table = study(6, images=6, raters=10)
    mixed = table.sample(frac=1, random_state=0)
    one = fit_ordinal(table["rating"], table[["x"]], slope_blocks(table))
    two = fit_ordinal(mixed["rating"], mixed[["x"]], slope_blocks(mixed)[::-1])
    assert two.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(two.std_errors, one.std_errors, rtol=1e-5)
    assert [term.group for term in two.random] == ["rater", "image"]
    np.testing.assert_allclose(two.random[1].modes, one.random[0].modes, atol=1e-4)


def test_independent_slopes_have_no_covariance() -> None:
    table = study(2)
    x = table["x"].to_numpy()
    image = random_block(table["image"], x, correlated=False)
    rater = random_block(table["rater"], group="rater")
    fit = fit_ordinal(table["rating"], x[:, None], (image, rater))
    free = fit_ordinal(table["rating"], x[:, None], slope_blocks(table))
    assert fit.random[0].covariance[0, 1] == 0
    assert fit.log_likelihood < free.log_likelihood
    assert (fit.n_parameters, free.n_parameters) == (8, 9)


def test_a_variance_of_zero_is_named_and_costs_nothing() -> None:
    """Ratings that ignore the image: the fit equals that without images."""
    table = study(7, image_sd=0, slope_sd=0, raters=20)
    rng = np.random.default_rng(1)
    image = rng.permutation(table["image"])
    rater = random_block(table["rater"], group="rater")
    with_image = fit_ordinal(table["rating"], table[["x"]], (random_block(image), rater))
    without = fit_ordinal(table["rating"], table[["x"]], (rater,))
    assert with_image.singular
    assert with_image.converged
    assert with_image.random[0].std_devs[0] == 0
    assert any("(Intercept) by image is estimated as zero" in w for w in with_image.warnings)
    assert with_image.log_likelihood == pytest.approx(without.log_likelihood, abs=1e-5)
    np.testing.assert_allclose(with_image.std_errors, without.std_errors, rtol=1e-4)


def test_a_perfect_correlation_is_named() -> None:
    table = study(11, images=4, raters=6, image_sd=0.4, slope_sd=0.4)
    fit = fit_ordinal(table["rating"], table[["x"]], slope_blocks(table))
    assert fit.singular
    assert abs(fit.random[0].correlations[0, 1]) == pytest.approx(1, abs=1e-6)
    assert any("perfectly correlated" in warning for warning in fit.warnings)


def test_categories_nobody_chose_are_said_and_left_out() -> None:
    table = study(1, categories=10)
    rating = table["rating"].replace({2.0: 1.0, 7.0: 8.0})
    fit = fit_ordinal(rating, table[["x"]])
    assert len(fit.thresholds) == len(fit.categories) - 1 == 7
    assert "1|3" in fit.threshold_names
    assert any("No answer is 2, 7" in warning for warning in fit.warnings)


def test_a_scale_in_tens_has_no_gaps() -> None:
    table = study(1)
    assert fit_ordinal(table["rating"] * 10, table[["x"]]).warnings == ()


def test_a_rater_who_always_gave_the_top_is_said() -> None:
    table = study(1)
    table.loc[table["rater"] == "r003", "rating"] = 5.0
    fit = fit_ordinal(table["rating"], table[["x"]], slope_blocks(table))
    assert any("Every answer of rater r003 is the highest" in w for w in fit.warnings)
    assert np.isfinite(fit.random[1].modes).all()


def test_a_method_that_always_got_the_top_is_refused() -> None:
    table = study(1)
    table.loc[table["method"] == "b", "rating"] = 5.0
    for blocks in ((), slope_blocks(table)):
        with pytest.raises(StatisticsError, match="separate along x"):
            fit_ordinal(table["rating"], table[["x"]], blocks, names=["x"])


def test_separation_by_two_columns_names_both() -> None:
    """Neither alone separates, their sum does."""
    rng = np.random.default_rng(3)
    fixed = rng.normal(size=(80, 2))
    with pytest.raises(StatisticsError, match=r"separate along (u and v|v and u)"):
        fit_ordinal(fixed.sum(axis=1) > 0, fixed, names=["u", "v"])


def test_a_steep_effect_is_no_separation() -> None:
    x = np.linspace(-3, 3, 200)
    rng = np.random.default_rng(0)
    fit = fit_ordinal(8 * x + rng.logistic(size=200) > 0, x[:, None])
    assert fit.converged
    assert fit.coefficients[0] == pytest.approx(8, abs=5)


def test_raters_who_answer_all_or_nothing_have_no_variance() -> None:
    rater = np.repeat(np.arange(20), 10)
    x = np.tile(np.arange(10.0), 20)
    with pytest.raises(StatisticsError, match=r"by rater grows without end"):
        fit_ordinal(rater % 2, x[:, None], [random_block(rater, group="rater")])


@pytest.mark.parametrize(
    ("rating", "fixed", "says"),
    [
        ([3, 3, 3, 3], [[0], [1], [0], [1]], "Every answer is 3"),
        ([1, 2, 1, 2], [[1], [1], [1], [1]], "x1 has one value"),
        ([1, 2, 1, 2], [[1, 2], [2, 4], [3, 6], [4, 8]], "cannot be told apart"),
        (np.arange(150), np.zeros((150, 0)), "150 distinct values"),
    ],
)
def test_data_that_do_not_determine_the_model_are_refused(
    rating: object, fixed: object, says: str
) -> None:
    with pytest.raises(StatisticsError, match=says):
        fit_ordinal(rating, fixed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codes", "says"),
    [(np.zeros(8), "There is one image"), (np.arange(8), "8 coefficients for 8 answers")],
)
def test_groups_that_carry_no_variance_are_refused(codes: np.ndarray, says: str) -> None:
    with pytest.raises(StatisticsError, match=says):
        fit_ordinal([1, 2, 3, 1, 2, 3, 1, 2], np.zeros((8, 0)), [random_block(codes)])


@pytest.mark.parametrize(
    ("rating", "fixed", "says"),
    [
        ([1, np.nan, 2], np.zeros((3, 0)), "row 2 is not"),
        ([1, 2, 3], [[1], [np.inf], [2]], "row 2 is not"),
        ([1, 2, 3], np.zeros((2, 0)), "shape"),
        ([], np.zeros((0, 0)), "at least 1"),
    ],
)
def test_arrays_that_do_not_fit_are_wrong_usage(rating: object, fixed: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        fit_ordinal(rating, fixed)  # type: ignore[arg-type]


def test_an_unknown_link_is_wrong_usage() -> None:
    with pytest.raises(InvalidInputError, match="no link 'cloglog'"):
        fit_ordinal([1, 2], np.zeros((2, 0)), link="cloglog")  # type: ignore[arg-type]


def test_dependent_columns_of_a_slope_are_refused() -> None:
    table = study(1)
    x = table["x"].to_numpy()
    with pytest.raises(StatisticsError, match="linearly dependent"):
        fit_ordinal(table["rating"], x[:, None], [random_block(table["image"], x, 1 - x)])
