"""Profile-likelihood intervals against lme4's confint, by their definition, and at boundaries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.profile_intervals import ProfileIntervals, profile_intervals
from tests.stats.mixed.fitted import SLOPES, THREE_METHODS, designed, fitted, sleepstudy_fit
from tests.stats.reference import crossed_study, reference_models, reference_table

Vector = NDArray[np.float64]
RISE = float(stats.chi2.ppf(0.95, 1))


def _by_r_s_name(result: ProfileIntervals) -> dict[str, tuple[float | None, float | None]]:
    found = {}
    for interval in result.intervals:
        group = interval.group
        name = {
            "fixed": interval.term or "",
            "residual": "sigma",
            "std_dev": f"sd_{interval.term}|{group}",
            "correlation": f"cor_{interval.term}.{interval.with_term}|{group}",
        }[interval.kind]
        found[name.replace("rater", "worker")] = (interval.ci_low, interval.ci_high)
    return found


@pytest.mark.parametrize(
    ("name", "place", "fit"),
    [
        ("sleepstudy", 0, sleepstudy_fit),
        ("sleepstudy", 1, lambda: sleepstudy_fit(correlated=False)),
        (
            "paperlike_300workers",
            1,
            lambda: fitted(
                SLOPES, reference_table("paperlike_300workers"), reference={"method": "webp"}
            ),
        ),
    ],
)
def test_limits_are_lme4_s(name: str, place: int, fit: Callable[[], LinearFit]) -> None:
    """As far as lme4's are exact: it interpolates its profile by splines."""
    model = reference_models(name)[place]
    found = _by_r_s_name(profile_intervals(fit(), tuple(model["fixef"])))
    assert set(found) == set(model["profile_ci95"])
    for parameter, (low, high) in model["profile_ci95"].items():
        assert found[parameter] == pytest.approx((low, high), abs=3e-4 * (high - low))


@pytest.fixture(scope="module")
def three_methods() -> ProfileIntervals:
    table = reference_table("three_methods")
    return profile_intervals(fitted(THREE_METHODS, table), designed(THREE_METHODS, table).terms)


def test_limits_of_three_correlated_effects(three_methods: ProfileIntervals) -> None:
    """lme4's splines fail for the correlations here, so these are compared by their definition."""
    reference = reference_models("three_methods")[0]["profile_ci95"]
    found = {k.replace("worker", "rater"): v for k, v in _by_r_s_name(three_methods).items()}
    assert set(found) == set(reference)
    for parameter, (low, high) in reference.items():
        tolerance = 0.03 if parameter.startswith(("cor", "sd_methodjxl")) else 1e-4
        assert found[parameter] == pytest.approx((low, high), abs=tolerance * (high - low))


def test_at_a_fixed_effect_s_limit_the_deviance_has_risen_by_the_quantile(
    three_methods: ProfileIntervals,
) -> None:
    """The profile deviance by its definition: refitted with the coefficient held there."""
    table = reference_table("three_methods")
    design = designed(THREE_METHODS, table)
    free = fit_linear(design.response, design.fixed, design.blocks, reml=False)
    for place in (0, 1, 4):
        interval = three_methods.intervals[place]
        others = np.delete(design.fixed, place, axis=1)
        for limit in (interval.ci_low, interval.ci_high):
            assert limit is not None
            held = design.response - limit * design.fixed[:, place]
            fit = fit_linear(held, others, design.blocks, reml=False)
            assert fit.criterion - free.criterion == pytest.approx(RISE, abs=1e-4)


def test_at_the_limits_of_a_correlation_and_a_standard_deviation_too() -> None:
    """By another parametrisation and a search without gradients."""
    table = reference_table("paperlike_300workers")
    free = fitted(SLOPES, table, reml=False, reference={"method": "webp"})
    result = profile_intervals(free, ("(Intercept)", "methodhuman"))
    (correlation,), (intercept, *_) = result.of_kind("correlation"), result.of_kind("std_dev")
    n = free.n_observations

    def with_correlation(limit: float, free_ones: Vector) -> float:
        first, second, rater, _ = free_ones
        rest = np.sqrt(1 - limit**2)
        theta = np.array([first, limit * second, rest * second, rater])
        return free.deviance.evaluate(theta, gradient=False).value

    def with_std_dev(limit: float, free_ones: Vector) -> float:
        shared, own, rater, log_sd = free_ones
        theta = np.array([limit / np.exp(log_sd), shared, own, rater])
        found = free.deviance.evaluate(theta, gradient=False)
        ratio = found.residual_variance / np.exp(2 * log_sd)
        return float(found.value + n * (ratio - 1 - np.log(ratio)))

    start = np.array([0.4, 0.8, 0.5, np.log(1.9)])
    for limit, profile in (
        (correlation.ci_low, with_correlation),
        (correlation.ci_high, with_correlation),
        (intercept.ci_low, with_std_dev),
        (intercept.ci_high, with_std_dev),
    ):
        assert limit is not None
        lowest = optimize.minimize(
            partial(profile, limit), start, method="Nelder-Mead", options={"fatol": 1e-6}
        )
        assert lowest.fun - free.criterion == pytest.approx(RISE, abs=1e-3)


