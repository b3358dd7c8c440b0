"""Marginal means and their contrasts against lmerTest's ls_means, and by their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.mixed.inference import DegreesOfFreedom, infer
from mturk_eval.stats.mixed.marginal_means import (
    Adjustment,
    MarginalMeans,
    averaged_rows,
    marginal_means,
    reference_grid,
)
from tests.stats.mixed.fitted import THREE_METHODS, designed, fitted
from tests.stats.reference import crossed_study, reference_models, reference_table

METHODS = ("bpg", "jxl", "webp")


def _of_three_methods(df: DegreesOfFreedom, **how: Any) -> MarginalMeans:
    table = reference_table("three_methods")
    fit, design = fitted(THREE_METHODS, table), designed(THREE_METHODS, table)
    grid = reference_grid({"method": METHODS, "rate": ("high", "low")}, {})
    rows = averaged_rows(design.fixed_columns.rows_for(grid), grid["method"], METHODS)  # type: ignore[arg-type]
    inference = infer(fit, df)
    return marginal_means(
        "method",
        METHODS,
        rows,
        estimates=fit.estimates,
        covariance=inference.covariance,
        degrees_of_freedom=inference.degrees_of_freedom,
        n_observations=fit.n_observations,
        generalises_to=("images", "raters"),
        **how,
    )


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_means_and_contrasts_are_lmertest_s(df: DegreesOfFreedom) -> None:
    result = _of_three_methods(df)
    reference = reference_models("three_methods")[0]
    for mean, row in zip(
        result.means, reference["marginal_means"][df.replace("-", "_")], strict=True
    ):
        assert mean.level == row["name"]
        for name in ("estimate", "std_error", "df", "ci_low", "ci_high"):
            assert getattr(mean, name) == pytest.approx(row[name], rel=1e-4)
    for contrast, row in zip(
        result.contrasts, reference["pairwise"][df.replace("-", "_")], strict=True
    ):
        # Ours is the later level minus the earlier one, as in the balanced check.
        assert f"{contrast.reference} - {contrast.level}" == row["name"]
        assert contrast.estimate == pytest.approx(-row["estimate"], rel=1e-4)
        assert contrast.t == pytest.approx(-row["t"], rel=1e-4)
        assert contrast.ci_low == pytest.approx(-row["ci_high"], rel=1e-4)
        for name in ("std_error", "df", "p"):
            assert getattr(contrast, name) == pytest.approx(row[name], rel=1e-4)


def test_holm_s_and_tukey_s_p_values_are_r_s() -> None:
    reference = reference_models("three_methods")[0]
    for adjustment, name in (("holm", "holm_p"), ("tukey", "tukey_p")):
        result = _of_three_methods("satterthwaite", adjustment=adjustment)
        adjusted = [contrast.p_adjusted for contrast in result.contrasts]
        np.testing.assert_allclose(adjusted, reference[name], rtol=1e-4)


def test_simultaneous_intervals_are_tukey_s_or_bonferroni_s() -> None:
    quantiles = reference_models("three_methods")[0]["tukey_q"]
    tukey = _of_three_methods("satterthwaite", adjustment="tukey", simultaneous=True)
    half = [(c.ci_high - c.ci_low) / 2 / c.std_error for c in tukey.contrasts]
    np.testing.assert_allclose(half, quantiles, rtol=1e-4)
    bonferroni = _of_three_methods("satterthwaite", simultaneous=True)
    single = _of_three_methods("satterthwaite", ci_level=1 - 0.05 / 3)
    for wide, one in zip(bonferroni.contrasts, single.contrasts, strict=True):
        assert wide.ci_low == pytest.approx(one.ci_low, rel=1e-9)
    assert bonferroni.document()["contrast_intervals"] == "Bonferroni"


@pytest.mark.parametrize("adjustment", ["holm", "tukey", "none"])
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(adjustment: Adjustment) -> None:
    contrasts = _of_three_methods("kenward-roger", adjustment=adjustment).contrasts
    ordered = sorted(contrasts, key=lambda contrast: contrast.p)
    assert all(contrast.p_adjusted >= contrast.p for contrast in contrasts)
    assert [c.p_adjusted for c in ordered] == sorted(c.p_adjusted for c in contrasts)


def test_without_degrees_of_freedom_the_tests_are_normal() -> None:
    result = _of_three_methods("none", adjustment="tukey", simultaneous=True)
    assert all(contrast.df is None for contrast in result.contrasts)
    first = result.contrasts[0]
    half_width = (first.ci_high - first.ci_low) / 2 / first.std_error
    assert half_width == pytest.approx(3.3145 / np.sqrt(2), rel=1e-4)  # tables of q(3, infinity)


def test_two_methods_need_no_adjustment() -> None:
    """One pair: Holm, Tukey and a single test are the same."""
    fit = fitted("rating ~ method + (1 + method | image) + (1 | rater)", crossed_study(4))
    inference = infer(fit, "satterthwaite")
    p_values = [
        marginal_means(
            "method",
            ("a", "b"),
            [[1.0, 0.0], [1.0, 1.0]],
            estimates=fit.estimates,
            covariance=inference.covariance,
            degrees_of_freedom=inference.degrees_of_freedom,
            n_observations=fit.n_observations,
            generalises_to=(),
            adjustment=adjustment,
            simultaneous=True,
        )
        .contrasts[0]
        .document()
        for adjustment in ("holm", "tukey", "none")
    ]
    for name in ("p_adjusted", "ci_low", "ci_high"):
        values = [row[name] for row in p_values]
        np.testing.assert_allclose(values, values[0], rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.floats(-5, 5), min_size=3, max_size=3), shift=st.floats(-100, 100))
def test_contrasts_are_differences_of_means(values: list[float], shift: float) -> None:
    estimates = np.array(values) + shift
    result = marginal_means(
        "method",
        METHODS,
        np.eye(3),
        estimates=estimates,
        covariance=np.eye(3),
        degrees_of_freedom=lambda rows: np.full(len(rows), 9.0),
        n_observations=30,
        generalises_to=(),
        adjustment="none",
    )
    means = {mean.level: mean.estimate for mean in result.means}
    assert len(result.contrasts) == 3
    for contrast in result.contrasts:
        assert contrast.estimate == pytest.approx(
            means[contrast.level] - means[contrast.reference], abs=1e-9
        )
        assert contrast.std_error == pytest.approx(np.sqrt(2))


def test_covariates_stand_at_the_value_given_and_factors_cross() -> None:
    grid = reference_grid({"method": ("a", "b"), "rate": ("high", "low")}, {"bpp": 0.25})
    assert grid["method"] == ["a", "a", "b", "b"]
    assert grid["rate"] == ["high", "low", "high", "low"]
    assert grid["bpp"] == [0.25] * 4


def test_the_document_holds_both_tables() -> None:
    document = _of_three_methods("satterthwaite").document()
    assert document["model"] == "marginal-means"
    assert document["generalises_to"] == ["images", "raters"]
    assert [row["level"] for row in document["rows"]] == list(METHODS)
    assert document["contrasts"][0]["reference"] == "bpg"


def test_one_level_has_nothing_to_compare() -> None:
    with pytest.raises(InvalidInputError, match="two levels"):
        marginal_means(
            "method",
            ("a",),
            [[1.0]],
            estimates=np.ones(1),
            covariance=np.eye(1),
            degrees_of_freedom=lambda rows: np.full(len(rows), 9.0),
            n_observations=5,
            generalises_to=(),
        )
