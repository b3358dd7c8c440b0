"""The mixed model: lme4's numbers, a known truth, and refusals that name their reason."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mturk_eval.errors import MturkEvalError, StatisticsError
from mturk_eval.stats.formulas.grammar import FormulaError
from mturk_eval.stats.formulas.matrices import Contrasts
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from mturk_eval.stats.mixed.paired import paired_tests
from mturk_eval.stats.mixed.results import Estimation
from tests.stats.reference import crossed_study, reference_models, reference_table


def _components(result: MixedResult) -> dict[tuple[str, str], float]:
    return {(c.group, c.term): c.variance for c in result.components if c.with_term is None}


@pytest.mark.parametrize(
    "name",
    ["paperlike_300workers", "sim_balanced", "sim_singular", "sim_slopes", "sim_unbalanced",
     "paperlike_100workers", "sleepstudy", "cake"],
)  # fmt: skip
def test_every_formula_of_the_references_has_lme4_and_lmertest_s_numbers(name: str) -> None:
    """From the formula's text to the coefficient's p, in R's names and R's order."""
    table = reference_table(name)
    reference = {"method": "webp"} if name.startswith("paperlike") else None
    for r in reference_models(name):
        formula = r["formula"].replace("worker", "rater")
        study = (
            table.assign(x=lambda d: (d["method"] == "human") * 1.0) if "x" in formula else table
        )
        estimation: Estimation = "reml" if r["REML"] else "ml"
        result = fit_mixed(
            study, formula, estimation=estimation,
            reference=reference if "method" in formula.partition("+")[0] else None,
        )  # fmt: skip
        assert [e.term for e in result.fixed_effects] == list(r["fixef"])
        assert result.criterion <= r["criterion"] + 1e-6
        for effect in result.fixed_effects:
            se = r["se"][effect.term]
            assert effect.estimate == pytest.approx(r["fixef"][effect.term], abs=2e-6 * se)
            assert effect.std_error == pytest.approx(se, rel=1e-5)
            p = r["satterthwaite"]["p"][effect.term]
            if r["singular"]:
                assert effect.p == pytest.approx(p, abs=0.02)
            else:
                assert effect.df == pytest.approx(r["satterthwaite"]["df"][effect.term], rel=1e-4)
                assert effect.p == pytest.approx(p, rel=1e-3, abs=1e-300)
        f = {test["term"]: test for test in r["anova_typeIII"]}
        assert [test.term for test in result.term_tests] == list(f)
        for test in result.term_tests:
            assert test.numerator_df == f[test.term]["NumDF"]
            if not r["singular"]:
                assert test.f == pytest.approx(f[test.term]["F"], rel=1e-4)
                assert test.p == pytest.approx(f[test.term]["p"], rel=2e-3)
        variances = [(v["group"], v["vcov"]) for v in r["varcorr"] if v["var2"] is None]
        ours = [*(c.variance for c in result.components if c.with_term is None),
                result.residual_variance]  # fmt: skip
        np.testing.assert_allclose(
            np.sort(np.sqrt(ours)), np.sort(np.sqrt([v for _, v in variances])),
            rtol=1e-4, atol=1e-3 if r["singular"] else 1e-9,
        )  # fmt: skip


def test_intercepts_alone_are_fitted_with_a_warning_that_has_both_t_values() -> None:
    """The claim of the paper: t = 11 without by-image slopes, 1.8 with them."""
    study, reference = reference_table("paperlike_300workers"), {"method": "webp"}
    result = fit_mixed(study, "rating ~ method + (1 | image) + (1 | rater)", reference=reference)
    check = result.slope_check[0]
    assert check.term == "methodhuman"
    assert check.without.t == pytest.approx(11.245, abs=1e-3)
    assert check.with_slopes.t == pytest.approx(1.8235, abs=1e-3)
    assert check.with_slopes.p == pytest.approx(0.093, abs=1e-3)
    warning = next(w for w in result.warnings if "no by-image slope" in w)
    assert "t 11.24 (p 1e-28) without, 1.82 (p 0.093) with slopes" in warning
    with_slopes = fit_mixed(
        study, "rating ~ method + (1 + method | image) + (1 | rater)", reference=reference
    )
    assert with_slopes.slope_check == ()
    assert not any("slope" in w for w in with_slopes.warnings)


def test_the_document_has_what_its_users_rely_on() -> None:
    document = fit_mixed(crossed_study(3, images=4, raters=5)).document()
    assert document["n_observations"] == 40
    assert document["generalises_to"] == ["images", "raters"]
    assert all(row["df"] > 1 for row in document["fixed_effects"])
    assert document["balanced_check"]["rows"][0]["df"] == 3
    assert {"formula", "estimation", "groups", "fixed_effects", "variance_components",
            "residual_variance", "criterion", "log_likelihood", "converged",
            "singular", "steps", "marginal_means", "predicted_effects",
            } <= set(document)  # fmt: skip
    assert document["log_likelihood"] == pytest.approx(-document["criterion"] / 2)
    assert any("--df kenward-roger" in note for note in document["notes"])
    json.dumps(document, allow_nan=False)


def test_df_none_gives_z_tests() -> None:
    result = fit_mixed(crossed_study(3), df="none")
    effect = result.fixed_effects[1]
    assert effect.df is None
    assert effect.t == pytest.approx(effect.estimate / effect.std_error)
    assert effect.p == pytest.approx(2 * stats.norm.sf(abs(effect.t)))
    assert effect.ci_high is not None
    assert effect.ci_high - effect.estimate == pytest.approx(1.959964 * effect.std_error, rel=1e-6)
    assert any("--df none" in warning for warning in result.warnings)


def test_a_balanced_study_has_the_paired_t_with_images_less_one_df() -> None:
    result = fit_mixed(
        reference_table("sim_balanced"), "rating ~ method + (1 + method | image) + (1 | rater)"
    )
    effect, paired = result.fixed_effects[1], result.balanced_check[0]
    assert effect.df == pytest.approx(paired.df, abs=1e-4)
    assert effect.t == pytest.approx(paired.t, rel=1e-6)


def test_kenward_and_roger_s_test_is_offered() -> None:
    r = next(m for m in reference_models("paperlike_300workers") if "kenward_roger" in m)
    result = fit_mixed(
        reference_table("paperlike_300workers"), "rating ~ method + (1+method|image) + (1|rater)",
        df="kenward-roger", reference={"method": "webp"},
    )  # fmt: skip
    for effect in result.fixed_effects:
        assert effect.std_error == pytest.approx(r["kenward_roger"]["se"][effect.term], rel=1e-4)
        assert effect.df == pytest.approx(r["kenward_roger"]["df"][effect.term], rel=1e-4)


def test_profile_intervals_are_offered() -> None:
    r = next(m for m in reference_models("paperlike_300workers") if "profile_ci95" in m)
    result = fit_mixed(
        reference_table("paperlike_300workers"), "rating ~ method + (1+method|image) + (1|rater)",
        interval="profile", reference={"method": "webp"},
    )  # fmt: skip
    effect = result.fixed_effects[1]
    low, high = r["profile_ci95"]["methodhuman"]
    assert (effect.ci_low, effect.ci_high) == pytest.approx((low, high), abs=2e-3)


def test_independent_slopes_of_a_factor_are_warned_of() -> None:
    result = fit_mixed(crossed_study(3), "rating ~ method + (1 + method || image) + (1 | rater)")
    assert any("other codings give other standard errors" in w for w in result.warnings)


def test_slopes_without_variance_left_out_by_the_default_rule_are_no_doubt() -> None:
    result = fit_mixed(reference_table("sim_singular"))
    assert result.formula == "rating ~ method + (1 | image) + (1 | rater)"
    assert result.slope_check == ()
    assert not any("no by-image slope" in w for w in result.warnings)


def test_slopes_that_no_rater_shows_are_warned_of() -> None:
    """Every rater saw one method: three variances by rater, and two that can be told apart."""
    study = crossed_study(3, raters=24)
    first = study["rater"].str[1:].astype(int) % 2 == 0
    split = study[first == (study["method"] == "a")]
    result = fit_mixed(split, "rating ~ method + (1 + method | image) + (1 + method | rater)")
    assert any("No rater has answers at two settings" in w for w in result.warnings)
    assert not any("No image" in w for w in result.warnings)


def test_two_models_are_compared_by_likelihood_ratio() -> None:
    result = fit_mixed(
        reference_table("sim_balanced"),
        "rating ~ method + (1 | image) + (1 | rater)",
        compare="rating ~ method + (1 + method | image) + (1 | rater)",
    )
    small, large = reference_models("sim_balanced")[:2]
    assert result.comparison is not None
    assert result.comparison.chi_square == pytest.approx(
        small["criterion"] - large["criterion"], abs=1e-5
    )
    assert result.comparison.df == 2
    assert result.comparison.p_boundary is not None
    assert result.comparison.p_boundary < result.comparison.p


def test_marginal_means_and_all_differences_of_three_methods() -> None:
    study = crossed_study(5)
    third = study[study["method"] == "b"].assign(method="c", rating=lambda d: d["rating"] + 1)
    formula = "rating ~ method + (1 + method || image) + (1 | rater)"
    one = fit_mixed(pd.concat([study, third]), formula)
    other = fit_mixed(pd.concat([study, third]), formula, reference={"method": "c"})
    means = one.marginal_means[0]
    assert [m.level for m in means.means] == ["a", "b", "c"]
    assert [(c.level, c.reference) for c in means.contrasts] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert means.contrasts[2].estimate == pytest.approx(1.0, abs=0.2)
    assert means.means[2].estimate == pytest.approx(other.fixed_effects[0].estimate, abs=0.05)


def test_predicted_effects_are_shrunk_towards_zero() -> None:
    study = crossed_study(5)
    effects = fit_mixed(study, "rating ~ method + (1 | image) + (1 | rater)").predicted_effects
    images = {e.level: e for e in effects if e.group == "image"}
    raw = study.groupby("image")["rating"].mean() - study["rating"].mean()
    for name, effect in images.items():
        assert abs(effect.value) < abs(raw[name])
        assert effect.value * raw[name] > 0
        assert effect.ci_low < effect.value < effect.ci_high
    assert len([e for e in effects if e.group == "rater"]) == 12


def test_the_effect_of_a_balanced_study_is_the_difference_of_means() -> None:
    study = crossed_study(5)
    means = study.groupby("method")["rating"].mean()
    result = fit_mixed(study)
    assert result.fixed_effects[1].estimate == pytest.approx(means["b"] - means["a"])
    assert result.balanced_check[0].mean_difference == pytest.approx(means["b"] - means["a"])


def test_the_reference_turns_the_sign() -> None:
    study = crossed_study(5)
    one = fit_mixed(study).fixed_effects[1]
    other = fit_mixed(study, reference={"method": "b"}).fixed_effects[1]
    assert (one.term, other.term) == ("methodb", "methoda")
    assert other.estimate == pytest.approx(-one.estimate)


def test_sum_contrasts_halve_the_difference() -> None:
    study = crossed_study(5)
    treatment = fit_mixed(study).fixed_effects[1]
    effect = fit_mixed(study, contrasts="sum").fixed_effects[1]
    assert effect.term == "method1"
    assert effect.estimate == pytest.approx(-treatment.estimate / 2)


def test_known_variances_are_found() -> None:
    """Averaged over studies, REML's variances are those the studies were made with."""
    formula = "rating ~ method + (1 + method | image) + (1 | rater)"
    studies = (crossed_study(seed, images=14, raters=14) for seed in range(40))
    found = [_components(fit_mixed(study, formula)) for study in studies]
    means = {key: np.mean([one[key] for one in found]) for key in found[0]}
    assert means["image", "(Intercept)"] == pytest.approx(0.64, rel=0.25)
    assert means["image", "methodb"] == pytest.approx(0.49, rel=0.25)
    assert means["rater", "(Intercept)"] == pytest.approx(1.0, rel=0.25)


