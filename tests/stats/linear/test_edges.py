"""Unusual data: right, or refused with a reason; and nothing that depends on units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear import fitting
from mturk_eval.stats.linear.conditional_modes import conditional_modes
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df
from tests.stats.mixed.reference_fits import random_block
from tests.stats.reference import crossed_study

Array = NDArray[np.float64]


def _study(seed: int = 0, **settings: float) -> pd.DataFrame:
    return crossed_study(seed, **settings)  # type: ignore[arg-type]


def _model(
    study: pd.DataFrame, *, slopes: bool = True, correlated: bool = True
) -> tuple[Array, Array, list[RandomBlock]]:
    """``rating ~ method + (1 + method | image) + (1 | rater)``."""
    columns: dict[str, Array] = {"(Intercept)": np.ones(len(study))}
    fixed = columns | {"methodb": np.where(study["method"] == "b", 1.0, 0.0)}
    blocks = [
        random_block("image", study, fixed if slopes else columns, correlated=correlated),
        random_block("rater", study, columns),
    ]
    return study["rating"].to_numpy(np.float64), np.column_stack([*fixed.values()]), blocks


def _fit(study: pd.DataFrame, *, slopes: bool = True, reml: bool = True) -> LinearFit:
    return fit_linear(*_model(study, slopes=slopes), reml=reml)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 50),
    response_scale=st.sampled_from([1e-6, 1.0, 1e6]),
    response_shift=st.sampled_from([0.0, 1e3, -1e6]),
    column_scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_units_change_units_only(
    seed: int, response_scale: float, response_shift: float, column_scale: float
) -> None:
    """A covariate in thousands, a response in millions: the same model."""
    rng = np.random.default_rng(seed)
    study = _study(seed, images=7, raters=9)
    x = rng.normal(2.0, 1.0, len(study))
    response = (
        study["rating"].to_numpy(np.float64)
        + x * rng.normal(1, 0.6, 7)[pd.factorize(study["image"], sort=True)[0]]
    )

    def fit(y: Array, scale: float) -> LinearFit:
        columns = {"(Intercept)": np.ones(len(x)), "x": x * scale}
        blocks = [
            random_block("image", study, columns),
            random_block("rater", study, {"(Intercept)": np.ones(len(x))}),
        ]
        return fit_linear(y, np.column_stack([*columns.values()]), blocks)

    one = fit(response, 1.0)
    other = fit((response + response_shift) * response_scale, column_scale)
    unit = np.array([1.0, column_scale])
    estimates = other.estimates * unit / response_scale - np.array([response_shift, 0.0])
    errors = np.sqrt(np.diag(one.covariance))
    assert (np.abs(estimates - one.estimates) < 1e-4 * errors).all()
    np.testing.assert_allclose(
        other.covariance * np.outer(unit, unit) / response_scale**2, one.covariance, rtol=1e-3
    )
    assert other.singular == one.singular
    if not one.singular:
        df = satterthwaite_df(one, np.eye(2))
        np.testing.assert_allclose(satterthwaite_df(other, np.eye(2)), df, rtol=2e-3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_the_order_of_rows_and_the_names_of_levels_change_nothing(
    seed: int, data: st.DataObject
) -> None:
    study = _study(seed % 20, images=5, raters=7).sample(frac=0.85, random_state=seed)
    order = data.draw(st.permutations(range(5)))
    renamed = study.assign(image=[f"i{order[int(name[1:])]}" for name in study["image"]])
    one, other = _fit(study), _fit(renamed.sample(frac=1, random_state=1))
    assert other.criterion == pytest.approx(one.criterion, abs=1e-6)
    np.testing.assert_allclose(other.estimates, one.estimates, atol=1e-5)


def test_the_reference_level_changes_nothing() -> None:
    """The search runs in orthonormal columns, whatever the contrasts."""
    study = _study(3)
    response, fixed, blocks = _model(study)
    turn = np.array([[1.0, 0.5], [0.0, -1.0]])
    other = fit_linear(
        response, fixed @ turn, [replace(blocks[0], columns=fixed @ turn), blocks[1]]
    )
    one = fit_linear(response, fixed, blocks)
    assert other.n_evaluations == one.n_evaluations
    np.testing.assert_allclose(turn @ other.estimates, one.estimates, rtol=1e-8)
    np.testing.assert_allclose(
        turn @ other.covariances[0] @ turn.T, one.covariances[0], rtol=1e-5, atol=1e-8
    )
    # REML of other contrasts differs by a constant: 2 log |det|
    assert other.criterion == pytest.approx(one.criterion + 2 * np.log(abs(np.linalg.det(turn))))


def test_variances_of_a_known_truth() -> None:
    """Averaged over studies, REML's variances are those the studies were made with."""
    found = [_fit(_study(seed, images=15, raters=15)) for seed in range(25)]
    image = np.mean([fit.covariances[0] for fit in found], axis=0)
    rater = np.mean([fit.covariances[1][0, 0] for fit in found])
    assert np.diag(image) == pytest.approx([0.64, 0.49], rel=0.25)
    assert rater == pytest.approx(1.0, rel=0.25)
    assert np.mean([fit.residual_variance for fit in found]) == pytest.approx(1.44, rel=0.05)
    assert np.mean([fit.estimates[1] for fit in found]) == pytest.approx(0.8, abs=0.15)


