"""Fast counts of equal draws are multinomial: totals, moments, frequencies, and the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.resampling import equal_draws
from mturk_eval.stats.resampling.equal_draws import draw_counts
from mturk_eval.stats.resampling.weights import cluster_weights, weight_blocks


def _drawn(n: int, resamples: int, seed: int = 0) -> NDArray[np.float64]:
    counts = np.empty((resamples, n))
    draw_counts(counts, np.random.default_rng(seed))
    return counts


@given(n=st.integers(1, 3_000), resamples=st.integers(1, 12), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_row_is_n_draws(n: int, resamples: int, seed: int) -> None:
    counts = _drawn(n, resamples, seed)
    assert (counts.sum(axis=1) == n).all()
    assert (counts >= 0).all()
    assert np.array_equal(counts, np.rint(counts))


@pytest.mark.parametrize("margin", [3.0, 0.0, -3.0])
def test_one_cell_s_count_is_binomial(margin: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """With draws added, added or taken back, and nearly always taken back."""
    monkeypatch.setattr(equal_draws, "_MARGIN", margin)
    n, resamples = 200, 4_000
    counts = _drawn(n, resamples, seed=int(margin) + 10)
    assert (counts.sum(axis=1) == n).all()
    observed = np.bincount(counts.ravel().astype(int), minlength=12)
    expected = stats.binom.pmf(np.arange(len(observed)), n, 1 / n) * n * resamples
    # A row's total is fixed, so its counts vary less than independent ones: the test is lenient.
    common = expected > 20
    assert (
        stats.chisquare(
            observed[common], expected[common] / expected[common].sum() * observed[common].sum()
        ).pvalue
        > 0.001
    )
    assert observed[~common].sum() == pytest.approx(expected[~common].sum(), abs=25)


def test_two_cells_depend_on_each_other_as_in_a_multinomial() -> None:
    """Also the two that one look-up draws, and neighbours of two look-ups."""
    n, resamples = 100, 60_000
    counts = _drawn(n, resamples, seed=3)
    error = 1 / np.sqrt(resamples)
    for one, other in ((0, 1), (1, 2), (0, 99), (40, 41)):
        covariance = np.cov(counts[:, one], counts[:, other])[0, 1]
        assert covariance == pytest.approx(-1 / n, abs=4 * error)
    assert counts[:, 7].var() == pytest.approx(1 - 1 / n, abs=8 * error)
    # over all pairs of cells together the same, to many more digits
    assert counts.var(axis=0).mean() == pytest.approx(1 - 1 / n, abs=error)
    assert counts[:, 0::2].sum(axis=1).var() == pytest.approx(n / 4, rel=0.03)


def test_sums_over_cells_have_the_bootstrap_s_variance() -> None:
    """Of a mean: the population variance over n."""
    n = 500
    values = np.random.default_rng(1).normal(size=n)
    means = _drawn(n, 20_000, seed=4) @ values / n
    assert means.mean() == pytest.approx(values.mean(), abs=4 * values.std() / n)
    assert means.var() == pytest.approx(values.var() / n, rel=0.04)
    assert stats.skew(means) == pytest.approx(stats.skew(values) / np.sqrt(n), abs=0.08)


@pytest.mark.parametrize("mean", [0.0, 0.25, 0.9, 0.98, 1.0])
def test_the_table_gives_every_pair_its_chance(mean: float) -> None:
    table = equal_draws._PairTable.of(mean)
    one, other = table.pairs[:, None].view(np.uint8).T
    chance = stats.poisson.pmf(one, mean) * stats.poisson.pmf(other, mean)
    stretch = np.diff(table.ends, prepend=0.0)
    np.testing.assert_allclose(stretch / 2**16, chance, atol=1e-15)
    assert table.ends[-1] == pytest.approx(2**16, abs=1e-9)
    starts = table.ends - stretch
    decided = table.pair_of_bits != equal_draws._UNDECIDED
    for bits in np.flatnonzero(decided):
        (pair,) = np.flatnonzero(table.pairs == table.pair_of_bits[bits])
        assert starts[pair] <= bits + 1e-9
        assert bits + 1 <= table.ends[pair] + 1e-9
    assert (~decided).sum() < 120


def test_poisson_counts_have_their_frequencies_into_the_tail() -> None:
    """Ten million counts reach where only undecided bits lead."""
    counts = equal_draws._poisson_counts(10_000_001, 0.95, np.random.default_rng(5))
    assert len(counts) == 10_000_001
    observed = np.bincount(counts, minlength=10)
    expected = stats.poisson.pmf(np.arange(9), 0.95) * len(counts)
    tail = stats.poisson.sf(8, 0.95) * len(counts)
    assert stats.chisquare(
        np.append(observed[:9], observed[9:].sum()), np.append(expected, tail), sum_check=False
    ).pvalue > 0.001  # fmt: skip


@pytest.mark.parametrize("n", [5, 64, 65, 5_000, 300_000])
def test_blocks_are_the_rows_of_all_weights_whatever_their_size(n: int) -> None:
    resamples = 7 if n > 10_000 else 130
    whole = cluster_weights(n, resamples, np.random.default_rng(6))
    for cache_sizes in (1, 2):
        rng = np.random.default_rng(6)
        found = np.full_like(whole, np.nan)
        for part, weights in weight_blocks(n, resamples, rng, cache_sizes=cache_sizes):
            found[part] = weights
        np.testing.assert_array_equal(found, whole)
