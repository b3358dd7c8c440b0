"""The mixed model: lme4's numbers, a known truth, and refusals that name their reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mturk_eval.errors import MturkEvalError, StatisticsError
from mturk_eval.stats.formulas.design import Contrasts
from mturk_eval.stats.formulas.grammar import FormulaError
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from mturk_eval.stats.mixed.paired import paired_tests
from tests.stats.reference import crossed_study, reference_models, reference_table


def _components(result: MixedResult) -> dict[tuple[str, str], float]:
    return {(c.group, c.term): c.variance for c in result.components}


def test_the_default_model_has_lme4_s_numbers() -> None:
    """Two methods, treatment coding: the slope of the dummy is lme4's slope of a 0/1 column x."""
    result = fit_mixed(reference_table("paperlike_300workers"), reference={"method": "webp"})
    r = next(m for m in reference_models("paperlike_300workers") if "x||image" in m["formula"])
    intercept, human = result.fixed_effects
    assert (intercept.term, human.term) == ("(Intercept)", "methodhuman")
    assert intercept.estimate == pytest.approx(r["fixef"]["(Intercept)"], rel=1e-6)
    assert human.estimate == pytest.approx(r["fixef"]["x"], rel=1e-5)
    assert intercept.std_error == pytest.approx(r["se"]["(Intercept)"], rel=1e-4)
    assert human.std_error == pytest.approx(r["se"]["x"], rel=1e-4)
    variance = {(v["group"], v["var1"]): v["vcov"] for v in r["varcorr"]}
    ours = _components(result)
    assert ours["image", "(Intercept)"] == pytest.approx(
        variance["image.1", "(Intercept)"], rel=1e-3
    )
    assert ours["image", "methodhuman"] == pytest.approx(variance["image", "x"], rel=1e-3)
    assert ours["rater", "(Intercept)"] == pytest.approx(
        variance["worker", "(Intercept)"], rel=1e-3
    )
    assert result.residual_variance == pytest.approx(variance["Residual", None], rel=1e-4)
    assert result.criterion <= r["criterion"] + 1e-6
    assert result.formula == "rating ~ method + (1 + method || image) + (1 | rater)"
    assert (result.converged, result.singular) == (True, False)
    assert result.groups == {"image": 13, "rater": 300}


def test_a_singular_fit_is_found_at_its_boundary() -> None:
    """statsmodels' gradient methods stop at a criterion of 8,240.7 here and say converged."""
    result = fit_mixed(
        reference_table("sim_singular"), "rating ~ method + (1 | image) + (1 | rater)"
    )
    r = reference_models("sim_singular")[0]
    assert r["singular"]
    assert result.criterion == pytest.approx(r["criterion"], abs=1e-6)
    assert result.singular
    assert _components(result)["image", "(Intercept)"] == 0
    assert result.fixed_effects[1].std_error == pytest.approx(r["se"]["methodb"], rel=1e-4)
    assert any("singular" in warning for warning in result.warnings)


def test_intercepts_alone_have_lme4_s_numbers_and_a_warning() -> None:
    result = fit_mixed(
        reference_table("sim_balanced"), "rating ~ method + (1 | image) + (1 | rater)"
    )
    r = reference_models("sim_balanced")[0]
    assert result.criterion == pytest.approx(r["criterion"], abs=1e-6)
    for effect in result.fixed_effects:
        assert effect.estimate == pytest.approx(r["fixef"][effect.term], rel=1e-6)
        assert effect.std_error == pytest.approx(r["se"][effect.term], rel=1e-4)
    assert any("no by-image slope" in warning for warning in result.warnings)


def test_four_images_two_methods_five_raters() -> None:
    document = fit_mixed(crossed_study(3, images=4, raters=5)).document()
    assert document["n_observations"] == 40
    assert document["generalises_to"] == ["images", "raters"]
    assert {row["df"] for row in document["fixed_effects"]} == {None}
    assert any("z value" in warning for warning in document["warnings"])
    assert document["balanced_check"]["rows"][0]["df"] == 3
    assert {"formula", "estimation", "groups", "fixed_effects", "variance_components",
            "residual_variance", "criterion", "log_likelihood", "converged",
            "singular"} <= set(document)  # fmt: skip
    assert document["log_likelihood"] == pytest.approx(-document["criterion"] / 2)


def test_t_is_a_z_value() -> None:
    effect = fit_mixed(crossed_study(3)).fixed_effects[1]
    assert effect.t == pytest.approx(effect.estimate / effect.std_error)
    assert effect.p == pytest.approx(2 * stats.norm.sf(abs(effect.t)))
    assert effect.ci_high - effect.estimate == pytest.approx(1.959964 * effect.std_error, rel=1e-6)


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
    found = [_components(fit_mixed(crossed_study(s, images=14, raters=14))) for s in range(12)]
    means = {key: np.mean([one[key] for one in found]) for key in found[0]}
    assert means["image", "(Intercept)"] == pytest.approx(0.64, rel=0.4)
    assert means["image", "methodb"] == pytest.approx(0.49, rel=0.4)
    assert means["rater", "(Intercept)"] == pytest.approx(1.0, rel=0.4)


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
    assert result.formula == "rating ~ method + (1 + method || image)"
    assert any("answered once" in note for note in result.notes)


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
            "one answer per setting",
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
        ("rating ~ method + (1 + method | image) + (1 | rater)", r"\|\| image"),
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
    formula = f"rating ~ {name} + (1 + {name} || image) + (1 | rater)"
    ours = fit_mixed(study.rename(columns={"method": name}), formula, contrasts=contrasts)
    theirs = fit_mixed(study, contrasts=contrasts)
    assert [e.estimate for e in ours.fixed_effects] == [e.estimate for e in theirs.fixed_effects]
    assert ours.fixed_effects[1].term == theirs.fixed_effects[1].term.replace("method", name)
