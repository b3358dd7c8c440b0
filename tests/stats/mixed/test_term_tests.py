"""Type III F tests against lmerTest's anova."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.inference import DegreesOfFreedom
from mturk_eval.stats.mixed.results import TermTest
from mturk_eval.stats.mixed.term_tests import term_tests, type_three_contrasts
from tests.stats.mixed.fitted import SLOPES, THREE_METHODS, designed
from tests.stats.reference import crossed_study, reference_models, reference_table


def _tests(formula: str, table_name: str, df: DegreesOfFreedom) -> tuple[TermTest, ...]:
    table = reference_table(table_name)
    if "replicate" in table:
        table = table.astype({"replicate": str})
    design, sums = designed(formula, table), designed(formula, table, contrasts="sum")
    contrasts = type_three_contrasts(design.fixed, sums.fixed, sums.fixed_columns.term_of)
    return term_tests(fit_linear(design.response, design.fixed, design.blocks), contrasts, df=df)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_three_methods_at_two_rates_with_cells_missing(df: DegreesOfFreedom) -> None:
    reference = reference_models("three_methods")[0]["type_three"][df.replace("-", "_")]
    for test, row in zip(_tests(THREE_METHODS, "three_methods", df), reference, strict=True):
        assert test.term == row["term"]
        assert test.numerator_df == row["numerator_df"]
        assert test.f == pytest.approx(row["F"], rel=1e-4)
        assert test.denominator_df == pytest.approx(row["denominator_df"], rel=1e-4)
        assert test.p == pytest.approx(row["p"], rel=1e-3)


@pytest.mark.parametrize("place", [0, 1])
def test_a_factor_with_a_covariate(place: int) -> None:
    fixed = ("recipe * temp", "recipe + temp")[place]
    tests = _tests(f"angle ~ {fixed} + (1 | recipe:replicate)", "cake", "satterthwaite")
    reference = reference_models("cake")[place]["anova_typeIII"]
    for test, row in zip(tests, reference, strict=True):
        assert test.term == row["term"]
        assert (test.f, test.denominator_df) == pytest.approx((row["F"], row["DenDF"]), rel=1e-4)


@pytest.mark.parametrize(
    ("place", "random"),
    [
        (0, "(1 | image) + (1 | rater)"),
        (1, "(1 + method | image) + (1 | rater)"),
        (4, "(1 + method | image) + (1 + method | rater)"),
    ],
)
def test_two_methods(place: int, random: str) -> None:
    (test,) = _tests(f"rating ~ method + {random}", "paperlike_300workers", "satterthwaite")
    (row,) = reference_models("paperlike_300workers")[place]["anova_typeIII"]
    assert (test.f, test.denominator_df) == pytest.approx((row["F"], row["DenDF"]), rel=1e-4)


def test_without_degrees_of_freedom_f_is_wald_s_chi_square() -> None:
    method, *_ = _tests(THREE_METHODS, "three_methods", "none")
    assert method.denominator_df is None
    assert method.p == pytest.approx(stats.chi2.sf(2 * method.f, 2), rel=1e-9)


def test_the_tests_do_not_depend_on_the_reference_level() -> None:
    table = crossed_study(2)
    found = []
    for reference in ("a", "b"):
        design = designed(SLOPES, table, reference={"method": reference})
        sums = designed(SLOPES, table, contrasts="sum")
        contrasts = type_three_contrasts(design.fixed, sums.fixed, sums.fixed_columns.term_of)
        fit = fit_linear(design.response, design.fixed, design.blocks)
        found += [(test.f, test.p) for test in term_tests(fit, contrasts)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_columns_of_another_model_are_refused() -> None:
    x = np.arange(6.0)
    here = np.column_stack([np.ones(6), x])
    with pytest.raises(InvalidInputError, match="same formula"):
        type_three_contrasts(here, np.column_stack([np.ones(6), x**2]), ["(Intercept)", "x"])
