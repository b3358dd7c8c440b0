"""Weighted correlations are scipy's on the sample in which observations are repeated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mturk_eval.stats.evaluation.correlations import (
    weighted_kendall,
    weighted_midranks,
    weighted_pearson,
    weighted_spearman,
)

pairs = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 2)),
    min_size=3,
    max_size=12,
)


@given(rows=pairs)
@settings(max_examples=100, deadline=None)
def test_weights_repeat_observations(rows: list[tuple[int, int, int, int]]) -> None:
    x, y, draws, cluster = (np.array(column) for column in zip(*rows, strict=True))
    draws_of_cluster = np.array([draws[cluster == c].max(initial=0) for c in range(3)])
    weights = draws_of_cluster[cluster]
    many_x, many_y = np.repeat(x, weights), np.repeat(y, weights)
    one = weights[None, :].astype(float)
    found = [
        weighted_pearson(x.astype(float), y.astype(float), one)[0],
        weighted_spearman(x.astype(float), y.astype(float), one)[0],
        weighted_kendall(
            x.astype(float),
            y.astype(float),
            cluster.astype(np.int64),
            draws_of_cluster[None, :].astype(float),
        )[0],
    ]
    if len(np.unique(many_x)) < 2 or len(np.unique(many_y)) < 2:
        assert np.isnan(found).all()
        return
    expected = [
        stats.pearsonr(many_x, many_y).statistic,
        stats.spearmanr(many_x, many_y).statistic,
        stats.kendalltau(many_x, many_y).statistic,
    ]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_ranks_are_scipy_s_but_for_a_constant() -> None:
    values = np.array([3.0, 1, 3, 7, 1, 1])
    ranks = weighted_midranks(values, np.ones((1, 6)))[0]
    np.testing.assert_allclose(ranks + 0.5, stats.rankdata(values))


def test_a_constant_far_from_zero_has_no_correlation() -> None:
    """Rounding leaves its variance at 1e-20, not 0."""
    constant = np.full(7, 1e5 + 0.1)
    assert np.isnan(weighted_pearson(constant, np.arange(7.0), np.ones((1, 7))))[0]


def test_many_observations_are_handled_in_parts() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=3_000)
    y = x + rng.normal(size=3_000)
    tau = weighted_kendall(x, y, np.arange(3_000) % 7, np.ones((1, 7)))[0]
    assert tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
