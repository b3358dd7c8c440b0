"""Likelihood-ratio comparisons against lme4's anova, and the boundary's mixture by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.comparison import ChiSquareMixture, boundary_mixture, compare_fits
from tests.stats.mixed.fitted import SLOPES, THREE_METHODS, fitted
from tests.stats.reference import crossed_study, reference_models, reference_table

SMALLER = {
    "add": "rating ~ method + rate + (1 + method | image) + (1 | rater)",
    "int": "rating ~ method * rate + (1 | image) + (1 | rater)",
    "norater": "rating ~ method * rate + (1 + method | image)",
}


@pytest.mark.parametrize("name", SMALLER)
def test_the_comparison_by_ml_is_lme4_s(name: str) -> None:
    table = reference_table("three_methods")
    reference = reference_models("three_methods")[0]["comparisons"][name]["ml"]
    result = compare_fits(
        fitted(SMALLER[name], table, reml=False), fitted(THREE_METHODS, table, reml=False)
    )
    assert result.estimation == "ml"
    assert result.df == reference["df"]
    assert result.chi_square == pytest.approx(reference["chi_square"], abs=1e-4)
    assert result.p == pytest.approx(reference["p"], rel=1e-3)
    for ours, aic, bic, parameters in zip(
        (result.smaller, result.larger),
        reference["aic"],
        reference["bic"],
        reference["npar"],
        strict=True,
    ):
        assert (ours.aic, ours.bic) == pytest.approx((aic, bic), abs=1e-4)
        assert ours.n_parameters == parameters


@pytest.mark.parametrize("name", ["int", "norater"])
def test_reml_is_kept_where_only_the_random_part_differs(name: str) -> None:
    table = reference_table("three_methods")
    reference = reference_models("three_methods")[0]["comparisons"][name]
    result = compare_fits(fitted(SMALLER[name], table), fitted(THREE_METHODS, table))
    assert result.estimation == "reml"
    assert result.chi_square == pytest.approx(reference["reml_chi_square"], abs=1e-4)


def test_other_fixed_effects_are_refitted_by_ml() -> None:
    table = reference_table("three_methods")
    reference = reference_models("three_methods")[0]["comparisons"]["add"]["ml"]
    result = compare_fits(fitted(SMALLER["add"], table), fitted(THREE_METHODS, table))
    assert result.estimation == "ml"
    assert result.chi_square == pytest.approx(reference["chi_square"], abs=1e-4)
    assert result.p_boundary is None  # no variance was added


# --- the boundary ---------------------------------------------------------------------------------


def _block(n_terms: int, *, correlated: bool = True, group: str = "image") -> RandomBlock:
    rng = np.random.default_rng(1)
    return RandomBlock(
        group=group,
        terms=tuple(f"x{k}" for k in range(n_terms)),
        levels=tuple("abcdef"),
        codes=np.arange(60, dtype=np.int32) % 6 if group == "image" else
        np.arange(60, dtype=np.int32) // 10,
        columns=rng.normal(size=(60, 4))[:, :n_terms],
        correlated=correlated,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("smaller", "larger", "mixture"),
    [
        pytest.param([], [_block(1)], {0: 0.5, 1: 0.5}, id="an intercept"),
        pytest.param([_block(1)], [_block(2)], {1: 0.5, 2: 0.5}, id="a slope, correlated"),
        pytest.param([_block(2)], [_block(3)], {2: 0.5, 3: 0.5}, id="a second slope"),
        pytest.param(
            [_block(1, correlated=False)],
            [_block(2, correlated=False)],
            {0: 0.5, 1: 0.5},
            id="a slope without correlation",
        ),
        pytest.param(
            [_block(1)], [_block(3, correlated=False)], {0: 0.25, 1: 0.5, 2: 0.25}, id="two slopes"
        ),
        pytest.param([_block(2, correlated=False)], [_block(2)], {1: 1.0}, id="a correlation"),
        pytest.param(
            [_block(2)],
            [_block(3), _block(1, group="rater")],
            {2: 0.25, 3: 0.5, 4: 0.25},
            id="a slope here and an intercept there",
        ),
        pytest.param([_block(1)], [_block(1)], {0: 1.0}, id="nothing"),
    ],
)
def test_the_mixture_counts_variances_and_covariances(
    smaller: list[RandomBlock], larger: list[RandomBlock], mixture: dict[int, float]
) -> None:
    found = boundary_mixture(smaller, larger)
    assert dict(zip(found.df, found.weights, strict=True)) == pytest.approx(mixture)


def test_a_term_written_over_other_columns_is_the_same_term() -> None:
    """(1 + method | image) contains (1 | image) also when coded (0 + method | image)."""
    x = np.tile([0.0, 1.0], 30)
    slopes = replace(_block(2), columns=np.column_stack([1 - x, x]))
    intercept = replace(_block(1), columns=np.ones((60, 1)))
    assert boundary_mixture([intercept], [slopes]).df == (1, 2)


def test_the_boundary_s_p_value_is_the_mixture_s() -> None:
    table = reference_table("three_methods")
    result = compare_fits(fitted(SMALLER["norater"], table), fitted(THREE_METHODS, table))
    assert result.p_boundary == pytest.approx(result.p / 2)
    assert ChiSquareMixture(weights=(0.5, 0.5), df=(0, 1)).p(0.0) == 1.0


def test_under_the_null_the_boundary_s_p_value_is_uniform_below_one_half() -> None:
    """A rater variance of zero: half of the ratios are zero, and a tenth of the p below .1."""
    rng = np.random.default_rng(6)
    image, rater = np.divmod(np.arange(240, dtype=np.int32), 12)
    ones = np.ones((240, 1))

    def block(group: str, codes: np.ndarray[tuple[int], np.dtype[np.int32]]) -> RandomBlock:
        levels = tuple(map(str, range(codes.max() + 1)))
        return RandomBlock(
            group=group, terms=("(Intercept)",), levels=levels, codes=codes, columns=ones
        )

    images, raters = block("image", image), block("rater", rater.astype(np.int32))
    p_values = []
    for _ in range(250):
        response = rng.normal(size=20)[image] + rng.normal(size=240)
        fits = (fit_linear(response, ones, blocks) for blocks in ([images], [images, raters]))
        p_values.append(compare_fits(*fits).p_boundary)
    p = np.array(p_values)
    assert 0.4 < np.mean(p == 1.0) < 0.68  # with 20 images slightly more than half
    assert stats.binomtest(int((p < 0.1).sum()), len(p), 0.1).pvalue > 0.001


# --- what cannot be compared ----------------------------------------------------------------------


def test_models_that_are_not_nested_are_refused() -> None:
    table = crossed_study(3)
    image = fitted("rating ~ method + (1 | image)", table)
    rater = fitted("rating ~ method + (1 | rater)", table)
    with pytest.raises(InvalidInputError, match=r"no place for its random term .*image"):
        compare_fits(image, rater)


def test_the_larger_model_first_is_refused() -> None:
    table = crossed_study(3)
    with pytest.raises(InvalidInputError, match="smaller model"):
        compare_fits(fitted(SLOPES, table), fitted("rating ~ method + (1 | image)", table))
    with pytest.raises(InvalidInputError, match="fixed effects"):
        compare_fits(
            fitted("rating ~ method + (1 | image)", table),
            fitted("rating ~ 1 + (1 | image)", table),
        )


def test_other_data_are_refused() -> None:
    table = crossed_study(3)
    fit = fitted(SLOPES, table)
    with pytest.raises(InvalidInputError, match="different data"):
        compare_fits(fitted("rating ~ method + (1 | image)", table.iloc[1:]), fit)
    shifted = table.assign(rating=table["rating"] + 1)
    with pytest.raises(InvalidInputError, match="different data"):
        compare_fits(fitted("rating ~ method + (1 | image)", shifted), fit)


def test_a_model_is_not_compared_with_itself() -> None:
    fit = fitted(SLOPES, crossed_study(3))
    with pytest.raises(InvalidInputError, match="the same"):
        compare_fits(fit, fit)


def test_a_singular_smaller_model_is_said() -> None:
    table = reference_table("sim_singular")
    smaller = fitted("rating ~ method + (1 | image) + (1 | rater)", table)
    result = compare_fits(smaller, fitted(SLOPES, table), names=("intercepts", "slopes"))
    assert "singular" in result.warnings[0]
    assert result.chi_square == pytest.approx(0, abs=1e-3)
    document = result.document()
    assert [row["name"] for row in document["rows"]] == ["intercepts", "slopes"]
    assert document["boundary_mixture"] == [{"weight": 0.5, "df": 1}, {"weight": 0.5, "df": 2}]