def test_a_rater_with_one_rating_and_missing_cells() -> None:
    study = _study(2).drop(index=[0, 5, 6, 7, 40])
    study = pd.concat([study, study.iloc[[3]].assign(rater="once", rating=9.0)])
    fit = _fit(study)
    assert fit.converged
    modes = conditional_modes(fit)[1]
    assert np.isfinite(modes.modes).all()
    place = modes.levels.index("once")
    assert modes.std_errors[place, 0] == modes.std_errors.max()


def test_no_variance_between_images_is_found_as_exactly_zero() -> None:
    study = _study(1, image_sd=0.0, slope_sd=0.0)
    study["rating"] -= study.groupby(["image", "method"])["rating"].transform("mean")
    fit = _fit(study)
    assert fit.singular
    assert fit.converged
    assert (fit.factors[0] == 0).all()
    assert fit.theta[0] == 0.0
    df = satterthwaite_df(fit, np.eye(2))
    without = fit_linear(fit.response, fit.fixed, [fit.blocks[1]])
    assert fit.criterion == pytest.approx(without.criterion, abs=1e-6)
    np.testing.assert_allclose(df, satterthwaite_df(without, np.eye(2)), rtol=1e-4)


def test_a_correlation_of_one_is_found_as_a_singular_factor() -> None:
    """The slope is twice the intercept: one direction has no variance, both terms have."""
    rng = np.random.default_rng(5)
    study = _study(0, images=10, raters=20, image_sd=0.0, slope_sd=0.0)
    place = pd.factorize(study["image"], sort=True)[0]
    share = rng.normal(0, 1, 10)[place]
    study["rating"] += share * (1 + 2 * (study["method"] == "b"))
    fit = _fit(study)
    factor = fit.factors[0]
    if fit.singular:
        assert factor[0, 0] > 0
        assert factor[1, 1] == 0
    correlation = fit.covariances[0][0, 1] / np.sqrt(np.prod(np.diag(fit.covariances[0])))
    assert correlation > 0.95
    assert np.isfinite(satterthwaite_df(fit, np.eye(2))).all()


def test_slopes_on_a_time_stamp() -> None:
    """An intercept at a time far away: nearly dependent columns, the same criterion."""
    rng = np.random.default_rng(2)
    study = _study(6, images=8, raters=14)
    day = rng.uniform(0, 30, len(study))
    slope = rng.normal(0, 0.1, 8)[pd.factorize(study["image"], sort=True)[0]]
    response = study["rating"].to_numpy(np.float64) + slope * day

    def fit(start: float) -> LinearFit:
        columns = {"(Intercept)": np.ones(len(day)), "day": day + start}
        blocks = [
            random_block("image", study, columns),
            random_block("rater", study, {"(Intercept)": np.ones(len(day))}),
        ]
        return fit_linear(response, np.column_stack([*columns.values()]), blocks)

    near, far = fit(0.0), fit(738_000.0)
    assert far.criterion == pytest.approx(near.criterion, abs=1e-5)
    assert far.estimates[1] == pytest.approx(near.estimates[1], rel=1e-6)
    assert far.converged


