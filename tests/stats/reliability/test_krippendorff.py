"""Krippendorff's alpha: published values, its definition pair by pair, and its symmetries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.krippendorff import (
    LEVELS,
    Level,
    ValueCounts,
    alpha_replicates,
    count_values,
    krippendorff_alpha,
)
from tests.stats.reference import reference_table

_GAP = float("nan")
# four observers, twelve units: the example of Krippendorff (2011)
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _GAP, _GAP, _GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _GAP, 3],
        [_GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _GAP],
    ]
)


def _counts(table: NDArray[np.float64]) -> ValueCounts:
    """Of observers x units."""
    units = np.broadcast_to(np.arange(table.shape[1]), table.shape)
    return count_values(units.ravel(), table.ravel())


@pytest.mark.parametrize(
    ("level", "alpha"),
    [
        ("nominal", 0.743421052631579),
        ("ordinal", 0.8153875037548814),
        ("interval", 0.8491071428571428),
        ("ratio", 0.7974027747116121),
    ],
)
def test_krippendorff_s_example(level: Level, alpha: float) -> None:
    assert krippendorff_alpha(_counts(OBSERVERS), level) == pytest.approx(alpha, abs=1e-12)


@pytest.mark.parametrize(
    ("level", "alpha"),
    [
        ("nominal", 0.020657553682337237),
        ("ordinal", 0.2144047461472719),
        ("interval", 0.22241945099834304),
        ("ratio", 0.1866716104778564),
    ],
)
def test_a_balanced_study_equals_the_krippendorff_package(level: Level, alpha: float) -> None:
    study = reference_table("sim_balanced").query("method == 'a'")
    units = np.asarray(study.groupby("image").ngroup(), dtype=np.int64)
    counts = count_values(units, study["rating"].to_numpy(np.float64))
    assert krippendorff_alpha(counts, level) == pytest.approx(alpha, abs=1e-9)


@pytest.mark.parametrize(
    ("level", "alpha"),
    [
        ("nominal", 0.030374610383981704),
        ("ordinal", 0.2904462078826503),
        ("interval", 0.29767405512062106),
        ("ratio", 0.23495989099616021),
    ],
)
def test_an_unbalanced_study_equals_the_krippendorff_package(level: Level, alpha: float) -> None:
    study = reference_table("sim_unbalanced")
    units = np.asarray(study.groupby(["image", "method"]).ngroup(), dtype=np.int64)
    counts = count_values(units, study["rating"].to_numpy(np.float64))
    assert krippendorff_alpha(counts, level) == pytest.approx(alpha, abs=1e-9)


def _by_definition(table: NDArray[np.float64], level: Level) -> float:
    """1 - observed / expected disagreement, pair of answers by pair of answers."""
    units = [column[~np.isnan(column)] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    answers = np.concatenate(units)

    def difference(a: float, b: float) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        if level == "ratio":
            return 0.0 if a == b else ((a - b) / (a + b)) ** 2
        low, high = min(a, b), max(a, b)
        between = ((answers >= low) & (answers <= high)).sum()
        return float(between - ((answers == a).sum() + (answers == b).sum()) / 2) ** 2

    observed = sum(
        difference(a, b) / (len(unit) - 1)
        for unit in units
        for a, b in itertools.permutations(unit, 2)
    ) / len(answers)
    expected = sum(difference(a, b) for a, b in itertools.permutations(answers, 2))
    return 1 - observed / (expected / (len(answers) * (len(answers) - 1)))


tables = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([1.0, 2, 3, 5, _GAP]), min_size=raters, max_size=raters),
        min_size=2,
        max_size=6,
    )
)


@given(rows=tables, level=st.sampled_from(LEVELS))
@settings(max_examples=80, deadline=None)
def test_alpha_is_its_definition(rows: list[list[float]], level: Level) -> None:
    table = np.array(rows).T
    pairable = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        with pytest.raises(StatisticsError):
            krippendorff_alpha(_counts(table), level)
        return
    alpha = krippendorff_alpha(_counts(table), level)
    assert alpha == pytest.approx(_by_definition(table, level), abs=1e-10)


@given(rows=tables, level=st.sampled_from(LEVELS), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_weights_repeat_units(rows: list[list[float]], level: Level, seed: int) -> None:
    table = np.array(rows).T
    weights = np.random.default_rng(seed).integers(0, 3, size=(table.shape[1],))
    replicate = alpha_replicates(_counts(table), level, weights[None, :].astype(float))[0]
    repeated = np.repeat(table, weights, axis=1)
    try:
        expected = krippendorff_alpha(_counts(repeated), level)
    except StatisticsError:
        assert np.isnan(replicate)
    else:
        assert replicate == pytest.approx(expected, abs=1e-10)


def test_what_values_are_called_matters_only_where_the_level_says_so() -> None:
    counts = _counts(OBSERVERS)
    stretched = _counts(10 * OBSERVERS)
    bent = _counts(OBSERVERS**3)
    for level in LEVELS:
        same = pytest.approx(krippendorff_alpha(counts, level), abs=1e-12)
        assert krippendorff_alpha(stretched, level) == same
        assert (krippendorff_alpha(bent, level) == same) == (level in {"nominal", "ordinal"})


def test_raters_who_answer_at_random_have_an_alpha_of_zero() -> None:
    rng = np.random.default_rng(5)
    counts = _counts(rng.integers(1, 11, (20, 2_000)).astype(float))
    for level in LEVELS:
        assert abs(krippendorff_alpha(counts, level)) < 0.01


def test_perfect_agreement_is_one() -> None:
    table = np.tile([1.0, 2.0, 3.0], (4, 1))
    assert {krippendorff_alpha(_counts(table), level) for level in LEVELS} == {1.0}


def test_continuous_values_need_no_ratio() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(5, 1, 3_000) + rng.normal(0, 1, (2, 3_000))
    assert krippendorff_alpha(_counts(table), "interval") == pytest.approx(0.5, abs=0.05)
    with pytest.raises(StatisticsError, match="distinct values"):
        krippendorff_alpha(_counts(table + 10), "ratio")


def test_the_ratio_level_refuses_negative_values() -> None:
    with pytest.raises(StatisticsError, match="0 and above"):
        krippendorff_alpha(_counts(OBSERVERS - 3), "ratio")


def test_zero_is_a_value_of_the_ratio_level() -> None:
    table = np.array([[0.0, 1, 2], [0, 2, 2]])
    assert krippendorff_alpha(_counts(table), "ratio") == pytest.approx(
        _by_definition(table, "ratio")
    )


def test_units_with_one_answer_are_not_agreement() -> None:
    with pytest.raises(StatisticsError, match="two raters"):
        krippendorff_alpha(_counts(np.array([[1.0, 2.0, 3.0]])), "interval")