def test_an_interval_widens_with_its_level() -> None:
    fit = fitted(SLOPES, crossed_study(3, images=12))
    narrow = profile_intervals(fit, ("(Intercept)", "methodb"), ci_level=0.8)
    wide = profile_intervals(fit, ("(Intercept)", "methodb"), ci_level=0.99)
    for inner, outer in zip(narrow.intervals, wide.intervals, strict=True):
        assert None not in (inner.ci_low, inner.ci_high, outer.ci_low, outer.ci_high)
        assert outer.ci_low <= inner.ci_low <= inner.ci_high <= outer.ci_high  # type: ignore[operator]


def test_limits_follow_the_response_s_unit() -> None:
    table = crossed_study(3, images=12)
    here = profile_intervals(fitted(SLOPES, table), ("(Intercept)", "methodb"))
    scaled = table.assign(rating=table["rating"] * 1e5)
    there = profile_intervals(fitted(SLOPES, scaled), ("(Intercept)", "methodb"))
    for one, other in zip(here.intervals, there.intervals, strict=True):
        unit = 1.0 if one.kind == "correlation" else 1e5
        assert (other.ci_low, other.ci_high) == pytest.approx(
            (one.ci_low * unit, one.ci_high * unit),  # type: ignore[operator]
            rel=1e-4,
        )


def test_a_variance_of_zero_has_zero_as_its_lower_limit_and_lme4_s_upper_one() -> None:
    table = reference_table("sim_singular")
    fit = fitted("rating ~ method + (1 | image) + (1 | rater)", table)
    image, rater = profile_intervals(fit, ("(Intercept)", "methodb")).of_kind("std_dev")
    assert (image.estimate, image.ci_low) == (0.0, 0.0)
    assert image.ci_high == pytest.approx(0.13764, abs=2e-5)  # confint of lme4 1.1-31
    assert (rater.ci_low, rater.ci_high) == pytest.approx((0.79649, 1.13805), abs=4e-5)


def test_where_a_slope_may_be_zero_its_correlation_may_be_anything() -> None:
    fit = fitted(SLOPES, reference_table("sim_singular"))
    result = profile_intervals(fit, ("(Intercept)", "methodb"))
    (correlation,) = result.of_kind("correlation")
    assert (correlation.ci_low, correlation.ci_high) == (-1.0, 1.0)
    assert correlation.estimate is None
    slope = result.of_kind("std_dev")[1]
    assert slope.ci_low == 0.0
    # Wider than without the correlation (lme4's confint: .20898), or the same.
    assert slope.ci_high == pytest.approx(0.20898, abs=1e-4)
    assert result.warnings == ()


def test_a_correlation_of_one_does_not_hide_the_slope_s_range() -> None:
    """The likelihood is even in a factor's zero diagonal: the search must step out of it."""
    table = reference_table("sim_balanced")
    fit = fitted("rating ~ method + (1 + method | image) + (1 + method | rater)", table)
    slope = profile_intervals(fit, ("(Intercept)", "methodb")).of_kind("std_dev")[3]
    assert slope.estimate == pytest.approx(0.0277, abs=1e-3)
    assert slope.ci_low == 0.0
    assert slope.ci_high == pytest.approx(0.2124, abs=1e-3)


def test_the_fixed_effects_alone() -> None:
    fit = fitted(SLOPES, crossed_study(3))
    result = profile_intervals(fit, ("(Intercept)", "methodb"), random=False)
    assert [interval.kind for interval in result.intervals] == ["fixed", "fixed"]
    document = result.document()
    assert document["rows"][1]["term"] == "methodb"
    assert document["n_observations"] == fit.n_observations


def test_wrong_usage_is_refused() -> None:
    fit = fitted(SLOPES, crossed_study(3))
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        profile_intervals(fit, ("(Intercept)", "methodb"), ci_level=95)
    with pytest.raises(InvalidInputError, match="1 names for 2"):
        profile_intervals(fit, ("(Intercept)",))
