"""Degrees of freedom against lmerTest, and where they are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df, satterthwaite_f
from tests.stats.mixed.reference_fits import MODELS, random_block, reference_fit
from tests.stats.reference import crossed_study


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_df_and_p_are_lmertest_s(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    r = reference.r.get("satterthwaite")
    if r is None:
        pytest.skip("no reference for this model")
    fit = reference.fit
    df = satterthwaite_df(fit, np.eye(fit.n_fixed))
    t = fit.estimates / np.sqrt(np.diag(fit.covariance))
    p = np.asarray(2 * stats.t.sf(np.abs(t), df))
    for place, term in enumerate(reference.terms):
        if not reference.r["singular"]:
            assert df[place] == pytest.approx(r["df"][term], rel=1e-4)
        assert p[place] == pytest.approx(r["p"][term], abs=0.02 if fit.singular else 1e-5)


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_the_f_test_of_the_method_is_lmertest_s(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    table = {row["term"]: row for row in reference.r.get("anova_typeIII", [])}
    if "method" not in table or reference.r["singular"]:
        pytest.skip("no reference for this model")
    row = table["method"]
    test = satterthwaite_f(reference.fit, np.eye(reference.fit.n_fixed)[1:])
    assert test.f == pytest.approx(row["F"], rel=1e-5)
    assert test.numerator_df == row["NumDF"]
    assert test.denominator_df == pytest.approx(row["DenDF"], rel=1e-4)
    assert test.p == pytest.approx(row["p"], abs=1e-6)


def _paired(images: int = 9) -> tuple[float, float]:
    """df and t of the method where every image has one answer per method."""
    study = crossed_study(4, images=images, raters=1)
    fixed = np.column_stack([np.ones(len(study)), study["method"] == "b"]).astype(np.float64)
    image = random_block("image", study, {"(Intercept)": np.ones(len(study))})
    fit = fit_linear(study["rating"].to_numpy(), fixed, [image])
    df = satterthwaite_df(fit, np.array([[0.0, 1.0]]))
    return float(df[0]), float(fit.estimates[1] / np.sqrt(fit.covariance[1, 1]))


def test_a_balanced_comparison_has_the_paired_t_test_s_df() -> None:
    df, t = _paired()
    study = crossed_study(4, images=9, raters=1).pivot(
        index="image", columns="method", values="rating"
    )
    expected = stats.ttest_rel(study["b"], study["a"])
    assert df == pytest.approx(8, rel=1e-6)
    assert t == pytest.approx(float(expected.statistic), rel=1e-6)


def test_without_random_terms_the_df_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    fixed = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    fit = fit_linear(rng.normal(size=40), fixed, [])
    np.testing.assert_allclose(satterthwaite_df(fit, np.eye(3)), 37.0, rtol=1e-10)


def test_one_row_of_contrasts_gives_t_squared_and_dependent_rows_count_once() -> None:
    fit = reference_fit("sim_unbalanced", 2).fit
    row = np.array([0.0, 1.0, -1.0, 0.0])
    one = satterthwaite_f(fit, row)
    t = row @ fit.estimates / np.sqrt(row @ fit.covariance @ row)
    assert one.f == pytest.approx(t**2)
    assert one.denominator_df == pytest.approx(satterthwaite_df(fit, row)[0])
    twice = satterthwaite_f(fit, np.vstack([row, 2 * row]))
    assert twice.numerator_df == 1
    assert twice.f == pytest.approx(one.f)


def test_units_do_not_matter() -> None:
    """A response in millions and a covariate in thousandths have the same df."""
    reference = reference_fit("sleepstudy", 0)
    fit = reference.fit
    scaled = fit.fixed * np.array([1.0, 1000.0])
    other = fit_linear(fit.response * 1e6, scaled, [replace(fit.blocks[0], columns=scaled)])
    np.testing.assert_allclose(
        satterthwaite_df(other, np.eye(2)), satterthwaite_df(fit, np.eye(2)), rtol=1e-5
    )


def test_a_contrast_of_zeros_is_refused() -> None:
    fit = reference_fit("sim_balanced", 0).fit
    with pytest.raises(StatisticsError, match="zero for every fixed effect"):
        satterthwaite_df(fit, np.zeros((1, 2)))
    with pytest.raises(StatisticsError, match="nothing to test"):
        satterthwaite_f(fit, np.zeros((1, 2)))
