"""What random studies showed, each as a plain example; figures are lme4's and lmerTest's."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import InvalidInputError, MturkEvalError, StatisticsError, TableError
from mturk_eval.stats.formulas.grammar import FormulaError
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.inference import DegreesOfFreedom
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from tests.stats.mixed.fitted import SLOPES, designed, fitted
from tests.stats.reference import crossed_study, reference_table

ODD_NAMES = ["a]x", "b[T.q]", "[T.a]", "T.x", "S.y", "a:b", "c|d", "~", "é ü", "1.50", "%s", "\\1"]


def _yearly() -> pd.DataFrame:
    """Eight raters, each with a trend over years that lie far from zero."""
    table = crossed_study(3, images=8, raters=8)
    years = np.resize([2015.0, 2017.5, 2019.5, 2021.0, 2023.25, 2018.0, 2016.5], len(table))
    trend = np.random.default_rng(8).normal(0, 0.4, 8)[table["rater"].str[1:].astype(int)]
    return table.assign(year=years, rating=table["rating"] + trend * (years - 2019))


def _ten_answers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": ["i5", "i7", "i0", "i13", "i1", "i12", "i13", "i13", "i13", "i0"],
            "rater": ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r7", "r2"],
            "year": [2021, 2023.25, 2023.25, 2021, 2023.25, 2021, 2019.5, 2017.5, 2021, 2017.5],
            "rating": [5.0, 1, 6, 6, 5, 6, 10, 8, 8, 5],
        }
    )


def _f_tests(result: MixedResult) -> dict[str, tuple[float, int, float | None]]:
    return {test.term: (test.f, test.numerator_df, test.denominator_df)
            for test in result.term_tests}  # fmt: skip


# --- the search -----------------------------------------------------------------------------------


def test_of_two_minima_the_lower_is_taken() -> None:
    """By image alone the criterion is 40.868, and lme4 stops there."""
    fit = fitted("rating ~ year + (1 | image) + (1 | rater)", _ten_answers())
    assert fit.criterion == pytest.approx(40.3146265778, abs=1e-6)
    assert fit.converged


def test_all_variances_may_vanish_at_once() -> None:
    i, j = np.divmod(np.arange(16), 4)
    table = pd.DataFrame({"image": i.astype(str), "rater": j.astype(str), "rating": (i + j) % 2})
    result = fit_mixed(table, "rating ~ 1 + (1 | image) + (1 | rater)")
    assert result.singular
    assert result.converged
    assert [component.variance for component in result.components] == [0.0, 0.0]
    assert result.residual_variance == pytest.approx(table["rating"].var())
    (mean,) = result.fixed_effects
    assert mean.df == pytest.approx(15)


@pytest.mark.parametrize("origin", [0.0, 2019.0])
def test_slopes_over_years_do_not_depend_on_when_years_begin(origin: float) -> None:
    """lmerTest and pbkrtest at years from 2019; with years from 0 lme4 ends elsewhere."""
    table = _yearly().assign(year=lambda d: d["year"] - origin)
    formula = "rating ~ method + year + (year | rater) + (1 | image)"
    expected: dict[DegreesOfFreedom, list[tuple[float, float]]] = {
        "satterthwaite": [(0.238482034454, 104.74133761101), (0.121766793411, 6.89458245352)],
        "kenward-roger": [(0.238587378779, 104.27841659650), (0.121832302148, 6.77883490546)],
    }
    for df, figures in expected.items():
        result = fit_mixed(table, formula, df=df)
        assert result.converged
        assert result.criterion <= 483.57155227 + 1e-6
        for effect, (std_error, freedom) in zip(result.fixed_effects[1:], figures, strict=True):
            assert effect.std_error == pytest.approx(std_error, rel=1e-5)
            assert effect.df == pytest.approx(freedom, rel=1e-4)


def test_units_of_the_answers_do_not_matter() -> None:
    """At ratings of 1e-6 or 1e6 lmerTest's numerical derivatives give other degrees of freedom."""
    table = crossed_study(4)
    formula = "rating ~ 0 + method + (1 + method | image) + (1 | rater)"
    plain = fit_mixed(table, formula)
    for unit in (1e-6, 1e6):
        scaled = fit_mixed(table.assign(rating=table["rating"] * unit), formula)
        for one, two in zip(plain.fixed_effects, scaled.fixed_effects, strict=True):
            assert two.t == pytest.approx(one.t, rel=1e-7)
            assert two.df == pytest.approx(one.df, rel=1e-6)