def test_ml_has_the_smaller_variances_and_a_deviance() -> None:
    study = crossed_study(5)
    reml, ml = fit_mixed(study), fit_mixed(study, estimation="ml")
    assert ml.fixed_effects[0].std_error < reml.fixed_effects[0].std_error
    assert ml.estimation == "ml"


def test_three_methods_have_a_slope_each() -> None:
    study = crossed_study(5)
    third = study[study["method"] == "b"].assign(method="c", rating=lambda d: d["rating"] + 1)
    result = fit_mixed(pd.concat([study, third.sample(frac=0.9, random_state=1)]))
    assert {term for group, term in _components(result) if group == "image"} == {
        "(Intercept)", "methodb", "methodc"
    }  # fmt: skip
    assert [(t.method, t.reference) for t in result.balanced_check] == [
        ("b", "a"), ("c", "a"), ("c", "b")
    ]  # fmt: skip


def test_a_numeric_slope_has_a_variance_in_the_covariate_s_unit() -> None:
    """A covariate in thousandths has a slope variance a million times larger, nothing else."""
    study = crossed_study(5).assign(x=lambda d: (d["method"] == "b") * 1.0)
    one = fit_mixed(study, "rating ~ x + (1 + x || image) + (1 | rater)")
    other = fit_mixed(
        study.assign(x=study["x"] / 1000), "rating ~ x + (1 + x || image) + (1 | rater)"
    )
    assert other.criterion + 2 * np.log(1000) == pytest.approx(one.criterion, abs=1e-4)
    assert _components(other)["image", "x"] == pytest.approx(
        1e6 * _components(one)["image", "x"], rel=1e-3
    )


