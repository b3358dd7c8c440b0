"""Kenward and Roger's inference against pbkrtest, against exact theory, and at its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.kenward_roger import MOST_COEFFICIENTS, kenward_roger
from tests.stats.mixed.fitted import SLOPES, THREE_METHODS, cake_fit, fitted, sleepstudy_fit
from tests.stats.reference import crossed_study, reference_models, reference_table


def _paperlike(name: str) -> LinearFit:
    return fitted(SLOPES, reference_table(name), reference={"method": "webp"})


REFERENCES: list[tuple[str, int, Callable[[], LinearFit]]] = [
    ("sleepstudy", 0, sleepstudy_fit),
    ("sleepstudy", 1, lambda: sleepstudy_fit(correlated=False)),
    ("sleepstudy", 2, lambda: sleepstudy_fit(slopes=False)),
    ("cake", 0, lambda: cake_fit("recipe * temp")),
    ("cake", 1, lambda: cake_fit("recipe + temp")),
    ("paperlike_100workers", 1, lambda: _paperlike("paperlike_100workers")),
    ("paperlike_300workers", 1, lambda: _paperlike("paperlike_300workers")),
]


@pytest.mark.parametrize(("name", "place", "fit"), REFERENCES)
def test_standard_errors_and_df_are_pbkrtest_s(
    name: str, place: int, fit: Callable[[], LinearFit]
) -> None:
    reference = reference_models(name)[place]["kenward_roger"]
    result = kenward_roger(fit())
    coefficients = np.eye(len(result.estimates))
    np.testing.assert_allclose(
        result.std_errors(coefficients), list(reference["se"].values()), rtol=1e-5
    )
    np.testing.assert_allclose(result.df(coefficients), list(reference["df"].values()), rtol=1e-5)
    assert result.warnings == ()


def test_a_joint_test_is_pbkrtest_s_with_its_scale() -> None:
    reference = reference_models("three_methods")[0]["kr_joint"]
    test = kenward_roger(fitted(THREE_METHODS, reference_table("three_methods"))).f_test(
        np.eye(6)[1:3]
    )
    assert test.numerator_df == reference["ndf"] == 2
    assert test.f == pytest.approx(reference["stat"], rel=1e-5)
    assert test.denominator_df == pytest.approx(reference["ddf"], rel=1e-5)
    assert test.p == pytest.approx(reference["p.value"], rel=1e-4)


@pytest.fixture(scope="module")
def study_fit() -> LinearFit:
    return fitted(SLOPES, crossed_study(3, images=7, raters=9))


def test_in_a_balanced_study_the_test_is_the_paired_t_over_images(study_fit: LinearFit) -> None:
    """Exact theory: images - 1 degrees of freedom, and no adjustment of the standard error."""
    result = kenward_roger(study_fit)
    assert result.df([0, 1])[0] == pytest.approx(6, rel=1e-6)
    assert result.covariance[1, 1] == pytest.approx(study_fit.covariance[1, 1], rel=1e-6)


def test_one_contrast_s_f_is_its_squared_t(study_fit: LinearFit) -> None:
    result = kenward_roger(study_fit)
    test, contrast = result.f_test([1.0, 0.3]), np.array([1.0, 0.3])
    t = contrast @ result.estimates / result.std_errors(contrast)[0]
    assert test.f == pytest.approx(t**2, rel=1e-9)
    assert test.denominator_df == pytest.approx(result.df(contrast)[0], rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(turn=st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_a_joint_test_does_not_depend_on_how_its_rows_are_written(
    study_fit: LinearFit, turn: list[float]
) -> None:
    """Nor on rows that say nothing new."""
    mixing = np.array(turn).reshape(2, 2) + 5 * np.eye(2)
    result = kenward_roger(study_fit)
    test = result.f_test(np.eye(2))
    other = result.f_test(np.vstack([mixing, mixing.sum(axis=0)]))
    assert other.numerator_df == 2
    assert other.f == pytest.approx(test.f, rel=1e-7)
    assert other.denominator_df == pytest.approx(test.denominator_df, rel=1e-6)


def _rescaled(fit: LinearFit, response: float, slope: float) -> LinearFit:
    units = np.array([1.0, slope])
    blocks = [replace(b, columns=b.columns * units[: b.n_terms]) for b in fit.blocks]
    return fit_linear(fit.response * response, fit.fixed * units, blocks)


@pytest.mark.parametrize(("response", "slope"), [(1e6, 1.0), (1.0, 1e-4), (1e-3, 1e4)])
def test_degrees_of_freedom_do_not_depend_on_units(
    study_fit: LinearFit, response: float, slope: float
) -> None:
    here = kenward_roger(study_fit).df(np.eye(2))
    there = kenward_roger(_rescaled(study_fit, response, slope)).df(np.eye(2))
    np.testing.assert_allclose(there, here, rtol=1e-5)


def test_the_moments_are_those_of_the_full_covariance_matrix() -> None:
    """[1]'s formulas with n x n matrices, on a study small enough to form them."""
    fit = fitted(SLOPES, crossed_study(3, images=5, raters=6).iloc[:-7])
    assert not fit.singular
    result = kenward_roger(fit)
    expected_covariance, expected_df = _dense_kenward_roger(fit)
    np.testing.assert_allclose(result.covariance, expected_covariance, rtol=1e-7)
    np.testing.assert_allclose(result.df(np.eye(2)), expected_df, rtol=1e-7)


