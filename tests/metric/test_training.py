"""The convex fit: one answer, antisymmetric, and as good as the weights that made the votes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, special

from mturk_eval.metric.errors import MetricError, MetricInputError
from mturk_eval.metric.logistic_fit import (
    L2_GRID,
    fit_non_negative_logistic,
    fit_slope,
    held_out_logits,
)
from mturk_eval.metric.split import split_by_original
from mturk_eval.metric.training import (
    Features,
    TrainedWeights,
    fit_equal_weights,
    fit_layer_weights,
    fit_logistic,
    scaled_weights,
)
from mturk_eval.metric.yardsticks import agreement
from tests.metric.simulated_triplets import SimulatedStudy, bare_triplets, repeated, simulated_study

LAYERS = (8, 12, 20)


@pytest.fixture(scope="module")
def study() -> SimulatedStudy:
    return simulated_study(1, originals=30)


def _swapped(study: SimulatedStudy, rows: NDArray[np.bool_]) -> SimulatedStudy:
    """The study with the sides of some triplets exchanged."""
    plain, turned = study.triplets, study.triplets.swapped()
    names = type(plain).__dataclass_fields__
    return replace(
        study,
        triplets=type(plain)(
            **{name: np.where(rows, getattr(turned, name), getattr(plain, name)) for name in names}
        ),
        first=np.where(rows[:, None], study.second, study.first),
        second=np.where(rows[:, None], study.first, study.second),
    )


def _expected_score(study: SimulatedStudy, weights: NDArray[np.float64]) -> float:
    """2AFC score over infinitely many votes."""
    difference = (study.first - study.second).astype(np.float64) @ weights
    return float(agreement(difference, study.chance).mean())


def test_a_known_w_is_recovered_from_votes_within_half_a_point_of_2afc_score() -> None:
    study = simulated_study(3, originals=130)
    split = split_by_original(study.triplets, test_share=0.25, seed=1)
    rows = split.train
    trained = fit_logistic(study.triplets.take(rows), study.first[rows], study.second[rows])
    held_out = replace(
        study,
        first=study.first[split.test],
        second=study.second[split.test],
        chance=study.chance[split.test],
    )
    truth = _expected_score(held_out, study.weights)
    assert _expected_score(held_out, trained.weights) == pytest.approx(truth, abs=0.005)
    assert truth > _expected_score(held_out, np.ones(len(study.weights))) + 0.005


def test_noiseless_votes_give_the_weights_themselves() -> None:
    study = simulated_study(4, originals=200, layer_sizes=(2, 2), slope=1.5)
    many = 1_000_000
    second = np.round(many * study.chance).astype(np.int64)
    votes = replace(study.triplets, votes_first=many - second, votes_second=second)
    found = fit_logistic(votes, study.first, study.second, l2=1e-7).weights
    truth = study.weights / study.weights.max()
    np.testing.assert_allclose(found / found.max(), truth, atol=2e-3)


@pytest.mark.parametrize("l2", [0.001, 0.1, 3.0])
def test_two_starting_points_end_in_the_same_weights(study: SimulatedStudy, l2: float) -> None:
    start = np.random.default_rng(0).uniform(0, 5, size=(study.first.shape[1],))
    one = fit_logistic(study.triplets, study.first, study.second, l2=l2)
    other = fit_logistic(study.triplets, study.first, study.second, l2=l2, start=start)
    assert np.abs(one.weights - other.weights).max() < 1e-4 * one.weights.max()


def test_the_weights_are_those_of_a_general_optimiser(study: SimulatedStudy) -> None:
    """The objective as it is written in the text, minimised by a method without its gradient."""
    x = (study.first - study.second)[:, :4].astype(np.float64)
    scale = np.abs(x).mean(axis=0)
    share, l2 = study.triplets.share_second, 0.05

    def objective(root: NDArray[np.float64]) -> float:
        v = root**2  # so v >= 0 without a bound
        t = (x / scale) @ v
        return float((np.log1p(np.exp(t)) - share * t).mean() + l2 / 2 * v @ v)

    slow = optimize.minimize(
        objective, np.full(4, 0.5), method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 20_000, "maxfev": 20_000},
    )  # fmt: skip
    found = fit_non_negative_logistic(x, study.triplets, l2=l2)
    assert found.objective == pytest.approx(slow.fun, abs=1e-9)
    np.testing.assert_allclose(found.weights * scale, slow.x**2, atol=1e-4)


@settings(max_examples=15)
@given(seed=st.integers(0, 1_000))
def test_exchanging_sides_changes_no_weight_and_flips_the_prediction(
    study: SimulatedStudy, seed: int
) -> None:
    rows = np.random.default_rng(seed).random(len(study.triplets)) < 0.5
    turned = _swapped(study, rows)
    one = fit_logistic(study.triplets, study.first, study.second, l2=0.1)
    other = fit_logistic(turned.triplets, turned.first, turned.second, l2=0.1)
    np.testing.assert_allclose(other.weights, one.weights, atol=1e-5 * one.weights.max())
    sides = one.distance(study.first) - one.distance(study.second)
    of_turned = one.distance(turned.first) - one.distance(turned.second)
    np.testing.assert_allclose(of_turned, np.where(rows, -sides, sides), atol=1e-12)


@settings(max_examples=15)
@given(seed=st.integers(0, 1_000))
def test_a_triplet_given_twice_is_a_triplet_with_twice_the_votes(
    study: SimulatedStudy, seed: int
) -> None:
    times = np.random.default_rng(seed).integers(1, 4, len(study.triplets))
    rows = np.repeat(np.arange(len(times)), times)
    heavy = replace(
        study.triplets,
        votes_first=study.triplets.votes_first * times,
        votes_second=study.triplets.votes_second * times,
    )
    one = fit_logistic(heavy, study.first, study.second, l2=0.1)
    other = fit_logistic(
        repeated(study.triplets, times), study.first[rows], study.second[rows], l2=0.1
    )
    np.testing.assert_allclose(other.weights, one.weights, atol=1e-4 * one.weights.max())
    assert one.training_log_loss == pytest.approx(other.training_log_loss)


@settings(max_examples=15)
@given(power=st.integers(-8, 8))
def test_the_unit_of_the_features_does_not_matter(study: SimulatedStudy, power: int) -> None:
    """Powers of two are exact in floating point, so nothing but the unit changes."""
    factor = np.float32(2.0**power)
    one = fit_logistic(study.triplets, study.first, study.second, l2=0.1)
    other = fit_logistic(study.triplets, factor * study.first, factor * study.second, l2=0.1)
    np.testing.assert_allclose(other.weights * factor, one.weights, rtol=1e-9)
    assert other.logit_slope == pytest.approx(one.logit_slope)


@pytest.mark.parametrize("recipe", ["logistic", "layers", "equal"])
def test_the_mean_distance_on_the_training_pairs_is_one(study: SimulatedStudy, recipe: str) -> None:
    trained = _fitted(study, recipe)
    n = study.triplets.n_votes
    mean = (trained.distance(study.first) + trained.distance(study.second)) / 2
    assert float((n * mean).sum() / n.sum()) == pytest.approx(1)
    assert (trained.weights >= 0).all()
    assert 0 < trained.training_log_loss < np.log(2)
    assert trained.document()["scale"] == "mean distance on the training pairs = 1"


def test_layer_weights_are_equal_within_a_layer(study: SimulatedStudy) -> None:
    weights = _fitted(study, "layers").weights
    for layer in np.split(weights, np.cumsum(LAYERS)[:-1]):
        assert np.ptp(layer) == 0


def test_the_slope_of_equal_weights_is_the_best_one(study: SimulatedStudy) -> None:
    trained = _fitted(study, "equal")
    difference = trained.distance(study.first) - trained.distance(study.second)
    share = study.triplets.share_second
    slopes = trained.logit_slope * np.array([0.98, 1.0, 1.02])
    losses = [(np.log1p(np.exp(s * difference)) - s * share * difference).mean() for s in slopes]
    assert int(np.argmin(losses)) == 1


def test_slopes_of_unanimous_and_of_opposite_votes_are_finite() -> None:
    votes = bare_triplets([0, 0], [5, 5])
    assert fit_slope(np.array([1.0, 3.0]), votes) == 500.0  # 1,000 typical differences of 2
    assert fit_slope(np.array([-1.0, -3.0]), votes) == 0.0
    assert fit_slope(np.array([0.0, 0.0]), votes) == 0.0


def test_the_penalty_is_chosen_on_originals_that_were_left_out(study: SimulatedStudy) -> None:
    found = fit_logistic(study.triplets, study.first, study.second)
    table = found.cross_validation
    assert table is not None
    assert found.l2 == table.chosen == table.l2[int(np.argmin(table.log_loss))]
    assert table.l2 == L2_GRID[: len(table.l2)]
    again = fit_logistic(study.triplets, study.first, study.second)
    assert np.array_equal(again.weights, found.weights)  # no seed, no chance
    careful = fit_logistic(study.triplets, study.first, study.second, rule="one-standard-error")
    assert careful.l2 is not None
    assert careful.l2 >= found.l2


def test_held_out_logits_are_those_of_fits_without_the_original(study: SimulatedStudy) -> None:
    x = study.first - study.second
    images = study.triplets.image
    logits = held_out_logits(x, study.triplets, l2=0.1, n_folds=30)  # one original per fold
    out = images == "image007"
    # the scale of columns is that of all rows: put it into the penalty's place by hand
    scale = np.abs(x).mean(axis=0)
    share = study.triplets.share_second[~out]

    def objective(v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        t = (x[~out] / scale) @ v
        gradient = ((special.expit(t) - share) @ (x[~out] / scale)) / len(share) + 0.1 * v
        return float((np.logaddexp(0, t) - share * t).mean() + 0.05 * v @ v), gradient

    fit = optimize.minimize(
        objective, np.zeros(40), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 40
    )
    np.testing.assert_allclose(logits[out], (x[out] / scale) @ fit.x, atol=2e-3)


def test_votes_that_run_against_every_channel_are_refused(study: SimulatedStudy) -> None:
    closer_is_worse = replace(study.triplets.swapped(), image=study.triplets.image)
    one = slice(0, 1)
    with pytest.raises(MetricError, match="No weight above zero helps"):
        fit_logistic(closer_is_worse, study.first[:, one], study.second[:, one], l2=0.1)
    against = scaled_weights(
        "equal", np.ones(1), closer_is_worse, study.first[:, one], study.second[:, one]
    )
    assert against.logit_slope == 0
    assert "run against this distance" in against.warnings[0]


def test_bad_input_is_refused_with_its_place(study: SimulatedStudy) -> None:
    triplets, first, second = study.triplets, study.first, study.second
    spoilt = first.copy()
    spoilt[4, 2] = np.nan
    with pytest.raises(MetricInputError, match=r"first .* of triplet 5 \(image image000"):
        fit_logistic(triplets, spoilt, second)
    with pytest.raises(MetricInputError, match="second reconstruction of triplet 1 "):
        fit_logistic(triplets, first, -second)
    with pytest.raises(MetricInputError, match="one row of features per triplet"):
        fit_logistic(triplets, first[1:], second[1:])
    with pytest.raises(MetricInputError, match="l2 is 0"):
        fit_logistic(triplets, first, second, l2=0.0)
    with pytest.raises(MetricInputError, match="2 folds or more"):
        fit_logistic(triplets, first, second, n_folds=1)
    with pytest.raises(MetricInputError, match="do not make up 40 features"):
        fit_layer_weights(triplets, first, second, layer_sizes=(8, 12))
    with pytest.raises(MetricError, match="one original only"):
        fit_logistic(triplets.take(np.arange(24)), first[:24], second[:24])
    with pytest.raises(MetricError, match="Every training distance is zero"):
        fit_equal_weights(triplets, 0 * first, 0 * second)


def _fitted(study: SimulatedStudy, recipe: str) -> TrainedWeights:
    sides: tuple[Features, Features] = (study.first, study.second)
    if recipe == "layers":
        return fit_layer_weights(study.triplets, *sides, layer_sizes=LAYERS)
    return (fit_equal_weights if recipe == "equal" else fit_logistic)(study.triplets, *sides)


def test_votes_that_are_all_even_are_refused_as_what_they_are() -> None:
    votes = np.array([2, 3, 1])
    z = np.random.default_rng(1).random((2, 3, 4), dtype=np.float32)
    with pytest.raises(MetricError, match="split evenly"):
        fit_logistic(bare_triplets(votes, votes), z[0], z[1], l2=0.1)
