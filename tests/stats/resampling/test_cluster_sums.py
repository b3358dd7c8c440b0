"""Whole clusters are drawn; means follow from sums, whatever the labels and the storage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse import csr_array

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.resampling import cluster_sums
from mturk_eval.stats.resampling.cluster_sums import (
    BootstrappedMeans,
    ClusterSums,
    cluster_bootstrap_means,
)
from mturk_eval.stats.resampling.weights import cluster_weights, resample_slices


def test_every_resample_draws_as_many_clusters_as_there_are() -> None:
    weights = cluster_weights(7, 1_000, np.random.default_rng(1))
    assert weights.shape == (1_000, 7)
    assert set(weights.sum(axis=1)) == {7.0}


def test_weights_are_multinomial() -> None:
    """Counts of one cluster are binomial, and two clusters' counts have covariance -1 / n."""
    weights = cluster_weights(5, 40_000, np.random.default_rng(2))
    observed = np.bincount(weights[:, 0].astype(int), minlength=6)
    expected = stats.binom.pmf(np.arange(6), 5, 0.2) * len(weights)
    assert (
        stats.chisquare(observed[:5], expected[:5] * observed[:5].sum() / expected[:5].sum()).pvalue
        > 0.001
    )
    assert np.cov(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-0.2, abs=0.02)


def test_slices_bound_the_weights_and_cover_all_resamples() -> None:
    slices = list(resample_slices(1_000, 20_000))
    assert [part.start for part in slices[1:]] == [part.stop for part in slices[:-1]]
    assert (slices[0].start, slices[-1].stop) == (0, 1_000)
    assert max(part.stop - part.start for part in slices) * 20_000 <= 2**20
    assert len(list(resample_slices(3, 10**9))) == 3


def test_replicates_are_those_of_the_rows_of_the_drawn_clusters() -> None:
    """The definition: put the rows of every drawn rater one below the other, and average."""
    table = _unbalanced(1)
    result = cluster_bootstrap_means(
        table["rating"], clusters=table["rater"], groups=table["method"], resamples=20, seed=5
    )
    raters = table["rater"].unique()
    weights = cluster_weights(len(raters), 20, np.random.default_rng(5))
    for replicate, weight in zip(result.replicates, weights, strict=True):
        rows = pd.concat(
            [
                table[table["rater"] == rater]
                for rater, times in zip(raters, weight, strict=True)
                for _ in range(int(times))
            ]
        )
        expected = rows.groupby("method")["rating"].mean().reindex(list(result.groups))
        np.testing.assert_allclose(replicate, expected.to_numpy())


def test_sparse_and_dense_sums_give_the_same_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    table = _unbalanced(2)

    def bootstrapped() -> BootstrappedMeans:
        cell = table["image"] + table["method"]
        return cluster_bootstrap_means(
            table["rating"], clusters=table["rater"], groups=cell, resamples=50
        )

    dense = bootstrapped()
    monkeypatch.setattr(cluster_sums, "_DENSE_ENTRIES_PER_RATING", 0)
    sparse = bootstrapped()
    np.testing.assert_allclose(sparse.replicates, dense.replicates, equal_nan=True)
    np.testing.assert_allclose(sparse.means, dense.means)


def _sparse_sums(values: NDArray[np.float64]) -> ClusterSums:
    """Of 60 clusters in 40 cells, as a table that has few entries."""
    rng = np.random.default_rng(11)
    n = len(values)
    sums = ClusterSums.of(
        values, cells=rng.integers(0, 40, n), clusters=rng.integers(0, 60, n), n_cells=40,
        n_clusters=60,
    )  # fmt: skip
    return ClusterSums(sums=csr_array(sums.sums), counts=csr_array(sums.counts))