def _dense_kenward_roger(fit: LinearFit) -> tuple[Any, Any]:
    x, n = fit.fixed, len(fit.response)
    changes = [np.eye(n)]
    v = fit.residual_variance * np.eye(n)
    for block, covariance in zip(fit.blocks, fit.covariances, strict=True):
        same = block.codes[:, None] == block.codes
        for a in range(block.n_terms):
            for b in range(a + 1):
                product = np.outer(block.columns[:, a], block.columns[:, b])
                change = same * (product if a == b else product + product.T)
                changes.append(change)
                v = v + covariance[a, b] * change
    w = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ w @ x)
    first = [-x.T @ w @ k @ w @ x for k in changes]
    second = [[x.T @ w @ k @ w @ other @ w @ x for other in changes] for k in changes]
    information = np.array(
        [
            [
                np.trace(w @ k @ w @ other) / 2
                - np.trace(phi @ second[i][j])
                + np.trace(phi @ first[i] @ phi @ first[j]) / 2
                for j, other in enumerate(changes)
            ]
            for i, k in enumerate(changes)
        ]
    )
    weights = np.linalg.inv(information)
    r = range(len(changes))
    bend = sum(weights[i, j] * (second[i][j] - first[i] @ phi @ first[j]) for i in r for j in r)
    slopes = np.array([np.diag(phi @ p @ phi) for p in first])
    df = [2 * phi[k, k] ** 2 / (slopes[:, k] @ weights @ slopes[:, k]) for k in range(x.shape[1])]
    return phi + 2 * phi @ bend @ phi, df


def test_a_zero_variance_is_taken_as_known_and_said() -> None:
    """The degrees of freedom are those of the model without the term."""
    table = reference_table("sim_singular")
    with_images = kenward_roger(fitted("rating ~ method + (1 | image) + (1 | rater)", table))
    without = kenward_roger(fitted("rating ~ method + (1 | rater)", table))
    np.testing.assert_allclose(with_images.df(np.eye(2)), without.df(np.eye(2)), rtol=1e-5)
    assert "singular" in with_images.warnings[0]
    assert without.warnings == ()


def test_a_correlation_of_one_leaves_finite_degrees_of_freedom() -> None:
    table = reference_table("sim_balanced")
    fit = fitted("rating ~ method + (1 + method | image) + (1 + method | rater)", table)
    assert fit.singular
    result = kenward_roger(fit)
    assert "1 variance parameter is" in result.warnings[0]
    # 24 images, all rated by everyone: a rater's slope hardly matters.
    assert result.df([0, 1])[0] == pytest.approx(23, abs=0.5)


def test_ml_is_refused() -> None:
    with pytest.raises(StatisticsError, match="REML"):
        kenward_roger(fitted(SLOPES, crossed_study(3), reml=False))


def test_a_model_too_large_is_refused_before_anything_is_formed(study_fit: LinearFit) -> None:
    block = study_fit.blocks[1]
    many = RandomBlock(
        group="rater",
        terms=block.terms,
        levels=tuple(map(str, range(MOST_COEFFICIENTS + 1))),
        codes=block.codes,
        columns=block.columns,
    )
    large = replace(study_fit, blocks=(study_fit.blocks[0], many))
    with pytest.raises(StatisticsError, match=r"5,015.*Satterthwaite"):
        kenward_roger(large)


@pytest.mark.parametrize("rows", [[1.0], [[0.0, 0.0]], [[np.nan, 1.0]]])
def test_contrasts_that_do_not_fit_are_refused(study_fit: LinearFit, rows: Any) -> None:
    with pytest.raises(InvalidInputError):
        kenward_roger(study_fit).f_test(rows)