def test_raters_who_answered_once_are_part_of_the_residual() -> None:
    study = crossed_study(5).assign(rater=[f"r{n}" for n in range(192)])
    result = fit_mixed(study)
    assert result.formula.startswith("rating ~ method + (1 + method | image)")
    assert "rater" not in result.groups
    assert any("answered once" in step for step in result.steps)


def test_pure_noise_is_a_singular_fit() -> None:
    rng = np.random.default_rng(4)
    study = crossed_study(1)
    result = fit_mixed(study.assign(rating=rng.permutation(study["rating"].rank())))
    assert result.converged


def test_missing_cells_are_no_obstacle() -> None:
    study = crossed_study(5).query("not (image == 'i0' and method == 'b')")
    result = fit_mixed(study)
    assert result.balanced_check[0].n_images == 7
    assert any("unbalanced: 1 of 16" in warning for warning in result.warnings)


def test_cells_of_different_sizes_are_said_and_equal_ones_are_not() -> None:
    study = crossed_study(5)
    assert not any("unbalanced" in warning for warning in fit_mixed(study).warnings)
    result = fit_mixed(study.iloc[1:])
    assert any("hold 11 to 12 ratings" in warning for warning in result.warnings)


def test_a_comparison_that_cannot_be_computed_is_listed_with_its_reason() -> None:
    """c shares no image with a and one with b; both rows were left out without a word."""
    study = crossed_study(5)
    third = study[(study["method"] == "b") & (study["image"] == "i0")].assign(method="c")
    study = study[~((study["method"] == "a") & (study["image"] == "i0"))]
    a_b, a_c, b_c = paired_tests(pd.concat([study, third]))
    assert (a_b.n_images, a_b.df, a_b.reason) == (7, 6, None)
    assert (a_c.n_images, a_c.mean_difference, a_c.p) == (0, None, None)
    assert "no image" in str(a_c.reason)
    assert (b_c.n_images, b_c.mean_difference, b_c.p) == (1, 0.0, None)
    assert "only one image" in str(b_c.reason)
    assert a_b.p_holm == a_b.p
    assert a_c.document()["reason"] == a_c.reason


