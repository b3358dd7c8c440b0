"""The model without a formula: maximal, then what the data carry, every step said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.default_rule import DefaultModel, fit_default
from tests.stats.reference import crossed_study, reference_models, reference_table

START = "rating ~ method + (1 + method | image) + (1 | rater)"


def _formula(model: DefaultModel) -> str:
    return str(model.design.formula)


def test_by_rater_slopes_are_added_where_they_improve_the_fit() -> None:
    model = fit_default(reference_table("paperlike_300workers"), reference={"method": "webp"})
    small = next(m for m in reference_models("paperlike_300workers") if "(1+method|image) + (1|w"
                 in m["formula"])  # fmt: skip
    large = next(m for m in reference_models("paperlike_300workers") if "(1+method|worker)"
                 in m["formula"])  # fmt: skip
    assert _formula(model) == "rating ~ method + (1 + method | image) + (1 + method | rater)"
    assert model.fit.criterion == pytest.approx(large["criterion"], abs=1e-6)
    first, second = map(str, model.steps)
    assert first == f"{START}: the default model"
    assert "296 of 300 raters saw every method" in second
    assert f"likelihood ratio {small['criterion'] - large['criterion']:.2f}, p < .001" in second


def test_by_rater_slopes_that_do_not_improve_it_are_not() -> None:
    model = fit_default(reference_table("sim_balanced"))
    assert _formula(model) == START
    assert "do not improve the fit" in str(model.steps[-1])


def test_raters_of_one_method_each_have_no_slopes() -> None:
    study = crossed_study(3)
    half = {f"r{n}" for n in range(6)}
    split = study[study["rater"].isin(half) == (study["method"] == "a")]
    model = fit_default(split)
    assert "only 0 of 12 raters saw every method" in str(model.steps[1])
    assert "(1 | rater)" in _formula(model)


def test_one_answer_per_rater_and_method_has_no_rater_slopes() -> None:
    study = crossed_study(3)
    once = study.groupby(["rater", "method"]).sample(1, random_state=1)
    model = fit_default(once)
    assert any("each rater answered once per method" in str(step) for step in model.steps)


def test_a_singular_fit_loses_correlations_then_slopes_without_variance() -> None:
    model = fit_default(reference_table("sim_singular"))
    steps = [str(step) for step in model.steps]
    assert "singular by image: correlations left out" in steps[-2]
    assert "the slopes' variance by image is estimated as zero: left out" in steps[-1]
    assert _formula(model) == "rating ~ method + (1 | image) + (1 | rater)"


@pytest.mark.parametrize("seed", range(8))
def test_the_formula_says_what_was_fitted(seed: int) -> None:
    """The chosen formula, given again, is the same model."""
    from mturk_eval.stats.mixed.model import fit_mixed

    study = crossed_study(seed, images=5, slope_sd=0.2, image_sd=0.1)
    chosen = fit_mixed(study)
    again = fit_mixed(study, chosen.formula)
    assert again.criterion == pytest.approx(chosen.criterion, abs=1e-6)
    assert again.fixed_effects[1].p == pytest.approx(chosen.fixed_effects[1].p, rel=1e-4)
    assert chosen.steps[-1].startswith(chosen.formula)


def test_slopes_are_left_out_only_where_they_add_nothing() -> None:
    """What is left out had no variance: with it again the criterion is the same."""
    left_out = 0
    for seed in range(20):
        model = fit_default(crossed_study(seed, images=6, raters=6, slope_sd=0.2))
        columns = model.design.fixed_columns
        blocks = [
            replace(b, terms=columns.names, columns=columns.values, correlated=False)
            if b.group == "image" and b.n_terms == 1
            else b
            for b in model.design.blocks
        ]
        if blocks != list(model.design.blocks):
            larger = fit_linear(model.design.response, model.design.fixed, blocks)
            assert model.fit.criterion - larger.criterion < 1e-5
            left_out += 1
    assert 0 < left_out < 20


def test_methods_on_different_images_are_compared_between_images() -> None:
    study = crossed_study(3)
    odd = study["image"].str[1:].astype(int) % 2 == 1
    model = fit_default(study[odd == (study["method"] == "a")])
    assert "compared between images" in str(model.steps[0])
    assert "(1 | image)" in _formula(model)


def test_a_method_on_one_image_is_compared_as_if_all_differed_alike() -> None:
    """Its own variance over images cannot be seen; the others' stands for it."""
    study = crossed_study(5)
    third = study[(study["method"] == "b") & (study["image"] == "i0")].assign(method="c")
    model = fit_default(pd.concat([study, third]))
    assert "c was rated on one image only" in str(model.steps[0])
    assert "(1 | image) + (1 | image:method)" in _formula(model)
    assert model.fit.converged
    assert model.fit.covariance[2, 2] > model.fit.covariance[1, 1]


def test_three_methods() -> None:
    study = crossed_study(5)
    third = study[study["method"] == "b"].assign(method="c", rating=lambda d: d["rating"] + 1)
    rng = np.random.default_rng(1)
    table = pd.concat([study, third.assign(rating=third["rating"] + rng.normal(size=len(third)))])
    model = fit_default(table)
    assert model.fit.converged
    assert model.fit.n_fixed == 3


def test_choices_are_by_reml_and_the_fit_as_asked() -> None:
    study = crossed_study(3)
    reml, ml = fit_default(study), fit_default(study, reml=False)
    assert _formula(reml) == _formula(ml)
    assert (reml.fit.reml, ml.fit.reml) == (True, False)


@pytest.mark.parametrize(
    ("study", "says"),
    [
        (crossed_study(1, images=1), "one image"),
        (crossed_study(1, raters=1), "one rater"),
        (crossed_study(1).query("method == 'a'"), "at least two levels"),
    ],
)
def test_a_study_without_a_comparison_is_refused(study: pd.DataFrame, says: str) -> None:
    with pytest.raises(StatisticsError, match=says):
        fit_default(study)