# --- what the data do not determine ---------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    ["rating ~ method + (1 | rater)", "rating ~ method + (1 + year | rater)",
     "rating ~ 0 + method + (1 | rater)", "rating ~ rater + (1 | rater)"],
)  # fmt: skip
def test_one_rater_per_method_is_refused(formula: str) -> None:
    """The criterion is the same for any variance by rater, and p any number: here .002 to .23."""
    table = pd.DataFrame(
        {
            "rater": ["r1", "r1", "r1", "r1", "r2", "r2", "r2", "r2"],
            "method": ["a", "a", "a", "a", "b", "b", "b", "b"],
            "year": [2015.0, 2017, 2019, 2021, 2016, 2018, 2020, 2022],
            "rating": [3.0, 5, 4, 6, 6, 8, 7, 7],
        }
    )
    with pytest.raises(StatisticsError, match="the fixed effects already tell every rater apart"):
        fit_mixed(table, formula)


def test_groups_by_two_names_are_refused() -> None:
    table = crossed_study(1).assign(file=lambda d: "f" + d["image"])
    for formula in ("rating ~ method + (1 | image) + (1 | file)", "rating ~ 1 + (1 | image/image)"):
        with pytest.raises(StatisticsError, match="cannot be told apart"):
            fit_mixed(table, formula)


def test_a_split_of_variances_that_is_open_is_said() -> None:
    """Two images, one of which has both methods: image and image:method are one difference."""
    table = crossed_study(2, images=2, raters=5).query("image == 'i1' or method == 'a'")
    result = fit_mixed(table, "rating ~ method + (1 | image) + (1 | image:method) + (1 | rater)")
    assert any("these tests are arbitrary" in warning for warning in result.warnings)
    assert not any("arbitrary" in warning for warning in fit_mixed(crossed_study(2)).warnings)


def test_a_term_without_effects_is_refused() -> None:
    with pytest.raises(FormulaError, match=r"\(0 \| image\) has no effect in it"):
        fit_mixed(crossed_study(1), "rating ~ method + (0 | image)")


def test_a_fixed_effect_of_very_many_levels_is_refused_before_it_fills_the_memory() -> None:
    table = pd.DataFrame(
        {
            "rater": np.arange(60_000) % 30_000,
            "image": np.arange(60_000) % 7,
            "rating": np.arange(60_000) % 10,
        }
    ).astype({"rater": str})
    with pytest.raises(StatisticsError, match="30,001 columns for 60,000 answers"):
        fit_mixed(table, "rating ~ rater + (1 | image)")


# --- names and formulas ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_levels_keep_their_names_whatever_they_are(name: str) -> None:
    table = crossed_study(1).replace({"method": {"a": "0", "b": name}})
    formula = "rating ~ method * image + (1 | rater)"
    levels = sorted(["0", name])
    result = fit_mixed(table, formula, reference={"method": levels[0]})
    assert [e.term for e in result.fixed_effects][1] == f"method{levels[1]}"
    assert [m.level for m in result.marginal_means[1].means] == levels
    assert fit_mixed(table, formula, contrasts="sum").fixed_effects[1].term == "method1"


def test_a_column_that_minus_takes_out_is_out() -> None:
    table = crossed_study(1).assign(day=lambda d: np.resize(["mon", "tue"], len(d)))
    without = fit_mixed(table, "rating ~ method * day - day - method:day + (1 | rater)")
    plain = fit_mixed(table, "rating ~ method + (1 | rater)")
    assert without.fixed_effects == plain.fixed_effects
    assert without.marginal_means == plain.marginal_means