def test_without_random_terms_it_is_least_squares() -> None:
    response, fixed, _ = _model(_study(0))
    fit = fit_linear(response, fixed, [])
    estimates, square, *_ = np.linalg.lstsq(fixed, response)
    np.testing.assert_allclose(fit.estimates, estimates, rtol=1e-10)
    assert fit.residual_variance == pytest.approx(float(square[0]) / (len(response) - 2))
    assert (fit.n_variance_parameters, fit.singular, fit.converged) == (1, False, True)


def test_a_start_saves_evaluations_and_changes_nothing() -> None:
    model = _model(_study(8))
    one = fit_linear(*model)
    again = fit_linear(*model, start=one.theta)
    assert again.criterion == pytest.approx(one.criterion, abs=1e-8)
    assert again.n_evaluations <= 2


def test_ml_and_reml_differ_as_they_should() -> None:
    study = _study(5)
    reml, ml = _fit(study), _fit(study, reml=False)
    assert ml.covariance[0, 0] < reml.covariance[0, 0]
    assert (reml.reml, ml.reml) == (True, False)


def test_answers_that_the_fixed_effects_explain_are_refused() -> None:
    study = _study(0)
    for rating in (np.full(len(study), 4.0), (study["method"] == "b") * 2.0 + 1.0):
        with pytest.raises(StatisticsError, match="fixed effects explain every answer exactly"):
            _fit(study.assign(rating=rating))


def test_answers_that_the_random_effects_explain_are_refused() -> None:
    study = _study(0)
    rng = np.random.default_rng(0)
    rating = rng.normal(size=8)[pd.factorize(study["image"])[0]]
    with pytest.raises(StatisticsError, match="explain"):
        _fit(study.assign(rating=rating), slopes=False)


def test_dependent_columns_are_refused_by_place_and_term() -> None:
    response, fixed, blocks = _model(_study(0))
    twice = np.column_stack([fixed, fixed[:, 1] * 3.0])
    with pytest.raises(StatisticsError, match="Column 3 of the fixed effects"):
        fit_linear(response, twice, blocks)
    with pytest.raises(StatisticsError, match="Column 2 of the fixed effects"):
        fit_linear(response, fixed * [1.0, 0.0], blocks)
    block = replace(blocks[0], columns=np.column_stack([fixed[:, 0], fixed[:, 0] * 2.0]))
    with pytest.raises(
        StatisticsError, match=r"\(Intercept\), methodb of the random term by image"
    ):
        fit_linear(response, fixed, [block, blocks[1]])


def test_a_term_given_twice_is_refused() -> None:
    response, fixed, blocks = _model(_study(0))
    with pytest.raises(StatisticsError, match=r"\(Intercept\) has two random terms by rater"):
        fit_linear(response, fixed, [*blocks, blocks[1]])


def test_a_level_per_answer_and_a_single_level_are_refused() -> None:
    study = _study(0).assign(answer=lambda d: [str(i) for i in range(len(d))], site="here")
    response, fixed, blocks = _model(study)
    ones = {"(Intercept)": np.ones(len(study))}
    with pytest.raises(StatisticsError, match="by answer has 192 coefficients for 192 answers"):
        fit_linear(response, fixed, [*blocks, random_block("answer", study, ones)])
    with pytest.raises(StatisticsError, match="one level of site"):
        fit_linear(response, fixed, [*blocks, random_block("site", study, ones)])


def test_more_effects_than_answers_are_refused() -> None:
    response, fixed, _ = _model(_study(0))
    with pytest.raises(StatisticsError, match="2 answers cannot determine 2 fixed effects"):
        fit_linear(response[:2], fixed[:2], [])


def test_too_large_a_model_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST_REST_COEFFICIENTS", 10)
    with pytest.raises(StatisticsError, match=r"(?s)rater.*image \(12\).*Leave out the slopes"):
        _fit(_study(0, images=6, raters=20))