def test_differences_without_spread_are_said() -> None:
    test = paired_tests(crossed_study(5).assign(rating=lambda d: (d["method"] == "b") * 1.0))[0]
    assert (test.mean_difference, test.t, test.p_holm) == (1.0, None, None)
    assert "same on every image" in str(test.reason)


def test_holm_s_p_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    study = crossed_study(5)
    third = study[study["method"] == "b"].assign(
        method="c", rating=lambda d: d["rating"] + np.sin(np.arange(len(d)))
    )
    tests = paired_tests(pd.concat([study, third]), reference="b")
    assert [(t.method, t.reference) for t in tests] == [("a", "b"), ("c", "b"), ("c", "a")]
    theirs = multipletests([t.p for t in tests], method="holm")[1]
    np.testing.assert_allclose([t.p_holm or 0.0 for t in tests], theirs)


@pytest.mark.parametrize(
    ("study", "formula", "says"),
    [
        (crossed_study(1).query("method == 'a'"), None, "at least two levels"),
        (crossed_study(1, images=1), None, "one image"),
        (crossed_study(1, raters=1), None, "one rater"),
        (crossed_study(1).assign(rating=7.0), None, "Every rating is 7"),
        (
            crossed_study(1, raters=2).query("rater == 'r0' or image == 'none'"),
            "rating ~ method + (1 + method || image)",
            "more answers than",
        ),
        (
            crossed_study(1).assign(x=1.0),
            "rating ~ method + x + (1 | rater)",
            "cannot be told apart",
        ),
    ],
)
def test_data_that_do_not_determine_the_model_are_refused(
    study: pd.DataFrame, formula: str | None, says: str
) -> None:
    with pytest.raises(StatisticsError, match=says):
        fit_mixed(study, formula)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("rating ~ method + (1 | worker)", "no column worker"),
        ("rating ~ method - + (1 | rater)", "needs a term on both sides"),
        ("rating ~ method method + (1 | rater)", "needs a term on both sides"),
        ("rating ~ method + (1 | rater) + (1 | rater)", "twice"),
    ],
)
def test_formulas_that_cannot_be_fitted_are_refused(formula: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says):
        fit_mixed(crossed_study(1), formula)


