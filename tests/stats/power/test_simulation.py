"""Power by simulation: true to the formula, to a known truth, and the same however it is run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.power import simulation
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.results import PowerResult, power_document
from mturk_eval.stats.power.simulation import power

DESIGN = StudyDesign(images=13, ratings_per_cell=20, raters=20)
TRUTH = Truth(effect=0.984, slope_sd=1.88, residual_sd=2.21)


@pytest.fixture(scope="module")
def result() -> PowerResult:
    return power(DESIGN, TRUTH, studies=400, seed=1)


def test_simulation_and_formula_agree(result: PowerResult) -> None:
    """Balanced, so the formula is exact; the limits are 4 Monte-Carlo errors."""
    assert result.simulated is not None
    found = result.simulated
    assert found.power == pytest.approx(result.planned.power, abs=0.1)
    assert found.ci_low < found.power < found.ci_high
    assert found.coverage == pytest.approx(0.95, abs=0.045)
    assert found.mean_effect == pytest.approx(0.984, abs=0.12)
    assert found.sd_effect == pytest.approx(result.planned.std_error, rel=0.15)
    assert found.mean_std_error == pytest.approx(found.sd_effect, rel=0.15)
    assert found.median_df == pytest.approx(12, abs=0.5)
    assert (result.n_failed, result.warnings) == (0, ())


def test_without_an_effect_power_is_the_type_1_error() -> None:
    design = StudyDesign(images=13, ratings_per_cell=20, raters=60)
    found = power(design, replace(TRUTH, effect=0.0), studies=300, seed=2).simulated
    assert found is not None
    assert 0.01 < found.power < 0.105  # 0.05 and 4 Monte-Carlo errors


def test_raters_who_differ_about_the_effect_are_in_the_model() -> None:
    truth = Truth(effect=0.8, slope_sd=0.3, rater_slope_sd=1.5, residual_sd=1)
    result = power(DESIGN, truth, studies=60, seed=3)
    assert result.formula == "rating ~ method + (1 + method | image) + (1 + method | rater)"
    assert result.simulated is not None
    assert result.simulated.mean_std_error == pytest.approx(result.planned.std_error, rel=0.1)
    assert result.planned.rater_share > 0.8


@pytest.mark.parametrize("how", [{"workers": 2}, {"dask": "local"}], ids=["processes", "dask"])
def test_the_way_changes_no_number(how: dict[str, Any]) -> None:
    assert power(DESIGN, TRUTH, studies=8, **how) == power(DESIGN, TRUTH, studies=8)


def test_seeds_are_told_apart() -> None:
    once, other = (power(DESIGN, TRUTH, studies=4, seed=seed).simulated for seed in (0, 1))
    assert once != other


def test_studies_that_cannot_be_fitted_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit_some(response: NDArray[np.float64], *rest: Any) -> LinearFit:
        if response[0] > np.mean(response):
            raise StatisticsError("these data determine no variance")
        return fit_linear(response, *rest)

    monkeypatch.setattr(simulation, "fit_linear", fit_some)
    result = power(DESIGN, TRUTH, studies=12)
    assert 0 < result.n_failed < 12
    assert f"{result.n_failed} of 12 simulated studies" in result.warnings[0]
    assert result.simulated is not None


def test_where_none_can_be_fitted_nothing_is_promised() -> None:
    """One rating a cell and rater: rater and residual are one."""
    design = StudyDesign(images=2, ratings_per_cell=1, raters=5_000)
    result = power(design, TRUTH, studies=5)
    assert (result.simulated, result.n_failed) == (None, 5)
    assert result.document()["rows"][0]["power"] is None


def test_what_the_document_says(result: PowerResult) -> None:
    document = result.document()
    assert document["model"] == "power"
    assert document["n_observations"] == 400 * 520
    assert document["generalises_to"] == ["images", "raters"]
    assert document["truth"]["slope_sd"] == 1.88
    (row,) = document["rows"]
    assert (row["images"], row["n_observations"], row["images_needed"]) == (13, 520, 35)
    assert row["planned_power"] == pytest.approx(0.37, abs=0.001)


def test_designs_share_one_document() -> None:
    small = power(StudyDesign(images=6, ratings_per_cell=5, raters=5), TRUTH, studies=3)
    three = power(replace(DESIGN, methods=3), TRUTH, studies=3)
    document = power_document([small, three])
    assert [row["images"] for row in document["rows"]] == [6, 13]
    assert any("--df kenward-roger" in warning for warning in document["warnings"])
    assert any("--alpha 0.017" in warning for warning in document["warnings"])


def test_no_study_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="0 studies: simulate at least 1"):
        power(DESIGN, TRUTH, studies=0)
