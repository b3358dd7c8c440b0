"""Limits are where their definitions put them, and hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mturk_eval.stats.resampling.intervals import (
    bca_limits,
    bounded_limits,
    percentile_limits,
    t_limits,
)


def test_percentiles_are_numpy_s_and_leave_out_empty_resamples() -> None:
    replicates = np.random.default_rng(1).normal(size=(3, 500))
    with_gaps = np.hstack([replicates, np.full((3, 40), np.nan)])
    with_gaps = with_gaps[:, np.random.default_rng(2).permutation(540)]
    low, high = percentile_limits(with_gaps, 0.9)
    np.testing.assert_allclose(low, np.quantile(replicates, 0.05, axis=1))
    np.testing.assert_allclose(high, np.quantile(replicates, 0.95, axis=1))


def test_no_replicate_at_all_gives_no_limit() -> None:
    assert np.isnan(percentile_limits(np.full((1, 9), np.nan), 0.95)).all()


def test_bca_agrees_with_scipy_on_a_skewed_mean() -> None:
    sample = np.random.default_rng(3).exponential(2.0, 40)
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=40_000, method="BCa", rng=1)
    left_out = (sample.sum() - sample) / 39
    away = left_out.mean() - left_out
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    low, high = bca_limits(
        theirs.bootstrap_distribution[None, :],
        0.95,
        estimates=np.array([sample.mean()]),
        acceleration=np.array([acceleration]),
    )
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=1e-3)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=1e-3)


def test_bca_without_bias_and_skew_is_the_percentile_interval() -> None:
    replicates = np.linspace(-1, 1, 2001)[None, :]
    both = [
        percentile_limits(replicates, 0.95),
        bca_limits(replicates, 0.95, estimates=np.zeros(1), acceleration=np.zeros(1)),
    ]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12)


def test_bca_is_not_defined_where_all_replicates_lie_on_one_side() -> None:
    low, high = bca_limits(
        np.full((1, 50), 3.0), 0.95, estimates=np.array([2.0]), acceleration=np.zeros(1)
    )
    assert np.isnan([low[0], high[0]]).all()


def test_bca_of_equal_ratings_is_their_value() -> None:
    """0.1 + 0.2 is not 0.3: replicates that differ by rounding only count as equal."""
    replicates = np.full((1, 50), 0.3)
    replicates[0, ::2] = 0.1 + 0.2
    low, high = bca_limits(replicates, 0.95, estimates=np.array([0.3]), acceleration=np.zeros(1))
    np.testing.assert_allclose([low[0], high[0]], 0.3)


def test_t_limits_are_those_of_a_t_test() -> None:
    sample = np.random.default_rng(4).normal(5, 2, 12)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.9)
    low, high = t_limits(
        np.array([sample.mean()]), np.array([stats.sem(sample)]), np.array([11.0]), 0.9
    )
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high))


def test_a_bounded_interval_of_yes_no_answers_is_wilson_s() -> None:
    """With many answers the t quantile is the normal one."""
    n, yes = 10_000, 300
    share = yes / n
    theirs = stats.binomtest(yes, n).proportion_ci(0.95, method="wilson")
    low, high = bounded_limits(
        np.array([share]),
        np.array([np.sqrt(share * (1 - share) / n)]),
        np.array([n - 1.0]),
        np.array([n]),
        0.95,
        scale=(0, 1),
    )
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), rel=1e-4)


@given(
    ratings=st.lists(st.floats(1, 10), min_size=2, max_size=20),
    level=st.floats(0.5, 0.999),
)
def test_a_bounded_interval_never_leaves_the_scale_and_holds_the_mean(
    ratings: list[float], level: float
) -> None:
    n = len(ratings)
    mean = min(max(float(np.mean(ratings)), 1.0), 10.0)
    low, high = bounded_limits(
        np.array([mean]),
        np.array([stats.sem(ratings)]),
        np.array([n - 1.0]),
        np.array([n]),
        level,
        scale=(1, 10),
    )
    assert 1 <= low[0] <= mean + 1e-9
    assert mean - 1e-9 <= high[0] <= 10
    assert high[0] - low[0] > 0.01  # equal ratings too: no interval without a width


@pytest.mark.parametrize("quality", [9.5, 9.0, 5.5])
def test_bounded_intervals_cover_the_mean_also_near_the_end_of_the_scale(quality: float) -> None:
    """2,000 samples of 15 ratings, rounded and clipped to 1 ... 10; the truth by 10^6 of them."""
    rng = np.random.default_rng(5)

    def rate(*size: int) -> np.ndarray:
        return np.clip(np.round(rng.normal(quality, 1.2, size)), 1, 10)

    truth = rate(1_000_000).mean()
    samples = rate(2_000, 15)
    n = np.full(2_000, 15)
    low, high = bounded_limits(
        samples.mean(axis=1), stats.sem(samples, axis=1), n - 1.0, n, 0.95, scale=(1, 10)
    )
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.935 <= covered <= 0.985