def test_slopes_are_checked_beside_other_terms_by_image() -> None:
    table = crossed_study(1).assign(x=lambda d: np.resize([0.0, 1, 3], len(d)))
    formula = "rating ~ method + (1 | image) + (0 + x | image) + (1 | rater)"
    (check,) = fit_mixed(table, formula).slope_check
    assert check.formula == (
        "rating ~ method + (1 + method | image) + (0 + x | image) + (1 | rater)"
    )
    fuller = fit_mixed(table, check.formula)
    assert check.with_slopes.t == pytest.approx(fuller.fixed_effects[1].t)


def test_a_comparison_takes_the_reference_only_where_there_is_the_factor() -> None:
    result = fit_mixed(
        crossed_study(1), SLOPES, compare="rating ~ 1 + (1 | image)", reference={"method": "b"}
    )
    assert result.comparison is not None
    assert result.comparison.df == 4


# --- tests of terms -------------------------------------------------------------------------------


def test_denominator_df_of_a_single_term_are_lmertests() -> None:
    """Three methods: the rows are orthogonal over the answers, in the coding of the fit."""
    table = reference_table("three_methods")
    for contrasts, df in (("treatment", 7.83601730), ("sum", 7.81310191)):
        result = fit_mixed(table, SLOPES, contrasts=contrasts)  # type: ignore[arg-type]
        f, numerator, denominator = _f_tests(result)["method"]
        assert numerator == 2
        assert f == pytest.approx(26.7244642, rel=1e-5)
        assert denominator == pytest.approx(df, rel=1e-4)


def test_without_an_intercept_a_factor_is_tested_against_zero() -> None:
    result = fit_mixed(
        reference_table("three_methods"), SLOPES.replace("~ method", "~ 0 + method", 1)
    )
    f, numerator, denominator = _f_tests(result)["method"]
    assert numerator == 3
    assert f == pytest.approx(60.9334690, rel=1e-5)
    assert denominator == pytest.approx(9.58239430, rel=1e-4)


def test_denominator_df_beside_another_term_do_not_depend_on_the_coding() -> None:
    table = reference_table("three_methods").assign(x=lambda d: np.arange(1, len(d) + 1) % 7 / 3)
    formula = "rating ~ method + x + (1 + method | image) + (1 | rater)"
    treatment, sums = (
        _f_tests(fit_mixed(table, formula)),
        _f_tests(fit_mixed(table, formula, contrasts="sum")),
    )
    for term, df in (("method", 7.94726), ("x", 452.75288)):
        assert treatment[term][2] == pytest.approx(df, rel=1e-4)
        assert sums[term] == pytest.approx(treatment[term], rel=1e-6)


def test_covariates_of_any_size_are_tested_alike() -> None:
    """Beside years and millions lmerTest's F of x is 1.2 where t is 3.5."""
    rng = np.random.default_rng(5)
    table = _yearly().assign(
        small=lambda d: 1e-6 * rng.normal(size=len(d)),
        large=lambda d: 1e7 * rng.normal(size=len(d)),
    )
    result = fit_mixed(table, "rating ~ method + small + large + year + (1 | rater) + (1 | image)")
    tests = _f_tests(result)
    for effect in result.fixed_effects[1:]:
        f, _, df = tests[effect.term.removesuffix("b")]
        assert f == pytest.approx(effect.t**2, rel=1e-6)
        assert df == pytest.approx(effect.df, rel=1e-6)


# --- Kenward-Roger and profiles -------------------------------------------------------------------


def test_a_singular_fit_is_said_beside_kenward_rogers_tests() -> None:
    result = fit_mixed(
        reference_table("sim_singular"),
        "rating ~ method + (1 + method | image) + (1 + method | rater)",
        df="kenward-roger",
    )
    assert any("Kenward-Roger takes them as known" in warning for warning in result.warnings)