def test_an_unknown_reference_is_refused() -> None:
    with pytest.raises(MturkEvalError, match="no such level"):
        fit_mixed(crossed_study(1), reference={"method": "jxl"})


def test_the_paired_check_is_scipy_s_paired_test() -> None:
    study = crossed_study(5)
    means = study.groupby(["image", "method"])["rating"].mean().unstack()
    theirs = stats.ttest_rel(means["b"], means["a"])
    ours = paired_tests(study)[0]
    assert (ours.t, ours.p, ours.df) == pytest.approx((theirs.statistic, theirs.pvalue, 7))


def test_the_paired_check_reproduces_the_published_table() -> None:
    """Bhown et al. 2019, table 1: mean difference .967, t(12) = 1.833, p = .0917."""
    check = paired_tests(reference_table("paperlike_300workers"), reference="webp")[0]
    assert check.mean_difference == pytest.approx(0.967, abs=5e-4)
    assert check.df == 12
    assert check.t == pytest.approx(1.833, abs=5e-4)
    assert check.p == pytest.approx(0.0917, abs=5e-5)


@pytest.mark.parametrize("contrasts", ["treatment", "sum"])
@pytest.mark.parametrize("name", ["class", "C", "np", "a.b", "lambda", "__import__"])
def test_a_column_may_be_called_like_code(name: str, contrasts: Contrasts) -> None:
    study = crossed_study(5)
    formula = "rating ~ method + (1 + method | image) + (1 | rater)"
    ours = fit_mixed(
        study.rename(columns={"method": name}), formula.replace("method", name), contrasts=contrasts
    )
    theirs = fit_mixed(study, formula, contrasts=contrasts)
    assert [e.estimate for e in ours.fixed_effects] == [e.estimate for e in theirs.fixed_effects]
    assert ours.fixed_effects[1].term == theirs.fixed_effects[1].term.replace("method", name)
