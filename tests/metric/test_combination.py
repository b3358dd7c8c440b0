"""Combinations: the sweep is exact, the others find known weights, nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.metric.combination import CombinationMethod, best_angle, combine
from mturk_eval.metric.compared import ComparedMetric
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.triplets import Triplets
from mturk_eval.metric.yardsticks import agreement
from tests.metric.simulated_triplets import bare_triplets

steps = st.integers(-3, 3)


def _study(seed: int, n: int = 400) -> tuple[list[ComparedMetric], Triplets]:
    """Voters weigh a and b (per standard difference) 0.8 and 0.6, and c not at all."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(0, 1, (n, 3))
    chance = 1 / (1 + np.exp(-3 * (columns[:, :2] @ [0.8, 0.6])))
    second = rng.binomial(6, chance)
    scales = (1.0, 20.0, 0.01)
    metrics = [
        ComparedMetric(name=name, difference=scale * column)
        for name, scale, column in zip("abc", scales, columns.T, strict=True)
    ]
    return metrics, bare_triplets(6 - second, second)


@given(rows=st.lists(st.tuples(steps, steps, st.integers(0, 4)), min_size=1, max_size=25))
def test_the_sweep_finds_the_best_score_there_is(rows: list[tuple[int, int, int]]) -> None:
    a, b, votes = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    share = votes / 4

    def score(angle: float) -> float:
        return float(agreement(np.cos(angle) * a + np.sin(angle) * b, share).mean())

    turns = np.unique(np.arctan2(np.abs(a), np.abs(b))[a * b < 0])
    edges = np.concatenate([[0.0], turns, [np.pi / 2]])
    every = [score(angle) for angle in (edges[1:] + edges[:-1]) / 2]
    assert score(best_angle(a, b, share)) == pytest.approx(max(every))


def test_of_equally_good_angles_the_middle_of_the_widest_stretch_is_taken() -> None:
    one = np.ones(1)
    assert best_angle(one, one, one) == pytest.approx(np.pi / 4)


@pytest.mark.parametrize("method", ["sweep", "logistic", "ransac"])
def test_known_weights_are_found_whatever_the_metrics_units(method: CombinationMethod) -> None:
    if method == "ransac":
        pytest.importorskip("sklearn")
    metrics, triplets = _study(1, n=2_000)
    found = combine(metrics[:2], triplets, method=method)
    np.testing.assert_allclose(found.standard_weights, [0.8, 0.6], atol=0.12)
    combined = found.apply(metrics[:2])
    score = float(agreement(combined.difference, triplets.share_second).mean())
    assert score == pytest.approx(found.training_score)
    assert found.name == combined.name == "a + b"


def test_the_default_is_the_sweep_for_two_and_the_logistic_fit_for_more() -> None:
    metrics, triplets = _study(2)
    two, three = combine(metrics[:2], triplets), combine(metrics, triplets)
    assert (two.method, three.method) == ("sweep", "logistic")
    assert three.standard_weights[2] < 0.15
    assert two.training_score >= combine(metrics[:2], triplets, method="logistic").training_score
    assert two.document()["parts"][0]["metric"] == "a"


def test_no_weight_is_below_zero_unless_by_ransac() -> None:
    metrics, triplets = _study(3)
    against = ComparedMetric(name="against", difference=-metrics[1].difference)
    methods: tuple[CombinationMethod, ...] = ("sweep", "logistic")
    for method in methods:
        found = combine([metrics[0], against], triplets, method=method)
        assert min(found.weights) >= 0


def test_ransac_has_a_seed_and_repeats_itself() -> None:
    pytest.importorskip("sklearn")
    metrics, triplets = _study(4)
    one, again = (combine(metrics[:2], triplets, method="ransac", seed=5) for _ in range(2))
    assert one == again
    assert one.seed == 5


def test_ransac_works_where_almost_all_shares_are_equal() -> None:
    pytest.importorskip("sklearn")
    metrics, _ = _study(5, n=60)
    second = np.zeros(60, np.int64)
    second[:5] = 1
    assert combine(metrics[:2], bare_triplets(1 - second, second), method="ransac").weights


def test_what_cannot_be_combined_is_refused() -> None:
    metrics, triplets = _study(6)
    missing: NDArray[np.float64] = np.full(len(triplets), np.nan)
    with pytest.raises(MetricInputError, match="a sweep takes two"):
        combine(metrics, triplets, method="sweep")
    with pytest.raises(MetricInputError, match="1 metrics to combine"):
        combine(metrics[:1], triplets)
    with pytest.raises(MetricInputError, match="MS-SSIM has no value on 400 of 400"):
        combine([metrics[0], ComparedMetric(name="MS-SSIM", difference=missing)], triplets)
    with pytest.raises(MetricInputError, match=r"a \+ b combines a, b, not a, c"):
        combine(metrics[:2], triplets).apply([metrics[0], metrics[2]])
