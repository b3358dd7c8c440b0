"""Means are means; their intervals hold what they say, for the unit that was resampled."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ratings.mos import MosResult, mean_opinion_scores
from mturk_eval.stats.resampling.intervals import IntervalKind
from mturk_eval.stats.resampling.weights import ResamplingUnit
from tests.stats.reference import crossed_study, reference_table

answers = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cem", "dia"]),
        st.sampled_from(["sky", "sea", "sun"]),
        st.sampled_from(["jxl", "webp"]),
        st.integers(1, 10),
    ),
    min_size=1,
    max_size=40,
)


def _table(rows: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rater", "image", "method", "rating"])


@given(rows=answers, unit=st.sampled_from(get_args(ResamplingUnit)))
@settings(max_examples=60, deadline=None)
def test_means_are_those_of_pandas_and_intervals_stay_on_the_scale(
    rows: list[tuple[str, str, str, int]], unit: ResamplingUnit
) -> None:
    table = _table(rows)
    result = mean_opinion_scores(table, unit=unit, resamples=50)
    cells = table.groupby(["image", "method"])["rating"]
    means, sizes = cells.mean().to_dict(), cells.size().to_dict()
    for row in result.rows:
        assert row.mean == pytest.approx(means[row.image, row.method])
        assert row.n == sizes[row.image, row.method]
        if row.ci_low is not None and row.ci_high is not None:
            assert 1 <= row.ci_low <= row.ci_high <= 10
    assert sum(row.n for row in result.rows) == len(table)


@given(rows=answers, order=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_means_do_not_depend_on_the_order_of_rows(
    rows: list[tuple[str, str, str, int]], order: object
) -> None:
    shuffled = rows.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one = mean_opinion_scores(_table(rows), resamples=5)
    other = mean_opinion_scores(_table(shuffled), resamples=5)
    assert [(r.image, r.method, r.n) for r in one.rows] == [
        (r.image, r.method, r.n) for r in other.rows
    ]
    np.testing.assert_allclose([r.mean for r in one.rows], [r.mean for r in other.rows])


def test_the_standard_error_is_s_over_root_n_when_everyone_rated_once() -> None:
    table = reference_table("paperlike_300workers")
    for row in mean_opinion_scores(table, resamples=10).rows:
        cell = table[(table["image"] == row.image) & (table["method"] == row.method)]["rating"]
        assert row.std_error == pytest.approx(cell.std() / np.sqrt(len(cell)))


def test_answers_of_one_rater_count_as_one_cluster() -> None:
    """Two raters who repeat themselves ten times know no more than two raters."""
    table = pd.DataFrame(
        {"rater": ["a"] * 10 + ["b"] * 10, "image": "sky", "method": "jxl"}
    ).assign(rating=[4.0] * 10 + [6.0] * 10)
    row = mean_opinion_scores(table).rows[0]
    assert row.std_error == pytest.approx(1.0)
    assert (row.ci_low, row.ci_high) == (4.0, 6.0)


def test_resampling_ratings_agrees_with_scipy() -> None:
    table = reference_table("paperlike_300workers").query("image == 'train' and method == 'human'")
    ours = mean_opinion_scores(table, unit="rating", resamples=20_000).rows[0]
    theirs = stats.bootstrap(
        (table["rating"].to_numpy(),), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert ours.ci_low == pytest.approx(theirs.low, abs=0.02)
    assert ours.ci_high == pytest.approx(theirs.high, abs=0.02)


def test_the_same_seed_gives_the_same_digits() -> None:
    table = crossed_study(1)
    assert mean_opinion_scores(table, seed=7) == mean_opinion_scores(table, seed=7)
    assert mean_opinion_scores(table, seed=7).rows != mean_opinion_scores(table, seed=8).rows


def _covers(result: MosResult, truth: float) -> bool:
    row = next(row for row in result.methods if row.method == "b")
    assert row.ci_low is not None
    assert row.ci_high is not None
    return row.ci_low <= truth <= row.ci_high


def test_intervals_over_raters_and_images_cover_a_method_s_mean_and_those_over_raters_do_not() -> (
    None
):
    """120 studies, known mean 5.8: resampling both holds it, resampling raters alone does not."""
    studies = [crossed_study(seed, images=15, raters=15, rater_sd=0.5) for seed in range(120)]
    both = np.mean(
        [_covers(mean_opinion_scores(s, unit="both", resamples=300), 5.8) for s in studies]
    )
    raters = np.mean([_covers(mean_opinion_scores(s, resamples=300), 5.8) for s in studies])
    assert both >= 0.87
    assert raters < both - 0.1


def test_an_image_s_interval_over_raters_covers_its_mean() -> None:
    covered = []
    for seed in range(150):
        study = crossed_study(seed, images=1, raters=40, image_sd=0, slope_sd=0)
        row = mean_opinion_scores(study, resamples=300).rows[0]
        covered.append(row.ci_low <= 5.0 <= row.ci_high)  # type: ignore[operator]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_one_rater_has_means_and_no_intervals() -> None:
    result = mean_opinion_scores(crossed_study(1, raters=1))
    assert all(row.ci_low is None and row.std_error is None for row in result.rows)
    assert any("no interval" in warning for warning in result.warnings)


def test_equal_ratings_give_an_interval_without_width_and_a_warning() -> None:
    result = mean_opinion_scores(crossed_study(1).assign(rating=7.0))
    assert {(row.mean, row.ci_low, row.ci_high) for row in result.rows} == {(7.0, 7.0, 7.0)}
    assert any("no width" in warning for warning in result.warnings)


def test_a_bounded_interval_of_equal_ratings_has_a_width_and_stays_on_the_scale() -> None:
    best = crossed_study(1).assign(rating=10.0)
    result = mean_opinion_scores(best, interval="bounded", scale=(1, 10))
    for row in result.rows:
        assert row.ci_high == 10.0
        assert row.ci_low is not None
        assert 5 < float(row.ci_low) < 9
    assert any("yes/no" in warning for warning in result.warnings)


def test_the_t_interval_of_a_cell_is_that_of_its_ratings() -> None:
    study = crossed_study(2)
    for unit in ("rater", "rating"):
        for row in mean_opinion_scores(study, unit=unit, interval="t").rows:
            cell = study[(study["image"] == row.image) & (study["method"] == row.method)]["rating"]
            theirs = stats.ttest_1samp(cell, 0).confidence_interval(0.95)
            assert (row.ci_low, row.ci_high) == pytest.approx((theirs.low, theirs.high))


def test_the_t_interval_over_images_is_that_of_their_means() -> None:
    study = crossed_study(2)
    means = study.groupby(["method", "image"])["rating"].mean()
    for row in mean_opinion_scores(study, unit="image", interval="t").methods:
        theirs = stats.ttest_1samp(means[row.method], 0).confidence_interval(0.95)
        assert (row.ci_low, row.ci_high) == pytest.approx((theirs.low, theirs.high))


def test_bca_over_ratings_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    skewed = pd.DataFrame({"rater": range(30), "image": "sky", "method": "jxl"}).assign(
        rating=1 + rng.exponential(1.5, 30)
    )
    ours = mean_opinion_scores(skewed, unit="rating", interval="bca", resamples=20_000)
    theirs = stats.bootstrap(
        (skewed["rating"].to_numpy(),), np.mean, n_resamples=20_000, method="BCa", rng=1
    ).confidence_interval
    plain = mean_opinion_scores(skewed, unit="rating", resamples=20_000)
    for row in (ours.rows[0], ours.methods[0]):
        assert row.ci_low == pytest.approx(theirs.low, abs=0.02)
        assert row.ci_high == pytest.approx(theirs.high, abs=0.02)
    assert (ours.rows[0].ci_high or 0) > (plain.rows[0].ci_high or 99) + 0.03  # the long tail


def test_every_kind_of_interval_agrees_where_there_is_much_to_agree_on() -> None:
    study = crossed_study(3, images=4, raters=200)
    rows = [
        mean_opinion_scores(study, interval=kind, scale=(-20, 30), resamples=4_000).rows[0]
        for kind in get_args(IntervalKind)
    ]
    for row in rows[1:]:
        assert row.ci_low == pytest.approx(rows[0].ci_low, abs=0.04)
        assert row.ci_high == pytest.approx(rows[0].ci_high, abs=0.04)
        assert row.std_error == rows[0].std_error


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"unit": "both", "interval": "t"}, "no degrees of freedom"),
        ({"unit": "both", "interval": "bounded", "scale": (1, 10)}, "no degrees of freedom"),
        ({"interval": "bounded"}, "needs the scale"),
        ({"interval": "bounded", "scale": (10, 1)}, "below"),
        ({"interval": "percentile", "scale": (6, 10)}, "outside the scale"),
        ({"interval": "basic"}, "choose percentile"),
        ({"unit": "worker"}, "choose rater"),
        ({"resamples": 0}, "at least 1"),
        ({"ci_level": 95}, "between 0 and 1"),
    ],
)
def test_choices_that_mean_nothing_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        mean_opinion_scores(crossed_study(1), **wrong)


@pytest.mark.parametrize("column", ["rater", "image", "method", "rating"])
def test_a_missing_column_or_cell_is_named(column: str) -> None:
    with pytest.raises(StatisticsError, match=f"no column {column}"):
        mean_opinion_scores(crossed_study(1).drop(columns=column))
    holed = crossed_study(1)
    holed.loc[3, column] = None
    with pytest.raises(StatisticsError, match=f"1 of 192 rows have nothing in column {column}"):
        mean_opinion_scores(holed)


def test_infinite_ratings_are_refused() -> None:
    study = crossed_study(1)
    study.loc[0, "rating"] = np.inf
    with pytest.raises(StatisticsError, match="finite"):
        mean_opinion_scores(study)


def test_bca_that_does_not_exist_is_said_so() -> None:
    """One resample lies on one side of the mean."""
    result = mean_opinion_scores(crossed_study(1), interval="bca", resamples=1)
    assert all(row.ci_low is None for row in result.rows)
    assert any("no bca interval" in warning for warning in result.warnings)


@given(
    rows=answers,
    unit=st.sampled_from(get_args(ResamplingUnit)),
    kind=st.sampled_from(["bca", "t", "bounded"]),
)
@settings(max_examples=60, deadline=None)
def test_any_table_has_a_document_of_finite_numbers_or_null(
    rows: list[tuple[str, str, str, int]], unit: ResamplingUnit, kind: IntervalKind
) -> None:
    if unit == "both" and kind != "bca":
        return
    result = mean_opinion_scores(
        _table(rows), unit=unit, interval=kind, scale=(1, 10), resamples=20
    )
    text = json.dumps(result.document(), allow_nan=False)
    assert json.loads(text)["resamples"] == (20 if kind == "bca" else 0)
    for row in (*result.rows, *result.methods):
        assert (row.ci_low is None) == (row.ci_high is None)
        if row.ci_low is not None and row.ci_high is not None:
            assert row.ci_low <= row.ci_high


def test_missing_cells_are_counted() -> None:
    table = crossed_study(1).query("not (image == 'i0' and method == 'b')")
    assert any("1 of 16" in warning for warning in mean_opinion_scores(table, resamples=9).warnings)


def test_rates_are_cells_of_their_own() -> None:
    table = pd.concat([crossed_study(1).assign(bpp=0.1), crossed_study(2).assign(bpp=0.5)])
    document = mean_opinion_scores(table, resamples=9).document()
    assert len(document["rows"]) == 32
    assert {row["bpp"] for row in document["rows"]} == {0.1, 0.5}


def test_the_document_is_the_contract_s() -> None:
    document = mean_opinion_scores(crossed_study(1), resamples=9, seed=3).document()
    assert {"model", "n_observations", "generalises_to", "warnings", "ci_method", "ci_level",
            "resamples", "seed", "unit", "rows"} <= set(document)  # fmt: skip
    assert set(document["rows"][0]) == {
        "image", "method", "n", "mean", "std_error", "ci_low", "ci_high"
    }  # fmt: skip
    assert (document["unit"], document["generalises_to"]) == ("rater", ["raters"])


def test_no_ratings_are_refused() -> None:
    with pytest.raises(StatisticsError, match="no ratings"):
        mean_opinion_scores(crossed_study(1).iloc[:0])


@pytest.mark.parametrize("unit", ["rater", "rating"])
def test_a_method_with_one_image_has_that_image_s_standard_error(unit: ResamplingUnit) -> None:
    """SE 0.500 in one row and 0.357 in the other, of the same two ratings, was two definitions."""
    table = _table([("ann", "sky", "jxl", 5), ("bob", "sky", "jxl", 6)])
    result = mean_opinion_scores(table, unit=unit)
    assert result.rows[0].std_error == pytest.approx(0.5)
    assert result.methods[0].std_error == pytest.approx(0.5)


@pytest.mark.parametrize("unit", get_args(ResamplingUnit))
def test_the_standard_error_of_a_method_s_mean_is_near_the_bootstrap_s(
    unit: ResamplingUnit,
) -> None:
    table = crossed_study(3, images=20, raters=30)
    result = mean_opinion_scores(table, unit=unit, resamples=4_000)
    for row in result.methods:
        assert row.std_error is not None
        assert row.ci_high is not None
        assert row.ci_low is not None
        assert row.std_error == pytest.approx((row.ci_high - row.ci_low) / 3.92, rel=0.12)


def test_the_standard_error_over_images_is_s_over_root_n_of_their_means() -> None:
    table = crossed_study(3)
    means = table.groupby(["method", "image"])["rating"].mean()
    for row in mean_opinion_scores(table, unit="image", resamples=9).methods:
        cell = means[row.method]
        assert row.std_error == pytest.approx(cell.std() / np.sqrt(len(cell)))


@pytest.mark.parametrize("raters", [2, 5, 9])
@pytest.mark.parametrize("unit", ["rater", "both"])
def test_few_raters_are_warned_about(raters: int, unit: ResamplingUnit) -> None:
    study = crossed_study(1, raters=raters, images=12)
    said = " ".join(mean_opinion_scores(study, unit=unit, resamples=9).warnings)
    assert f"With {raters} raters the intervals are rough" in said
    assert ("Of two raters" in said) == (raters == 2)


def test_cells_with_few_of_many_raters_are_warned_about() -> None:
    study = crossed_study(1, raters=30).assign(rater=lambda d: d["rater"] + d["image"])
    said = " ".join(mean_opinion_scores(study, resamples=9).warnings)
    assert "raters" not in said.replace("than 10 raters", "")
    few = study.groupby("image").head(6)
    said = " ".join(mean_opinion_scores(few, resamples=9).warnings)
    assert "fewer than 10 raters (the fewest: 3)" in said
