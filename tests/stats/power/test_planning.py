"""The planning formula: its published figures, its limits, and exact generalised least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.planning import images_needed, planned_power
from mturk_eval.stats.power.studies import simulate_study

# The human-compression study: mean difference, sd of differences between images, sd of ratings.
HUMAN_COMPRESSION = Truth(effect=0.984, slope_sd=1.88, residual_sd=2.21)


def planned(images: int, ratings: int, truth: Truth = HUMAN_COMPRESSION) -> float:
    design = StudyDesign(images=images, ratings_per_cell=ratings, raters=ratings)
    return planned_power(design, truth).power


@pytest.mark.parametrize(
    ("images", "power"),
    [(13, 0.40), (20, 0.59), (25, 0.70), (30, 0.78), (32, 0.81), (40, 0.89), (50, 0.95)],
)
def test_power_grows_with_images(images: int, power: float) -> None:
    assert planned(images, 100) == pytest.approx(power, abs=0.0051)


@pytest.mark.parametrize(
    ("images", "ratings", "power"),
    [(13, 10, 0.34), (13, 20, 0.37), (13, 50, 0.40), (13, 1000, 0.41),
     (30, 10, 0.69), (30, 20, 0.74), (30, 50, 0.77)],
)  # fmt: skip
def test_ratings_buy_little(images: int, ratings: int, power: float) -> None:
    assert planned(images, ratings) == pytest.approx(power, abs=0.0065)


def test_images_are_97_percent_of_the_uncertainty() -> None:
    design = StudyDesign(images=13, ratings_per_cell=100, raters=100)
    plan = planned_power(design, HUMAN_COMPRESSION)
    assert plan.image_share == pytest.approx(0.973, abs=0.001)
    assert plan.image_share + plan.rater_share + plan.residual_share == pytest.approx(1)
    assert plan.std_error == pytest.approx(0.528, abs=0.001)
    assert plan.df == 12


@given(
    images=st.integers(2, 200),
    ratings=st.integers(1, 200),
    effect=st.floats(-20, 20),
    slope_sd=st.floats(0, 3),
    rater_slope_sd=st.floats(0, 3),
    alpha=st.floats(0.001, 0.5),
)
@settings(deadline=None)
def test_power_is_a_share_between_the_level_and_one(
    images: int,
    ratings: int,
    effect: float,
    slope_sd: float,
    rater_slope_sd: float,
    alpha: float,
) -> None:
    """Also where effects are so large that a tail of the noncentral t is no longer a number."""
    design = StudyDesign(images=images, ratings_per_cell=ratings, raters=max(2, ratings))
    truth = Truth(effect=effect, slope_sd=slope_sd, rater_slope_sd=rater_slope_sd)
    power = planned_power(design, truth, alpha=alpha).power
    assert alpha - 1e-6 <= power <= 1 + 1e-9
    mirrored = planned_power(design, replace(truth, effect=-effect), alpha=alpha).power
    assert mirrored == pytest.approx(power)


def test_without_an_effect_power_is_the_level() -> None:
    assert planned(13, 100, Truth(effect=0, slope_sd=1)) == pytest.approx(0.05)


@pytest.mark.parametrize("rater_sd", [0.5, 2.0])
@pytest.mark.parametrize(("ratings", "raters"), [(3, 20), (10, 30), (5, 400)])
def test_a_crowds_leniency_costs_what_least_squares_says(
    ratings: int, raters: int, rater_sd: float
) -> None:
    """The worker term against the exact variance of the generalised least squares estimate."""
    design = StudyDesign(images=12, ratings_per_cell=ratings, raters=raters)
    truth = Truth(effect=1, slope_sd=0.0, image_sd=0.0, rater_sd=rater_sd, residual_sd=1.5)
    variances = []
    for seed in range(8):
        study = simulate_study(design, truth, np.random.default_rng(seed))
        same_rater = study.rater[:, None] == study.rater
        covariance = rater_sd**2 * same_rater + 1.5**2 * np.eye(len(study.rating))
        image = np.eye(12)[study.image]  # the model's image intercepts, here as constants
        columns = np.column_stack([image, study.method])
        information = columns.T @ np.linalg.solve(covariance, columns)
        variances.append(np.linalg.inv(information)[-1, -1])
    formula = planned_power(design, truth).std_error ** 2
    assert formula == pytest.approx(np.mean(variances), rel=0.12)


def test_the_fewest_images_are_the_fewest() -> None:
    design = StudyDesign(images=13, ratings_per_cell=100, raters=100)
    assert images_needed(design, HUMAN_COMPRESSION) == 32
    assert planned(31, 100) < 0.8 <= planned(32, 100)
    assert images_needed(design, replace(HUMAN_COMPRESSION, effect=50)) == 2


@pytest.mark.parametrize(
    "truth",
    [Truth(effect=0, slope_sd=1), Truth(effect=0.5, slope_sd=1, rater_slope_sd=9)],
    ids=["no effect", "raters disagree"],
)
def test_sometimes_no_number_of_images_is_enough(truth: Truth) -> None:
    design = StudyDesign(images=13, ratings_per_cell=20, raters=20)
    assert images_needed(design, truth) is None


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_levels_are_shares(share: float) -> None:
    design = StudyDesign(images=13, ratings_per_cell=20, raters=20)
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        planned_power(design, HUMAN_COMPRESSION, alpha=share)
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        images_needed(design, HUMAN_COMPRESSION, power=share)
