"""The six intraclass correlations: exact mean squares, R's values, agreement with REML."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.components import component_correlations
from mturk_eval.stats.reliability.intraclass import intraclass_correlations, spearman_brown
from tests.stats.reference import reference_table

# Shrout & Fleiss (1979), table 2: six targets by four judges
TABLE = np.array(
    [[9.0, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)

# psych::ICC 2.2.9: value, F, df1, df2, p, lower, upper. psych takes its mean squares from lme4's
# optimizer, so these are exact to 1e-6 only (its ICC(3,k) is .90931586, Cronbach's alpha .90931554)
PSYCH = {
    "ICC(1,1)": (0.165742286, 1.794681468, 5, 18, 0.164768192, -0.132932043, 0.722560427),
    "ICC(2,1)": (0.289764194, 11.027287146, 5, 15, 0.000134564, 0.018786605, 0.761084711),
    "ICC(3,1)": (0.714841512, 11.027287146, 5, 15, 0.000134564, 0.342465949, 0.945858445),
    "ICC(1,k)": (0.442798058, 1.794681468, 5, 18, 0.164768192, -0.884439031, 0.912415566),
    "ICC(2,k)": (0.620051021, 11.027287146, 5, 15, 0.000134564, 0.071137142, 0.927232167),
    "ICC(3,k)": (0.909315865, 11.027287146, 5, 15, 0.000134564, 0.675675866, 0.985891728),
}


def test_the_six_are_those_of_r() -> None:
    for icc in intraclass_correlations(TABLE):
        value, f, df1, df2, p, low, high = PSYCH[icc.form]
        assert icc.value == pytest.approx(value, abs=1.5e-6)
        assert icc.f == pytest.approx(f, rel=1e-5)
        assert (icc.df_numerator, icc.df_denominator) == (df1, df2)
        assert icc.p == pytest.approx(p, abs=1e-6)
        assert (icc.ci_low, icc.ci_high) == pytest.approx((low, high), abs=4e-6)


def test_the_six_are_exact() -> None:
    """Mean squares in fractions, so that no rounding is shared with the code."""
    cells = [[Fraction(int(value)) for value in row] for row in TABLE]
    n, k = len(cells), len(cells[0])
    grand = sum(map(sum, cells), Fraction()) / (n * k)
    rows = [sum(row, Fraction()) / k for row in cells]
    columns = [sum((row[j] for row in cells), Fraction()) / n for j in range(k)]
    stimuli = k * sum((r - grand) ** 2 for r in rows) / (n - 1)
    raters = n * sum((c - grand) ** 2 for c in columns) / (k - 1)
    error = sum(
        (cells[i][j] - rows[i] - columns[j] + grand) ** 2 for i in range(n) for j in range(k)
    ) / ((n - 1) * (k - 1))
    within = (raters * (k - 1) + error * (n - 1) * (k - 1)) / (n * (k - 1))
    expected = [
        (stimuli - within) / (stimuli + (k - 1) * within),
        (stimuli - error) / (stimuli + (k - 1) * error + k * (raters - error) / n),
        (stimuli - error) / (stimuli + (k - 1) * error),
        (stimuli - within) / stimuli,
        (stimuli - error) / (stimuli + (raters - error) / n),
        (stimuli - error) / stimuli,
    ]
    found = [icc.value for icc in intraclass_correlations(TABLE)]
    np.testing.assert_allclose(found, [float(value) for value in expected], rtol=1e-13)


def test_the_consistency_of_means_is_cronbach_s_alpha() -> None:
    assert intraclass_correlations(TABLE)[5].value == pytest.approx(0.909315542377069, abs=1e-12)


def _study() -> NDArray[np.float64]:
    study = reference_table("sim_balanced").query("method == 'a'")
    return study.pivot_table(index="image", columns="rater", values="rating").to_numpy(np.float64)


@pytest.mark.parametrize(
    ("place", "value", "low", "high"),
    [
        (0, 0.229744188835656, 0.147073077825865, 0.376976992889228),
        (1, 0.231711943420501, 0.148811735709666, 0.378907266608913),
        (2, 0.273658480250747, 0.179993063960899, 0.431865525447249),
        (3, 0.947079304341384, 0.91186323659317, 0.973193675750162),
        (4, 0.947632212361063, 0.912965477647547, 0.973407036056723),
        (5, 0.957637474632839, 0.929428931533836, 0.978544824075477),
    ],
)
def test_a_study_s_correlations_are_those_of_r(
    place: int, value: float, low: float, high: float
) -> None:
    icc = intraclass_correlations(_study())[place]
    assert (icc.value, icc.ci_low, icc.ci_high) == pytest.approx((value, low, high), abs=1e-6)


def test_variance_components_of_a_complete_table_give_the_same_agreement() -> None:
    table = _study()
    stimulus, rater = np.indices(table.shape)
    fit = component_correlations(table.ravel(), stimulus.ravel(), rater.ravel())
    single, average = intraclass_correlations(table)[1], intraclass_correlations(table)[4]
    assert fit.form == "ICC(A,.)"
    assert fit.single == pytest.approx(single.value, abs=1e-6)
    assert fit.average == pytest.approx(average.value, abs=1e-6)
    # two constructions of limits for the same data
    assert fit.single_limits == pytest.approx((single.ci_low, single.ci_high), abs=0.015)


def _incomplete(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """40 stimuli, 30 raters, 40 % of the cells; ICC(A,1) = 1 / (1 + .5 + 1.5) = 1 / 3."""
    rng = np.random.default_rng(seed)
    table = 5 + rng.normal(0, 1, (40, 1)) + rng.normal(0, np.sqrt(0.5), 30)
    table = table + rng.normal(0, np.sqrt(1.5), table.shape)
    stimulus, rater = np.nonzero(rng.random(table.shape) < 0.4)
    return table[stimulus, rater], stimulus, rater


def test_limits_of_incomplete_tables_cover_the_truth() -> None:
    fits = [component_correlations(*_incomplete(seed)) for seed in range(40)]
    assert np.mean([fit.single for fit in fits]) == pytest.approx(1 / 3, abs=0.03)
    covered = [fit.single_limits[0] <= 1 / 3 <= fit.single_limits[1] for fit in fits]
    assert np.mean(covered) >= 0.87


def test_raters_who_rated_once_give_the_one_way_correlation() -> None:
    table = TABLE.ravel()
    fit = component_correlations(table, np.repeat(np.arange(6), 4), np.arange(24))
    assert fit.form == "ICC(1,.)"
    assert fit.single == pytest.approx(intraclass_correlations(TABLE)[0].value, abs=1e-6)


def test_no_difference_between_stimuli_is_an_icc_of_zero() -> None:
    rng = np.random.default_rng(3)
    rating = rng.normal(5, 1, 40)
    rating = rating - np.repeat(rating.reshape(10, 4).mean(axis=1), 4)  # equal means
    fit = component_correlations(rating, np.repeat(np.arange(10), 4), np.arange(40))
    assert (fit.single, fit.single_limits[0]) == (0.0, 0.0)
    assert fit.single_limits[1] < 0.3


def test_perfect_agreement_is_one_and_has_no_limits() -> None:
    found = intraclass_correlations(np.tile([[1.0], [2], [4]], (1, 3)))
    assert [icc.value for icc in found] == pytest.approx([1.0] * 6)
    assert all(np.isnan(icc.ci_low) for icc in found)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((3, 3)), "equal"),
        (np.array([[1.0, 2.0]]), "at least two"),
        (np.array([[1.0, 2.0], [np.nan, 3.0]]), "missing"),
    ],
)
def test_tables_without_an_answer_are_refused(table: NDArray[np.float64], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        intraclass_correlations(table)


def test_spearman_and_brown_undo_themselves() -> None:
    assert spearman_brown(spearman_brown(0.3, 5), 1 / 5) == pytest.approx(0.3)
    assert np.isnan(spearman_brown(-0.9, 4))