@pytest.mark.parametrize(
    ("scale", "kind"), [(1, np.int16), (100, np.float32), (10**7, np.float64), (0.1, np.float64)]
)
def test_whole_ratings_lose_nothing_in_fewer_bytes(
    scale: float, kind: type[np.number], monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = _sparse_sums(np.random.default_rng(12).integers(-10, 11, 300).astype(np.float64) * scale)
    assert sums._in_the_fastest_exact_type().sums.dtype == kind
    narrow = sums.bootstrapped(400, np.random.default_rng(13))
    monkeypatch.setattr(cluster_sums, "_EXACT_BELOW", ())
    wide = sums.bootstrapped(400, np.random.default_rng(13))
    np.testing.assert_array_equal(narrow, wide)


def test_a_cluster_drawn_unusually_often_does_not_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sums near the limit of 16 bits: blocks with larger weights than usual take wider numbers."""
    sums = _sparse_sums(np.random.default_rng(14).integers(1_500, 2_001, 300).astype(np.float64))
    assert sums._in_the_fastest_exact_type().sums.dtype == np.float32
    expected = sums.bootstrapped(200, np.random.default_rng(15))
    monkeypatch.setattr(cluster_sums, "_USUAL_WEIGHTS", 1)
    assert sums._in_the_fastest_exact_type().sums.dtype == np.int16
    np.testing.assert_array_equal(sums.bootstrapped(200, np.random.default_rng(15)), expected)


def test_numbers_are_labels_with_gaps_and_below_zero_too() -> None:
    table = _unbalanced(4)
    number = table["rater"].str[1:].astype(int)
    expected = cluster_bootstrap_means(
        table["rating"], clusters=number, groups=table["method"], resamples=30
    )
    for labels in (number - 100, (3 * number).astype(np.uint8), number * 10**12):
        found = cluster_bootstrap_means(
            table["rating"], clusters=labels, groups=np.where(table["method"] == "jxl", -3, 7),
            resamples=30,
        )  # fmt: skip
        assert found.groups == (-3, 7)
        np.testing.assert_allclose(found.means, expected.means)
    spread = cluster_bootstrap_means(
        table["rating"], clusters=number - 100, groups=table["method"], resamples=30
    )
    np.testing.assert_array_equal(spread.replicates, expected.replicates)


def test_the_interval_agrees_with_scipy_on_sums_per_rater() -> None:
    table = _unbalanced(3)
    ours = cluster_bootstrap_means(
        table["rating"], clusters=table["rater"], groups=table["method"], resamples=20_000
    )
    difference = ours.replicates[:, 1] - ours.replicates[:, 0]
    per_rater = (
        table.groupby(["rater", "method"])["rating"].agg(["sum", "size"]).unstack(fill_value=0)
    )

    def statistic(*sums: np.ndarray, axis: int) -> np.ndarray:
        one, other, n_one, n_other = (s.sum(axis=axis) for s in sums)
        return np.asarray(other / n_other - one / n_one)

    theirs = stats.bootstrap(
        tuple(per_rater.to_numpy(float).T), statistic, paired=True, vectorized=True,
        n_resamples=20_000, method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    assert np.quantile(difference, 0.025) == pytest.approx(theirs.low, abs=0.03)
    assert np.quantile(difference, 0.975) == pytest.approx(theirs.high, abs=0.03)


def test_a_group_without_a_drawn_cluster_is_nan_in_that_resample() -> None:
    result = cluster_bootstrap_means(
        [1.0, 2.0, 3.0], clusters=["a", "b", "c"], groups=["x", "y", "y"], resamples=200
    )
    assert 0 < np.isnan(result.replicates[:, 0]).mean() < 0.6  # (2 / 3)^3 = .30


def test_a_hundred_thousand_raters_do_not_need_their_weights_at_once() -> None:
    """200 resamples x 100,000 raters are 160 MB of weights; they are made ten at a time."""
    rng = np.random.default_rng(1)
    result = cluster_bootstrap_means(
        rng.normal(5, 1, 100_000), clusters=np.arange(100_000), groups=np.zeros(100_000, int),
        resamples=200,
    )  # fmt: skip
    assert result.replicates.std() == pytest.approx(1 / np.sqrt(100_000), rel=0.25)


@pytest.mark.parametrize(
    ("values", "clusters", "groups"),
    [
        ([], [], []),
        ([1.0, 2.0], ["a"], ["x", "x"]),
        ([1.0, np.nan], ["a", "b"], ["x", "x"]),
        ([1.0, 2.0], ["a", None], ["x", "x"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    values: list[float], clusters: list[str], groups: list[str]
) -> None:
    with pytest.raises(InvalidInputError):
        cluster_bootstrap_means(values, clusters=clusters, groups=groups)


def test_no_resamples_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least 1"):
        cluster_bootstrap_means([1.0], clusters=["a"], groups=["x"], resamples=0)


def _unbalanced(seed: int) -> pd.DataFrame:
    """Raters with very unequal numbers of ratings, some of them repeated."""
    rng = np.random.default_rng(seed)
    n = 400
    rater = np.minimum(rng.geometric(0.07, n), 30)
    table = pd.DataFrame(
        {
            "rater": [f"r{r}" for r in rater],
            "image": rng.choice(["sky", "sea", "sun"], n),
            "method": rng.choice(["jxl", "webp"], n),
        }
    )
    bias = rng.normal(0, 1, 31)[rater]
    return table.assign(rating=5 + bias + (table["method"] == "jxl") + rng.normal(0, 1, n))
