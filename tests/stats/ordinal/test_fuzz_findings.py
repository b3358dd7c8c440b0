"""What random studies showed, each as a plain example; figures are those of ordinal::clmm."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import InvalidInputError, MturkEvalError, StatisticsError, TableError
from mturk_eval.stats.formulas.grammar import FormulaError
from mturk_eval.stats.ordinal.links import Link
from mturk_eval.stats.ordinal.model import fit_ordinal_ratings
from tests.stats.ordinal.studies import study


def _study() -> pd.DataFrame:
    """Six images, nine raters, four categories, and years that lie far from zero."""
    return study(5, images=6, raters=9, categories=4).assign(
        year=lambda d: 2015.0 + 2.0 * (np.arange(len(d)) % 5)
    )


@pytest.mark.parametrize(
    ("formula", "link", "log_likelihood", "estimates", "std_errors"),
    [
        ("rating ~ method + (1 | image) + (1 | rater)", "logit",
         -133.014427269, [0.816750564923], [0.373006882909]),
        ("rating ~ method + (1 | image) + (1 | rater)", "probit",
         -132.001543812, [0.477842108745], [0.214915049847]),
        ("rating ~ method + year + (1 + method | image) + (1 | rater)", "logit",
         -128.725447174, [0.847540565126, 0.107503906156], [0.636300698642, 0.0674576671837]),
        ("rating ~ method + (1 | image) + (0 + x | image) + (1 | rater)", "logit",
         -130.011967907, [0.83096439067], [0.626354781003]),
    ],
)  # fmt: skip
def test_estimates_are_those_of_clmm(
    formula: str, link: Link, log_likelihood: float, estimates: list[float], std_errors: list[float]
) -> None:
    """Years as they are; for clmm they were centred, else its standard errors are off."""
    result = fit_ordinal_ratings(_study(), formula, link=link)
    assert result.fit.converged
    assert result.fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-5)
    np.testing.assert_allclose(result.fit.coefficients, estimates, rtol=2e-4)
    np.testing.assert_allclose(result.fit.std_errors, std_errors, rtol=1e-3)


def test_slopes_are_checked_beside_other_terms_by_image() -> None:
    """All terms by image used to be replaced by slopes of the method: two of the same."""
    formula = "rating ~ method + (1 | image) + (0 + year | image) + (1 | rater)"
    table = _study().assign(year=lambda d: d["year"] - 2019)
    (check,) = fit_ordinal_ratings(table, formula).slope_check
    assert check.formula == (
        "rating ~ method + (1 + method | image) + (0 + year | image) + (1 | rater)"
    )
    fuller = fit_ordinal_ratings(table, check.formula)
    assert check.with_slopes.z == pytest.approx(float(fuller.fit.z[0]), rel=1e-3)


def test_a_column_that_minus_takes_out_is_out() -> None:
    table = _study().assign(day=lambda d: np.resize(["mon", "tue", "wed"], len(d)))
    without = fit_ordinal_ratings(table, "rating ~ method + day - day + (1 | rater)")
    plain = fit_ordinal_ratings(table, "rating ~ method + (1 | rater)")
    assert without.fixed_effects == plain.fixed_effects
    assert without.predictions == plain.predictions


def test_one_rater_per_method_is_refused() -> None:
    table = _study().assign(rater=lambda d: "r" + d["method"])
    with pytest.raises(StatisticsError, match="the fixed effects already tell every rater apart"):
        fit_ordinal_ratings(table)


@pytest.mark.parametrize("column", ["rater", "image", "method", "rating"])
def test_a_missing_value_is_refused_with_its_row(column: str) -> None:
    table = _study().astype({column: object})
    table.loc[3, column] = None
    with pytest.raises(TableError, match=f"Column {column} has no value in row 4"):
        fit_ordinal_ratings(table)


def test_tables_that_are_none_are_refused() -> None:
    table = _study()
    with pytest.raises(TableError, match="holds text where numbers are needed"):
        fit_ordinal_ratings(table, "image ~ method + (1 | rater)")
    for column in ("rater", "image", "method", "rating"):
        with pytest.raises(FormulaError, match=f"no column {column}"):
            fit_ordinal_ratings(table.drop(columns=column))
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        fit_ordinal_ratings(table, ci_level=95)
    with pytest.raises(StatisticsError, match="Every rating is 4"):
        fit_ordinal_ratings(table.assign(rating=4.0))


@pytest.mark.parametrize("seed", range(24))
def test_any_study_is_fitted_or_refused_with_a_reason(seed: int) -> None:
    """No traceback, no warning of an overflow, no NaN in the document."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 70))
    latent = rng.normal(size=n) + 2 * rng.normal(size=6)[image := rng.integers(0, 6, n)]
    table = pd.DataFrame(
        {
            "image": image.astype(str),
            "rater": rng.integers(0, rng.integers(2, 15), n).astype(str),
            "method": rng.choice(["a]x", "[T.a]", "c|d"], n),
            "x": rng.normal(size=n) * 10.0 ** rng.integers(-6, 7),
            "rating": np.searchsorted(np.sort(rng.normal(size=rng.integers(1, 6))), latent),
        }
    )
    terms = rng.choice(["method", "x", "method * x", "1"])
    groups = rng.choice(
        ["(1 | image) + (1 | rater)", "(1 + method | image)", "(1 + x | rater) + (1 | image)",
         "(1 + x || image) + (1 | image:method)"]
    )  # fmt: skip
    link: Link = "logit" if seed % 2 else "probit"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = fit_ordinal_ratings(table, f"rating ~ {terms} + {groups}", link=link)
        except MturkEvalError:
            return
        json.dumps(result.document(), allow_nan=False)