def test_the_upper_limit_beside_a_tiny_estimate_is_found() -> None:
    """lme4's profile reaches 1.1780."""
    table = crossed_study(8, images=7, raters=5, slope_sd=0.1).round(3)
    result = fit_mixed(table, SLOPES, interval="profile")
    assert result.profile is not None
    slope = result.profile.of_kind("std_dev")[1]
    assert slope.ci_low == 0.0
    assert slope.ci_high == pytest.approx(1.1780, abs=1e-3)


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["rater", "image", "method", "x", "rating"])
def test_a_missing_value_is_refused_with_its_row(column: str) -> None:
    """A missing method used to count as the last one."""
    table = crossed_study(1).assign(x=1.0 * np.arange(192)).astype({column: object})
    table.loc[3, column] = None
    with pytest.raises(TableError, match=f"Column {column} has no value in row 4"):
        fit_mixed(table, "rating ~ method + x + (1 | image) + (1 | rater)")


def test_tables_that_are_none_are_refused() -> None:
    table = crossed_study(1)
    with pytest.raises(TableError, match="Column image holds text where numbers are needed"):
        fit_mixed(table, "image ~ method + (1 | rater)")
    table.loc[4, "rating"] = np.inf
    with pytest.raises(TableError, match="no finite number in row 5"):
        fit_mixed(table, "rating ~ method + (1 | rater)")
    table = crossed_study(1)
    for column in ("rater", "image", "method", "rating"):
        with pytest.raises(FormulaError, match=f"no column {column}"):
            fit_mixed(table.drop(columns=column))
    with pytest.raises(TableError, match="two columns method"):
        fit_mixed(pd.concat([table, table[["method"]]], axis=1), SLOPES)
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        fit_mixed(table, ci_level=95)


# --- random studies -------------------------------------------------------------------------------

_FIXED = ["method", "method * x", "0 + method + day", "method:day + day", "x + year", "1"]
_RANDOM = [
    "(1 | image) + (1 | rater)",
    "(1 + method | image) + (1 | rater)",
    "(x + year | image)",
    "(1 + x || image) + (1 | image:method) + (1 | rater)",
    "(year | rater) + (0 + method | image)",
    "(1 | rater/day) + (method * day | image)",
]


def _random_study(seed: int) -> tuple[pd.DataFrame, str]:
    rng = np.random.default_rng(seed)
    n, methods = int(rng.integers(6, 90)), int(rng.integers(1, 5))
    image, method = rng.integers(0, rng.integers(2, 9), n), rng.integers(0, methods, n)
    rater = method if rng.random() < 0.15 else rng.integers(0, rng.integers(2, 20), n)
    size = 10.0 ** rng.integers(-6, 7)
    rating = rng.normal(size=9)[image] + rng.normal(size=20)[rater] + rng.normal(size=n)
    table = pd.DataFrame(
        {
            "image": image.astype(str),
            "rater": rater.astype(str),
            "method": np.array(rng.choice(ODD_NAMES, methods, replace=False))[method],
            "day": rng.choice(["mon", "tue"], n),
            "x": rng.normal(size=n) * size,
            "year": rng.choice([2015.0, 2019.5, 2023.25], n),
            "rating": np.clip(np.round(5 + 2 * rating), 1, 10),
        }
    )
    return table, f"rating ~ {rng.choice(_FIXED)} + {rng.choice(_RANDOM)}"


@pytest.mark.parametrize("seed", range(60))
def test_any_study_is_fitted_or_refused_with_a_reason(seed: int) -> None:
    """No traceback, no warning of an overflow, no NaN in the document, and order is no matter."""
    table, formula = _random_study(seed)
    df: DegreesOfFreedom = "kenward-roger" if seed % 3 == 0 else "satterthwaite"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = fit_mixed(
                table, formula, df=df, interval="profile" if seed % 10 == 0 else "wald"
            )
            json.dumps(result.document(), allow_nan=False)
            fit_mixed(table)
        except MturkEvalError:
            return
        shuffled = designed(formula, table.sample(frac=1, random_state=1).reset_index(drop=True))
        again = fit_linear(shuffled.response, shuffled.fixed, shuffled.blocks)
    if result.converged:
        assert again.criterion == pytest.approx(result.criterion, abs=1e-5)
