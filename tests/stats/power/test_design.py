"""A plan that makes no study is refused with what to change."""

from __future__ import annotations

from typing import Any

import pytest

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.power.design import StudyDesign, Truth


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 1}, "1 images: give at least 2"),
        ({"methods": 1}, "1 methods: give at least 2"),
        ({"ratings_per_cell": 0}, "0 ratings a cell: give at least 1"),
        ({"raters": 9}, "9 raters cannot give 10 ratings a cell"),
        ({"ratings_per_cell": 1, "raters": 1}, "give at least 2 raters"),
        ({"scale": (10, 1)}, "the lowest rating must be below the highest"),
    ],
)
def test_numbers_that_make_no_study(change: dict[str, Any], message: str) -> None:
    plan: dict[str, Any] = {"images": 13, "ratings_per_cell": 10, "raters": 10}
    with pytest.raises(InvalidInputError, match=message):
        StudyDesign(**(plan | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effect": float("nan")}, "The effect is nan"),
        ({"slope_sd": -1.0}, "The slope sd is -1: a standard deviation is 0 or more"),
        ({"rater_sd": float("inf")}, "The rater sd is inf"),
        ({"slope_correlation": 1.5}, "lies between -1 and 1"),
        ({"residual_sd": 0.0}, "The residual sd is 0"),
    ],
)
def test_numbers_that_make_no_truth(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Truth(**({"effect": 1.0, "slope_sd": 1.0} | change))


def test_what_a_design_adds_up_to() -> None:
    everyone = StudyDesign(images=13, ratings_per_cell=100, raters=100)
    assert (everyone.n_cells, everyone.n_observations) == (26, 2_600)
    assert (everyone.everyone_rates_everything, everyone.ratings_per_rater) == (True, 26)
    crowd = StudyDesign(images=13, methods=3, ratings_per_cell=100, raters=300)
    assert (crowd.everyone_rates_everything, crowd.ratings_per_rater) == (False, 13)
