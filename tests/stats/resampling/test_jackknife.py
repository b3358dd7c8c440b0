"""The jackknife by subtraction is the jackknife by deletion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.resampling.cells import Cells, difference_items, method_items
from mturk_eval.stats.resampling.jackknife import jackknife
from mturk_eval.stats.resampling.weights import ResamplingUnit
from tests.stats.reference import crossed_study

studies = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cem", "dia"]),
        st.sampled_from(["sky", "sea", "sun"]),
        st.sampled_from(["jxl", "webp"]),
        st.floats(1, 10).map(lambda x: round(x, 2)),
    ),
    min_size=2,
    max_size=30,
).map(lambda rows: pd.DataFrame(rows, columns=["rater", "image", "method", "rating"]))


def _method_mean(table: pd.DataFrame, method: str) -> float:
    """Each image counting the same."""
    own = table[table["method"] == method]
    return float(own.groupby("image")["rating"].mean().mean())


def _difference(table: pd.DataFrame) -> float:
    means = table.groupby(["image", "method"])["rating"].mean().unstack("method")
    if not {"jxl", "webp"} <= set(means):
        return np.nan
    return float((means["jxl"] - means["webp"]).mean())


def _deleted(
    table: pd.DataFrame, column: str, units: NDArray[np.object_], f: Callable[[pd.DataFrame], float]
) -> NDArray[np.float64]:
    return np.array([f(table[table[column] != unit]) for unit in units])


def _variance_and_acceleration(left_out: NDArray[np.float64]) -> tuple[float, float]:
    n = len(left_out)
    away = left_out.mean() - left_out
    squares = float((away**2).sum())
    return (n - 1) / n * squares, float((away**3).sum()) / (6 * squares**1.5) if squares else 0.0


@given(table=studies, unit=st.sampled_from(["rater", "image"]))
@settings(max_examples=80, deadline=None)
def test_leaving_out_by_subtraction_is_leaving_out_rows(
    table: pd.DataFrame, unit: ResamplingUnit
) -> None:
    cells = Cells.of(table)
    items, names = method_items(cells)
    _, groups = jackknife(cells, items, unit)
    for code, (method, _) in enumerate(names):
        units = table.loc[table["method"] == method, unit].unique()
        left_out = _deleted(table, unit, units, partial(_method_mean, method=method))
        assert groups.n_units[code] == len(units)
        if len(units) < 2 or np.isnan(left_out).any():
            assert not groups.known[code]
            continue
        variance, acceleration = _variance_and_acceleration(left_out)
        assert groups.variance[code] == pytest.approx(variance, rel=1e-7, abs=1e-12)
        if variance > 1e-9:
            assert groups.acceleration[code] == pytest.approx(acceleration, rel=1e-5, abs=1e-7)


@given(table=studies, unit=st.sampled_from(["rater", "image"]))
@settings(max_examples=80, deadline=None)
def test_a_rater_leaves_both_cells_of_a_difference_at_once(
    table: pd.DataFrame, unit: ResamplingUnit
) -> None:
    if set(table["method"]) != {"jxl", "webp"}:
        return
    cells = Cells.of(table)
    items = difference_items(cells, "jxl", "webp")
    if not items.n_items:
        return
    shared = {cells.images[code] for code in items.image}
    table = table[table["image"].isin(shared)]
    _, group = jackknife(cells, items, unit)
    left_out = _deleted(table, unit, table[unit].unique(), _difference)
    if len(left_out) < 2 or np.isnan(left_out).any():
        assert not group.known[0]
        return
    variance, acceleration = _variance_and_acceleration(left_out)
    assert group.variance[0] == pytest.approx(variance, rel=1e-7, abs=1e-12)
    if variance > 1e-9:
        assert group.acceleration[0] == pytest.approx(acceleration, rel=1e-5, abs=1e-7)


def test_a_cell_s_error_over_raters_or_ratings_is_s_over_root_n() -> None:
    study = crossed_study(1)
    cells = Cells.of(study)
    expected = study.groupby(["image", "method"])["rating"].sem().to_numpy()
    for unit in ("rater", "rating"):
        of_cells, _ = jackknife(cells, method_items(cells)[0], unit)
        np.testing.assert_allclose(of_cells.std_error, expected)
        np.testing.assert_allclose(of_cells.df, 11)


def test_over_single_ratings_a_difference_of_two_cells_is_welch_s() -> None:
    study = crossed_study(2, images=1)
    uneven = study[~((study["method"] == "b") & study["rater"].isin(["r0", "r1", "r2"]))]
    cells = Cells.of(uneven)
    _, group = jackknife(cells, difference_items(cells, "b", "a"), "rating")
    one, other = (uneven.loc[uneven["method"] == m, "rating"] for m in "ba")
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert group.df[0] == pytest.approx(welch.df)
    assert group.std_error[0] == pytest.approx((one.mean() - other.mean()) / welch.statistic)


def test_over_both_the_squared_errors_add_and_there_are_no_degrees_of_freedom() -> None:
    cells = Cells.of(crossed_study(3))
    items = method_items(cells)[0]
    rater, image, both = (jackknife(cells, items, unit)[1] for unit in ("rater", "image", "both"))
    np.testing.assert_allclose(both.variance, rater.variance + image.variance)
    assert np.isnan(both.df).all()
