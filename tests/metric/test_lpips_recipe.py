"""The published recipe on cached features: seeded, clamped, learning, and honest about dropout."""

from __future__ import annotations

import numpy as np
import pytest

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.lpips_recipe import fit_lpips_recipe
from mturk_eval.metric.training import TrainedWeights, fit_equal_weights
from mturk_eval.metric.yardsticks import agreement
from tests.metric.simulated_triplets import SimulatedStudy, simulated_study

pytest.importorskip("torch")

LAYERS = (8, 12, 20)


@pytest.fixture(scope="module")
def study() -> SimulatedStudy:
    return simulated_study(2, originals=25)


def _fit(study: SimulatedStudy, **options: float) -> TrainedWeights:
    settings = {"steps": 200, "rate": 5e-3} | options
    return fit_lpips_recipe(
        study.triplets,
        study.first,
        study.second,
        layer_sizes=LAYERS,
        **settings,  # type: ignore[arg-type]
    )


def _score(study: SimulatedStudy, trained: TrainedWeights) -> float:
    difference = trained.distance(study.first) - trained.distance(study.second)
    return float(agreement(difference, study.chance).mean())


def test_it_learns_what_equal_weights_do_not_know(study: SimulatedStudy) -> None:
    trained = _fit(study, steps=800)
    equal = fit_equal_weights(study.triplets, study.first, study.second)
    assert _score(study, trained) > _score(study, equal) + 0.005
    assert trained.logit_slope > 0
    assert trained.training_log_loss < equal.training_log_loss


def test_weights_are_clamped_at_zero_and_scaled(study: SimulatedStudy) -> None:
    trained = _fit(study)
    assert trained.weights.min() == 0  # half of them start below
    mean = (trained.distance(study.first) + trained.distance(study.second)).mean() / 2
    assert mean == pytest.approx(1)


def test_a_seed_gives_the_same_weights_again(study: SimulatedStudy) -> None:
    one, again, other = (_fit(study, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.weights, again.weights)
    assert not np.array_equal(one.weights, other.weights)
    assert one.seed == 1


def test_what_cannot_be_done_on_cached_features_is_said(study: SimulatedStudy) -> None:
    plain, dropped = _fit(study), _fit(study, dropout=0.5)
    assert "element dropout cannot be repeated" in plain.warnings[0]
    assert "whole channels were dropped" in dropped.warnings[0]
    assert dropped.settings["channel_dropout"] == 0.5
    assert not np.array_equal(plain.weights, dropped.weights)


def test_bad_options_are_refused(study: SimulatedStudy) -> None:
    for options in ({"steps": 5}, {"rate": 0.0}, {"dropout": 1.0}):
        with pytest.raises(MetricInputError, match="give at least 10 steps"):
            _fit(study, **options)
    with pytest.raises(MetricInputError, match="one column per channel"):
        fit_lpips_recipe(study.triplets, study.first, study.second, layer_sizes=(8, 12))
