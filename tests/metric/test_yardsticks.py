"""2AFC scores, human lines on coin flips, and intervals over originals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.metric.yardsticks import (
    HUMAN_LINE_MEANINGS,
    agreement,
    bootstrap_originals,
    human_lines,
    human_lines_of,
)
from tests.metric.simulated_triplets import bare_triplets

counts = st.integers(0, 4)


@pytest.mark.parametrize(
    ("n", "plug_in", "majority"), [(2, 0.750, 0.750), (5, 0.600, 0.688), (6, 0.583, 0.656)]
)
def test_coin_flips_score_half_on_the_unbiased_line_only(
    n: int, plug_in: float, majority: float
) -> None:
    second = np.random.default_rng(n).binomial(n, 0.5, 200_000)
    lines = human_lines(n - second, second)
    assert lines["unbiased"].mean() == pytest.approx(0.5, abs=0.005)
    assert lines["plug_in"].mean() == pytest.approx(plug_in, abs=0.005)
    assert lines["majority"].mean() == pytest.approx(majority, abs=0.005)


@pytest.mark.parametrize("p", [0.6, 0.7, 0.9])
def test_the_unbiased_line_is_right_for_any_number_of_votes(p: float) -> None:
    rng = np.random.default_rng(1)
    truth = p**2 + (1 - p) ** 2
    for n in (2, 3, 6):
        second = rng.binomial(n, p, 200_000)
        lines = human_lines(n - second, second)
        assert lines["unbiased"].mean() == pytest.approx(truth, abs=0.005)
        assert lines["plug_in"].mean() == pytest.approx(truth + 2 * p * (1 - p) / n, abs=0.005)


def test_coin_flippers_who_are_sometimes_not_sure_score_half_too() -> None:
    votes = np.random.default_rng(2).multinomial(5, [0.35, 0.35, 0.3], 100_000)
    assert human_lines(*votes.T)["unbiased"].mean() == pytest.approx(0.5, abs=0.005)


@given(first=counts, second=counts, unsure=counts)
def test_the_unbiased_line_is_the_agreement_of_all_pairs_of_raters(
    first: int, second: int, unsure: int
) -> None:
    votes = [0.0] * first + [1.0] * second + [0.5] * unsure
    found = human_lines(*(np.array([count]) for count in (first, second, unsure)))
    if len(votes) < 2:
        return
    pairs = [a * b + (1 - a) * (1 - b) for a, b in itertools.permutations(votes, 2)]
    assert found["unbiased"][0] == pytest.approx(np.mean(pairs))


@given(first=counts, second=counts, sign=st.sampled_from([-1.0, 0.0, 1.0]))
def test_no_metric_exceeds_the_majority_line(first: int, second: int, sign: float) -> None:
    if first + second == 0:
        return
    triplets = bare_triplets([first], [second])
    lines = human_lines_of(triplets)
    assert agreement(np.array([sign]), triplets.share_second)[0] <= lines["majority"][0]
    assert lines["plug_in"][0] <= lines["majority"][0] + 1e-12


@given(difference=st.lists(st.floats(-2, 2), min_size=1, max_size=20), seed=st.integers(0, 100))
def test_exchanging_the_sides_changes_no_score(difference: list[float], seed: int) -> None:
    d = np.array(difference)
    share = np.random.default_rng(seed).integers(0, 7, len(d)) / 6
    np.testing.assert_allclose(agreement(-d, 1 - share), agreement(d, share))
    np.testing.assert_allclose(agreement(-d, share), 1 - agreement(d, share))


def test_one_vote_has_no_unbiased_line_and_a_missing_value_no_score() -> None:
    assert np.isnan(human_lines(np.array([1]), np.array([0]))["unbiased"][0])
    assert np.isnan(agreement(np.array([np.nan]), np.array([0.5]))[0])


def test_each_line_says_which_it_is() -> None:
    assert list(HUMAN_LINE_MEANINGS) == ["plug_in", "unbiased", "majority"]
    assert "coin flips of 6 voters give .583" in HUMAN_LINE_MEANINGS["plug_in"]


def test_intervals_are_those_of_a_slow_bootstrap_over_originals() -> None:
    rng = np.random.default_rng(3)
    originals = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    values = rng.normal(0, 1, 25)[originals] + rng.normal(0, 0.1, len(originals))
    found = bootstrap_originals(values[:, None], originals, resamples=4_000)
    members = [values[originals == k] for k in range(25)]
    slow = [
        np.concatenate([members[k] for k in rng.integers(0, 25, 25)]).mean() for _ in range(4_000)
    ]
    assert found.values[0] == pytest.approx(values.mean())
    low, high = found.limits(0.95)
    np.testing.assert_allclose([low[0], high[0]], np.quantile(slow, [0.025, 0.975]), atol=0.03)
    single = values.std() / np.sqrt(len(values))
    assert high[0] - low[0] > 1.5 * 3.92 * single  # triplets of one original are alike


def test_missing_entries_do_not_count_and_weights_do() -> None:
    columns = np.array([[1.0, np.nan], [0.0, 3.0], [np.nan, 5.0]])
    found = bootstrap_originals(
        columns, np.array([0, 1, 1]), weights=np.array([3.0, 1.0, 1.0]), resamples=10
    )
    assert found.values.tolist() == [0.75, 4.0]


def test_one_original_has_no_interval() -> None:
    found = bootstrap_originals(np.ones((4, 1)), np.zeros(4, np.int64), resamples=10)
    assert found.replicates.shape == (0, 1)
    assert np.isnan(found.limits(0.95)).all()
