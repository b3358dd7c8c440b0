"""`analyze --model ordinal`: its document, its defaults and its warnings."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.ordinal.model import fit_ordinal_ratings
from tests.stats.ordinal.studies import study
from tests.stats.reference import reference_models, reference_table


def test_the_default_model_has_clmm_s_numbers() -> None:
    result = fit_ordinal_ratings(
        reference_table("paperlike_300workers"), reference={"method": "webp"}
    )
    r = reference_models("paperlike_300workers_ordinal")[2]
    assert result.formula == "rating ~ method + (1 + method | image) + (1 | rater)"
    (human,) = result.fixed_effects
    assert human.term == "methodhuman"
    assert human.estimate == pytest.approx(r["beta"]["methodhuman"], abs=1e-3)
    assert human.z == pytest.approx(r["z"]["methodhuman"], abs=2e-3)
    assert human.p == pytest.approx(r["p"]["methodhuman"], abs=1e-3)
    assert result.slope_check == ()
    assert not any("by-image slope" in warning for warning in result.warnings)


def test_the_document_is_that_of_the_contract() -> None:
    result = fit_ordinal_ratings(study(1))
    document = result.document()
    json.dumps(document, allow_nan=False)
    assert {
        "model", "n_observations", "generalises_to", "warnings", "formula", "estimation", "groups",
        "fixed_effects", "variance_components", "residual_variance", "criterion", "log_likelihood",
        "converged", "singular", "thresholds",
    } <= set(document)  # fmt: skip
    assert document["model"] == "ordinal"
    assert document["generalises_to"] == ["images", "raters"]
    assert document["groups"] == {"image": 10, "rater": 30}
    assert set(document["fixed_effects"][0]) == {
        "term", "estimate", "std_error", "z", "p", "ci_low", "ci_high"
    }  # fmt: skip
    assert [t["name"] for t in document["thresholds"]] == ["1|2", "2|3", "3|4", "4|5"]
    assert document["criterion"] == pytest.approx(-2 * document["log_likelihood"])
    first, slope, between, rater = document["variance_components"]
    assert (first["group"], slope["term"], between["with_term"]) == ("image", "methodb", "methodb")
    assert rater["std_dev"] ** 2 == pytest.approx(rater["variance"])
    assert sum(row["n"] for row in document["categories"]) == document["n_observations"]


def test_predictions_and_contrasts_are_by_method() -> None:
    table = study(1)
    result = fit_ordinal_ratings(table)
    a, b = result.predictions
    assert (a.method, b.method) == ("a", "b")
    for prediction in (a, b):
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert prediction.ci_low < prediction.mean < prediction.ci_high
        observed = table.loc[table["method"] == prediction.method, "rating"].mean()
        assert prediction.marginal_mean == pytest.approx(observed, abs=0.15)
    contrast = result.document()["method_contrasts"]["rows"][0]
    assert contrast["estimate"] == pytest.approx(result.fixed_effects[0].estimate)
    assert contrast["z"] == pytest.approx(result.fixed_effects[0].z)
    assert any("random effects 0" in note for note in result.notes)


def test_sum_contrasts_give_the_same_difference_of_methods() -> None:
    treatment = fit_ordinal_ratings(study(1))
    summed = fit_ordinal_ratings(study(1), contrasts="sum")
    assert summed.fit.log_likelihood == pytest.approx(treatment.fit.log_likelihood, abs=1e-6)
    assert treatment.method_means is not None
    assert summed.method_means is not None
    one, other = treatment.method_means.contrasts[0], summed.method_means.contrasts[0]
    assert other.estimate == pytest.approx(one.estimate, abs=1e-4)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-3)
    assert summed.predictions[1].mean == pytest.approx(treatment.predictions[1].mean, abs=1e-3)
    assert summed.predictions[1].marginal_mean == pytest.approx(
        treatment.predictions[1].marginal_mean, abs=1e-3
    )


def test_three_methods_are_compared_in_pairs() -> None:
    table = study(1)
    third = table[table["method"] == "b"].assign(
        method="c", rating=lambda d: (d["rating"] + 1).clip(upper=5)
    )
    result = fit_ordinal_ratings(pd.concat([table, third]))
    assert result.method_means is not None
    contrasts = result.method_means.contrasts
    assert [(c.level, c.reference) for c in contrasts] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert all(c.p_adjusted >= c.p for c in contrasts)


def test_intercepts_alone_are_warned_about_with_both_z_values() -> None:
    result = fit_ordinal_ratings(
        reference_table("paperlike_300workers"),
        "rating ~ method + (1 | image) + (1 | rater)",
        reference={"method": "webp"},
    )
    (check,) = result.slope_check
    assert check.without.z == pytest.approx(10.66, abs=0.01)
    assert check.with_slopes.z == pytest.approx(1.845, abs=0.002)
    assert check.deviance_gain == pytest.approx(456.9, abs=0.1)
    warning = next(w for w in result.warnings if "by-image slope" in w)
    assert "z = 10.66 without slopes, 1.84 with" in warning


def test_raters_who_answered_once_have_no_term() -> None:
    table = study(1).assign(rater=[f"r{n}" for n in range(600)])
    result = fit_ordinal_ratings(table)
    assert result.formula == "rating ~ method + (1 + method | image)"
    assert result.generalises_to == ("images",)


def test_predicted_effects_name_every_level() -> None:
    effects = fit_ordinal_ratings(study(1)).predicted_effects()
    assert len(effects) == 2 * 10 + 30
    assert {e.term for e in effects if e.group == "image"} == {"(Intercept)", "methodb"}
    assert all(e.ci_low < e.value < e.ci_high for e in effects)


def test_a_covariate_stands_at_its_mean() -> None:
    table = study(1).assign(bpp=lambda d: d["image"].str[1:].astype(float) / 10)
    result = fit_ordinal_ratings(table, "rating ~ method + bpp + (1 | image) + (1 | rater)")
    assert len(result.fixed_effects) == 2
    assert len(result.predictions) == 2
    assert result.predictions[0].marginal_mean is not None


@pytest.mark.parametrize(
    ("table", "formula", "says"),
    [
        (study(1, images=1), None, "one image"),
        (study(1, raters=1), None, "one rater"),
        (study(1).assign(rating=7.0), None, "Every rating is 7"),
        (study(1), "rating ~ 0 + method + (1 | rater)", "cannot leave it out"),
    ],
)
def test_what_no_ordinal_model_fits_is_refused(
    table: pd.DataFrame, formula: str | None, says: str
) -> None:
    with pytest.raises(StatisticsError, match=says):
        fit_ordinal_ratings(table, formula)
